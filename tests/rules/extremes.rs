//! Runs that would never end, take all memory or leave the range of time: each stops with its reason, or comes to its end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use simlab::distribution::Distribution;
use simlab::experiment::memory_needed;
use simlab::gate::breaker::ConsecutiveBreakerConfig;
use simlab::gate::{GateConfig, GateRule, Scope};
use simlab::hedge::{HedgeConfig, Trigger};
use simlab::metrics::RunResult;
use simlab::retry::{Backoff, RetryPolicy};
use simlab::scenario::{Arrivals, Fates, Fault, Flapping, ProfilePoint, Scenario, ServerConfig};
use simlab::sim::{self, Limits, Stop};
use simlab::units::{SimTime, Span};

use super::{MS, at, burst, check, constant, fault, one_worker, run, tries, try_run};

fn refuses() -> ServerConfig {
    ServerConfig { fates: Fates { refused: 1.0, ..Fates::default() }, ..ServerConfig::named("s") }
}

fn endless() -> RetryPolicy {
    RetryPolicy { attempts: None, ..tries(1) }
}

fn breaker(scope: Scope) -> GateConfig {
    let config = ConsecutiveBreakerConfig::new(1, Span::secs(60), 1);
    GateConfig::new(GateRule::ConsecutiveBreaker(config), scope)
}

/// 100,000 attempts at one instant are no recursion: a stack of 1 MB holds them.
#[test]
fn attempts_at_one_instant_do_not_pile_up_on_the_stack() {
    let replays = ServerConfig { fates: Fates { failures: vec![(500, 1.0)], ..Fates::default() }, ..refuses() };
    let works = ServerConfig { fates: Fates { refused: 0.0, ..replays.fates.clone() }, workers: Some(1), ..replays };
    for server in [refuses(), works] {
        let worker = move || run(&burst(1, server), tries(100_000));
        let result = std::thread::Builder::new().stack_size(1 << 20).spawn(worker).unwrap().join().unwrap();
        check("deep", &result, &[("attempts", 100_000.0), ("failed", 1.0)]);
    }
    // As many operations in one queue, all dropped or reset at once.
    let crowd = || {
        let mut scenario = burst(100_000, ServerConfig { drop_expired: true, ..one_worker() });
        scenario.world_mut().faults = vec![Fault { crash: true, ..fault(150, 200) }];
        let policy = RetryPolicy { timeout: Some(MS(50)), ..RetryPolicy::default() };
        (run(&scenario, policy), run(&scenario, tries(1)))
    };
    let (dropped, reset) = std::thread::Builder::new().stack_size(1 << 20).spawn(crowd).unwrap().join().unwrap();
    check("dropped", &dropped, &[("outcome_timeout", 100_000.0), ("executions", 1.0)]);
    check("reset", &reset, &[("outcome_connection", 99_999.0), ("executions", 1.0)]);
}

/// Endless immediate retries end the run, whether one operation makes them or many in turn.
#[test]
fn endless_retries_at_one_instant() {
    for operations in [1, 10_000] {
        // At one instant, the first goes on for ever before the second starts.
        let stop = try_run(&burst(operations, refuses()), endless(), &[]).unwrap_err();
        assert_eq!(stop, Stop::RetryStorm { at: SimTime::ZERO });
        // A crash lets all of them fail at one instant, and then again and again.
        let mut scenario = burst(operations, one_worker());
        scenario.world_mut().faults = vec![Fault { crash: true, ..fault(50, 200) }];
        match try_run(&scenario, endless(), &[]).unwrap_err() {
            Stop::RetryStorm { at: instant } if operations == 1 => assert_eq!(instant, at(50)),
            Stop::RetryStorms { at: instant, attempts } if operations > 1 => {
                assert_eq!(instant, at(50));
                assert!((10_000_000..20_000_000).contains(&attempts), "{attempts}");
            }
            other => panic!("{operations} operations: {other}"),
        }
    }
    // Many that retry a few times each are no storm.
    check("a crowd", &run(&burst(100_000, refuses()), tries(40)), &[("attempts", 4_000_000.0)]);
    // Where each attempt takes time, the end of the run ends them.
    let slow = ServerConfig { network: constant(1), ..refuses() };
    check("slow", &run(&burst(1, slow), endless()), &[("unresolved", 1.0), ("attempts", 10_000.0)]);
}

