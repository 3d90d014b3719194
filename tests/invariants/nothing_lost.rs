//! Nothing lost: with a durable journal, stable keys and a store by the six conditions, no crash of clients loses an effect or makes one twice; with
//! anything less, some do.

use proptest::prelude::*;
use simlab::call::Verdict;
use simlab::distribution::Distribution;
use simlab::flow::{Compensate, Journal, OnFailure, Resume, Step, When};
use simlab::metrics::notes::{Wanted, What};
use simlab::protocol::Method;
use simlab::retry::{Backoff, KeyMode, OutcomeClass, OutcomeSet, RetryPolicy};
use simlab::scenario::call::CallConfig;
use simlab::scenario::metric::Metric;
use simlab::scenario::{
    Arrivals, ClientCrashes, CrashAtStep, CrashWhen, Fates, Fault, Idempotency, JournalConfig, LockConfig, RandomCrash,
    Scenario, ServerConfig, Stores,
};
use simlab::sim::{self, Limits};
use simlab::units::{SimTime, Span};
use std::sync::atomic::AtomicBool;

use super::{config, run};

/// Orders of three steps, and what breaks.
#[derive(Clone, Debug)]
pub struct World {
    seed: u64,
    clients: u32,
    service: [u64; 3],
    timeout: u64,
    between: u64,
    restart: u64,
    at_step: Option<(usize, CrashWhen, f64)>,
    takeover: Option<u64>,
    losses: [f64; 3],
    write: u64,
    outage: (usize, u64, u64),
}

pub fn worlds() -> impl Strategy<Value = World> {
    let when = prop_oneof![Just(CrashWhen::Before), Just(CrashWhen::During), Just(CrashWhen::After)];
    let clients = (any::<u64>(), 1u32..8, prop::array::uniform3(20u64..400), 100u64..900);
    let crashes = (1_000u64..20_000, 50u64..3_000, prop::option::of((0usize..3, when, 0.05f64..0.5)));
    let rest = (prop::option::of(20u64..2_000), prop::array::uniform3(0.0f64..0.2), 0u64..50);
    let outage = (0usize..3, 0u64..10_000, 100u64..8_000);
    (clients, crashes, rest, outage).prop_map(|(clients, crashes, (takeover, losses, write), outage)| {
        let (seed, clients, service, timeout) = clients;
        let (between, restart, at_step) = crashes;
        World { seed, clients, service, timeout, between, restart, at_step, takeover, losses, write, outage }
    })
}

impl World {
    /// Steps are resumed until they succeed. Without late errors: one that is stored comes back for ever. A lock outlasts all work, and not the run: one that a
    /// crash of the server leaves, has to run out.
    pub fn scenario(&self, kept: Journal) -> Scenario {
        let ms = Span::millis;
        let any = || OutcomeSet::new(vec![OutcomeClass::Any]);
        let resume = || OnFailure::Resume(Box::new(Resume { on: any(), after: ms(300), times: 1_000, then: None }));
        let [lost_replies, late_resets, failures] = self.losses;
        let lock = LockConfig {
            retention: Span::secs(1_000_000),
            lock_ttl: Some(Span::secs(60)),
            stores: Stores::Effects,
            with_effect: true,
            ..LockConfig::default()
        };
        let server = |number: usize| ServerConfig {
            service_time: Distribution::Exponential { mean: ms(self.service[number]) },
            network: Distribution::Constant(ms(2)),
            fates: Fates { lost_replies, late_resets, failures: vec![(503, failures)], ..Fates::default() },
            idempotency: Idempotency::Lock(lock.clone()),
            ..ServerConfig::named(&format!("s{number}"))
        };
        let (server_down, from, length) = self.outage;
        let at = |ms: u64| SimTime::ZERO + Span::millis(ms);
        Scenario::new(Span::secs(20), Arrivals::Poisson { rate: 5.0 }, server(0))
            .framed(|frame| {
                frame.seed = self.seed >> 1;
                frame.drain = Span::secs(3_000);
            })
            .in_world(|world| {
                world.clients = self.clients;
                world.servers = (0..3).map(server).collect();
                let step = |number: usize| CallConfig {
                    step: Step { on_failure: resume(), ..Step::default() },
                    ..CallConfig::to(&format!("step{number}"), number, Method::Post)
                };
                world.operation.steps = (0..3).map(step).collect();
                world.operation.journal = JournalConfig { kept, write: ms(self.write), ..JournalConfig::default() };
                let random = RandomCrash { mean_between: ms(self.between), restart: ms(self.restart) };
                let at_step = self.at_step.map(|(step, when, share)| CrashAtStep {
                    step,
                    when,
                    share,
                    restart: ms(self.restart),
                });
                world.crashes = Some(ClientCrashes {
                    random: Some(random),
                    at_step,
                    takeover: self.takeover.map(ms),
                    ..ClientCrashes::default()
                });
                world.faults =
                    vec![Fault { crash: true, ..Fault::named("down", server_down, at(from), at(from + length)) }];
            })
            .with_policy(
                "p",
                RetryPolicy {
                    attempts: Some(3),
                    timeout: Some(ms(self.timeout)),
                    backoff: Backoff::full_jitter(ms(100), 2.0, Some(Span::secs(2))),
                    retry_on: any(),
                    key: KeyMode::PerOperation,
                    ..RetryPolicy::default()
                },
                &[],
            )
    }
}

