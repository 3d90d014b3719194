//! Calls on tokio: what is sent when, what is dropped, and what gates hear of it.

use std::sync::Arc;

use simlab::gate::breaker::ConsecutiveBreakerConfig;
use simlab::gate::pool::PoolConfig;
use simlab::gate::{GateConfig, GateRule, Scope};
use simlab::hedge::HedgeConfig;
use simlab::live::{self, Client, Failed, Gates, Metrics};
use simlab::retry::GiveUp;
use tokio::time::{Instant, sleep, timeout};

use super::*;

/// One attempt after the other comes to this after so many ms; `None`: never.
type Script = &'static [(u64, Option<Returned>)];

/// Makes a call in which attempts go like this.
async fn call(client: &Client, script: Script, log: &Log) -> Result<u32, Failed<u32, Outcome>> {
    let began = Instant::now();
    let attempt = |attempt: live::Attempt| async move {
        log.sent.borrow_mut().push(began.elapsed().as_millis());
        let (after, returned) = script[attempt.number as usize - 1];
        sleep(MS(after)).await;
        let Some(returned) = returned else { std::future::pending().await };
        log.answered.borrow_mut().push(attempt.number);
        returned
    };
    client.call(attempt).classified_by(classify).await
}

async fn check(
    client: Client,
    script: Script,
    expected: Result<u32, (GiveUp, Outcome, Option<Returned>)>,
    sent: &[u128],
    answered: &[u32],
) {
    let log = Log::default();
    let result = call(&client, script, &log).await;
    let told = result.map_err(|failed| {
        assert_eq!(failed.attempts as usize, sent.len());
        (failed.why, failed.outcome, failed.last)
    });
    assert_eq!(told, expected, "{script:?}");
    assert_eq!((&log.sent.into_inner()[..], &log.answered.into_inner()[..]), (sent, answered), "{script:?}");
    let Metrics { attempts, calls, succeeded, failed, abandoned, .. } = client.metrics();
    assert_eq!((attempts, calls, abandoned), (sent.len() as u64, 1, 0));
    assert_eq!((succeeded, failed), if expected.is_ok() { (1, 0) } else { (0, 1) });
}

#[tokio::test(start_paused = true)]
async fn retries() {
    use GiveUp::{AttemptsExhausted, NotRetryable};
    let client = |attempts| Client::new(tries(attempts), Gates::none());
    check(client(3), &[(50, Some(Ok(1)))], Ok(1), &[0], &[1]).await;
    check(client(3), &[(50, Some(Err(ERROR))), (50, Some(Ok(2)))], Ok(2), &[0, 550], &[1, 2]).await;
    // The first is given up after two seconds, and dropped.
    check(client(3), &[(5_000, Some(Ok(1))), (50, Some(Ok(2)))], Ok(2), &[0, 2_500], &[2]).await;
    let last = Err((AttemptsExhausted, ERROR, Some(Err(ERROR))));
    check(client(2), &[(50, Some(Err(ERROR))), (60, Some(Err(ERROR)))], last, &[0, 550], &[1, 2]).await;
    let silence = Err((AttemptsExhausted, Outcome::Timeout, None));
    check(client(2), &[(50, Some(Err(ERROR))), (0, None)], silence, &[0, 550], &[1]).await;
    const DECLINED: Outcome = Outcome::Status(402);
    let never = Err((NotRetryable, DECLINED, Some(Err(DECLINED))));
    check(client(3), &[(50, Some(Err(DECLINED)))], never, &[0], &[1]).await;
}

/// Sent beside an attempt that is slow, after one that fails, and beside a retry: when each is sent, and which is dropped.
#[tokio::test(start_paused = true)]
async fn hedges() {
    let hedge = HedgeConfig { extra: 2, ..HedgeConfig::after(Span::millis(100)) };
    let client = || Client::new(tries(2), Gates::hedging(&[], &hedge));
    check(client(), &[(50, Some(Ok(1)))], Ok(1), &[0], &[1]).await;
    check(client(), &[(900, Some(Ok(1))), (50, Some(Ok(2)))], Ok(2), &[0, 100], &[2]).await;
    const FAILS: (u64, Option<Returned>) = (10, Some(Err(ERROR)));
    check(client(), &[FAILS, (900, Some(Ok(2))), (30, Some(Ok(3)))], Ok(3), &[0, 10, 110], &[1, 3]).await;
    // The whole try fails at 30 ms, and the next begins half a second later.
    let all = &[FAILS, FAILS, FAILS, (300, Some(Ok(4))), (0, None), (0, None)];
    check(client(), all, Ok(4), &[0, 10, 20, 530, 630, 730], &[1, 2, 3, 4]).await;
}

