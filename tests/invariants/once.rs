//! Charged once: in any world, with whatever comes again and whatever breaks, there is one effect where six things hold; and where any one of them
//! does not, there are worlds with two.

use std::cell::Cell;

use simlab::call::Verdict;
use simlab::metrics::notes::{Told, Wanted, What};

use simlab::scenario::{
    Arrivals, Contend, Fates, FreedBy, LockConfig, LockOnFailure, Repeat, Same, StoreFault, StoreScope, Stores,
    WhenDown,
};

use super::*;

/// What is done again, and about what.
#[derive(Clone, Debug)]
struct Demand {
    repeat: Option<Repeat>,
    contend: Option<Contend>,
}

fn demand() -> impl Strategy<Value = Demand> {
    let after = prop_oneof![Just(0u64), 1u64..300, 1_000u64..10_000].prop_map(Span::millis);
    let same = prop_oneof![Just(Same::Key), Just(Same::Thing)];
    let repeat = (0.1f64..1.0, after, 1u32..4, same).prop_map(|(share, after, times, same)| Repeat {
        share,
        after: Distribution::Constant(after),
        times,
        same,
    });
    let contend = (1u32..6, prop_oneof![Just(0.0), Just(1.1)]).prop_map(|(things, zipf)| Contend { things, zipf });
    (proptest::option::weighted(0.7, repeat), proptest::option::weighted(0.5, contend))
        .prop_map(|(repeat, contend)| Demand { repeat, contend })
}

/// A lock with which nothing is done twice: its owner's, until work ends, and whatever had an effect is stored for ever.
fn lock() -> LockConfig {
    LockConfig { retention: Span::secs(86_400), lock_ttl: None, stores: Stores::Effects, ..LockConfig::default() }
}

/// A world of this case where each thing is to be done once. The store is down for a while, and never forgets.
fn world(case: &Case, demand: &Demand, lock: LockConfig, key: KeyMode) -> Scenario {
    let policy = RetryPolicy { key, ..case.policy.clone() };
    let case = Case { policy, ..case.clone() };
    case.scenario().in_world(|world| {
        world.servers[0].idempotency = Idempotency::Lock(lock);
        world.repeat = demand.repeat.clone();
        world.contend = demand.contend;
        world.operation.wanted = Some(1);
        let (from, until) = (SimTime::ZERO + Span::secs(3), SimTime::ZERO + Span::secs(9));
        world.faults.push(Fault { store: Some(StoreFault::Down), ..Fault::named("store", 0, from, until) });
    })
}

proptest! {
    #![proptest_config(config(3_000))]

    #[test]
    fn nothing_is_done_twice(case in worlds::case(), demand in demand(), keeps in any::<bool>()) {
        let on_failure = if keeps { LockOnFailure::Keep } else { LockOnFailure::Free };
        let result = run(&world(&case, &demand, LockConfig { on_failure, ..lock() }, KeyMode::PerThing));
        prop_assert_eq!(value(&result, "duplicates"), 0.0);
        prop_assert_eq!(value(&result, "operations"), value(&result, "succeeded") + value(&result, "failed") + value(&result, "unresolved"));
    }
}

/// Effects too many in 300 worlds, with two replicas; `failing`: much is asked about five things, and half of the work fails.
fn duplicates(lock: &LockConfig, key: KeyMode, failing: bool) -> f64 {
    sum_of(failing, &|case, demand| world(case, demand, lock.clone(), key))
}

fn sum_of(failing: bool, world: &dyn Fn(&Case, &Demand) -> Scenario) -> f64 {
    let sum = Cell::new(0.0);
    let mut runner = proptest::test_runner::TestRunner::new(config(300));
    let worlds = (worlds::case(), demand());
    let count = |(mut case, mut demand): (Case, Demand)| {
        case.server.replicas = 2;
        if failing {
            case.server.fates = Fates { failures: vec![(502, 0.5)], ..Fates::default() };
            case.server.service_time = Distribution::Constant(Span::millis(300));
            case.arrivals = Arrivals::Poisson { rate: 20.0 };
            demand.contend = Some(Contend { things: 5, zipf: 0.0 });
        }
        let limits = Limits { memory: 1 << 30, interrupted: &AtomicBool::new(false) };
        // Clients that do not think get stored answers without end, in no time: that run has none.
        if let Ok(result) = sim::run(&world(&case, &demand), 0, 0, limits) {
            sum.set(sum.get() + value(&result, "duplicates"));
        }
        Ok(())
    };
    runner.run(&worlds, count).expect("nothing is asserted");
    sum.get()
}

