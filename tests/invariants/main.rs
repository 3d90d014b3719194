//! What holds in every run, whatever the scenario: random worlds, demands and policies, and what must be true of their books.

mod gates;
mod mixes;
mod nothing_lost;
mod once;
mod queues;
mod replicas;
mod six;
mod trees;
mod two_tiers;
mod worlds;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use simlab::distribution::Distribution;
use simlab::gate::GateConfig;
use simlab::gate::OnRefusal;
use simlab::gate::budget::{Charge, DepositOn, EarnOn, RatioBudgetConfig, Rounding, Tokens};
use simlab::gate::limiter::OnLimit;
use simlab::gate::{GateRule, Scope};
use simlab::hedge::{HedgeConfig, Trigger};
use simlab::metrics::{RunResult, record};
use simlab::protocol::{Failure, Method, Outcome};
use simlab::retry::{AtLimit, AttemptPlan, Decision, History, KeyMode, Policy, RetryPolicy};
use simlab::scenario::metric::{Measure, Names};
use simlab::scenario::{Fault, Flapping, Idempotency, Scenario, ServerConfig, Stores};
use simlab::sim::{self, Limits};
use simlab::units::{SimTime, Span};
use worlds::Case;

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(20_261_126),
        ..ProptestConfig::default()
    }
}

fn run(scenario: &Scenario) -> RunResult {
    let limits = Limits { memory: 1 << 30, interrupted: &AtomicBool::new(false) };
    sim::run(scenario, 0, 0, limits).expect("the run comes to its end")
}

/// Refusals, and operations that failed with one.
const REFUSALS: [(&str, &str); 5] = [
    ("breaker_refused", "failed_by_breaker"),
    ("budget_refused", "failed_by_budget"),
    ("throttled", "failed_by_throttle"),
    ("limiter_refused", "failed_by_limiter"),
    ("concurrency_refused", "failed_by_concurrency"),
];

/// A metric that always has a value; an outcome that did not occur is 0.
fn value(result: &RunResult, name: &str) -> f64 {
    maybe(result, name).unwrap_or_else(|| panic!("{name} has no value"))
}

fn maybe(result: &RunResult, name: &str) -> Option<f64> {
    let measure = Measure::parse(name, &Names::of_faults(&["f"])).unwrap_or_else(|| panic!("no metric {name}"));
    match result.metrics.iter().find(|(own, _)| *own == measure) {
        Some((_, value)) => *value,
        None => panic!("no metric {name}"),
    }
}

fn sum(column: &[f64]) -> f64 {
    column.iter().sum()
}

