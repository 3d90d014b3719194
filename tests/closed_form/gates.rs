//! Gates against theory: adaptive throttling, a breaker as a renewal process, and a published simulation of retry budgets.

use simlab::distribution::Distribution;
use simlab::gate::breaker::ConsecutiveBreakerConfig;
use simlab::gate::budget::{Charge, DepositOn, TokenBudgetConfig, Tokens};
use simlab::gate::limiter::OnLimit;
use simlab::gate::pool::PoolConfig;
use simlab::gate::throttle::AdaptiveThrottleConfig;
use simlab::gate::{GateConfig, GateRule, Scope};
use simlab::retry::RetryPolicy;
use simlab::scenario::{Arrivals, Fates, Frame, Per, RateLimit, Scenario, ServerConfig, World};
use simlab::units::Span;

use super::{PolicyResult, check, check_values, compare, run, values};

/// A server in no time of whose answers so many are errors.
fn failing(share: f64) -> ServerConfig {
    let fates = Fates { errors: vec![(503, share)], ..Fates::default() };
    ServerConfig { fates, ..ServerConfig::named("s") }
}

fn world(arrivals: Arrivals, seconds: u64, server: ServerConfig) -> Scenario {
    Scenario::from_parts(
        Frame { seed: 20_261_126, replications: 10, ..Frame::lasting(Span::secs(seconds)) },
        World::new(arrivals, server),
    )
}

fn throttle(k: f64, window: u64) -> GateConfig {
    let rule = GateRule::AdaptiveThrottle(AdaptiveThrottleConfig { k, window: Span::secs(window) });
    GateConfig::new(rule, Scope::Fleet)
}

/// A pool of c connections to a server that is never busy is the queue M/M/c at the client: with c = 3, 20/s and 100 ms Erlang's C is 4/9, and waiting takes
/// C ÷ (c·µ − λ) on average. One that refuses at once is M/M/c/c, and loses what
/// Erlang's B says: 4/19.
#[test]
fn a_pool_is_a_queue() {
    let server = ServerConfig {
        service_time: Distribution::Exponential { mean: Span::millis(100) },
        ..ServerConfig::named("s")
    };
    let scenario =
        world(Arrivals::Poisson { rate: 20.0 }, 2_200, server).framed(|frame| frame.warmup = Span::secs(200));
    let pool = |config| [GateConfig::new(GateRule::Pool(config), Scope::Fleet)];
    let result = run(&scenario.clone().with_policy("wait", RetryPolicy::default(), &pool(PoolConfig::attempts(3))));
    check("waits", &result, "latency_mean", 0.1 + 4.0 / 9.0 / 10.0, 0.005);
    check("waits", &result, "in_flight_mean", 2.0, 0.04);
    let refuse = PoolConfig { on_limit: OnLimit::Refuse, ..PoolConfig::attempts(3) };
    let result = run(&scenario.with_policy("refuse", RetryPolicy::default(), &pool(refuse)));
    check("refuses", &result, "success_rate", 15.0 / 19.0, 0.006);
    check("refuses", &result, "latency_mean", 0.1, 0.002);
}

/// Beyer et al., "Site Reliability Engineering", chapter 21. A backend that accepts C of what it sees gets min(R, K·C): with R = 300/s,
/// C = 100/s, K = 2 that is 200/s, of which half are accepted; with R = 150/s nothing is held back.
#[test]
fn throttling_against_a_limited_backend() {
    let limit = RateLimit { rate: 100.0, burst: 100.0, per: Per::Server, status: 429, retry_after: false, ban: None };
    let server = ServerConfig { rate_limit: Some(limit), ..ServerConfig::named("s") };
    for (rate, sent, dropped) in [(300.0, 200.0, 100.0), (150.0, 150.0, 0.0)] {
        let scenario =
            world(Arrivals::Poisson { rate }, 1_800, server.clone()).framed(|frame| frame.warmup = Span::secs(600));
        let result = run(&scenario.with_policy("throttle", RetryPolicy::default(), &[throttle(2.0, 120)]));
        let case = format!("R {rate}");
        let per_second = |metric| values(&result, metric).iter().map(|count| count / 1_200.0).collect::<Vec<_>>();
        check(&case, &result, "load_mean", sent, 0.01 * sent);
        check(&case, &result, "goodput", 100.0, 1.0);
        if dropped > 0.0 {
            check_values(&format!("{case}: throttled"), &per_second("throttled"), dropped, 0.02 * dropped);
        } else {
            assert!(values(&result, "throttled").iter().all(|count| *count == 0.0), "{case}: nothing is held back");
        }
    }
}