/// Where a wait takes a nanosecond, time moves on, and the run is stopped all the same.
#[test]
fn endless_retries_without_rest() {
    let policy = RetryPolicy { backoff: Backoff::fixed(Span(1)), ..endless() };
    match try_run(&burst(1, refuses()), policy, &[]).unwrap_err() {
        Stop::EndlessCall { at, attempts } => {
            // It is noticed at one of the next looks.
            assert!((10_000_000..10_100_000).contains(&attempts), "{attempts}");
            assert_eq!(at, SimTime(u64::from(attempts) - 1));
        }
        other => panic!("{other}"),
    }
}

/// Operations without end at one instant.
#[test]
fn time_stands_still() {
    let closed = |clients, server| {
        let think = Distribution::ZERO;
        Scenario::new(MS(10), Arrivals::Closed { think }, server).in_world(|world| world.clients = clients)
    };
    let still = |result: Result<RunResult, Stop>| match result {
        Err(Stop::Standstill { .. }) => {}
        other => panic!("{other:?}"),
    };
    still(try_run(&closed(1, ServerConfig::named("s")), tries(1), &[]));
    still(try_run(&closed(1_000, refuses()), tries(1), &[]));
    // An open breaker answers at once, and the client has nothing to think about.
    still(try_run(
        &closed(10, ServerConfig { network: constant(1), ..refuses() }),
        tries(1),
        &[breaker(Scope::Client)],
    ));
    // More than one operation per nanosecond, and rounds without time between them.
    let open = |arrivals| burst(1, ServerConfig::named("s")).in_world(|world| world.arrivals = arrivals);
    still(try_run(&open(Arrivals::Poisson { rate: 1e15 }), tries(1), &[]));
    still(try_run(&open(Arrivals::Constant { rate: 1e300 }), tries(1), &[]));
    still(try_run(&open(Arrivals::Profile(vec![ProfilePoint { at: MS(1), rate: 1e15 }])), tries(1), &[]));
    still(try_run(&open(Arrivals::Burst { operations: 7, at: Span::ZERO, every: Some(Span::ZERO) }), tries(1), &[]));
    // A crowd at one instant is fine.
    check("a crowd", &run(&burst(1_200_000, ServerConfig::named("s")), tries(1)), &[("succeeded", 1_200_000.0)]);
    let once = Distribution::Constant(MS(6));
    let many =
        closed(1_000_000, ServerConfig::named("s")).in_world(|world| world.arrivals = Arrivals::Closed { think: once });
    check("clients in step", &run(&many, tries(1)), &[("succeeded", 1_000_000.0)]);
}

/// What would take a day can be interrupted.
#[test]
fn an_endless_demand_can_be_interrupted() {
    let interrupted = AtomicBool::new(false);
    let limits = Limits { memory: 1 << 30, interrupted: &interrupted };
    let scenario = burst(1_000_000_000_000, ServerConfig::named("s")).with_policy("p", tries(1), &[]);
    std::thread::scope(|scope| {
        let run = scope.spawn(|| sim::run(&scenario, 0, 0, limits).map(|result| result.attempts));
        std::thread::sleep(Duration::from_millis(50));
        interrupted.store(true, Ordering::Relaxed);
        assert_eq!(run.join().unwrap(), Err(Stop::Interrupted));
    });
}