proptest! {
    #![proptest_config(config(6_000))]

    /// The books balance: operations, attempts, executions, effects, work.
    #[test]
    fn books_balance(case in worlds::case()) {
        let scenario = case.scenario();
        let result = run(&scenario);
        let of = |name| value(&result, name);
        prop_assert_eq!(of("operations"), of("succeeded") + of("failed") + of("unresolved"));
        let outcomes = result.metrics.iter().filter(|(measure, _)| measure.metric.name().starts_with("outcome_"));
        prop_assert_eq!(of("attempts"), outcomes.map(|(_, n)| n.unwrap()).sum::<f64>());
        prop_assert!(case.hedge.is_some() || of("outcome_open") <= of("unresolved"));
        let first = of("attempts") - of("retries") - of("hedges");
        if case.gates.is_empty() {
            prop_assert_eq!(first, of("operations"), "every operation sends a first attempt, unless a gate refuses");
        }
        prop_assert!(first <= of("operations"));
        let refused: f64 = REFUSALS.iter().map(|(metric, _)| of(metric)).sum();
        if case.hedge.is_some() {
            prop_assert!(of("outcome_cancelled") <= of("attempts") - first, "somebody wins");
        } else if case.gates.iter().all(|gate| gate.on_refusal == OnRefusal::Fail) {
            prop_assert!(refused <= of("failed"), "a refusal ends the call");
        } else if let Some(limit) = case.most_attempts() {
            prop_assert!(of("attempts") + refused <= f64::from(limit) * of("operations"), "a refusal is an attempt");
        }
        let beside = case.hedge.as_ref().map_or(0, |hedge| hedge.extra);
        check_refusals(&case, &result)?;
        if let Some(limit) = case.most_attempts() {
            prop_assert!(of("attempts") <= f64::from(limit * (1 + beside)) * of("operations"));
        }
        prop_assert!(case.hedge.is_some() || of("hedges") + of("hedges_refused") + of("outcome_cancelled") == 0.0);
        for name in ["success_rate", "first_attempt_success_rate", "wasted_work", "waited"] {
            prop_assert!(maybe(&result, name).is_none_or(|share| (0.0..=1.0).contains(&share)), "{}", name);
        }
        check_effects(&case, &result)?;
        check_timeline(&scenario, &result)?;
        check_record(&result)?;
    }

    /// The same scenario gives the same run, whatever else is in it: a policy, a server or a fault that does nothing changes nothing.
    #[test]
    fn runs_repeat(case in worlds::case(), from in 0u64..30_000) {
        let scenario = case.scenario();
        let result = run(&scenario);
        let again = run(&scenario);
        prop_assert_eq!(result.digest, again.digest);
        prop_assert_eq!(&result.metrics, &again.metrics);
        prop_assert_eq!(&result.timeline, &again.timeline);

        let mut beside = scenario.clone().with_policy("other", RetryPolicy::default(), &[]);
        beside.world_mut().servers.push(ServerConfig::named("other"));
        let flapping = Some(Flapping { mean_on: Span::millis(70), mean_off: Span::millis(70) });
        let from = SimTime(from * 1_000_000);
        beside.world_mut().faults.push(Fault { flapping, ..Fault::named("nothing", 0, from, SimTime::NEVER) });
        beside.world_mut().faults.push(Fault { crash: true, ..Fault::named("elsewhere", 1, from, SimTime::NEVER) });
        prop_assert_eq!(run(&beside).digest, result.digest);
        beside.world_mut().faults.reverse();
        prop_assert_eq!(run(&beside).digest, result.digest, "the order of faults does not matter");
    }

    /// An open-loop demand is the same under every policy.
    #[test]
    fn policies_meet_the_same_demand(case in worlds::case(), arrivals in worlds::open_loop(), other in worlds::policy()) {
        let case = Case { arrivals, ..case };
        let ours = run(&case.scenario());
        let theirs = run(&Case { policy: other, gates: Vec::new(), ..case }.scenario());
        let bins = ours.timeline.operations.len().min(theirs.timeline.operations.len());
        prop_assert_eq!(&ours.timeline.operations[..bins], &theirs.timeline.operations[..bins]);
        prop_assert_eq!(value(&ours, "operations"), value(&theirs, "operations"));
    }

    /// What the world does to first attempts is the same whatever follows them, where they do not wait for each other.
    #[test]
    fn first_attempts_meet_the_same_world(case in worlds::case(), arrivals in worlds::open_loop()) {
        let server = ServerConfig { workers: None, rate_limit: None, ..case.server.clone() };
        // A freeze makes even them wait for each other, and so does the loss of all workers.
        let faults = case.faults.iter().map(|fault| Fault { freeze: false, capacity: 1.0, ..fault.clone() }).collect();
        let policy = RetryPolicy { deadline: None, ..case.policy.clone() };
        let many = Case { arrivals, server, faults, policy, gates: Vec::new(), hedge: None, ..case };
        let once = Case { policy: RetryPolicy { attempts: Some(1), ..many.policy.clone() }, ..many.clone() };
        let (many, once) = (run(&many.scenario()), run(&once.scenario()));
        for name in ["operations", "first_attempt_success_rate"] {
            prop_assert_eq!(maybe(&many, name), maybe(&once, name), "{}", name);
        }
    }

    /// A budget is exact: no more retries than tokens at first, and since deposited or given back. That holds for one that charges failures
    /// too, since what follows a failure that could not pay is no retry.
    #[test]
    fn budgets_bind(case in worlds::case(), budget in worlds::budget(), scope in worlds::scope()) {
        let rule = GateRule::TokenBudget(budget.clone());
        // Beside hedges a try may have failed some time after its attempts have paid what there was, and tokens come in meanwhile.
        let hedge = case.hedge.clone().filter(|_| budget.refill.is_none() || budget.charge == Charge::Retry);
        let case = Case { hedge, ..case };
        let case = Case { warmup: Span::ZERO, gates: vec![GateConfig::new(rule, scope)], ..case.all_counted() };
        let result = run(&case.scenario());
        let of = |name| value(&result, name);
        // Hedges pay as retries do, but where only failures pay.
        let free = if budget.charge == Charge::Failure { of("hedges") } else { 0.0 };
        let beyond = of("retries") + of("hedges") - free;
        let at_once = maybe(&result, "first_attempt_success_rate").map_or(0.0, |rate| (rate * of("operations")).round());
        let deposits = match budget.deposit_on {
            DepositOn::Success => of("succeeded"),
            DepositOn::FirstAttempt => of("attempts") - beyond - free,
            DepositOn::FirstTrySuccess => at_once,
        };
        let buckets = if scope == Scope::Client { f64::from(case.clients) } else { 1.0 };
        let costs = budget.cost_for.iter().map(|(_, cost)| cost.amount()).chain([budget.cost.amount()]);
        let (least, most) = (costs.clone().fold(f64::INFINITY, f64::min), costs.fold(0.0, f64::max));
        // A hedge that wins is paid back too, although nothing was retried.
        let not_repaid = if case.hedge.is_some() { 0.0 } else { at_once };
        let refunds = if budget.refund { (of("succeeded") - not_repaid) * most } else { 0.0 };
        let seconds = case.scenario().frame.end().seconds();
        let refilled = budget.refill.map_or(0.0, |refill| refill.tokens.amount() * seconds / refill.per.seconds());
        let tokens = buckets * (budget.initial.amount() + refilled) + deposits * budget.deposit.amount() + refunds;
        prop_assert!(beyond * least <= tokens + 1e-6, "{} retries for {} tokens", beyond, tokens);
    }

    /// A budget in proportion is exact: with a window that outlasts the run, retries are bounded by what was earned. Whole numbers grant more
    /// than the ratio, and never more than twice as much.
    #[test]
    fn ratios_bind(
        case in worlds::case(), kind in worlds::ratio(), min_rate in 0.0f64..0.01, scope in worlds::scope(),
    ) {
        let config = RatioBudgetConfig { min_rate, window: Span::secs(1_000), ..kind };
        let rule = GateRule::RatioBudget(config.clone());
        let case = Case { warmup: Span::ZERO, gates: vec![GateConfig::new(rule, scope)], ..case.all_counted() };
        let result = run(&case.scenario());
        let of = |name| value(&result, name);
        let beyond = of("retries") + of("hedges");
        let budgets = if scope == Scope::Client { f64::from(case.clients) } else { 1.0 };
        let earning = match config.deposit_on {
            EarnOn::FirstAttempt => of("attempts") - beyond,
            EarnOn::Success => of("succeeded"),
            EarnOn::NotRetried => of("attempts"),
        };
        let ratio = config.ratio.amount();
        let granted = match config.rounding {
            Rounding::None => ratio,
            Rounding::Tower if ratio <= 1.0 => 1.0 / (1.0 / ratio).floor(),
            Rounding::Tower | Rounding::Finagle => 1_000.0 / (1_000.0 / ratio).floor(),
        };
        prop_assert!(ratio <= granted && granted <= 2.0 * ratio);
        let most = granted * earning + budgets * min_rate * config.window.seconds();
        prop_assert!(beyond <= most + 1e-6, "{} retries, {} allowed", beyond, most);
    }

    /// So is the budget for hedges.
    #[test]
    fn budgets_for_hedges_bind(case in worlds::case(), hedge in worlds::hedge(), ratio in 0.0f64..1.0) {
        let budget = RatioBudgetConfig::new(Tokens::new(ratio), 0.0, Span::secs(1_000));
        let trigger = match hedge.trigger {
            // Has no budget.
            Trigger::Timeout => Trigger::Fixed(Some(Span::millis(50))),
            other => other,
        };
        let hedge = Some(HedgeConfig { trigger, extra: hedge.extra.max(1), budget: Some(budget), ..hedge });
        let result = run(&Case { warmup: Span::ZERO, hedge, ..case }.scenario());
        let of = |name| value(&result, name);
        let first = of("attempts") - of("retries") - of("hedges");
        prop_assert!(of("hedges") <= ratio * first + 1e-6, "{} hedges of {} calls", of("hedges"), first);
    }

    /// The whole way and the plain one are the same, to the last attempt, in every world that both can go through.
    #[test]
    fn the_whole_way_is_the_plain_one(case in worlds::case()) {
        check_both_ways(case)?;
    }

    /// Also where nearly everything happens at the same instants, and the order among what does decides who gets a worker.
    #[test]
    fn the_whole_way_is_the_plain_one_at_ties(case in worlds::case(), grid in worlds::grid()) {
        check_both_ways(worlds::on_a_grid(case, grid))?;
    }

    /// An open breaker admits nothing: once it has seen its failures in a row and stays open, nobody sends.
    #[test]
    fn open_breakers_admit_nothing(case in worlds::case(), failures in 1u32..6) {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let case = case.all_counted();
        let gates = vec![worlds::breaker(failures, Span::MAX, 1, Scope::Fleet)];
        let mut scenario = Case { gates, hedge: None, ..case.clone() }.scenario();
        let policy: Arc<dyn Policy> = Arc::new(Watched { policy: case.policy.clone(), seen: seen.clone() });
        scenario.policies[0].rules_mut().policy = policy;
        run(&scenario);
        let mut in_a_row = 0;
        for what in seen.lock().unwrap().iter() {
            match what {
                Seen::Sent => prop_assert!(in_a_row < failures, "sent through an open breaker"),
                Seen::Failure if in_a_row < failures => in_a_row += 1,
                Seen::Answer if in_a_row < failures => in_a_row = 0,
                Seen::Failure | Seen::Answer => {}
            }
        }
    }

    /// Little's law, exactly: the integral of the number of attempts at the server is the sum of their times there.
    #[test]
    fn little(case in worlds::case()) {
        let mut case = Case { warmup: Span::ZERO, gates: Vec::new(), policy: RetryPolicy::default(), hedge: None, ..case };
        case.server = ServerConfig {
            network: Distribution::ZERO,
            rate_limit: None,
            queue: None,
            fates: simlab::scenario::Fates::default(),
            ..case.server
        };
        for fault in &mut case.faults {
            *fault = Fault { fates: Default::default(), added_latency: Distribution::ZERO, crash: false, ..fault.clone() };
        }
        let result = run(&case.scenario());
        let of = |name| value(&result, name);
        let seconds = case.scenario().frame.duration.seconds();
        // Only where everybody has left when the measured part ends.
        if of("operations") > 0.0 && (of("goodput") * seconds).round() == of("operations") {
            let (integral, times) = (of("in_flight_mean") * seconds, of("latency_mean") * of("operations"));
            prop_assert!((integral - times).abs() < 1e-6 * times.max(1.0), "{} and {}", integral, times);
        }
    }
}

