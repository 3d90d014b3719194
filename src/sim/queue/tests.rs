//! The queue against a plain heap of (time, class, order of scheduling), the reference: they agree in every pop.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::super::event::{Class, DEMAND};
use super::*;
use crate::rng::{KeyedRng, Purpose};

/// The reference.
#[derive(Default)]
struct Heap {
    heap: BinaryHeap<Reverse<(SimTime, Class, u64, u32)>>,
    scheduled: u64,
}

impl Heap {
    fn push(&mut self, time: SimTime, class: Class, number: u32) {
        self.scheduled += 1;
        self.heap.push(Reverse((time, class, self.scheduled, number)));
    }

    fn pop(&mut self) -> Option<(SimTime, Class, u32)> {
        self.heap.pop().map(|Reverse((time, class, _, number))| (time, class, number))
    }
}

const CLASSES: [Class; 7] =
    [Class::Fault, Class::Reply, Class::Patience, Class::Request, Class::Timer, Class::Arrival, Class::GoOn];

/// An event of this class. Of two kinds that share a class, the number decides.
fn event(class: Class, number: u32) -> Event {
    match class {
        Class::Fault if number.is_multiple_of(2) => Event::FaultEdge { fault: number },
        Class::Fault => Event::ClientCrash { number },
        Class::Reply if number.is_multiple_of(2) => Event::Completion { job: number },
        Class::Reply => Event::Reply { job: number },
        Class::Patience => Event::PatienceEnds { job: number },
        Class::Request => Event::Request { job: number },
        Class::Timer if number.is_multiple_of(2) => Event::WakeUp { row: number },
        Class::Timer => Event::TimeOut { row: number, setting: number % SETTINGS },
        Class::Arrival => Event::ThinkingOver { client: number, turn: number % TURNS },
        Class::GoOn => Event::GoOn { course: number, turn: number % TURNS },
    }
}

/// Both queues side by side.
#[derive(Default)]
struct Both {
    queue: Queue,
    heap: Heap,
    now: SimTime,
    number: u32,
}

impl Both {
    fn push(&mut self, delay: u64, class: Class) {
        let at = SimTime(self.now.0.saturating_add(delay));
        self.queue.push(at, event(class, self.number));
        self.heap.push(at, class, self.number);
        self.number += 1;
    }

    /// Pops from both; false if both are empty.
    #[track_caller]
    fn pop(&mut self) -> bool {
        let expected = self.heap.pop();
        let got = self.queue.pop();
        assert_eq!(got, expected.map(|(time, class, number)| (time, event(class, number))));
        assert_eq!(self.queue.len(), self.heap.heap.len());
        self.now = got.map_or(self.now, |(time, _)| time);
        got.is_some()
    }
}

/// A schedule: `pending` events to begin with, then each that pops schedules another after a delay that `delay` draws, `pops` times; then the rest.
#[track_caller]
fn hold(pending: u32, pops: u32, classes: &[Class], mut delay: impl FnMut(&mut KeyedRng) -> u64) {
    let mut rng = KeyedRng::new(1, Purpose::Think, 0, 0);
    let mut both = Both::default();
    for number in 0..pending {
        let after = delay(&mut rng);
        both.push(after, classes[number as usize % classes.len()]);
    }
    for number in 0..pops {
        both.pop();
        let after = delay(&mut rng);
        both.push(after, classes[number as usize % classes.len()]);
    }
    while both.pop() {}
}

const MICROSECOND: u64 = 1_000;
const SECOND_: u64 = 1_000_000_000;

#[test]
fn one_event_after_the_other() {
    hold(1, 1_000, &CLASSES, |rng| rng.below(5));
    hold(1, 1_000, &CLASSES, |rng| rng.below(SECOND_));
}

#[test]
fn an_empty_queue_begins_again() {
    let mut both = Both::default();
    for round in 0..200u64 {
        assert!(!both.pop());
        (0..round).for_each(|n| both.push(n * n % 97, CLASSES[(n % 6) as usize]));
        while both.pop() {}
    }
}

#[test]
fn thinkers() {
    for pending in [3, 60, 70, 1_000, 30_000] {
        hold(pending, 4 * pending, &CLASSES, |rng| (-libm::log(rng.open_unit()) * 1e9) as u64);
    }
}

