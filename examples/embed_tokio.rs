//! Retries and hedges a real async call on tokio, with the same `Call` machine, policies, gates and hedging that the simulator runs.
//!
//! `cargo run --example embed_tokio` calls a flaky local service, and then one that is slow now and then; the tests below hold the decisions made on
//! tokio's (paused) clock against those made in virtual time.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Mutex;
use std::task::Poll;

use simlab::call::tries::Tries;
use simlab::call::{Action, Call, Held, Rules, Verdict};
use simlab::gate::GateChain;
use simlab::hedge::{HedgeConfig, Hedger};
use simlab::protocol::{Failure, Outcome};
use simlab::retry::{Backoff, GiveUp, Policy, RetryPolicy};
use simlab::rng::{KeyedRng, Purpose};
use simlab::units::{SimTime, Span};
use tokio::sync::Notify;
use tokio::time::{Duration, Instant, timeout_at};

/// One client: a policy, and what its calls share.
pub struct Retrier<P> {
    policy: P,
    shared: Mutex<Shared>,
    /// Told when it is the turn of a call that waits in line.
    turns: Notify,
    origin: Instant,
    seed: u64,
}

struct Shared {
    gates: GateChain,
    hedger: Option<Hedger>,
}

/// One call, with what it keeps between its steps.
struct Calling {
    number: u64,
    call: Call,
    held: Held,
    tries: Tries,
}

/// Attempts that are open, by their numbers.
type Open<'a, T> = Vec<(u32, Pin<Box<dyn Future<Output = Result<T, Failure>> + 'a>>)>;

/// The first of them that is answered, which is taken out.
async fn first<T>(open: &mut Open<'_, T>) -> (u32, Result<T, Failure>) {
    poll_fn(|context| {
        for place in 0..open.len() {
            if let Poll::Ready(answer) = open[place].1.as_mut().poll(context) {
                return Poll::Ready((open.remove(place).0, answer));
            }
        }
        Poll::Pending
    })
    .await
}

impl<P: Policy> Retrier<P> {
    /// A client with gates in their first state, which hedges if it is told how.
    pub fn new(policy: P, gates: GateChain, hedge: Option<&HedgeConfig>, seed: u64) -> Retrier<P> {
        let shared = Mutex::new(Shared { gates, hedger: hedge.map(|hedge| Hedger::new(hedge, 1)) });
        Retrier { policy, shared, turns: Notify::new(), origin: Instant::now(), seed }
    }

    fn now(&self) -> SimTime {
        SimTime(self.origin.elapsed().as_nanos() as u64)
    }

    /// Lets the call see what is shared for one step; the lock is never held while something is awaited.
    fn step<R>(
        &self,
        calling: &mut Calling,
        step: impl FnOnce(&mut Call, SimTime, &mut Rules, &mut (KeyedRng, KeyedRng)) -> R,
    ) -> R {
        let Calling { number, call, held, tries } = calling;
        let Shared { gates, hedger } = &mut *self.shared.lock().expect("no step panics");
        let used = u64::from(call.used());
        let stream = |purpose, step| KeyedRng::new(self.seed, purpose, *number, step);
        let mut draws = (stream(Purpose::Jitter, used), stream(Purpose::Gate, u64::from(tries.asked()) << 32 | used));
        let mut rules = Rules::new(&self.policy, gates, held, 0, *number as u32);
        if let Some(hedger) = hedger {
            rules = rules.hedging(hedger, tries);
        }
        let result = step(call, self.now(), &mut rules, &mut draws);
        // Who has a place knows that by itself: all that wait look.
        if std::iter::from_fn(|| gates.take_turn()).count() > 0 {
            self.turns.notify_waiters();
        }
        result
    }

    /// Waits in line until the call has a place.
    async fn turn(&self, calling: &mut Calling) {
        loop {
            let turn = self.turns.notified();
            if self.step(calling, |_, _, rules, _| rules.has_place()) {
                return;
            }
            turn.await;
        }
    }

    /// Calls `send` until it succeeds or the policy gives up. `number` tells calls apart for their jitter.
    pub async fn call<T>(&self, number: u64, send: impl AsyncFn(u32) -> Result<T, Failure>) -> Result<T, GiveUp> {
        let call = Call::new(self.now(), &self.policy);
        let mut calling = Calling { number, call, held: Held::default(), tries: Tries::default() };
        let (mut open, mut value): (Open<T>, _) = (Vec::new(), None);
        let mut action = self.step(&mut calling, |call, now, rules, draws| call.begin(now, rules, draws));
        loop {
            let (due, in_line) = match action {
                Action::Send { attempt, due, .. } => {
                    let send = &send;
                    open.push((attempt, Box::pin(async move { send(attempt).await })));
                    (due, false)
                }
                Action::WakeAt(due) => (due, false),
                Action::WaitInLine(due) => (due, true),
                Action::Finish(Verdict::Failed(reason)) => return Err(reason),
                Action::Finish(Verdict::Succeeded) => return Ok(value.expect("a success has a reply")),
            };
            let next = async {
                if in_line {
                    tokio::select! {
                        biased;
                        answer = first(&mut open) => Some(answer),
                        () = self.turn(&mut calling) => None,
                    }
                } else {
                    Some(first(&mut open).await)
                }
            };
            let answer = match due {
                SimTime::NEVER => next.await,
                // Whether a turn was in time is seen when the call is woken.
                due => timeout_at(self.origin + Duration::from_nanos(due.0), next).await.unwrap_or(None),
            };
            action = self.step(&mut calling, |call, now, rules, draws| match answer {
                Some((attempt, answer)) => {
                    let reply = match answer {
                        Ok(answer) => {
                            value = Some(answer);
                            Failure::new(Outcome::OK)
                        }
                        Err(failure) => failure,
                    };
                    call.on_reply(now, attempt, reply, rules, draws)
                }
                None => call.on_wake(now, rules, draws),
            });
            // What is given up is dropped, and so cancelled.
            self.step(&mut calling, |call, _, rules, _| open.retain(|(attempt, _)| call.is_open(*attempt, rules)));
        }
    }
}

