//! Charged once: with six conditions met, nobody is charged twice in any world, whatever breaks; without any one of them, somebody is.
//!
//! A stable key (1), a lock in one step that only its owner frees (2) and that lasts longer than work, freezes and queues for the store (3), replies that are kept until
//! the last attempt has asked (4) and stored whatever had an effect, in one step with it (5), in one store for all replicas that neither lets by nor forgets (6).

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use simlab::distribution::Distribution;
use simlab::endpoint::Balance;
use simlab::retry::{Backoff, KeyMode, OutcomeClass, OutcomeSet, RetryPolicy};
use simlab::scenario::{
    Arrivals, Asked, Contend, Fates, Fault, FreedBy, Idempotency, LockConfig, Locks, OnConflict, Reads, Repeat, RowUse,
    Same, Scenario, ServerConfig, StoreFault, StoreScope, Stores, WhenDown, Writes,
};
use simlab::units::{SimTime, Span};

use super::once::told_is_counted;
use super::{config, run};

/// What is broken, if anything is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broken {
    Nothing,
    Key,
    Atomic,
    Owner,
    LockTime,
    Retention,
    Stored,
    WithEffect,
    Scope,
    Open,
    Forgets,
}

const BREAKS: [Broken; 10] = [
    Broken::Key,
    Broken::Atomic,
    Broken::Owner,
    Broken::LockTime,
    Broken::Retention,
    Broken::Stored,
    Broken::WithEffect,
    Broken::Scope,
    Broken::Open,
    Broken::Forgets,
];

/// A world in which much breaks.
#[derive(Clone, Debug)]
struct World {
    seed: u64,
    service: u64,
    timeout: u64,
    backoff: u64,
    access: u64,
    effect_at: f64,
    losses: [f64; 4],
    workers: Option<u32>,
    replicas: u32,
    repeats: bool,
    waits: bool,
    asked: Asked,
    crashes: Vec<(u64, u64, Option<u32>)>,
    freeze: (u64, u64),
    store: (u64, u64),
}

fn worlds() -> impl Strategy<Value = World> {
    let times = (any::<u64>(), 50u64..800, 100u64..900, 20u64..600, 0u64..40, 0.2f64..1.0);
    let losses = prop::array::uniform4(0.0f64..0.2);
    let server = (prop::option::of(3u32..20), 1u32..4, any::<bool>(), any::<bool>(), any::<bool>());
    let window = || (0u64..20_000, 50u64..3_000);
    let crash = (0u64..20_000, 50u64..2_000, prop::option::of(0u32..2));
    (times, losses, server, prop::collection::vec(crash, 0..4), window(), window()).prop_map(
        |((seed, service, timeout, backoff, access, effect_at), losses, server, crashes, freeze, store)| {
            let (workers, replicas, repeats, waits, first) = server;
            let asked = if first && !waits { Asked::First } else { Asked::ByWorker };
            World {
                seed,
                service,
                timeout,
                backoff,
                access,
                effect_at,
                losses,
                workers,
                replicas,
                repeats,
                waits,
                asked,
                crashes,
                freeze,
                store,
            }
        },
    )
}