/// Without hedges a run is the same on either way.
fn check_both_ways(case: Case) -> Result<(), TestCaseError> {
    let plain = Case { hedge: None, ..case }.scenario();
    let whole = plain.clone().framed(|frame| frame.whole_way = true);
    let (plain, whole) = (run(&plain), run(&whole));
    prop_assert_eq!(&plain.metrics, &whole.metrics);
    prop_assert_eq!(plain.digest, whole.digest);
    prop_assert_eq!(&plain.timeline, &whole.timeline);
    prop_assert_eq!(&plain.succeeded_within, &whole.succeeded_within);
    prop_assert_eq!(&plain.endings, &whole.endings);
    prop_assert_eq!((plain.taken_up, plain.peak_at), (whole.taken_up, whole.peak_at));
    prop_assert_eq!((plain.attempts, plain.completions), (whole.attempts, whole.completions));
    Ok(())
}

/// Executions, effects and duplicates.
fn check_effects(case: &Case, result: &RunResult) -> Result<(), TestCaseError> {
    let of = |name| value(result, name);
    let (executions, effects, duplicates) = (of("executions"), of("effects"), of("duplicates"));
    match case.method {
        Method::Get | Method::Head => prop_assert_eq!(effects, 0.0),
        Method::Put | Method::Delete => {
            prop_assert!(effects <= of("operations"));
            prop_assert_eq!(duplicates, 0.0);
        }
        Method::Post | Method::Patch => prop_assert_eq!(effects, executions),
    }
    prop_assert!(effects <= executions && executions <= of("attempts"));
    prop_assert!(duplicates <= (effects - 1.0).max(0.0));
    prop_assert!(of("duplicated_operations") <= duplicates);
    prop_assert!(duplicates <= of("duplicated_operations") * of("attempts"));
    // A success was carried out, by this attempt or by the one whose reply is replayed.
    prop_assert!(of("succeeded") <= executions);
    if effects > 0.0 {
        let with_effect = effects - duplicates;
        prop_assert!(with_effect >= of("succeeded") + of("phantom_successes"));
        prop_assert!(with_effect <= of("succeeded") + of("phantom_successes") + of("unresolved"));
    }
    prop_assert!(of("phantom_successes") <= of("failed"));
    let exactly_once = match case.server.idempotency {
        Idempotency::Lock(ref lock) => lock.lock_ttl.is_none() && lock.stores == Stores::Everything,
        _ => false,
    };
    if exactly_once && case.policy.key == KeyMode::PerOperation {
        prop_assert_eq!(duplicates, 0.0, "a stable key on a lock that outlasts the work");
        prop_assert!(executions <= of("operations"));
    }
    Ok(())
}

