//! The same scenario and seed give the same result to the last bit, whatever the threads, the other policies and their order; and what the
//! world does to an operation does not depend on the policy.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use rand::Rng;
use simlab::distribution::Distribution;
use simlab::experiment::{self, Comparison, Estimate, Options, PolicyResult};
use simlab::gate::breaker::ConsecutiveBreakerConfig;
use simlab::gate::budget::{DepositOn, RatioBudgetConfig, TokenBudgetConfig, Tokens};
use simlab::gate::{GateConfig, GateRule, Scope};
use simlab::hedge::{HedgeConfig, Losers, Trigger};
use simlab::metrics::record;
use simlab::protocol::{Failure, Outcome};
use simlab::retry::{AttemptPlan, Backoff, Decision, History, KeyMode, Policy, RetryAfter, RetryPolicy};
use simlab::scenario::call::ClientRules;
use simlab::scenario::metric::Metric;
use simlab::scenario::{
    Arrivals, Fates, Fault, Flapping, Frame, Idempotency, LockConfig, Per, PolicyConfig, RateLimit, Scenario,
    ServerConfig, World,
};
use simlab::sim::{self, Limits};
use simlab::units::{SimTime, Span};

fn run(scenario: &Scenario, policies: &[usize], threads: usize) -> Comparison {
    let options = Options { threads, memory: 8 << 30, interrupted: &AtomicBool::new(false), progress: &|_| {} };
    experiment::run(scenario, policies, &options).expect("the run comes to its end")
}

fn run_all(scenario: &Scenario) -> Comparison {
    run(scenario, &(0..scenario.policies.len()).collect::<Vec<_>>(), 2)
}

/// A server with a bit of everything that draws, waits, locks or refuses.
fn server() -> ServerConfig {
    ServerConfig {
        workers: Some(6),
        queue: Some(20),
        service_time: Distribution::lognormal_mean_sd(Span::millis(80), Span::millis(120)),
        network: Distribution::Exponential { mean: Span::millis(5) },
        fates: Fates {
            refused: 0.01,
            lost_requests: 0.01,
            resets: 0.01,
            errors: vec![(500, 0.02), (503, 0.02)],
            failures: vec![(500, 0.01)],
            hangs: 0.01,
            late_errors: vec![(500, 0.01)],
            lost_replies: 0.02,
            permanent_errors: vec![(402, 0.02)],
            ..Fates::default()
        },
        retry_after: vec![(503, Distribution::Constant(Span::secs(1)))],
        rate_limit: Some(RateLimit {
            rate: 55.0,
            burst: 10.0,
            per: Per::Server,
            status: 429,
            retry_after: false,
            ban: None,
        }),
        idempotency: Idempotency::Lock(LockConfig {
            retention: Span::secs(30),
            lock_ttl: Some(Span::secs(5)),
            ..LockConfig::default()
        }),
        ..ServerConfig::named("api")
    }
}

/// One fault of each kind, some at the same time.
fn faults() -> Vec<Fault> {
    let window = |name: &str, from, until| {
        Fault::named(name, 0, SimTime::ZERO + Span::secs(from), SimTime::ZERO + Span::secs(until))
    };
    let errors = Fates { errors: vec![(503, 0.5)], ..Fates::default() };
    let flapping = Some(Flapping { mean_on: Span::secs(1), mean_off: Span::secs(4) });
    vec![
        Fault { fates: errors, flapping, ..window("flapping", 5, 35) },
        Fault {
            added_latency: Distribution::Uniform { min: Span::ZERO, max: Span::millis(50) },
            slowdown: 2.0,
            ..window("slow", 8, 14)
        },
        Fault { freeze: true, ..window("stall", 16, 18) },
        Fault { capacity: 0.5, ..window("half", 20, 26) },
        Fault { crash: true, ..window("crash", 28, 30) },
    ]
}

fn budget(deposit_on: DepositOn, scope: Scope) -> GateConfig {
    let rule = GateRule::TokenBudget(TokenBudgetConfig {
        deposit_on,
        ..TokenBudgetConfig::new(Tokens::new(20.0), Tokens::new(1.0), Tokens::new(0.1))
    });
    GateConfig::new(rule, scope)
}

fn breaker() -> GateConfig {
    let config = ConsecutiveBreakerConfig::new(4, Span::secs(2), 2);
    GateConfig::new(GateRule::ConsecutiveBreaker(config), Scope::Client)
}

