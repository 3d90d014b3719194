//! Durable queues: whatever crashes, is down, comes late or comes twice, every order is done once in the end, where keys are stable; and every message is
//! somewhere, which every run checks by itself.

use proptest::prelude::*;
use simlab::durable::{DurableConfig, Handover, Order, Redrive, When};
use simlab::flow::{Journal, OnFailure};
use simlab::retry::{Backoff, KeyMode, OutcomeClass, OutcomeSet, RetryPolicy};
use simlab::scenario::metric::Metric;
use simlab::scenario::{Fates, Fault, QueueFault, Scenario};
use simlab::units::{SimTime, Span};

use super::nothing_lost::{World, worlds};
use super::{config, run};

fn queues() -> impl Strategy<Value = DurableConfig> {
    let workers = (1u32..6, prop_oneof![Just(0u64), 1u64..3_000], 1u32..5, any::<bool>());
    let visible = (prop::option::of(200u64..5_000), prop::option::of(1u64..100));
    let order = (any::<bool>(), any::<bool>(), any::<bool>(), 100u64..3_000);
    (workers, visible, order).prop_map(
        |((workers, poll, batch, partial), (visibility, beat), (fifo, checks, at_once, wait))| {
            DurableConfig {
                when: if at_once { When::AtOnce } else { When::AfterFailure },
                backoff: Backoff::full_jitter(Span::millis(wait), 2.0, Some(Span::secs(20))),
                workers,
                poll: Span::millis(poll),
                batch,
                partial,
                visibility: visibility.map(Span::millis),
                // Below the visibility time-out.
                heart_beat: visibility.zip(beat).map(|(visibility, beat)| Span::millis(visibility * beat / 100 + 1)),
                order: if fifo { Order::Fifo } else { Order::Due },
                check_first: checks,
                ..DurableConfig::default()
            }
        },
    )
}

/// Steps stop where they fail: what follows is the queue's. It is down for a while.
fn scenario(world: &World, queue: &DurableConfig, down: (u64, u64)) -> Scenario {
    let mut scenario = world.scenario(Journal::EachStep).in_world(|world| {
        world.operation.steps.iter_mut().for_each(|step| step.step.on_failure = OnFailure::Stop);
        let at = |ms: u64| SimTime::ZERO + Span::millis(ms);
        let fault = Fault::named("queue", 0, at(down.0), at(down.0 + down.1));
        world.faults.push(Fault { queue: Some(QueueFault::Down), ..fault });
    });
    scenario.policies[0].members[0].durable = Some(queue.clone());
    scenario
}

fn of(scenario: &Scenario, metric: Metric) -> f64 {
    run(scenario).value(metric).unwrap_or(0.0)
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn every_order_is_done_once_in_the_end(world in worlds(), queue in queues(), down in (0u64..30_000, 1u64..20_000)) {
        let result = run(&scenario(&world, &queue, down));
        let wrong = [
            Metric::Duplicates, Metric::MissingEffects, Metric::HalfDone, Metric::PhantomSuccesses, Metric::Failed,
            Metric::Parked, Metric::Unresolved, Metric::LostHandovers,
        ];
        let wrong: Vec<f64> = wrong.iter().map(|metric| result.value(*metric).expect("a value")).collect();
        prop_assert_eq!(wrong, vec![0.0; 8]);
    }

    /// With an end to tries, and calls to the queue that may be lost: each operation ends in one way, and who is lost has failed.
    #[test]
    fn each_ends_in_one_way(world in worlds(), queue in queues(), down in (0u64..30_000, 1u64..20_000), attempts in 1u32..4) {
        let redrive = (attempts > 2).then_some(Redrive { at: Span::secs(40), rate: Some(0.5) });
        let handover = Handover::After { takes: Span::millis(u64::from(attempts) * 40), fails: 0.1 };
        let queue = DurableConfig { attempts: Some(attempts), redrive, handover, ..queue };
        let result = run(&scenario(&world, &queue, down));
        let of = |metric| result.value(metric).expect("a value");
        let ended = of(Metric::Succeeded) + of(Metric::Failed) + of(Metric::Parked) + of(Metric::Unresolved);
        prop_assert_eq!(ended, of(Metric::Operations));
        prop_assert_eq!(of(Metric::Failed), of(Metric::LostHandovers));
        prop_assert_eq!((of(Metric::Duplicates), of(Metric::Unresolved)), (0.0, 0.0));
        prop_assert!(of(Metric::Redriven) <= of(Metric::HandedOver));
    }
}

/// What makes it so, taken away: new keys for each try, and what is lost on its way.
#[test]
fn without_what_makes_it_so_something_is_lost_or_done_twice() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
    let mut runner = TestRunner::new_with_rng(config(1), TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]));
    let worlds: Vec<(World, DurableConfig)> =
        (0..20).map(|_| (worlds(), queues()).new_tree(&mut runner).expect("a world").current()).collect();
    let sum = |metric, change: &dyn Fn(DurableConfig) -> DurableConfig, rules: &dyn Fn(&mut Scenario)| -> f64 {
        let each = worlds.iter().map(|(world, queue)| {
            let mut scenario = scenario(world, &change(queue.clone()), (5_000, 5_000));
            rules(&mut scenario);
            of(&scenario, metric)
        });
        each.sum()
    };
    let same = |_: &mut Scenario| ();
    let new_keys = |queue| DurableConfig { key_per_try: true, check_first: false, ..queue };
    assert!(sum(Metric::Duplicates, &new_keys, &same) > 0.0, "a new payment for each try");
    let after = |queue| DurableConfig { handover: Handover::After { takes: Span::millis(100), fails: 0.0 }, ..queue };
    assert!(sum(Metric::LostHandovers, &after, &same) > 0.0, "a crash, or a queue that is down");
    // Without keys, what comes late is done twice.
    let no_keys = |scenario: &mut Scenario| {
        let policy = RetryPolicy {
            timeout: Some(Span::secs(10)),
            retry_on: OutcomeSet::new(vec![OutcomeClass::Any]),
            key: KeyMode::None,
            ..RetryPolicy::default()
        };
        scenario.policies[0].rules_mut().policy = std::sync::Arc::new(policy);
        let world = scenario.world_mut();
        (world.faults, world.crashes) = (Vec::new(), None);
        world.servers.iter_mut().for_each(|server| server.fates = Fates::default());
    };
    let late = |visibility| {
        move |queue| DurableConfig {
            when: When::AtOnce,
            visibility,
            heart_beat: None,
            check_first: false,
            batch: 1,
            ..queue
        }
    };
    assert!(sum(Metric::Duplicates, &late(Some(Span::millis(100))), &no_keys) > 0.0, "given out while it is worked on");
    assert_eq!(sum(Metric::Duplicates, &late(None), &no_keys), 0.0, "and not otherwise");
}
