//! Every backoff and gate by the name it has in scenario files, with its formula, its source and an example.
//!
//! This is what `simlab policies` shows. The examples are scenario text; a test reads each and compares it with the value beside it.

use crate::gate::{breaker, budget, concurrency, cubic, limiter, throttle};
use crate::hedge;
pub use crate::retry::backoff::DelayRow;
use crate::retry::curve::exponential::Exponential;
use crate::retry::jitter::multiply::Multiply;
use crate::retry::{Backoff, CapAt, Curve, Jitter};
use crate::units::Span;
use crate::{endpoint, entry};

/// What kind of thing an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// How long to wait before a retry.
    Backoff,
    /// State that may refuse an attempt.
    Gate,
    /// Another attempt beside one that is open.
    Hedge,
    /// What a client does about replicas.
    Replica,
}

impl Family {
    /// Plural, as a heading.
    pub fn heading(self) -> &'static str {
        match self {
            Family::Backoff => "backoffs",
            Family::Gate => "gates",
            Family::Hedge => "hedging",
            Family::Replica => "replicas",
        }
    }
}

/// One name.
#[derive(Clone, Debug)]
pub struct Entry {
    /// As in scenario files.
    pub name: &'static str,
    /// What kind of thing it is.
    pub family: Family,
    /// One line.
    pub summary: &'static str,
    /// What it does, exactly.
    pub rule: &'static str,
    /// Where it comes from.
    pub source: &'static str,
    /// A line for a policy's table.
    pub example: &'static str,
    /// The example as a value; gates have none.
    pub backoff: Option<Backoff>,
}

impl Entry {
    /// The delays of the example before its first `retries` retries; nothing for a gate.
    pub fn delays(&self, retries: u32) -> Vec<DelayRow> {
        self.backoff.as_ref().map_or_else(Vec::new, |backoff| backoff.table(retries))
    }
}

const MS: fn(u64) -> Span = Span::millis;

/// Every entry: backoffs, gates, hedging, replicas.
pub fn entries() -> Vec<Entry> {
    let mut entries = plain_backoffs();
    entries.extend(jittered_backoffs());
    entries.extend(GATES.map(|entry| without_delays(Family::Gate, entry)));
    entries.extend(hedge::ENTRIES.map(|entry| without_delays(Family::Hedge, entry)));
    entries.push(without_delays(Family::Replica, endpoint::ENTRY));
    entries
}

fn backoff(
    name: &'static str,
    summary: &'static str,
    rule: &'static str,
    source: &'static str,
    example: &'static str,
    value: Backoff,
) -> Entry {
    Entry { name, family: Family::Backoff, summary, rule, source, example, backoff: Some(value) }
}

/// What makes no delays, as what it describes says it.
fn without_delays(family: Family, entry: entry::Entry) -> Entry {
    let entry::Entry { name, summary, rule, source, example } = entry;
    Entry { name, family, summary, rule, source, example, backoff: None }
}

/// Gates, in the order in which they are listed.
const GATES: [entry::Entry; 8] = [
    breaker::CONSECUTIVE,
    budget::TOKENS,
    breaker::RATE,
    budget::RATIO,
    throttle::ENTRY,
    limiter::ENTRY,
    cubic::ENTRY,
    concurrency::ENTRY,
];

fn plain_backoffs() -> Vec<Entry> {
    vec![
        backoff(
            "none",
            "at once",
            "The next attempt is sent at the instant the failure is known.",
            "The default of many retry loops; fine for isolated blips, the worst peak in an overload.",
            "backoff = \"none\"",
            Backoff::none(),
        ),
        backoff(
            "fixed",
            "the same delay every time",
            "delay",
            "The default of resilience4j (500 ms) and of many hand-written loops (1 s).",
            "backoff.fixed = { delay = \"1s\" }",
            Backoff::fixed(MS(1_000)),
        ),
        backoff(
            "linear",
            "grows by a fixed step",
            "min(cap, base + step·(k-1)) before the k-th retry",
            "Polly's linear delay.",
            "backoff.linear = { base = \"500ms\", step = \"500ms\", cap = \"8s\" }",
            Backoff::linear(MS(500), MS(500), Some(MS(8_000))),
        ),
        backoff(
            "exponential",
            "doubles; the fleet stays in step",
            "w = min(cap, base·factor^(k-1)) before the k-th retry; factor 2 unless given",
            "Ethernet's binary exponential backoff (Metcalfe and Boggs, 1976), without its randomness.",
            "backoff.exponential = { base = \"500ms\", factor = 2.0, cap = \"8s\" }",
            Backoff::exponential(MS(500), 2.0, Some(MS(8_000))),
        ),
        backoff(
            "power",
            "grows by a power of the retry's number",
            "min(cap, base + scale·(k-1)^exponent) before the k-th retry",
            "stripe-go 86.2 (0.5 s + 0.5 s·n², though called exponential); Sidekiq 8.1 (15 s + n⁴ s).",
            "backoff.power = { base = \"500ms\", scale = \"500ms\", exponent = 2, cap = \"5s\" }",
            Backoff::power(MS(500), MS(500), 2, Some(MS(5_000))),
        ),
        backoff(
            "schedule",
            "delays written out",
            "delays[k-1], the last one repeating, times U(1-spread, 1+spread)",
            "Webhook senders: Svix waits 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 10 h.",
            "backoff.schedule = { delays = [\"30s\", \"5m\", \"2h\"], spread = \"20%\" }",
            Backoff::schedule(vec![MS(30_000), MS(300_000), MS(7_200_000)], 0.2),
        ),
    ]
}