fn retry(backoff: Backoff, key: KeyMode) -> RetryPolicy {
    RetryPolicy { attempts: Some(4), timeout: Some(Span::millis(500)), backoff, key, ..RetryPolicy::default() }
}

/// Four policies that differ in everything a policy can.
fn world(arrivals: Arrivals) -> Scenario {
    let (base, cap) = (Span::millis(100), Some(Span::secs(2)));
    let mut scenario = Scenario::from_parts(
        Frame { seed: 11, replications: 3, warmup: Span::secs(2), ..Frame::lasting(Span::secs(40)) },
        World { clients: 8, faults: faults(), ..World::new(arrivals, server()) },
    )
    .with_policy("once", RetryPolicy { timeout: Some(Span::millis(500)), ..RetryPolicy::default() }, &[])
    .with_policy(
        "full-jitter",
        retry(Backoff::full_jitter(base, 2.0, cap), KeyMode::PerOperation),
        &[budget(DepositOn::Success, Scope::Client), breaker()],
    )
    .with_policy(
        "decorrelated-jitter",
        RetryPolicy {
            attempts: None,
            deadline: Some(Span::secs(6)),
            ..retry(Backoff::decorrelated_jitter(base, cap), KeyMode::PerAttempt)
        },
        &[],
    )
    .with_policy(
        "exponential",
        RetryPolicy {
            retry_after: RetryAfter::up_to(None),
            ..retry(Backoff::exponential(base, 2.0, cap), KeyMode::None)
        },
        &[budget(DepositOn::FirstAttempt, Scope::Fleet)],
    );
    scenario.frame.baseline = 0;
    scenario
}

/// Every way to hedge, under gates.
fn hedges() -> Scenario {
    let policy = RetryPolicy {
        attempts: Some(2),
        deadline: Some(Span::secs(3)),
        ..retry(Backoff::full_jitter(Span::millis(50), 2.0, None), KeyMode::None)
    };
    let after = HedgeConfig { extra: 2, ..HedgeConfig::after(Span::millis(100)) };
    let budget = Some(RatioBudgetConfig::new(Tokens::new(0.2), 0.0, Span::secs(10)));
    let percentile = Trigger::Percentile { at: 0.8, window: Span::secs(6), min: Span::millis(1) };
    let lately = HedgeConfig { trigger: percentile, losers: Losers::Run, budget, ..after.clone() };
    let timeout = HedgeConfig { trigger: Trigger::Timeout, extra: 0, ..after.clone() };
    let mut scenario = world(Arrivals::Poisson { rate: 50.0 });
    scenario.policies.clear();
    scenario
        .with_policy("after", policy.clone(), &[breaker()])
        .hedged(after)
        .with_policy("lately", policy.clone(), &[])
        .hedged(lately)
        .with_policy("timeout", policy, &[])
        .hedged(timeout)
}

fn open_loop() -> Scenario {
    world(Arrivals::Poisson { rate: 50.0 })
}

fn closed_loop() -> Scenario {
    let think = Distribution::Exponential { mean: Span::millis(50) };
    world(Arrivals::Closed { think }).in_world(|world| world.clients = 16)
}

/// The world above is worth being compared: everything in it happens.
#[test]
fn everything_happens() {
    for scenario in [open_loop(), closed_loop()] {
        let result = run_all(&scenario);
        let total =
            |metric: &str| result.policies.iter().filter_map(|policy| policy.named(metric)?.estimate.mean).sum::<f64>();
        for metric in [
            "outcome_402",
            "outcome_409",
            "outcome_429",
            "outcome_500",
            "outcome_503",
            "outcome_timeout",
            "outcome_connection",
            "duplicates",
            "phantom_successes",
            "retries",
            "waited",
            "breaker_opened",
            "breaker_refused",
            "budget_refused",
            "wasted_work",
        ] {
            assert!(total(metric) > 0.0, "{metric} never happens");
        }
    }
}

#[test]
fn threads_and_repetition_change_nothing() {
    for scenario in [open_loop(), closed_loop()] {
        let all: Vec<usize> = (0..scenario.policies.len()).collect();
        let one = run(&scenario, &all, 1);
        for threads in [1, 2, 5] {
            assert_eq!(run(&scenario, &all, threads), one, "{threads} threads");
        }
        let other = run_all(&scenario.framed(|frame| frame.seed = 12));
        for (policy, again) in one.policies.iter().zip(&other.policies) {
            assert_ne!(policy.digest, again.digest, "{}: another seed is another run", policy.name);
        }
    }
}