/// What is known of an attempt, and when nobody waits for it any more.
#[tokio::test(start_paused = true)]
async fn attempts_know_their_time() {
    let seen = RefCell::new(Vec::new());
    let see = |attempt: live::Attempt| {
        seen.borrow_mut().push((attempt.number, attempt.is_hedge, attempt.timeout));
        async move {
            sleep(MS(400)).await;
            if attempt.number < 2 { Err(ERROR) } else { Ok(attempt.number) }
        }
    };
    let client = Client::new(tries(2), Gates::none());
    // The second begins at 900 ms, and the call is given up at 1.2 s.
    let result = client.call(see).classified_by(classify).within(MS(1_200)).await;
    assert_eq!(result.map_err(|failed| (failed.why, failed.outcome)), Err((GiveUp::Deadline, Outcome::Timeout)));
    assert_eq!(seen.take(), [(1, false, Some(MS(1_200))), (2, false, Some(MS(300)))]);
    let hedging = Client::new(tries(1), Gates::hedging(&[], &HedgeConfig::after(Span::millis(100))));
    assert_eq!(hedging.call(see).classified_by(classify).await, Ok(2));
    assert_eq!(seen.take(), [(1, false, Some(MS(2_000))), (2, true, Some(MS(2_000)))]);
    // Without a closure every error is a broken connection, which this policy does not retry.
    let never = RetryPolicy { retry_on: simlab::retry::OutcomeSet::new(vec![]), ..tries(9) };
    let failed = live::retry(&never, &Gates::none(), || async { Err::<(), _>("broken") }).await.expect_err("it fails");
    assert_eq!((failed.why, failed.outcome, failed.last), (GiveUp::NotRetryable, Outcome::Reset, Some(Err("broken"))));
}

fn pool(max_wait: u64) -> GateConfig {
    let pool = PoolConfig { max_wait: Some(Span::millis(max_wait)), ..PoolConfig::attempts(1) };
    GateConfig::new(GateRule::Pool(pool), Scope::Client)
}

/// One connection: calls take their turns, and who has waited too long is refused.
#[tokio::test(start_paused = true)]
async fn waits_in_line() {
    let client = Client::new(tries(1), Gates::new(&[pool(250)]));
    let began = Instant::now();
    let one = async || {
        let result = client.call(|_| slow()).await;
        (began.elapsed().as_millis(), result.map_err(|failed| (failed.why, failed.attempts)))
    };
    let ended = tokio::join!(one(), one(), one(), one(), one());
    let refused = |at| (at, Err((GiveUp::Gate(0), 0)));
    assert_eq!(ended, ((100, Ok(())), (200, Ok(())), (300, Ok(())), refused(250), refused(250)));
    let metrics = client.metrics();
    assert_eq!((metrics.refused, metrics.attempts, metrics.failed, metrics.succeeded), (2, 3, 2, 3));
    assert_eq!(metrics.waited, MS(100 + 200 + 250 + 250));
}

/// A call that is dropped gives back what it has: its place, its place in line, the probe of a breaker.
#[tokio::test(start_paused = true)]
async fn dropped_calls_lose_nothing() {
    let client = Client::new(tries(1), Gates::new(&[pool(10_000)]));
    let endless = || client.call(|_| std::future::pending::<Result<(), ()>>());
    let quick = async || client.call(|_| async { Ok::<(), ()>(()) }).await;
    let began = Instant::now();
    // The first has the place, and the second stands in line until it goes; then the third has it.
    let (first, second, third) = tokio::join!(timeout(MS(300), endless()), timeout(MS(200), endless()), async {
        sleep(MS(100)).await;
        quick().await.map(|()| began.elapsed())
    });
    assert!(first.is_err() && second.is_err());
    assert_eq!(third, Ok(MS(300)));
    assert_eq!(client.metrics().abandoned, 2);
    // A future that was never polled has begun nothing.
    drop(endless());
    assert_eq!((client.metrics().calls, client.metrics().abandoned), (3, 2));

    let breaker = ConsecutiveBreakerConfig::new(1, Span::secs(60), 1);
    let gate = GateConfig::new(GateRule::ConsecutiveBreaker(breaker), Scope::Client);
    let client = Client::new(tries(1), Gates::new(&[gate]));
    let fails = client.call(|_| async { Err::<(), _>(ERROR) }).await;
    assert_eq!(fails.map_err(|failed| failed.attempts), Err(1));
    let refused =
        client.call(|_| async { Ok::<(), Outcome>(()) }).await.map_err(|failed| (failed.why, failed.attempts));
    assert_eq!((refused, client.metrics().breaker_opened), (Err((GiveUp::Gate(0), 0)), 1));
    // The only probe is dropped, and another one is let through.
    sleep(MS(120_000)).await;
    assert!(timeout(MS(300), client.call(|_| std::future::pending::<Result<(), ()>>())).await.is_err());
    assert_eq!(client.call(|_| async { Ok::<(), ()>(()) }).await, Ok(()));
    assert_eq!(client.metrics().breaker_opened, 1);
}