fn jittered_backoffs() -> Vec<Entry> {
    let (base, cap) = (MS(500), Some(MS(8_000)));
    vec![
        backoff(
            "full-jitter",
            "anything up to the exponential window",
            "U(0, w), w as for exponential",
            "\"Exponential Backoff and Jitter\", AWS Architecture Blog, 2015; the AWS SDKs' standard mode.",
            "backoff.full-jitter = { base = \"500ms\", factor = 2.0, cap = \"8s\" }",
            Backoff::full_jitter(base, 2.0, cap),
        ),
        backoff(
            "equal-jitter",
            "half the window for certain, half at random",
            "w/2 + U(0, w/2), w as for exponential",
            "\"Exponential Backoff and Jitter\", AWS Architecture Blog, 2015.",
            "backoff.equal-jitter = { base = \"500ms\", factor = 2.0, cap = \"8s\" }",
            Backoff::equal_jitter(base, 2.0, cap),
        ),
        backoff(
            "decorrelated-jitter",
            "a random walk on the previous delay",
            "min(cap, U(base, 3·previous)), previous starting at base with each call; the cap clamps what is remembered too",
            "\"Exponential Backoff and Jitter\", AWS Architecture Blog, 2015 (aws-arch-backoff-simulator, backoff_simulator.py).",
            "backoff.decorrelated-jitter = { base = \"500ms\", cap = \"8s\" }",
            Backoff::decorrelated_jitter(base, cap),
        ),
        backoff(
            "additive-jitter",
            "a constant amount of randomness on top",
            "min(cap, w + U(0, jitter)), w = base·factor^(k-1); with cap_before = true: min(cap, w) + U(0, jitter)",
            "Google Cloud's truncated exponential backoff; got adds U(0, 100 ms). With the cap last, late attempts gather at exactly the cap.",
            "backoff.additive-jitter = { base = \"1s\", factor = 2.0, cap = \"30s\", jitter = \"1s\" }",
            Backoff::additive_jitter(MS(1_000), 2.0, Some(MS(30_000)), MS(1_000), false),
        ),
        backoff(
            "proportional-jitter",
            "a spread in proportion to the window",
            "w·U(1-spread, 1+spread), w as for exponential",
            "gRPC (±20%), cenkalti/backoff (±50%), Kafka's producer (±20%).",
            "backoff.proportional-jitter = { base = \"500ms\", factor = 1.5, cap = \"60s\", spread = 0.5 }",
            Backoff::proportional_jitter(base, 1.5, Some(MS(60_000)), 0.5),
        ),
        backoff(
            "telescoping-jitter",
            "differences of a smooth curve at random points",
            "min(cap, base/1.4·(g(t) - g(t before))), g(t) = 2^t·tanh(√(4t)), t = k-1 + U(0, 1) before the k-th retry and g at first 0: the sum of all \
             delays depends on the last draw only",
            "Polly 8, exponential with UseJitter (RetryHelper.cs): \"Decorrelated Jitter Backoff V2\".",
            "backoff.telescoping-jitter = { base = \"2s\" }",
            Backoff::telescoping_jitter(MS(2_000), None),
        ),
        backoff(
            "memoryless",
            "exponentially distributed",
            "exponential with this mean, the same before every retry",
            "The retrial queue of Falin and Templeton, \"Retrial Queues\" (1997), whose theory is exact.",
            "backoff.memoryless = { mean = \"500ms\" }",
            Backoff::memoryless(base),
        ),
        backoff(
            "custom",
            "put together from its parts",
            "curve -> cap -> jitter -> unit -> floor -> cap. curve: constant, linear, exponential, power, schedule, decorrelated, feedback or telescoping; \
             offset moves its index, first replaces the first delay; cap_at: window, delay or both; jitter: none, multiply, add, memoryless or \
             whole-seconds; delays are whole multiples of unit, the upper end of a range as likely as the rest if inclusive",
            "What production clients differ in; the example is stripe-node 23.1, whose first two delays have no jitter.",
            "backoff.custom = { curve.exponential = { base = \"500ms\" }, offset = -1, cap = \"5s\", jitter.multiply = { low = 0.5, high = 1.0 }, floor = \"500ms\" }",
            Backoff::new(
                Curve::Exponential(Exponential { base, factor: 2.0, whole: Span::ZERO }),
                Some(MS(5_000)),
                CapAt::Window,
                Jitter::Multiply(Multiply { low: 0.5, high: 1.0 }),
            )
            .with_offset(-1)
            .with_floor(base),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_examples_name_them() {
        let entries = entries();
        for (index, entry) in entries.iter().enumerate() {
            assert!(entries[..index].iter().all(|other| other.name != entry.name), "{} twice", entry.name);
            assert!(entry.example.contains(entry.name), "{}", entry.example);
            assert_eq!(entry.backoff.is_some(), entry.family == Family::Backoff, "{}", entry.name);
        }
    }
}