/// Runs may be spread over processes: what they write down is compared as if it had been run here.
#[test]
fn who_runs_changes_nothing() {
    let limits = Limits { memory: 8 << 30, interrupted: &AtomicBool::new(false) };
    for scenario in [open_loop(), closed_loop(), hedges()] {
        for policies in [&[0, 1, 2][..], &[0, 2]] {
            let jobs = policies.iter().flat_map(|policy| (0..scenario.frame.replications).map(move |r| (*policy, r)));
            // The last one is run first.
            let mut jobs: Vec<(usize, u32)> = jobs.collect();
            jobs.reverse();
            let written = jobs.into_iter().map(|(policy, replication)| {
                record::write(&sim::run(&scenario, policy, replication, limits).expect("the run comes to its end"))
            });
            let mut written: Vec<String> = written.collect();
            written.reverse();
            let runs = written.iter().map(|line| record::read(line).expect("a record")).collect();
            let there = experiment::compare(&scenario, policies, runs);
            let here = run(&scenario, policies, 2);
            assert_eq!(there, here);
            assert_eq!(format!("{there:?}"), format!("{here:?}"), "to the last bit");
        }
    }
}

/// Equal but for what belongs to the table as a whole: statuses that only other policies meet, and bins in which only they still run.
fn assert_same(alone: &PolicyResult, among_others: &PolicyResult) {
    let name = &alone.name;
    assert_eq!(&among_others.name, name);
    assert_eq!(alone.digest, among_others.digest, "{name}");
    assert_eq!(alone.peak_at, among_others.peak_at, "{name}");
    for metric in &among_others.metrics {
        match alone.named(&metric.name) {
            Some(own) => assert_eq!(own.values, metric.values, "{name}: {}", metric.name),
            None => assert!(metric.values.iter().all(|value| *value == Some(0.0)), "{name}: {}", metric.name),
        }
    }
    let columns = |result: &PolicyResult| {
        let line = &result.timeline;
        [&line.operations, &line.attempts, &line.goodput, &line.failed, &line.in_flight, &line.queue, &line.refused]
            .map(Clone::clone)
    };
    for (one, other) in columns(alone).iter().zip(&columns(among_others)) {
        let (short, long) = if one.len() <= other.len() { (one, other) } else { (other, one) };
        assert!(long.starts_with(short), "{name}");
        assert!(long[short.len()..].iter().all(|value| *value == 0.0), "{name}");
    }
}

#[test]
fn other_policies_change_nothing() {
    for scenario in [open_loop(), closed_loop()] {
        let all = run_all(&scenario);
        for left in [&[0][..], &[0, 2], &[0, 1, 3]] {
            for (policy, index) in run(&scenario, left, 2).policies.iter().zip(left) {
                assert_same(policy, &all.policies[*index]);
                assert_eq!(policy.slot, *index);
            }
        }
    }
}

#[test]
fn order_and_additions_change_nothing() {
    for scenario in [open_loop(), closed_loop()] {
        let all = run_all(&scenario);
        let mut reversed = scenario.clone();
        reversed.policies.reverse();
        for (policy, before) in run_all(&reversed).policies.iter().rev().zip(&all.policies) {
            assert_same(before, policy);
        }
        let mut more = scenario.clone();
        let newcomer = RetryPolicy { attempts: Some(9), ..RetryPolicy::default() };
        let rules = ClientRules { policy: Arc::new(newcomer), gates: vec![breaker()], ..ClientRules::default() };
        more.policies.insert(1, PolicyConfig::new("newcomer", rules));
        let with_newcomer = run_all(&more);
        for before in &all.policies {
            let after = with_newcomer.policies.iter().find(|policy| policy.name == before.name);
            assert_same(before, after.expect("it is still there"));
        }
    }
}

#[test]
fn more_replications_keep_the_first() {
    for scenario in [open_loop(), closed_loop()] {
        let few = run_all(&scenario);
        let many = run_all(&scenario.framed(|frame| frame.replications = 5));
        for (few, many) in few.policies.iter().zip(&many.policies) {
            assert_eq!(few.peak_at[..], many.peak_at[..3], "{}", few.name);
            for metric in &few.metrics {
                let longer = many.named(&metric.name).expect("no metric goes away");
                assert_eq!(metric.values[..], longer.values[..3], "{}: {}", few.name, metric.name);
            }
        }
    }
}

