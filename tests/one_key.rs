//! The life of one idempotency key, told twice: by the simulator, and by a model that was written from the contract alone and knows nothing of the
//! simulator's insides. In 20,000 random worlds both count the same.
//!
//! A world is up to three operations that share a key, with up to four attempts each, one server, one store, and a few faults. Nothing in it is drawn.

#[path = "one_key/life.rs"]
mod life;
#[path = "models/mod.rs"]
mod models;
#[path = "one_key/random.rs"]
mod random;
#[path = "one_key/world.rs"]
mod world;

use std::collections::{BTreeMap, BTreeSet};

use life::{Seen, live};
use models::simulated;

const WORLDS: u64 = 20_000;

/// What both have to count alike, beside each `outcome_…`.
const COUNTS: [&str; 15] = [
    "operations",
    "succeeded",
    "failed",
    "unresolved",
    "attempts",
    "retries",
    "executions",
    "effects",
    "duplicates",
    "duplicated_operations",
    "phantom_successes",
    "latency_mean",
    "latency_max",
    "duration_mean",
    "in_flight_mean",
];

/// What they count differently. An outcome that one of them does not name did not occur.
fn differences(ours: &BTreeMap<String, f64>, theirs: &BTreeMap<String, f64>) -> Vec<String> {
    let outcomes = ours.keys().chain(theirs.keys()).map(String::as_str).filter(|name| name.starts_with("outcome_"));
    let all: BTreeSet<&str> = COUNTS.into_iter().chain(outcomes).collect();
    let differ = |name: &str| {
        let of = |counts: &BTreeMap<String, f64>| counts.get(name).copied();
        let (our, their) = match name.starts_with("outcome_") {
            true => (Some(of(ours).unwrap_or(0.0)), Some(of(theirs).unwrap_or(0.0))),
            false => (of(ours), of(theirs)),
        };
        // Means are sums of nanoseconds, divided: what is left is how numbers are rounded.
        let same = our == their || our.zip(their).is_some_and(|(our, their)| (our - their).abs() < 1e-12);
        (!same).then(|| format!("{name}: {our:?} here, {their:?} there"))
    };
    all.into_iter().filter_map(differ).collect()
}

/// What has to come about, whether it did, and in how many percent of the worlds it must.
type Accident = (&'static str, fn(&Seen) -> bool, u64);

const ACCIDENTS: [Accident; 6] = [
    ("a conflict", |seen| seen.conflict, 10),
    ("a lock that ran out under its holder", |seen| seen.expired_lock, 5),
    ("a crash between an effect and its reply", |seen| seen.crash_in_the_window, 5),
    ("a forgotten key that is asked for", |seen| seen.lost_entry, 5),
    ("a stale read", |seen| seen.stale_read, 5),
    ("a replay", |seen| seen.replay, 10),
];

#[test]
fn both_count_the_same() {
    let mut seen = Vec::new();
    for index in 0..WORLDS {
        let world = random::world(index);
        let told = live(&world);
        let simulated = simulated(&world.scenario());
        let differences = differences(&told.counts, &simulated);
        assert!(
            differences.is_empty(),
            "world {index}: {differences:#?}\n{world:#?}\nhere: {:#?}\nthere: {simulated:#?}",
            told.counts
        );
        seen.push(told.seen);
    }
    for (what, is_seen, least) in ACCIDENTS {
        let worlds = seen.iter().filter(|seen| is_seen(seen)).count() as u64;
        assert!(100 * worlds >= least * WORLDS, "{what} comes about in {worlds} worlds only");
    }
}