/// An operation fails with one refusal at most, and what fails with nothing sent has failed with a refusal, or waited for a limiter in vain.
fn check_refusals(case: &Case, result: &RunResult) -> Result<(), TestCaseError> {
    let of = |name| value(result, name);
    for (refused, cost) in REFUSALS {
        let (refusal, refused, cost) = (refused, of(refused), of(cost));
        prop_assert!(cost <= refused, "{:?}", refusal);
        // A hedge that is refused fails nothing.
        if case.hedge.is_none() && case.gates.iter().all(|gate| gate.on_refusal == OnRefusal::Fail) {
            prop_assert_eq!(cost, refused, "{:?} ends the call", refusal);
        }
    }
    prop_assert!(REFUSALS.map(|(_, cost)| of(cost)).iter().sum::<f64>() <= of("failed"));
    let untried = of("failed_without_attempt");
    let never_sent = of("operations") - (of("attempts") - of("retries") - of("hedges"));
    prop_assert!(
        (never_sent - of("unresolved")..=never_sent).contains(&untried),
        "who is open may have sent nothing yet"
    );
    let makes_wait = |gate: &GateConfig| match &gate.rule {
        GateRule::RateLimiter(config) => config.on_limit == OnLimit::Wait,
        GateRule::Pool(config) => config.on_limit == OnLimit::Wait,
        rule => matches!(rule, GateRule::CubicLimiter(_)),
    };
    if case.policy.deadline.is_none() || !case.gates.iter().any(makes_wait) {
        // Budgets and limits on retries let first attempts pass.
        let mut at_first = vec!["failed_by_breaker", "failed_by_throttle", "failed_by_limiter"];
        let pool = case.gates.iter().any(|gate| matches!(gate.rule, GateRule::Pool(_)));
        at_first.extend(pool.then_some("failed_by_concurrency"));
        prop_assert!(untried <= at_first.iter().map(|metric| of(metric)).sum::<f64>());
    }
    Ok(())
}

