//! A policy of one's own against a built-in one, in a world built in code.
//!
//! `cargo run --release --example own_policy`

use std::sync::atomic::AtomicBool;

use rand::Rng;
use simlab::distribution::Distribution;
use simlab::experiment::{self, Options};
use simlab::protocol::{Failure, Outcome};
use simlab::retry::{AttemptPlan, Backoff, Decision, GiveUp, History, Policy, RetryPolicy};
use simlab::rng::unit;
use simlab::scenario::metric::Metric;
use simlab::scenario::{Arrivals, Fates, Fault, Frame, Scenario, ServerConfig, World};
use simlab::units::{SimTime, Span};

/// Waits along the Fibonacci numbers, and gives time-outs only one more chance.
#[derive(Debug)]
struct Fibonacci {
    unit: Span,
    attempts: u32,
}

impl Policy for Fibonacci {
    fn attempt(&self, _history: &History) -> AttemptPlan {
        AttemptPlan { timeout: Span::secs(2), ..AttemptPlan::default() }
    }

    fn on_failure(&self, failure: &Failure, history: &mut History, rng: &mut dyn Rng) -> Decision {
        let attempts = if failure.outcome == Outcome::Timeout { 2 } else { self.attempts };
        if !self.is_failure(failure.outcome) {
            return Decision::GiveUp(GiveUp::NotRetryable);
        }
        if history.attempts >= attempts {
            return Decision::GiveUp(GiveUp::AttemptsExhausted);
        }
        let (mut wait, mut next) = (self.unit, self.unit);
        for _ in 1..history.attempts {
            (wait, next) = (next, wait + next);
        }
        Decision::RetryAfter(wait.scaled(0.5 + unit(rng)))
    }

    fn is_failure(&self, outcome: Outcome) -> bool {
        !outcome.is_success() && outcome != Outcome::Status(400)
    }
}

fn main() {
    let server = ServerConfig {
        workers: Some(20),
        queue: Some(100),
        service_time: Distribution::Exponential { mean: Span::millis(100) },
        ..ServerConfig::named("api")
    };
    let minute = |m: u64| SimTime::ZERO + Span::secs(60 * m);
    let outage = Fault {
        fates: Fates { errors: vec![(503, 0.8)], ..Fates::default() },
        ..Fault::named("outage", 0, minute(2), minute(4))
    };
    let full_jitter = RetryPolicy {
        attempts: Some(5),
        timeout: Some(Span::secs(2)),
        backoff: Backoff::full_jitter(Span::millis(500), 2.0, Some(Span::secs(8))),
        ..RetryPolicy::default()
    };
    let scenario = Scenario::from_parts(
        Frame { replications: 10, ..Frame::lasting(Span::secs(600)) },
        World { clients: 50, faults: vec![outage], ..World::new(Arrivals::Poisson { rate: 100.0 }, server) },
    )
    .with_policy("no-retry", RetryPolicy { timeout: Some(Span::secs(2)), ..RetryPolicy::default() }, &[])
    .with_policy("full-jitter", full_jitter, &[])
    .with_policy("fibonacci", Fibonacci { unit: Span::millis(300), attempts: 6 }, &[]);

    let options = Options { threads: 0, memory: 1 << 30, interrupted: &AtomicBool::new(false), progress: &|_| {} };
    let comparison = experiment::run(&scenario, &[0, 1, 2], &options).expect("the run comes to its end");
    println!("{:<12} {:>8} {:>9} {:>6}", "policy", "success", "attempts", "peak");
    for policy in &comparison.policies {
        let mean = |metric: Metric| policy.mean(metric).expect("every policy has operations");
        let (success, attempts) = (mean(Metric::SuccessRate), mean(Metric::AttemptsPerOperation));
        let peak = mean(Metric::PeakOfDemand);
        println!("{:<12} {:>7.1}% {attempts:>9.2} {peak:>5.1}x", policy.name, success * 100.0);
    }
}