/// A policy that notes how attempts end. An attempt is known by the first draw of its jitter stream, which depends on nothing but the
/// seed, the operation and the attempt's number.
#[derive(Debug)]
struct Watched {
    inner: RetryPolicy,
    /// Number of the attempt, its stream's first draw, how it ended.
    failures: Arc<Mutex<Vec<(u32, u64, Outcome)>>>,
}

impl Policy for Watched {
    fn attempt(&self, history: &History) -> AttemptPlan {
        self.inner.attempt(history)
    }

    fn on_failure(&self, failure: &Failure, history: &mut History, rng: &mut dyn Rng) -> Decision {
        let note = (history.attempts, rng.next_u64(), failure.outcome);
        self.failures.lock().expect("nobody panics while noting").push(note);
        self.inner.on_failure(failure, history, rng)
    }

    fn is_failure(&self, outcome: Outcome) -> bool {
        self.inner.is_failure(outcome)
    }

    fn key(&self) -> KeyMode {
        self.inner.key()
    }
}

/// The failed attempts of a run under one policy, in order of attempt and draw.
fn failures(scenario: &Scenario, inner: RetryPolicy, gates: &[GateConfig]) -> Vec<(u32, u64, Outcome)> {
    let noted = Arc::new(Mutex::new(Vec::new()));
    let watched = Watched { inner, failures: noted.clone() };
    let result = run(&scenario.clone().with_policy("watched", watched, gates), &[0], 1);
    assert!(result.policies[0].mean(Metric::Operations).is_some_and(|operations| operations > 1_000.0));
    let mut failures = std::mem::take(&mut *noted.lock().expect("nobody panics while noting"));
    failures.sort_unstable();
    failures
}

/// Common random numbers: on a server whose answers do not depend on load, the first attempt of operation i ends the same way under every
/// policy, and so does any later attempt that two policies make at all.
#[test]
fn the_world_treats_all_policies_alike() {
    let faults: Vec<Fault> = faults().into_iter().filter(|fault| fault.name == "flapping").collect();
    let unlimited = ServerConfig { workers: None, queue: None, rate_limit: None, ..server() };
    let scenario = Scenario::from_parts(
        Frame::lasting(Span::secs(40)),
        World { clients: 8, faults, ..World::new(Arrivals::Poisson { rate: 50.0 }, unlimited) },
    );
    let first = |failures: &[(u32, u64, Outcome)]| -> Vec<(u32, u64, Outcome)> {
        failures.iter().copied().filter(|(attempt, ..)| *attempt == 1).collect()
    };
    let once = failures(&scenario, retry(Backoff::none(), KeyMode::None), &[]);
    let expected = first(&once);
    assert!(expected.len() > 200, "{} first attempts failed", expected.len());
    for (backoff, key, gates) in [
        (Backoff::fixed(Span::secs(3)), KeyMode::PerOperation, vec![]),
        (Backoff::full_jitter(Span::secs(1), 2.0, None), KeyMode::None, vec![budget(DepositOn::Success, Scope::Fleet)]),
        (Backoff::decorrelated_jitter(Span::millis(10), None), KeyMode::PerAttempt, vec![]),
    ] {
        let all = failures(&scenario, retry(backoff.clone(), key), &gates);
        assert_eq!(first(&all), expected, "{backoff:?}");
    }
    // Without faults that come and go, later attempts too: two policies that make the same attempts at other times see the same failures.
    let calm = scenario.in_world(|world| world.faults = Vec::new());
    let at_once = failures(&calm, retry(Backoff::none(), KeyMode::None), &[]);
    let later = failures(&calm, retry(Backoff::fixed(Span::secs(3)), KeyMode::None), &[]);
    assert!(at_once.iter().any(|(attempt, ..)| *attempt == 3), "some operations fail three times");
    assert_eq!(at_once, later);
}