/// Errors at random instead: nothing is held back as long as more than 1/K is accepted; below that sending collapses to a handful per window.
/// Each accepted request lets K/(n + 1) more through at each of the n requests that follow within the window, and 1/(n + 1) get through without:
/// a branching process with the mean b/(1 − K·a·c). With a whole window b = c = 1, which makes 5.0 per window at a = 0.4 and K = 2. Here a
/// window is the current tenth and the nine before it, of evenly spaced requests the last 900 to 999: b = 10·Σ 1/(n + 1) = 1.0531 and
/// c = 1.0001 make 5.27. If nothing is accepted b is all there is, and the only way back.
#[test]
fn throttling_against_random_errors() {
    let world = |accepted: f64, windows: u64| {
        let scenario = world(Arrivals::Constant { rate: 100.0 }, 200 + 10 * windows, failing(1.0 - accepted))
            .framed(|frame| frame.warmup = Span::secs(200));
        let result = run(&scenario.with_policy("throttle", RetryPolicy::default(), &[throttle(2.0, 10)]));
        let sent = values(&result, "attempts").iter().map(|count| count / windows as f64).collect::<Vec<_>>();
        (result, sent)
    };
    let (above, _) = world(0.6, 50);
    assert!(values(&above, "throttled").iter().all(|count| *count == 0.0), "60% accepted: nothing is held back");
    let (_, sent) = world(0.4, 1_200);
    let counted: f64 = (900..1_000).map(|n| 10.0 / f64::from(n + 1)).sum();
    check_values("40% accepted: sent per window", &sent, counted / (1.0 - 0.8 * 1.000_1), 0.1 * 5.27);
    let (_, sent) = world(0.0, 600);
    check_values("nothing accepted: sent per window", &sent, counted, 0.06 * counted);
}

/// A breaker that opens at k failures in a row for O and asks with one probe is a renewal process: an attempt opens it with pᵏ, and each
/// opening keeps λO away. So 1/(1 + λO·pᵏ) of all operations is sent, and (1 − p) of those succeed: 50% errors become an outage of 88%.
#[test]
fn consecutive_failures() {
    for (p, k, open, rate, operations) in
        [(0.1, 5, 30, 10.0, 2_500_000.0), (0.5, 5, 10, 10.0, 2_000_000.0), (0.3, 3, 5, 20.0, 1_500_000.0)]
    {
        let config = ConsecutiveBreakerConfig::new(k, Span::secs(open), 1);
        let breaker = GateConfig::new(GateRule::ConsecutiveBreaker(config), Scope::Fleet);
        let scenario = world(Arrivals::Poisson { rate }, (operations / rate) as u64, failing(p));
        let result = run(&scenario.with_policy("breaker", RetryPolicy::default(), &[breaker]));
        let opens = p.powi(k as i32);
        let sent = 1.0 / (1.0 + rate * open as f64 * opens);
        // Where little is refused, the share that is refused is what must be right.
        let tolerance = (0.02 * sent).min(0.4 * (1.0 - sent));
        let case = format!("p {p}, k {k}, O {open}, λ {rate}");
        check(&case, &result, "attempts_per_operation", sent, tolerance);
        check(&case, &result, "success_rate", (1.0 - p) * sent, tolerance);
        let per_opening: Vec<f64> = values(&result, "breaker_refused")
            .iter()
            .zip(values(&result, "breaker_opened"))
            .map(|(refused, opened)| refused / opened)
            .collect();
        check_values(
            &format!("{case}: refused per opening"),
            &per_opening,
            rate * open as f64,
            0.03 * rate * open as f64,
        );
    }
}