fn of(scenario: &Scenario, metrics: &[Metric]) -> Vec<f64> {
    let result = run(scenario);
    metrics.iter().map(|metric| result.value(*metric).unwrap_or(0.0)).collect()
}

/// The sum of this over 20 worlds, each changed so.
fn sum(metric: Metric, kept: Journal, change: &dyn Fn(Scenario) -> Scenario) -> f64 {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
    let mut runner = TestRunner::new_with_rng(config(1), TestRng::from_seed(RngAlgorithm::ChaCha, &[9; 32]));
    let worlds = (0..20).map(|_| worlds().new_tree(&mut runner).expect("a world").current());
    worlds.map(|world| of(&change(world.scenario(kept)), &[metric])[0]).sum()
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn no_crash_loses_an_effect_or_makes_one_twice(world in worlds()) {
        let metrics = [
            Metric::Duplicates, Metric::MissingEffects, Metric::HalfDone, Metric::PhantomSuccesses, Metric::Failed,
            Metric::Unresolved,
        ];
        prop_assert_eq!(of(&world.scenario(Journal::EachStep), &metrics), vec![0.0; metrics.len()]);
    }

    /// What is in the journal is never sent again: here it is written at once.
    #[test]
    fn what_is_in_the_journal_is_never_sent_again(world in worlds()) {
        let world = World { write: 0, ..world };
        let limits = Limits { memory: 1 << 30, interrupted: &AtomicBool::new(false) };
        let (_, account) = sim::tell(&world.scenario(Journal::EachStep), 0, 0, limits, Wanted::All).expect("an end");
        for (_, told) in &account.told {
            let mut done = [false; 3];
            for note in &told.notes {
                match note.what {
                    What::CallOver(Verdict::Succeeded) => done[note.place] = true,
                    What::Sent { .. } => prop_assert!(!done[note.place], "{:?}", told),
                    _ => {}
                }
            }
        }
    }
}

/// A journal that knows less: steps are made again, and where keys are not stable, twice.
#[test]
fn with_anything_less_something_is_done_twice() {
    let fresh_keys = |scenario: Scenario| {
        let policy = RetryPolicy {
            attempts: Some(3),
            timeout: Some(Span::secs(5)),
            retry_on: OutcomeSet::new(vec![OutcomeClass::Any]),
            key: KeyMode::PerCall,
            ..RetryPolicy::default()
        };
        let mut scenario = scenario;
        scenario.policies[0].rules_mut().policy = std::sync::Arc::new(policy);
        scenario
    };
    let unbroken = |scenario: Scenario| {
        scenario.in_world(|world| {
            world.faults.clear();
            world.servers.iter_mut().for_each(|server| server.fates = Fates::default());
        })
    };
    let repeats = |kept| sum(Metric::StepsRepeated, kept, &unbroken);
    assert!(repeats(Journal::Memory) > 1.2 * repeats(Journal::EachStep), "a journal in memory is lost");
    assert!(repeats(Journal::AfterRun) > 1.2 * repeats(Journal::EachStep), "one that is written too late");
    assert!(sum(Metric::Duplicates, Journal::Memory, &fresh_keys) > 0.0, "charged again after a crash");
    assert!(sum(Metric::Duplicates, Journal::AfterRun, &fresh_keys) > 0.0, "charged again: F1");
    // Undone, and still in the list: shipped though refunded.
    let again = |lists_undone: bool| {
        move |scenario: Scenario| {
            scenario.in_world(|world| {
                world.operation.journal.lists_undone = lists_undone;
                let undo = |(name, of)| CallConfig {
                    step: Step { when: When::Undoing { step: of, if_sent: false }, ..Step::default() },
                    ..CallConfig::to(name, of, Method::Post)
                };
                let last = &mut world.operation.steps[2].step;
                last.on_failure = OnFailure::Compensate(Compensate { times: 1_000, after: Span::millis(300) });
                world.operation.steps.extend([("undo0", 0), ("undo1", 1)].into_iter().map(undo));
                // An undo needs a server of its own here: a key is of a step, and there is one undo for each time.
                let mut undoing = world.servers[0].clone();
                undoing.name = "undoing".to_owned();
                (undoing.idempotency, undoing.fates) = (Idempotency::None, Fates::default());
                world.servers.push(undoing);
                world.operation.steps[3].server = 3;
                world.operation.steps[4].server = 3;
            })
        }
    };
    let missing = |lists: bool| sum(Metric::MissingEffects, Journal::EachStep, &again(lists));
    assert!(missing(true) > 0.0, "shipped though refunded: F3");
}