/// Demand of an open loop: the same operations in the same bins under all policies.
#[test]
fn open_demand_is_the_same_for_all() {
    let profile = [(0, 20.0), (20, 80.0), (20, 10.0)];
    let profile = profile.map(|(at, rate)| simlab::scenario::ProfilePoint { at: Span::secs(at), rate });
    for arrivals in [
        Arrivals::Poisson { rate: 50.0 },
        Arrivals::Constant { rate: 33.0 },
        Arrivals::Burst { operations: 40, at: Span::secs(3), every: Some(Span::secs(7)) },
        Arrivals::Profile(profile.to_vec()),
    ] {
        let result = run_all(&world(arrivals));
        let baseline = &result.policies[0];
        for policy in &result.policies {
            assert_eq!(policy.timeline.operations, baseline.timeline.operations, "{}", policy.name);
            assert_eq!(policy.metric(Metric::Operations), baseline.metric(Metric::Operations), "{}", policy.name);
        }
    }
}

/// Digests of small runs, written down: a last bit that changes, on another machine or with another version, shows here. A change on
/// purpose belongs into the changelog.
#[test]
fn golden_digests() {
    let parts = [
        Distribution::Normal { mean: Span::millis(40), sd: Span::millis(20) },
        Distribution::Pareto { min: Span::millis(10), shape: 2.5 },
        Distribution::Gamma { mean: Span::millis(40), shape: 0.7 },
        Distribution::Gamma { mean: Span::millis(40), shape: 4.0 },
        Distribution::Weibull { scale: Span::millis(30), shape: 0.8 },
    ];
    let service_time = Distribution::Mixture(parts.into_iter().map(|part| (1.0, part)).collect());
    let server = ServerConfig { workers: Some(1), service_time, ..ServerConfig::named("s") };
    let mixture = Scenario::new(Span::secs(60), Arrivals::Constant { rate: 20.0 }, server)
        .framed(|frame| frame.seed = 1)
        .with_policy("memoryless", retry(Backoff::memoryless(Span::millis(70)), KeyMode::None), &[]);
    let mut differing = Vec::new();
    for (name, scenario, expected) in [
        (
            "open loop",
            open_loop(),
            &[0x0431fee3d77f6177, 0xe3c389b3b9cfdb4e, 0xb0568de2a455ada7, 0x24553741fea7b4e3][..],
        ),
        (
            "closed loop",
            closed_loop(),
            &[0x88b9095ed45e5455, 0x34acff3f4f0980be, 0x331831ccf2639cd2, 0xa5d6527ccfca2b36],
        ),
        ("every distribution", mixture, &[0xb4f6ca46a1614384]),
        ("hedges", hedges(), &[0xfddf9abb846f83f3, 0x1ee4fc6dd9552651, 0x6fdd9869c0bfc33f]),
    ] {
        let digests: Vec<u64> = run_all(&scenario).policies.iter().map(|policy| policy.digest).collect();
        if digests != expected {
            differing.push(format!("{name}: {digests:#018x?}, expected {expected:#018x?}"));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

/// A row in a world of its own does what it would do in a scenario that was changed by hand, and is paired with the baseline operation by
/// operation where the load is the same.
#[test]
fn a_row_in_a_changed_world_is_a_run_of_the_changed_scenario() {
    for scenario in [open_loop(), closed_loop()] {
        let server = ServerConfig { queue: Some(0), ..server() };
        let mut faults = faults();
        faults[1].fates = Fates { refused: 0.5, ..Fates::default() };
        let by_hand = scenario.clone().in_world(|world| {
            world.clients = 3;
            world.servers = vec![server];
            world.faults = faults;
        });
        let mut mixed = scenario.clone();
        mixed.policies[1].world = Some(Arc::clone(&by_hand.world));
        let (plain, changed, mixed) = (run_all(&scenario), run_all(&by_hand), run_all(&mixed));
        for (index, policy) in mixed.policies.iter().enumerate() {
            let expected = if index == 1 { &changed.policies[1] } else { &plain.policies[index] };
            assert_same(expected, policy);
        }
        assert_ne!(plain.policies[1].digest, changed.policies[1].digest, "the world makes a difference");
        let rate =
            |comparison: &Comparison, policy: usize| comparison.policies[policy].metric(Metric::SuccessRate).cloned();
        let (own, base) = (rate(&mixed, 1).expect("it is measured"), rate(&plain, 0).expect("it is measured"));
        assert_eq!(own.versus_baseline, Estimate::of_difference(&own.values, &base.values, 0.95));
        if matches!(scenario.world.arrivals, Arrivals::Poisson { .. }) {
            assert_eq!(mixed.policies[1].timeline.operations, mixed.policies[0].timeline.operations);
        }
    }
}