fn policy() -> RetryPolicy {
    RetryPolicy {
        attempts: Some(5),
        timeout: Some(Span::secs(2)),
        backoff: Backoff::full_jitter(Span::millis(200), 2.0, Some(Span::secs(8))),
        ..RetryPolicy::default()
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let retrier = Retrier::new(policy(), GateChain::new(&[], 1), None, 7);
    let started = Instant::now();
    // A service that fails twice, then answers.
    let result = retrier
        .call(0, async |attempt| {
            println!("{:>5} ms  attempt {attempt}", started.elapsed().as_millis());
            if attempt < 3 { Err(Failure::new(Outcome::Status(503))) } else { Ok("charged") }
        })
        .await;
    println!("{:>5} ms  {result:?}", started.elapsed().as_millis());

    // One whose first answer takes long: another attempt is sent beside it, and wins.
    let hedge = HedgeConfig::after(Span::millis(100));
    let retrier = Retrier::new(policy(), GateChain::new(&[], 1), Some(&hedge), 7);
    let started = Instant::now();
    let result = retrier
        .call(1, async |attempt| {
            println!("{:>5} ms  attempt {attempt}", started.elapsed().as_millis());
            tokio::time::sleep(Duration::from_millis(if attempt == 1 { 1_500 } else { 20 })).await;
            Ok(attempt)
        })
        .await;
    println!("{:>5} ms  answered by {result:?}", started.elapsed().as_millis());
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use simlab::gate::pool::PoolConfig;
    use simlab::gate::{GateConfig, GateRule, Scope};

    use super::*;

    /// How one attempt goes: after this long, this outcome; `None` never answers.
    type Script = [(u64, Option<Outcome>)];

    const ERROR: Option<Outcome> = Some(Outcome::Status(503));

    /// Waits between attempts and the verdict, in virtual time.
    fn in_virtual_time(number: u64, script: &Script) -> (Vec<Span>, Verdict) {
        let (policy, mut gates) = (policy(), GateChain::new(&[], 1));
        let mut held = Held::default();
        let mut rules = Rules::new(&policy, &mut gates, &mut held, 0, 0);
        let mut now = SimTime::ZERO;
        let stream = |purpose, used: u32| KeyedRng::new(7, purpose, number, u64::from(used));
        let mut draws = (stream(Purpose::Jitter, 0), stream(Purpose::Gate, 0));
        let (mut call, mut action) = Call::start(now, &mut rules, &mut draws);
        let mut waits = Vec::new();
        loop {
            let mut draws = (stream(Purpose::Jitter, call.used()), stream(Purpose::Gate, call.used()));
            action = match action {
                Action::Send { attempt, due, .. } => {
                    let (after, outcome) = script[attempt as usize - 1];
                    let at = now + Span::millis(after);
                    match outcome {
                        Some(outcome) if at <= due => {
                            now = at;
                            call.on_reply(now, attempt, Failure::new(outcome), &mut rules, &mut draws)
                        }
                        _ => {
                            now = due;
                            call.on_wake(now, &mut rules, &mut draws)
                        }
                    }
                }
                Action::WakeAt(at) => {
                    waits.push(at.since(now));
                    now = at;
                    call.on_wake(now, &mut rules, &mut draws)
                }
                Action::WaitInLine(_) => unreachable!("there is no gate"),
                Action::Finish(verdict) => return (waits, verdict),
            };
        }
    }

    /// The same on tokio's clock, which moves in whole milliseconds.
    async fn on_tokio(number: u64, script: &Script) -> (Vec<Duration>, Result<(), GiveUp>) {
        let retrier = Retrier::new(policy(), GateChain::new(&[], 1), None, 7);
        let (ended, waits) = (Cell::new(None), RefCell::new(Vec::new()));
        let result = retrier
            .call(number, async |attempt| {
                waits.borrow_mut().extend(ended.get().map(|ended: Instant| ended.elapsed()));
                let (after, outcome) = script[attempt as usize - 1];
                // A time-out ends the attempt from outside: remember when it would.
                ended.set(Some(Instant::now() + Duration::from_secs(2)));
                tokio::time::sleep(Duration::from_millis(after)).await;
                match outcome {
                    Some(outcome) => {
                        ended.set(Some(Instant::now()));
                        if outcome.is_success() { Ok(()) } else { Err(Failure::new(outcome)) }
                    }
                    None => std::future::pending().await,
                }
            })
            .await;
        (waits.into_inner(), result)
    }

    /// Sent beside an attempt that is slow, after one that fails, and beside a retry: when each is sent, and which is dropped.
    #[tokio::test(start_paused = true)]
    async fn hedges() {
        let hedge = HedgeConfig { extra: 2, ..HedgeConfig::after(Span::millis(100)) };
        let policy = RetryPolicy { attempts: Some(2), backoff: Backoff::fixed(Span::millis(500)), ..policy() };
        let sent = |answers: Vec<(u64, Option<Outcome>)>| {
            let (hedge, policy) = (hedge.clone(), policy.clone());
            async move {
                let retrier = Retrier::new(policy, GateChain::new(&[], 1), Some(&hedge), 7);
                let (began, sent, answered) = (Instant::now(), RefCell::new(Vec::new()), RefCell::new(Vec::new()));
                let result = retrier
                    .call(0, async |attempt| {
                        sent.borrow_mut().push(began.elapsed().as_millis() / 10 * 10);
                        let (after, outcome) = answers[attempt as usize - 1];
                        tokio::time::sleep(Duration::from_millis(after)).await;
                        answered.borrow_mut().push(attempt);
                        match outcome {
                            Some(outcome) if outcome.is_success() => Ok(attempt),
                            Some(outcome) => Err(Failure::new(outcome)),
                            None => std::future::pending().await,
                        }
                    })
                    .await;
                (sent.into_inner(), answered.into_inner(), result)
            }
        };
        let ok = Some(Outcome::OK);
        assert_eq!(sent(vec![(50, ok)]).await, (vec![0], vec![1], Ok(1)));
        assert_eq!(sent(vec![(900, ok), (50, ok)]).await, (vec![0, 100], vec![2], Ok(2)));
        assert_eq!(sent(vec![(50, ERROR), (900, ok), (30, ok)]).await, (vec![0, 50, 150], vec![1, 3], Ok(3)));
        let all = vec![(10, ERROR), (10, ERROR), (10, ERROR), (300, ok), (0, None), (0, None)];
        // The whole try fails at 30 ms, and the next begins half a second later.
        assert_eq!(sent(all).await, (vec![0, 10, 20, 530, 630, 730], vec![1, 2, 3, 5, 6, 4], Ok(4)));
    }

    async fn check(script: &Script) {
        for number in 0..20 {
            let (virtual_waits, verdict) = in_virtual_time(number, script);
            let (real_waits, result) = on_tokio(number, script).await;
            assert_eq!(virtual_waits.len(), real_waits.len(), "as many retries");
            for (expected, got) in virtual_waits.iter().zip(&real_waits) {
                let late = got.as_secs_f64() - expected.seconds();
                assert!((-1e-9..2e-3).contains(&late), "waited {got:?} instead of {expected}");
            }
            let expected = match verdict {
                Verdict::Succeeded => Ok(()),
                Verdict::Failed(reason) => Err(reason),
            };
            assert_eq!(result, expected);
        }
    }

    /// One connection: calls take their turns, and who has waited too long is refused.
    #[tokio::test(start_paused = true)]
    async fn waits_in_line() {
        let pool = PoolConfig { max_wait: Some(Span::millis(250)), ..PoolConfig::attempts(1) };
        let gates = [GateConfig::new(GateRule::Pool(pool), Scope::Client)];
        let retrier = Retrier::new(RetryPolicy::default(), GateChain::new(&gates, 1), None, 7);
        let began = Instant::now();
        let call = async |number| {
            let result = retrier
                .call(number, async |_| {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    Ok(())
                })
                .await;
            (began.elapsed().as_millis(), result)
        };
        let ended = tokio::join!(call(0), call(1), call(2), call(3), call(4));
        let after = [ended.0, ended.1, ended.2, ended.3, ended.4].map(|(after, result)| (after / 10 * 10, result));
        let refused = Err(GiveUp::Gate(0));
        assert_eq!(after, [(100, Ok(())), (200, Ok(())), (300, Ok(())), (250, refused), (250, refused)]);
    }

    #[tokio::test(start_paused = true)]
    async fn decides_as_in_virtual_time() {
        let ok = Some(Outcome::OK);
        check(&[(10, ok)]).await;
        check(&[(10, ERROR), (20, ERROR), (30, ok)]).await;
        check(&[(10, ERROR), (0, None), (30, Some(Outcome::Refused)), (40, ok)]).await;
        check(&[(1, ERROR), (1, ERROR), (1, ERROR), (1, ERROR), (1, ERROR)]).await;
        check(&[(10, ERROR), (10, Some(Outcome::Status(402)))]).await;
        check(&[(0, None), (2_500, ok), (5, ok)]).await;
    }
}