/// All at one instant, again and again: of one class, and of all.
#[test]
fn herds_at_one_instant() {
    hold(5_000, 20_000, &[Class::Arrival], |_| SECOND_);
    hold(5_000, 20_000, &CLASSES, |_| SECOND_);
}

/// All within a microsecond, again and again, and between them nothing.
#[test]
fn herds_within_a_microsecond() {
    hold(20_000, 60_000, &CLASSES, |rng| rng.below(MICROSECOND));
    hold(20_000, 60_000, &CLASSES, |rng| SECOND_ + rng.below(MICROSECOND));
    // The next herd is scheduled while this one is taken.
    let mut swing = 0u64;
    hold(20_000, 60_000, &[Class::Timer], |rng| {
        swing += 1;
        if swing.is_multiple_of(2) { rng.below(MICROSECOND) } else { SECOND_ }
    });
}

/// Nothing takes any time.
#[test]
fn zero_delays() {
    hold(1_000, 10_000, &CLASSES, |_| 0);
    hold(1_000, 10_000, &[Class::Timer, Class::Reply], |rng| rng.below(2));
}

/// Nanoseconds and centuries at once: every rung is divided again, and the top is begun many times.
#[test]
fn all_scales_of_time() {
    hold(3_000, 12_000, &CLASSES, |rng| rng.bits() >> (rng.below(64)));
    hold(3_000, 12_000, &CLASSES, |rng| 1 << rng.below(45));
}

/// A few outliers far ahead, as the ends of faults are, must not spoil the order nor the memory of the rest.
#[test]
fn outliers_far_ahead() {
    let mut both = Both::default();
    (1..10).for_each(|n| both.push(n * 1_000 * SECOND_, Class::Fault));
    let mut rng = KeyedRng::new(2, Purpose::Think, 0, 0);
    (0..10).for_each(|_| both.push(rng.below(SECOND_), Class::Arrival));
    for _ in 0..200_000 {
        both.pop();
        both.push(rng.below(SECOND_), Class::Arrival);
    }
    assert!(both.queue.bytes() < 200_000, "{} bytes for 19 entries", both.queue.bytes());
    while both.pop() {}
}

/// Epochs: everything that pops schedules beyond the end of what the rungs cover.
#[test]
fn epochs_roll_over() {
    hold(2_000, 20_000, &CLASSES, |rng| 10 * SECOND_ + rng.below(SECOND_));
    hold(2_000, 20_000, &CLASSES, |rng| SECOND_ * (1 + rng.below(2) * 100));
}

/// The last instants there are.
#[test]
fn the_end_of_time() {
    let mut both = Both::default();
    for n in 0..2_000u64 {
        both.push(u64::MAX - n % 5, CLASSES[(n % 6) as usize]);
    }
    for n in 0..3_000u64 {
        both.pop();
        both.push(n % 3, CLASSES[(n % 6) as usize]);
    }
    while both.pop() {}
}

/// A crowd gathers in the middle of a leaf: what is beside it must not become a heap of all, nor come before its equals.
#[test]
fn a_crowd_within_a_leaf() {
    let mut both = Both::default();
    let mut rng = KeyedRng::new(3, Purpose::Think, 0, 0);
    // Not at 0, which is in the leaf from the beginning: together they become one.
    (1..60u64).for_each(|n| both.push(n * 100 * MICROSECOND, Class::Arrival));
    for _ in 0..20 {
        both.pop();
        (0..1_000).for_each(|_| both.push(rng.below(MICROSECOND), CLASSES[rng.below(6) as usize]));
        (0..500).for_each(|_| assert!(both.pop()));
    }
    assert!(both.queue.beside.len() <= CROWD, "{} beside the leaf", both.queue.beside.len());
    while both.pop() {}
}

/// The class of an event is what the contract says, and comes from its number.
#[test]
fn events_have_the_number_of_their_class() {
    for number in [2, 3] {
        for class in CLASSES {
            let entry = Entry::new(SimTime(1), event(class, number));
            assert_eq!(entry.what >> CLASS, class as u64, "{class:?}");
        }
    }
    assert_eq!(Entry::new(SimTime(1), Event::NextOperation { repeat: DEMAND }).what >> CLASS, Class::Arrival as u64);
}

