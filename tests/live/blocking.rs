//! Calls of threads that wait, in real time.

use std::time::Instant;

use simlab::gate::pool::PoolConfig;
use simlab::gate::{GateConfig, GateRule, Scope};
use simlab::hedge::HedgeConfig;
use simlab::live::{Client, Gates, blocking};
use simlab::retry::GiveUp;

use super::*;

fn quick(attempts: u32) -> RetryPolicy {
    RetryPolicy { backoff: Backoff::fixed(Span::millis(20)), timeout: Some(Span::millis(50)), ..tries(attempts) }
}

#[test]
fn retries_and_waits() {
    let client = Client::new(quick(3), Gates::none());
    let began = Instant::now();
    let call = client.call_blocking(|attempt| if attempt.number < 3 { Err(ERROR) } else { Ok(attempt.number) });
    assert_eq!(call.classified_by(classify).run(), Ok(3));
    assert!(began.elapsed() >= MS(40), "two waits");
    let metrics = client.metrics();
    assert_eq!((metrics.attempts, metrics.succeeded, metrics.timed_out), (3, 1, 0));
    assert!(metrics.waited >= MS(40));
    let failed = client.call_blocking(|_| Err::<u32, _>(ERROR)).classified_by(classify).run().expect_err("it fails");
    assert_eq!((failed.why, failed.attempts, failed.outcome), (GiveUp::AttemptsExhausted, 3, ERROR));
    assert_eq!(failed.last, Some(Err(ERROR)));
}

/// What fails late is a time-out, whatever it says; what succeeds late is a success.
#[test]
fn late_answers() {
    let (policy, gates) = (quick(1), Gates::none());
    let late = |returned: Returned| {
        let answer = move || {
            std::thread::sleep(MS(70));
            returned
        };
        blocking::retry(&policy, &gates, answer).classified_by(classify).run()
    };
    assert_eq!(late(Ok(7)), Ok(7));
    let failed = late(Err(ERROR)).expect_err("it fails");
    assert_eq!((failed.outcome, failed.last), (Outcome::Timeout, None));
    assert_eq!(gates.metrics().timed_out, 1);
    // The time that is left is told.
    let limited = Client::new(quick(1), Gates::none());
    let told = limited.call_blocking(|attempt| Ok::<_, Outcome>(attempt.timeout)).within(MS(30)).run();
    let told = told.expect("it succeeds").expect("there is an end");
    assert!(told <= MS(30) && told > MS(1), "{told:?}");
}

/// Threads take their turns, and a panic gives the place back.
#[test]
fn threads_stand_in_line() {
    let pool = PoolConfig { max_wait: Some(Span::secs(20)), ..PoolConfig::attempts(1) };
    let client =
        Client::new(RetryPolicy::default(), Gates::new(&[GateConfig::new(GateRule::Pool(pool), Scope::Client)]));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        client.call_blocking(|_| -> Result<(), ()> { panic!("as an attempt may") }).run()
    }));
    assert!(panicked.is_err());
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(client.call_blocking(|_| slow()).run(), Ok(())));
        }
    });
    assert!(began.elapsed() >= MS(80), "one after the other");
    assert_eq!((client.metrics().succeeded, client.metrics().abandoned), (4, 1));
}

#[test]
#[should_panic(expected = "there is no hedging in blocking code")]
fn one_thread_makes_one_attempt() {
    let gates = Gates::hedging(&[], &HedgeConfig::after(Span::millis(5)));
    let _ = blocking::retry(&quick(1), &gates, || Ok::<(), ()>(()));
}

fn slow() -> Result<(), ()> {
    std::thread::sleep(MS(20));
    Ok(())
}
