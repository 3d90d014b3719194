//! Metastable failure: the trigger is gone and the outage stays (Bronson, Aghayev, Charapko, Zhu, "Metastable Failures in Distributed Systems",
//! HotOS 2021, section 2.1: a database good for 300 queries a second, 280 asked of it, one retry after 1 s, a network outage of 10 s).
//!
//! Here: 30 workers of 100 ms, a client time-out of 1 s, two attempts, and workers that stand still from t = 60 s. With attempts that
//! nobody cancels and a first-in-first-out queue without limit, a failed state sustains itself iff n·λ > μ. A waiting room removes it iff its wait
//! and the service fit into the time-out; a budget b removes it iff λ(1 + b) < μ; backoff, in an open loop, does not.

use simlab::distribution::Distribution;
use simlab::experiment::PolicyResult;
use simlab::gate::budget::{DepositOn, TokenBudgetConfig, Tokens};
use simlab::gate::{GateConfig, GateRule, Scope};
use simlab::retry::{Backoff, RetryPolicy};
use simlab::scenario::metric::Metric;
use simlab::scenario::{Arrivals, Discipline, Fault, Frame, Scenario, ServerConfig, World};
use simlab::units::{SimTime, Span};

use super::{check_values, run, values};

/// Below this goodput, per second, a system is stuck.
const STUCK: f64 = 10.0;

/// One variation of the experiment.
#[derive(Clone, Copy, Debug)]
struct Case {
    /// λ: operations per second.
    rate: f64,
    stall: Span,
    attempts: u32,
    queue: Option<u32>,
    discipline: Discipline,
    drop_expired: bool,
    full_jitter: bool,
    /// Tokens per first attempt, in a bucket of the whole fleet.
    budget: Option<f64>,
    /// Goodput is measured in the minute before.
    end: Span,
    replications: u32,
}

/// The paper's numbers.
const HOTOS: Case = Case {
    rate: 280.0,
    stall: Span::secs(10),
    attempts: 2,
    queue: None,
    discipline: Discipline::Fifo,
    drop_expired: false,
    full_jitter: false,
    budget: None,
    end: Span::secs(360),
    replications: 10,
};

impl Case {
    fn run(self) -> PolicyResult {
        let server = ServerConfig {
            workers: Some(30),
            queue: self.queue,
            discipline: self.discipline,
            drop_expired: self.drop_expired,
            service_time: Distribution::Constant(Span::millis(100)),
            ..ServerConfig::named("db")
        };
        let from = SimTime::ZERO + Span::secs(60);
        let stall = Fault { freeze: true, ..Fault::named("stall", 0, from, from + self.stall) };
        let backoff = match self.full_jitter {
            true => Backoff::full_jitter(Span::secs(1), 2.0, Some(Span::secs(20))),
            false => Backoff::none(),
        };
        let policy = RetryPolicy {
            attempts: Some(self.attempts),
            timeout: Some(Span::secs(1)),
            backoff,
            ..RetryPolicy::default()
        };
        let budget = self.budget.map(|deposit| {
            let config = TokenBudgetConfig {
                deposit_on: DepositOn::FirstAttempt,
                ..TokenBudgetConfig::new(Tokens::new(100.0), Tokens::new(1.0), Tokens::new(deposit))
            };
            GateConfig::new(GateRule::TokenBudget(config), Scope::Fleet)
        });
        let scenario = Scenario::from_parts(
            Frame {
                seed: 20_261_124,
                replications: self.replications,
                warmup: self.end - Span::secs(60), // What is open at the end does not matter.
                drain: Span::ZERO,
                ..Frame::lasting(self.end)
            },
            World {
                faults: if self.stall == Span::ZERO { Vec::new() } else { vec![stall] },
                ..World::new(Arrivals::Poisson { rate: self.rate }, server)
            },
        );
        run(&scenario.with_policy("client", policy, budget.as_slice()))
    }

    /// Everything offered is served again, within 3% in every replication's last minute.
    fn recovers(self) -> PolicyResult {
        let result = self.run();
        for goodput in values(&result, "goodput") {
            assert!((goodput - self.rate).abs() < 0.03 * self.rate, "{self:?}: {goodput}/s");
        }
        check_values(&format!("{self:?}: goodput"), &values(&result, "goodput"), self.rate, 0.02 * self.rate);
        result
    }

