//! The life of one order under a crash schedule, told twice: by the simulator, and by a model that was written from the contract (section 3.14) and is a
//! walk through its steps, without events. In 10,000 random worlds both count the same.
//!
//! A world is one order of two to four steps and their undos, each at a server of its own, with windows in which that fails, a journal, and a client that
//! crashes at a step or at random. Only when the random crashes come is taken from the simulator's own streams: they are data here.

#[path = "one_order/life.rs"]
mod life;
#[path = "models/mod.rs"]
mod models;
#[path = "one_order/world.rs"]
mod world;

use std::collections::BTreeMap;

use life::live;
use models::{Dice, simulated};
use world::World;

const WORLDS: u64 = 10_000;

const COUNTS: [&str; 17] = [
    "operations",
    "succeeded",
    "failed",
    "unresolved",
    "attempts",
    "executions",
    "effects",
    "duplicates",
    "phantom_successes",
    "half_done",
    "missing_effects",
    "undone",
    "left_for_person",
    "steps_repeated",
    "gone_wrong",
    "latency_max",
    "repair_mean",
];

#[test]
fn both_count_the_same() {
    let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
    for index in 0..WORLDS {
        let world = World::random(&mut Dice(index.wrapping_mul(0x9e37_79b9)));
        let (told, accidents) = live(&world);
        let there = simulated(&world.scenario());
        for name in COUNTS {
            let (ours, theirs) = (told.get(name).copied(), there.get(name).copied());
            let same = ours == theirs || ours.zip(theirs).is_some_and(|(ours, theirs)| (ours - theirs).abs() < 1e-9);
            assert!(same, "world {index}: {name} is {ours:?} here, {theirs:?} there\n{world:#?}\nhere {told:#?}");
        }
        for accident in accidents {
            *seen.entry(accident).or_default() += 1;
        }
    }
    for (what, least) in [
        ("crash", 40),
        ("several crashes", 15),
        ("crash while undoing", 1),
        ("crash in flight", 20),
        ("crash while writing", 1),
        ("undone", 2),
        ("left for a person", 4),
        ("resumed", 15),
        ("made anew after it was undone", 5),
        ("rolled back", 5),
        ("half done", 30),
        ("duplicate", 40),
        ("phantom success", 5),
    ] {
        let worlds = seen.get(what).copied().unwrap_or(0);
        assert!(100 * worlds >= least * WORLDS, "{what} comes about in {worlds} worlds only: {seen:?}");
    }
}