/// Brooker, "Fixing retries with token buckets and circuit breakers" (2022), code mbrooker/simulator_example, retry_sim: 100 clients that make 10
/// calls a second each, exponential legs of 10 ms, independent failures, no backoff, 100 s. Three strategies: no retries, three, and a bucket
/// for each client (5 tokens, a tenth for every first attempt) without any other limit. Success and attempts per call as his program gives
/// them. His fourth, which stops retrying while more than 10% of all calls ever have failed, is no gate that is here: it refuses retries by
/// the share of failures, where a breaker refuses everything and a budget looks at retries.
#[test]
fn token_buckets_of_a_published_simulation() {
    let rows = [
        (0.01, (1.0, 1.010_2), (1.0, 1.010_2)),
        (0.05, (0.999_98, 1.052_4), (0.999_79, 1.052_3)),
        (0.10, (0.999_88, 1.109_3), (0.984_91, 1.094_1)),
        (0.30, (0.991_76, 1.418_1), (0.773_63, 1.104_0)),
        (0.50, (0.936_83, 1.875_1), (0.551_81, 1.104_2)),
    ];
    let bucket = GateConfig::new(
        GateRule::TokenBudget(TokenBudgetConfig {
            deposit_on: DepositOn::FirstAttempt,
            ..TokenBudgetConfig::new(Tokens::new(5.0), Tokens::new(1.0), Tokens::new(0.1))
        }),
        Scope::Client,
    );
    for (p, three, adaptive) in rows {
        let server = ServerConfig { network: Distribution::Exponential { mean: Span::millis(10) }, ..failing(p) };
        let scenario = world(Arrivals::Poisson { rate: 1_000.0 }, 100, server)
            .in_world(|world| world.clients = 100)
            .with_policy("none", RetryPolicy::default(), &[])
            .with_policy("three", RetryPolicy { attempts: Some(4), ..RetryPolicy::default() }, &[])
            .with_policy(
                "adaptive",
                RetryPolicy { attempts: None, ..RetryPolicy::default() },
                std::slice::from_ref(&bucket),
            );
        let result = compare(&scenario);
        for (policy, (success, load)) in result.policies.iter().zip([(1.0 - p, 1.0), three, adaptive]) {
            let case = format!("p {p}, {}", policy.name);
            check(&case, policy, "success_rate", success, 0.004);
            check(&case, policy, "attempts_per_operation", load, 0.004 * load);
        }
    }
}

/// One client's calls at a server that fails so many at random, without any wait between attempts; with this budget of its own.
fn budgeted(p: f64, attempts: u32, budget: TokenBudgetConfig) -> PolicyResult {
    let scenario =
        world(Arrivals::Poisson { rate: 100.0 }, 4_400, failing(p)).framed(|frame| frame.warmup = Span::secs(400));
    let policy = RetryPolicy { attempts: Some(attempts), ..RetryPolicy::default() };
    run(&scenario.with_policy("budget", policy, &[GateConfig::new(GateRule::TokenBudget(budget), Scope::Client)]))
}

/// botocore's quota (`retries/quota.py`): 500 tokens, 5 for a retry, one back for a first try that succeeds and what the last retry took for a call that
/// succeeds after retries; three attempts. As a fluid, where tokens are short a call has (1 − p)/(5p) retries, each of which succeeds with 1 − p: each
/// failed retry costs 5, and each first success earns 1. Where they are not, it has p + p².
#[test]
fn the_quota_of_the_aws_sdks() {
    let quota = || TokenBudgetConfig {
        deposit_on: DepositOn::FirstTrySuccess,
        refund: true,
        ..TokenBudgetConfig::new(Tokens::new(500.0), Tokens::new(5.0), Tokens::new(1.0))
    };
    for (p, success, load) in
        [(0.3, 0.973, 1.39), (0.5, 0.600_9, 1.200_5), (0.7, 0.326_6, 1.086), (0.9, 0.102_4, 1.022_5)]
    {
        let result = budgeted(p, 3, quota());
        check(&format!("quota, p {p}"), &result, "success_rate", success, 0.006);
        check(&format!("quota, p {p}"), &result, "attempts_per_operation", load, 0.006);
    }
}

/// gRPC's retry throttling (proposal A6): 10 tokens, one less for each failure, a tenth more for each success, retries above 5 only; four attempts. Below
/// p = 1/11 tokens come in faster than they go, and nearly all retries pass; beyond that cliff none do. The values are those of an independent simulation.
#[test]
fn the_cliff_of_grpc() {
    let throttle = || TokenBudgetConfig {
        charge: Charge::Failure,
        above: 0.5,
        ..TokenBudgetConfig::new(Tokens::new(10.0), Tokens::new(1.0), Tokens::new(0.1))
    };
    for (p, success, load) in
        [(0.05, 0.999_45, 1.052_5), (0.08, 0.974, 1.059), (0.1, 0.917, 1.019), (0.2, 0.799_8, 1.0)]
    {
        let result = budgeted(p, 4, throttle());
        check(&format!("throttle, p {p}"), &result, "success_rate", success, 0.004);
        check(&format!("throttle, p {p}"), &result, "attempts_per_operation", load, 0.004);
    }
}
