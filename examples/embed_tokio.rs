//! Retries a real async call on tokio, with the same `Call` machine, policies and gates that the simulator runs.
//!
//! `cargo run --example embed_tokio` retries a flaky local service; the test below holds the decisions made on tokio's
//! (paused) clock against those made in virtual time.

use std::sync::Mutex;

use simlab::call::{Action, Call, Held, Rules, Verdict};
use simlab::gate::GateChain;
use simlab::protocol::{Failure, Outcome};
use simlab::retry::{Backoff, GiveUp, Policy, RetryPolicy};
use simlab::rng::{KeyedRng, Purpose};
use simlab::units::{SimTime, Span};
use tokio::sync::Notify;
use tokio::time::{Duration, Instant, sleep_until, timeout_at};

/// One client: a policy and the gates its calls share.
pub struct Retrier<P> {
    policy: P,
    gates: Mutex<GateChain>,
    /// Told when it is the turn of a call that waits in line.
    turns: Notify,
    origin: Instant,
    seed: u64,
}

impl<P: Policy> Retrier<P> {
    /// A client with gates in their first state.
    pub fn new(policy: P, gates: GateChain, seed: u64) -> Retrier<P> {
        Retrier { policy, gates: Mutex::new(gates), turns: Notify::new(), origin: Instant::now(), seed }
    }

    fn now(&self) -> SimTime {
        SimTime(self.origin.elapsed().as_nanos() as u64)
    }

    fn instant(&self, at: SimTime) -> Instant {
        self.origin + Duration::from_nanos(at.0)
    }

    /// Lets the call see the gates for one step; the lock is never held while something is awaited. `used` are the attempts that call
    /// `number` has used up.
    fn step<R>(
        &self,
        number: u64,
        used: u32,
        held: &mut Held,
        step: impl FnOnce(&mut Rules, &mut (KeyedRng, KeyedRng)) -> R,
    ) -> R {
        let mut gates = self.gates.lock().expect("no step panics");
        let stream = |purpose| KeyedRng::new(self.seed, purpose, number, u64::from(used));
        let mut rules = Rules { policy: &self.policy, gates: &mut gates, held, client: 0, call: number as u32 };
        let result = step(&mut rules, &mut (stream(Purpose::Jitter), stream(Purpose::Gate)));
        // Who has a place knows that by itself: all that wait look.
        if std::iter::from_fn(|| gates.take_turn()).count() > 0 {
            self.turns.notify_waiters();
        }
        result
    }

    /// Waits in line for a place, at most until this instant.
    async fn wait_in_line(&self, number: u64, held: &mut Held, until: SimTime) {
        let place = async {
            loop {
                let turn = self.turns.notified();
                if self.step(number, 0, held, |rules, _| rules.has_place()) {
                    return;
                }
                turn.await;
            }
        };
        match until {
            SimTime::NEVER => place.await,
            // Whether it was in time is seen when the call is woken.
            until => timeout_at(self.instant(until), place).await.unwrap_or(()),
        }
    }

    /// Calls `send` until it succeeds or the policy gives up. `number` tells calls apart for their jitter.
    pub async fn call<T>(
        &self,
        number: u64,
        mut send: impl AsyncFnMut(u32) -> Result<T, Failure>,
    ) -> Result<T, GiveUp> {
        let mut reply = None;
        let mut held = Held::default();
        let (mut call, mut action) =
            self.step(number, 0, &mut held, |rules, draws| Call::start(self.now(), rules, draws));
        loop {
            let used = call.used();
            action = match action {
                Action::Send { attempt, due } => {
                    let answered = match due {
                        SimTime::NEVER => Ok(send(attempt).await),
                        due => timeout_at(self.instant(due), send(attempt)).await,
                    };
                    let outcome = match answered {
                        Ok(Ok(value)) => {
                            reply = Some(value);
                            Failure::new(Outcome::OK)
                        }
                        Ok(Err(failure)) => failure,
                        Err(_) => Failure::new(Outcome::Timeout),
                    };
                    self.step(number, used, &mut held, |rules, draws| {
                        call.on_outcome(self.now(), outcome, rules, draws)
                    })
                }
                Action::WakeAt(at) => {
                    sleep_until(self.instant(at)).await;
                    self.step(number, used, &mut held, |rules, draws| call.on_wake(self.now(), rules, draws))
                }
                Action::WaitInLine(until) => {
                    self.wait_in_line(number, &mut held, until).await;
                    self.step(number, used, &mut held, |rules, draws| call.on_wake(self.now(), rules, draws))
                }
                Action::Finish(Verdict::Failed(reason)) => return Err(reason),
                Action::Finish(Verdict::Succeeded) => return Ok(reply.expect("a success has a reply")),
            };
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
    let retrier = Retrier::new(policy(), GateChain::new(&[], 1), 7);
    let started = Instant::now();
    // A service that fails twice, then answers.
    let result = retrier
        .call(0, async |attempt| {
            println!("{:>5} ms  attempt {attempt}", started.elapsed().as_millis());
            if attempt < 3 { Err(Failure::new(Outcome::Status(503))) } else { Ok("charged") }
        })
        .await;
    println!("{:>5} ms  {result:?}", started.elapsed().as_millis());
}

#[cfg(test)]
mod tests {
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
        let mut rules = Rules { policy: &policy, gates: &mut gates, held: &mut held, client: 0, call: 0 };
        let mut now = SimTime::ZERO;
        let stream = |purpose, used: u32| KeyedRng::new(7, purpose, number, u64::from(used));
        let mut draws = (stream(Purpose::Jitter, 0), stream(Purpose::Gate, 0));
        let (mut call, mut action) = Call::start(now, &mut rules, &mut draws);
        let mut waits = Vec::new();
        loop {
            let mut draws = (stream(Purpose::Jitter, call.used()), stream(Purpose::Gate, call.used()));
            action = match action {
                Action::Send { attempt, due } => {
                    let (after, outcome) = script[attempt as usize - 1];
                    let at = now + Span::millis(after);
                    match outcome {
                        Some(outcome) if at <= due => {
                            now = at;
                            call.on_outcome(now, Failure::new(outcome), &mut rules, &mut draws)
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
        let retrier = Retrier::new(policy(), GateChain::new(&[], 1), 7);
        let mut ended: Option<Instant> = None;
        let mut waits = Vec::new();
        let result = retrier
            .call(number, async |attempt| {
                if let Some(ended) = ended {
                    waits.push(ended.elapsed());
                }
                let (after, outcome) = script[attempt as usize - 1];
                // A time-out ends the attempt from outside: remember when it would.
                ended = Some(Instant::now() + Duration::from_secs(2));
                tokio::time::sleep(Duration::from_millis(after)).await;
                match outcome {
                    Some(outcome) => {
                        ended = Some(Instant::now());
                        if outcome.is_success() { Ok(()) } else { Err(Failure::new(outcome)) }
                    }
                    None => std::future::pending().await,
                }
            })
            .await;
        (waits, result)
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
        let retrier = Retrier::new(RetryPolicy::default(), GateChain::new(&gates, 1), 7);
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