/// State that grows beyond its limit stops the run; state known to be too large does so before it.
#[test]
fn memory_is_bounded() {
    let stop = |scenario: &Scenario, gates: &[GateConfig], memory| {
        let limits = Limits { memory, interrupted: &AtomicBool::new(false) };
        match sim::run(&scenario.clone().with_policy("p", tries(1), gates), 0, 0, limits) {
            Err(Stop::OutOfMemory { at, limit }) => {
                assert_eq!(limit, memory);
                at
            }
            other => panic!("{other:?}"),
        }
    };
    let limit = 64 << 20;
    assert_eq!(stop(&burst(1_000_000_000_000, one_worker()), &[], limit), SimTime::ZERO);
    let steady = burst(1, one_worker()).in_world(|world| world.arrivals = Arrivals::Constant { rate: 1e6 });
    assert!(stop(&steady, &[], limit) > SimTime::ZERO);
    // A thousand million clients.
    let crowd = |arrivals| {
        burst(1, ServerConfig::named("s")).in_world(|world| {
            world.clients = 1_000_000_000;
            world.arrivals = arrivals;
        })
    };
    let closed = crowd(Arrivals::Closed { think: Distribution::Constant(Span::secs(1)) });
    assert_eq!(stop(&closed, &[], limit), SimTime::ZERO);
    let open = crowd(Arrivals::Poisson { rate: 100.0 });
    assert_eq!(stop(&open, &[breaker(Scope::Client)], limit), SimTime::ZERO);
    try_run(&open, tries(1), &[breaker(Scope::Fleet)]).unwrap();
    let trigger = Trigger::Percentile { at: 0.5, window: Span::secs(30), min: Span::ZERO };
    let hedge = HedgeConfig { trigger, ..HedgeConfig::after(Span::ZERO) };
    let limits = Limits { memory: limit, interrupted: &AtomicBool::new(false) };
    let stopped = sim::run(&open.clone().with_policy("p", tries(1), &[]).hedged(hedge), 0, 0, limits).unwrap_err();
    assert_eq!(stopped, Stop::OutOfMemory { at: SimTime::ZERO, limit });
}

/// The results of all replications count, not only the state of the runs that go on at once.
#[test]
fn results_need_memory_too() {
    let scenario = |replications| {
        burst(1, one_worker()).framed(|frame| frame.replications = replications).with_policy("p", tries(1), &[])
    };
    let few = memory_needed(&scenario(10), &[0], 1).bytes;
    let many = memory_needed(&scenario(u32::MAX), &[0], 1).bytes;
    assert!(few < 10 << 20, "{few}");
    assert!(many > 1 << 40, "{many}");
}

/// The end of time, and one before it.
#[test]
fn six_centuries() {
    let scenario = burst(1, ServerConfig { network: Distribution::Exponential { mean: Span::MAX }, ..one_worker() })
        .framed(|frame| {
            frame.duration = Span::MAX;
            frame.drain = Span::MAX;
        })
        .in_world(|world| world.arrivals = Arrivals::Poisson { rate: 1e-7 });
    let result = run(&scenario, RetryPolicy { timeout: Some(Span::MAX), ..tries(3) });
    assert!(result.attempts > 1_000 && result.timeline.attempts.len() <= 6_000, "{}", result.attempts);
    for backoff in [
        Backoff::exponential(Span::secs(1), 1e300, None),
        Backoff::linear(Span::MAX, Span::MAX, None),
        Backoff::decorrelated_jitter(Span::MAX, None),
        Backoff::memoryless(Span::MAX),
    ] {
        let scenario = burst(1, refuses()).framed(|frame| {
            frame.duration = Span::MAX;
            frame.drain = Span::MAX;
        });
        run(&scenario, RetryPolicy { backoff, deadline: Some(Span::MAX), ..tries(50) });
    }
    let mut scenario = burst(2, one_worker()).framed(|frame| {
        frame.duration = Span::MAX;
        frame.drain = Span::MAX;
    });
    scenario.world_mut().faults = vec![
        Fault { freeze: true, slowdown: 1e300, ..Fault::named("f", 0, SimTime::ZERO, SimTime(u64::MAX - 1)) },
        Fault { added_latency: Distribution::Constant(Span::MAX), ..fault(5, 6) },
    ];
    check("frozen", &run(&scenario, RetryPolicy::default()), &[("unresolved", 2.0)]);
}

/// A fault that flaps every nanosecond flaps on.
#[test]
fn flapping_without_rest() {
    let mut scenario = burst(2, one_worker()).framed(|frame| {
        frame.duration = Span(20_000);
        frame.drain = Span(20_000);
    });
    for mean_on in [Span::ZERO, Span(1), Span::MAX] {
        let flapping = Flapping { mean_on, mean_off: Span(1) };
        scenario.world_mut().faults =
            vec![Fault { flapping: Some(flapping), capacity: 0.0, until: SimTime::NEVER, ..fault(0, 1) }];
        run(&scenario, tries(1));
    }
}