/// Each of these breaks one condition, and some world then does something twice. Who frees a lock matters only where it may end before the work.
#[test]
fn every_condition_is_needed() {
    let short = || LockConfig { lock_ttl: Some(Span::millis(100)), ..lock() };
    let broken: [(&str, LockConfig, KeyMode); 6] = [
        ("a store that fails closed", LockConfig { when_down: WhenDown::Open, ..lock() }, KeyMode::PerThing),
        ("a stable key", lock(), KeyMode::PerOperation),
        ("a lock that outlasts the work", short(), KeyMode::PerThing),
        ("retention", LockConfig { retention: Span::millis(100), ..lock() }, KeyMode::PerThing),
        ("stored errors", LockConfig { stores: Stores::Successes, ..lock() }, KeyMode::PerThing),
        ("one store", LockConfig { scope: StoreScope::Replica, ..lock() }, KeyMode::PerThing),
    ];
    assert_eq!(duplicates(&lock(), KeyMode::PerThing, false), 0.0);
    for (what, lock, key) in broken {
        assert!(duplicates(&lock, key, false) > 0.0, "nothing was done twice without {what}");
    }
    let forgets = |case: &Case, demand: &Demand| {
        world(case, demand, lock(), KeyMode::PerThing).in_world(|world| {
            let (from, until) = (SimTime::ZERO + Span::secs(5), SimTime::ZERO + Span::secs(6));
            world.faults.push(Fault { store: Some(StoreFault::Forgets), ..Fault::named("loss", 0, from, until) });
        })
    };
    assert!(sum_of(false, &forgets) > 0.0, "nothing was done twice by a store that forgets");
    // One that fails late, and frees the lock of one that is at work.
    let of = |freed_by| duplicates(&LockConfig { freed_by, ..short() }, KeyMode::PerThing, true);
    assert!(of(FreedBy::Anyone) > of(FreedBy::Owner), "it does not matter who frees a lock");
}

proptest! {
    #![proptest_config(config(2_000))]

    /// What is told of all operations is what the run counts, and telling changes nothing.
    #[test]
    fn what_is_told_is_what_is_counted(case in worlds::case(), demand in demand(), shares in any::<bool>()) {
        let scenario = if shares { world(&case, &demand, lock(), KeyMode::PerThing) } else { case.scenario() };
        told_is_counted(&scenario)?;
    }
}

/// What is told of all operations is what the run counts, and telling changes nothing.
pub fn told_is_counted(scenario: &Scenario) -> Result<(), TestCaseError> {
    let never = AtomicBool::new(false);
    let limits = || Limits { memory: 1 << 30, interrupted: &never };
    let result = sim::run(scenario, 0, 0, limits());
    let told = sim::tell(scenario, 0, 0, limits(), Wanted::All);
    let (Ok(result), Ok((again, account))) = (result, told) else { return Ok(()) };
    prop_assert_eq!(result.digest, again.digest);
    prop_assert_eq!(&result.metrics, &again.metrics);
    let measured =
        account.told.iter().map(|(_, told)| told).filter(|told| told.start >= SimTime::ZERO + scenario.frame.warmup);
    let sum = |of: &dyn Fn(&Told) -> u64| measured.clone().map(of).sum::<u64>() as f64;
    prop_assert_eq!(sum(&|_| 1), value(&result, "operations"));
    prop_assert_eq!(sum(&|told| told.executions()), value(&result, "executions"));
    prop_assert_eq!(sum(&|told| told.duplicates()), value(&result, "duplicates"));
    prop_assert_eq!(sum(&|told| u64::from(told.lost_updates)), value(&result, "lost_updates"));
    prop_assert_eq!(sum(&|told| u64::from(told.is_phantom())), value(&result, "phantom_successes"));
    prop_assert_eq!(sum(&|told| u64::from(told.verdict == Some(Verdict::Succeeded))), value(&result, "succeeded"));
    let noted = |wanted: &dyn Fn(&What) -> bool| {
        sum(&|told| told.notes.iter().filter(|note| wanted(&note.what)).count() as u64)
    };
    prop_assert_eq!(noted(&|what| matches!(what, What::Sent { .. })), value(&result, "attempts"));
    prop_assert_eq!(noted(&|what| *what == What::Executed), value(&result, "executions"));
    prop_assert_eq!(noted(&|what| *what == What::TimedOut), maybe(&result, "outcome_timeout").unwrap_or(0.0));
    let refused: f64 = REFUSALS.iter().map(|(metric, _)| value(&result, metric)).sum();
    prop_assert_eq!(noted(&|what| matches!(what, What::Refused(..))), refused);
    Ok(())
}