/// An attempt may hold a call of the same client, which is dropped with it when it times out; and a call for which no time is left sends nothing.
#[tokio::test(start_paused = true)]
async fn calls_within_calls() {
    let client = Client::new(tries(2), Gates::none());
    let inner = || client.call(|_| std::future::pending::<Result<(), ()>>());
    let failed = client.call(|_| inner()).await.expect_err("it times out");
    assert_eq!((failed.why, failed.attempts), (GiveUp::AttemptsExhausted, 2));
    let metrics = client.metrics();
    assert_eq!((metrics.calls, metrics.failed, metrics.abandoned, metrics.timed_out), (3, 1, 2, 4));

    let failed =
        client.call(|_| async { Ok::<(), ()>(()) }).within(Duration::ZERO).await.expect_err("there is no time");
    assert_eq!((failed.why, failed.attempts, failed.last), (GiveUp::Deadline, 0, None));
    assert_eq!((client.metrics().failed, client.metrics().attempts), (2, 4));
}

/// Waiting for an answer is no wait between attempts.
#[tokio::test(start_paused = true)]
async fn what_is_waited() {
    let client = Client::new(tries(2), Gates::hedging(&[], &HedgeConfig::after(Span::millis(100))));
    // The first fails when the second is open, and there is none left; then half a second, and the third succeeds.
    let script = &[(200, Some(Err(ERROR))), (800, Some(Err(ERROR))), (50, Some(Ok(3)))];
    assert_eq!(call(&client, script, &Log::default()).await, Ok(3));
    assert_eq!(client.metrics().waited, MS(500));
}

/// A panic of an attempt is its caller's, and takes no place with it.
#[tokio::test(start_paused = true)]
async fn panics_lose_nothing() {
    let client = Arc::new(Client::new(tries(1), Gates::new(&[pool(1_000)])));
    let own = Arc::clone(&client);
    let result = tokio::spawn(async move { own.call(|_| async { panic_for_test() }).await }).await;
    assert!(result.is_err_and(|error| error.is_panic()));
    assert_eq!(client.call(|_| async { Ok::<(), ()>(()) }).await, Ok(()));
    assert_eq!(client.metrics().abandoned, 1);
}

fn panic_for_test() -> Result<(), ()> {
    panic!("as an attempt may")
}

/// A call is `Send` if its attempts are, and need not be.
#[tokio::test(start_paused = true)]
async fn send_or_not() {
    fn is_send<T: Send>(it: T) -> T {
        it
    }
    let client = Arc::new(Client::new(tries(3), Gates::none()));
    let shared = client.call_shared(|_| async { Ok::<_, ()>(1) });
    assert_eq!(tokio::spawn(is_send(shared)).await.expect("it runs"), Ok(1));
    let here = std::rc::Rc::new(2);
    let own = &here;
    let result = client.call(move |_| {
        let own = std::rc::Rc::clone(own);
        async move { Ok::<_, ()>(*own) }
    });
    assert_eq!(result.await, Ok(2));
}

/// What never waits lets others run. In real time: a paused clock stands still as long as anybody runs.
#[tokio::test]
async fn others_run_meanwhile() {
    let policy = RetryPolicy { attempts: None, timeout: None, ..RetryPolicy::default() };
    let client = Client::new(policy, Gates::none());
    let endless = client.call(|_| async { Err::<(), ()>(()) });
    tokio::select! {
        biased;
        _ = endless => unreachable!("it never ends"),
        () = sleep(MS(10)) => {}
    }
}

async fn slow() -> Result<(), ()> {
    sleep(MS(100)).await;
    Ok(())
}