impl World {
    fn scenario(&self, broken: Broken) -> Scenario {
        let is = |what| broken == what;
        let ms = Span::millis;
        let [late_errors, lost_replies, late_resets, failures] = self.losses;
        let lock = LockConfig {
            // Longer than the run.
            retention: if is(Broken::Retention) { ms(300) } else { Span::secs(100_000) },
            lock_ttl: Some(if is(Broken::LockTime) || is(Broken::Owner) { ms(200) } else { Span::secs(100_000) }),
            atomic: !is(Broken::Atomic),
            freed_by: if is(Broken::Owner) { FreedBy::Anyone } else { FreedBy::Owner },
            stores: if is(Broken::Stored) { Stores::Successes } else { Stores::Effects },
            with_effect: !is(Broken::WithEffect),
            // A crash leaves a lock: it has to run out for the work to be done again.
            access: ms(if is(Broken::Atomic) { self.access + 20 } else { self.access }),
            scope: if is(Broken::Scope) { StoreScope::Replica } else { StoreScope::Server },
            when_down: if is(Broken::Open) { WhenDown::Open } else { WhenDown::Closed },
            on_conflict: if self.waits { OnConflict::Wait(ms(70)) } else { OnConflict::Refuse },
            asked: if is(Broken::Atomic) { Asked::ByWorker } else { self.asked },
            ..LockConfig::default()
        };
        let lock = match broken {
            Broken::WithEffect => LockConfig { lock_ttl: Some(ms(1_500)), ..lock },
            _ => lock,
        };
        let server = ServerConfig {
            workers: self.workers,
            replicas: if is(Broken::Scope) { 3 } else { self.replicas },
            balance: Balance::RoundRobin,
            service_time: Distribution::Exponential { mean: ms(self.service) },
            network: Distribution::Constant(ms(5)),
            effect_at: self.effect_at,
            fates: Fates {
                late_errors: vec![(500, late_errors)],
                lost_replies,
                late_resets,
                failures: vec![(503, failures)],
                ..Fates::default()
            },
            idempotency: Idempotency::Lock(lock),
            ..ServerConfig::named("s")
        };
        let at = |ms: u64| SimTime::ZERO + Span::millis(ms);
        let fault = |name: &str, (from, length): (u64, u64)| Fault::named(name, 0, at(from), at(from + length));
        Scenario::new(Span::secs(20), Arrivals::Poisson { rate: 10.0 }, server)
            .framed(|frame| {
                frame.seed = self.seed >> 1;
                frame.drain = Span::secs(200);
            })
            .in_world(|world| {
                world.clients = 20;
                world.operation.wanted = Some(1);
                if self.repeats {
                    let after = Distribution::Constant(ms(self.service));
                    world.repeat = Some(Repeat { share: 0.3, after, times: 2, same: Same::Key });
                }
                for (index, (from, length, replica)) in self.crashes.iter().enumerate() {
                    let replica = replica.filter(|replica| *replica < self.replicas);
                    world.faults.push(Fault {
                        crash: true,
                        replica,
                        ..fault(&format!("crash{index}"), (*from, *length))
                    });
                }
                if is(Broken::WithEffect) {
                    (0..20).for_each(|n| {
                        world.faults.push(Fault { crash: true, ..fault(&format!("c{n}"), (1_000 * n + 500, 20)) })
                    });
                }
                world.faults.push(Fault { freeze: true, ..fault("freeze", self.freeze) });
                world.faults.push(Fault { store: Some(StoreFault::Slow(ms(30))), ..fault("slow", self.store) });
                let down = fault("down", (self.store.0 + 500, 4_000));
                world.faults.push(Fault { store: Some(StoreFault::Down), ..down });
                if is(Broken::Forgets) {
                    let forgets = |n: u64| Fault {
                        store: Some(StoreFault::Forgets),
                        ..fault(&format!("g{n}"), (1_000 * n + 300, 10))
                    };
                    world.faults.extend((0..20).map(forgets));
                }
            })
            .with_policy(
                "p",
                RetryPolicy {
                    attempts: Some(8),
                    timeout: Some(ms(self.timeout)),
                    backoff: Backoff::full_jitter(ms(self.backoff), 2.0, Some(Span::secs(3))),
                    retry_on: OutcomeSet::new(vec![OutcomeClass::Any]),
                    key: if is(Broken::Key) { KeyMode::PerAttempt } else { KeyMode::PerAction },
                    ..RetryPolicy::default()
                },
                &[],
            )
    }
}

fn duplicates(world: &World, broken: Broken) -> f64 {
    let result = run(&world.scenario(broken));
    result.value(simlab::scenario::metric::Metric::Duplicates).expect("a count")
}

#[test]
fn six_conditions_and_nobody_is_charged_twice() {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(config(300), rng);
    let test = |world: World| {
        prop_assert_eq!(duplicates(&world, Broken::Nothing), 0.0);
        Ok(())
    };
    runner.run(&worlds(), test).unwrap_or_else(|failed| panic!("{failed}"));
}

/// Each of them is needed: without it, most of these worlds have duplicates, or many of them.
#[test]
fn without_one_of_them_somebody_is() {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[8; 32]);
    let mut runner = TestRunner::new_with_rng(config(1), rng);
    let sample: Vec<World> = (0..20).map(|_| worlds().new_tree(&mut runner).expect("a world").current()).collect();
    for broken in BREAKS {
        let worlds = sample.iter().filter(|world| duplicates(world, broken) > 0.0).count();
        assert!(worlds >= 5, "{broken:?}: duplicates in {worlds} of {}", sample.len());
    }
}

fn row_uses() -> impl Strategy<Value = RowUse> {
    let writes = prop_oneof![
        Just(Writes::Blind),
        Just(Writes::IfUnchanged(409)),
        Just(Writes::IfUndone(409)),
        Just(Writes::Nothing)
    ];
    let reads = prop_oneof![Just(Reads::No), Just(Reads::Yes), Just(Reads::IfUndone(409))];
    let locks = prop_oneof![Just(Locks::No), Just(Locks::Work), Just(Locks::UntilOver)];
    (reads, writes, locks).prop_map(|(reads, writes, locks)| RowUse { reads, writes, locks })
}

proptest! {
    #![proptest_config(config(1_000))]

    /// Whatever is broken, and with rows too, what is told is what is counted.
    #[test]
    fn stages_are_told_as_they_are_counted(
        world in worlds(),
        broken in prop::sample::select(BREAKS.to_vec()),
        row in prop::option::of(row_uses()),
    ) {
        let scenario = world.scenario(broken).in_world(|world| {
            if let Some(row) = row {
                world.operation.row = row;
                world.contend = Some(Contend { things: 5, zipf: 1.0 });
                world.repeat = None;
            }
        });
        told_is_counted(&scenario)?;
    }
}