/// What one process wrote is what another reads.
fn check_record(result: &RunResult) -> Result<(), TestCaseError> {
    let line = record::write(result);
    let read = record::read(&line).map_err(|problem| TestCaseError::fail(problem.to_string()))?;
    // Numbers are shown to their last bit.
    prop_assert_eq!(format!("{:?}", read), format!("{:?}", result));
    prop_assert_eq!(record::write(&read), line);
    Ok(())
}

/// Counts in the timeline add up to the totals; levels end at nothing if nothing is open.
fn check_timeline(scenario: &Scenario, result: &RunResult) -> Result<(), TestCaseError> {
    let line = &result.timeline;
    let bins = line.operations.len();
    for column in [&line.attempts, &line.goodput, &line.failed, &line.in_flight, &line.queue, &line.refused] {
        prop_assert_eq!(column.len(), bins);
    }
    let end = scenario.frame.end().seconds();
    prop_assert!(bins as f64 <= (end / line.bin.seconds()).ceil(), "no bin begins at the end or after it");
    if scenario.frame.warmup == Span::ZERO {
        prop_assert_eq!(sum(&line.operations), value(result, "operations"));
        prop_assert_eq!(sum(&line.goodput), value(result, "succeeded"));
        prop_assert_eq!(sum(&line.failed), value(result, "failed"));
        let refused: f64 = REFUSALS.iter().map(|(metric, _)| value(result, metric)).sum();
        prop_assert_eq!(sum(&line.refused), refused);
        prop_assert!(sum(&line.attempts) <= value(result, "attempts"));
        if value(result, "unresolved") > 0.0 {
            prop_assert_eq!(bins as f64, (end / line.bin.seconds()).ceil(), "what is open lasts to the end");
        }
    }
    for (in_flight, queue) in line.in_flight.iter().zip(&line.queue) {
        prop_assert!(queue <= in_flight);
    }
    Ok(())
}

/// What a policy is asked, in order.
#[derive(Clone, Copy, Debug)]
enum Seen {
    Sent,
    Failure,
    Answer,
}

/// A policy that writes down when it is asked.
#[derive(Debug)]
struct Watched {
    policy: RetryPolicy,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Policy for Watched {
    fn attempt(&self, history: &History) -> AttemptPlan {
        self.seen.lock().unwrap().push(Seen::Sent);
        self.policy.attempt(history)
    }

    fn on_failure(&self, failure: &Failure, history: &mut History, rng: &mut dyn rand::Rng) -> Decision {
        self.policy.on_failure(failure, history, rng)
    }

    fn is_failure(&self, outcome: Outcome) -> bool {
        let failed = self.policy.is_failure(outcome);
        self.seen.lock().unwrap().push(if failed { Seen::Failure } else { Seen::Answer });
        failed
    }

    fn is_free(&self, outcome: Outcome, history: &History) -> bool {
        self.policy.is_free(outcome, history)
    }

    fn deadline(&self) -> Option<Span> {
        self.policy.deadline()
    }

    fn at_deadline(&self) -> (AtLimit, Span) {
        self.policy.at_deadline()
    }

    fn key(&self) -> KeyMode {
        self.policy.key()
    }
}