    /// Close below a threshold chance decides: all but a few replications serve everything that is offered, and none lies between.
    fn nearly_always_recovers(self) {
        let goodput = values(&Case { replications: 100, ..self }.run(), "goodput");
        let stuck = goodput.iter().filter(|goodput| **goodput < STUCK).count();
        println!("{self:?}: {stuck} of {} replications stay down", goodput.len());
        assert!(stuck <= 10, "{self:?}: {stuck} of {} replications stay down", goodput.len());
        for goodput in goodput.into_iter().filter(|goodput| *goodput >= STUCK) {
            assert!((goodput - self.rate).abs() < 0.04 * self.rate, "{self:?}: {goodput}/s");
        }
    }

    /// Next to nothing is served, in every replication, though the server works all the time.
    fn stays_down(self) -> PolicyResult {
        let result = self.run();
        for goodput in values(&result, "goodput") {
            assert!(goodput < STUCK, "{self:?}: {goodput}/s");
        }
        for utilisation in values(&result, "utilisation") {
            assert!(utilisation > 0.99, "{self:?}: workers are {utilisation} busy");
        }
        result
    }
}

/// Vulnerable, but healthy: without a trigger nothing happens.
#[test]
fn no_trigger() {
    Case { stall: Span::ZERO, ..HOTOS }.recovers();
}

/// Ten seconds are enough to bring it down for good, under twice the demand in attempts.
#[test]
fn the_retry_sustains_the_outage() {
    let result = HOTOS.stays_down();
    assert_eq!(result.mean(Metric::Goodput), Some(0.0));
    check_values("attempts per second", &values(&result, "load_mean"), 560.0, 0.015 * 560.0);
    assert_eq!(result.mean(Metric::WastedWork), Some(1.0));
}

/// Without the retry, or below μ/n = 150/s, the same trigger passes.
#[test]
fn below_hidden_capacity() {
    Case { attempts: 1, ..HOTOS }.recovers();
    Case { rate: 140.0, ..HOTOS }.recovers();
}

/// The trigger must last until waiting takes longer than the time-out, and that depends on the load.
#[test]
fn the_trigger_has_a_threshold() {
    let stalled = |rate, millis| Case { rate, stall: Span::millis(millis), ..HOTOS };
    stalled(280.0, 500).recovers();
    stalled(280.0, 800).nearly_always_recovers();
    stalled(280.0, 1_000).stays_down();
    stalled(280.0, 3_000).stays_down();
    stalled(200.0, 1_000).nearly_always_recovers();
    stalled(200.0, 2_000).stays_down();
}

/// A waiting room helps if its wait and the service fit into the time-out: 240/300 s + 0.1 s < 1 s, but 300/300 s + 0.1 s > 1 s.
#[test]
fn a_short_queue_heals() {
    let with = |places| Case { queue: Some(places), ..HOTOS };
    with(150).recovers();
    with(240).recovers();
    with(300).stays_down();
    with(400).stays_down();
}

/// A budget helps iff demand and budgeted retries together stay below the capacity.
#[test]
fn a_budget_must_fit_into_the_headroom() {
    let result = Case { budget: Some(0.1), ..HOTOS }.stays_down();
    check_values("attempts per second, 10% budget", &values(&result, "load_mean"), 308.0, 0.015 * 308.0);
    Case { rate: 250.0, budget: Some(0.1), ..HOTOS }.recovers();
    // Headroom of 6/s works off what has gathered only slowly.
    Case { budget: Some(0.05), ..HOTOS }.stays_down();
    Case { budget: Some(0.05), end: Span::secs(760), ..HOTOS }.recovers();
}

/// In an open loop backoff moves retries, it does not remove them.
#[test]
fn backoff_does_not_help() {
    let result = Case { full_jitter: true, ..HOTOS }.stays_down();
    check_values("attempts per second, full jitter", &values(&result, "load_mean"), 560.0, 0.015 * 560.0);
}

/// Who came last is still wanted: last-in-first-out recovers at once. Dropping only what has already timed out does not help: the head of
/// the queue is always about to expire, and its service ends after that.
#[test]
fn the_order_of_service_decides() {
    Case { discipline: Discipline::Lifo, ..HOTOS }.recovers();
    let result = Case { drop_expired: true, ..HOTOS }.stays_down();
    // So those served have waited for nearly the whole time-out, in a queue that holds a second's worth of attempts.
    for (wait, longest) in values(&result, "wait_mean").iter().zip(values(&result, "queue_max")) {
        assert!((0.9..1.0).contains(wait), "those served have waited {wait} s");
        assert!(longest < 2.0 * 560.0, "{longest} in the queue");
    }
}