#[test]
fn every_event_survives() {
    let mut queue = Queue::default();
    let mut events: Vec<Event> = [0, 1, 77, u32::MAX]
        .into_iter()
        .flat_map(|number| {
            CLASSES.map(|class| event(class, number)).into_iter().chain([
                Event::TimeOut { row: number, setting: SETTINGS - 1 },
                event(Class::Timer, number & !1),
                event(Class::Reply, number & !1),
            ])
        })
        .collect();
    events.push(Event::NextOperation { repeat: DEMAND });
    events.push(Event::NextOperation { repeat: 7 });
    for event in events {
        queue.push(SimTime(5), event);
        assert_eq!(queue.pop(), Some((SimTime(5), event)));
    }
}

/// What is shown ahead is shown once, before it happens; and looking changes nothing.
#[test]
fn looking_ahead_shows_what_comes() {
    let mut both = Both::default();
    let mut rng = KeyedRng::new(5, Purpose::Think, 0, 0);
    (0..20_000).for_each(|_| both.push(rng.below(SECOND_), Class::Arrival));
    let (mut shown, mut popped, mut in_time) = (vec![false; 20_000], 0, 0);
    loop {
        if both.queue.has_news() {
            both.queue.look_ahead(|about| {
                let About::Client(client) = about else { panic!("{about:?}") };
                assert!(!std::mem::replace(&mut shown[client as usize], true), "{client} is shown twice");
            });
        }
        let next = both.heap.heap.peek().map(|Reverse((_, _, _, number))| *number);
        if !both.pop() {
            break;
        }
        popped += 1;
        in_time += u32::from(next.is_some_and(|number| shown[number as usize]));
    }
    // The first few of each rung come up before anybody could ask.
    assert!(in_time > popped * 9 / 10, "{in_time} of {popped} were shown before they came");
}

#[test]
fn retain_keeps_the_order() {
    let mut both = Both::default();
    let mut rng = KeyedRng::new(4, Purpose::Think, 0, 0);
    (0..2_000).for_each(|_| both.push(rng.below(50), CLASSES[rng.below(6) as usize]));
    (0..500).for_each(|_| assert!(both.pop()));
    let keep = |event: Event| !matches!(event, Event::TimeOut { .. });
    both.queue.retain(keep);
    both.heap.heap.retain(|Reverse((_, class, _, number))| keep(event(*class, *number)));
    (0..2_000).for_each(|_| both.push(rng.below(50), CLASSES[rng.below(6) as usize]));
    while both.pop() {}
}

/// Instants that adversaries like: now, the same few again, one of a crowd, far away, the last one of all.
fn delay() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => Just(0u64),
        4 => 1u64..4,
        4 => 0u64..1_000,
        2 => (0u64..10).prop_map(|n| n << 30),
        1 => Just(1 << 62),
        1 => Just(u64::MAX)
    ]
}

/// One step: schedule so many of a class after a delay, or take so many.
#[derive(Clone, Debug)]
enum Step {
    Push(usize, u64, u64, u32),
    Pop(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0usize..6, delay()).prop_map(|(class, delay)| Step::Push(class, delay, 0, 1)),
        // Crowds, in one instant or spread a little.
        1 => (0usize..6, delay(), 0u64..3, 1u32..300).prop_map(|(class, delay, apart, n)| Step::Push(class, delay, apart, n)),
        3 => (1u32..4).prop_map(Step::Pop),
        1 => (1u32..300).prop_map(Step::Pop),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(3),
        ..ProptestConfig::default()
    })]

    #[test]
    fn agrees_with_a_heap(steps in proptest::collection::vec(step(), 0..100)) {
        let mut both = Both::default();
        for step in steps {
            match step {
                Step::Push(class, delay, apart, times) => {
                    (0..u64::from(times)).for_each(|n| both.push(delay.saturating_add(n * 7 % 50 * apart), CLASSES[class]));
                }
                Step::Pop(times) => (0..times).for_each(|_| _ = both.pop()),
            }
        }
        while both.pop() {}
    }
}
