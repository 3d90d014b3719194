//! Every backoff and gate by the name it has in scenario files, with its formula, its source and an example.
//!
//! This is what `simlab policies` shows. The examples are scenario text; a test reads each and compares it with the value beside it.

pub use crate::retry::backoff::DelayRow;
use crate::retry::curve::exponential::Exponential;
use crate::retry::jitter::multiply::Multiply;
use crate::retry::{Backoff, CapAt, Curve, Jitter};
use crate::units::Span;

/// What kind of thing an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// How long to wait before a retry.
    Backoff,
    /// State that may refuse an attempt.
    Gate,
    /// Another attempt beside one that is open.
    Hedge,
}

impl Family {
    /// Plural, as a heading.
    pub fn heading(self) -> &'static str {
        match self {
            Family::Backoff => "backoffs",
            Family::Gate => "gates",
            Family::Hedge => "hedging",
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

/// Every entry: backoffs, gates, hedging.
pub fn entries() -> Vec<Entry> {
    let mut entries = plain_backoffs();
    entries.extend(jittered_backoffs());
    entries.extend(gates());
    entries.extend(hedges());
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

fn without_delays(
    family: Family,
    name: &'static str,
    summary: &'static str,
    rule: &'static str,
    source: &'static str,
    example: &'static str,
) -> Entry {
    Entry { name, family, summary, rule, source, example, backoff: None }
}

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

fn gates() -> Vec<Entry> {
    let gate =
        |name, summary, rule, source, example| without_delays(Family::Gate, name, summary, rule, source, example);
    vec![
        gate(
            "breaker.consecutive",
            "opens after failures in a row, asks again with probes",
            "Closed: the failures-th failure in a row opens it. Open: refuses every attempt, for `open`. Half-open: admits `probes` attempts; \
             the first failure reopens, that many successes close (with `successes` that many of the probes, or it reopens). A failure is an \
             outcome in failures_are, by default retry_on; one in `ignore` is neither and not counted. `open` can be a backoff: then it is open for its \
             waits in turn, from opening to opening until it closes. Outcomes of attempts admitted in an earlier state do not count, unless \
             stale = \"apply\". With half_open_for it opens again when it has been half-open for so long. A refusal ends the call, unless on_refusal = \"retry\".",
            "Nygard, \"Release It!\" (2007); the rule of sony/gobreaker 2.4; Failsafe (successes of probes); Finagle's failure \
             accrual and Linkerd (`open` as a backoff).",
            "breaker.consecutive = { failures = 5, open = \"30s\", probes = 1, scope = \"client\" }",
        ),
        gate(
            "budget.tokens",
            "retries cost tokens that first attempts or successes earn",
            "A retry is admitted if tokens >= cost, and takes cost (cost_for: after some outcomes). Deposits per call that succeeded, per first \
             attempt sent, or per call that succeeded at once, never above capacity; with refund = \"last\" a success gives back what the call's \
             last retry took. Starts full, or with `initial`. With charge = \"failure\" every failure takes cost instead, and a retry is \
             admitted if tokens > above * capacity. With `refill` tokens come in with time too. A refusal ends the call, before its wait, unless on_refusal = \"retry\".",
            "botocore's retry quota (500 tokens, 14 per retry or 5 after a 429, the last one's back on success, 1 per success at once); gRPC proposal \
             A6 (charge = \"failure\", above = 0.5); Brooker, \"Fixing retries with token buckets and circuit breakers\" (2022).",
            "budget.tokens = { capacity = 500, cost = 5, deposit = 1, deposit_on = \"success\", scope = \"client\" }",
        ),
        gate(
            "breaker.rate",
            "opens at a share of failures among the last calls, or in the last time",
            "Looks at its window after every outcome: the last `calls`, or the current tenth of `window` and the nine before. With at least \
             min_calls in it (default 20, or `calls` if that is less) it opens at a share of failures >= threshold, or at so many `failures`. With \
             judge it looks after a \"failure\" only, or at each \"tick\" (500 ms). Open and half-open as breaker.consecutive, or by verdict the \
             \"first\" outcome or the \"threshold\" decides; closing clears the window. Calls slower than slow_call are failures too, or, with slow_threshold, have that \
             threshold of their own; a slow probe has failed. With threshold 100% and min_calls = calls = k: k failures in a row.",
            "resilience4j's CircuitBreaker (count and time windows, slow calls, verdict = \"threshold\"); Polly (judge = \"failure\", verdict = \"first\") and \
             Hystrix (judge = \"tick\"), with ten slots; Failsafe (failures).",
            "breaker.rate = { threshold = \"50%\", calls = 100, min_calls = 20, open = \"30s\", probes = 5, slow_call = \"2s\", slow_threshold = \"80%\" }",
        ),
        gate(
            "budget.ratio",
            "retries in proportion to first attempts",
            "A retry is admitted if retries + 1 <= ratio * deposits + min_rate * window, both counted over the current tenth of the window \
             (default 10 s) and the nine before. Deposits are first attempts sent, or, by deposit_on, successes (\"success\") or outcomes not in \
             retry_on (\"not-retried\"). With `rounding` the whole numbers of \"finagle\" or \"tower\", which grant somewhat more. A refusal ends the \
             call, before its wait, unless on_refusal = \"retry\".",
            "Finagle's RetryBudget and tower's (20% and 10/s over 10 s); Beyer et al., \"Site Reliability Engineering\" (2016), chapter 21 (10%).",
            "budget.ratio = { ratio = \"20%\", min_rate = \"10/s\", window = \"10s\", scope = \"fleet\" }",
        ),
        gate(
            "throttle.adaptive",
            "sends fewer requests while many are rejected",
            "Asked at sending. Refuses with probability max(0, (requests - k * accepts) / (requests + 1)), counted over the current tenth of the \
             window and the nine before. An attempt that is sent is a request, and so is one that the throttle refused; an outcome that is not in \
             retry_on is an accept.",
            "Beyer et al., \"Site Reliability Engineering\" (2016), chapter 21, client-side throttling: k = 2 over two minutes.",
            "throttle.adaptive = { k = 2.0, window = \"2m\" }",
        ),
        gate(
            "limiter.rate",
            "sends at most at a rate of its own",
            "A token bucket, asked at sending; starts full. Without a token an attempt takes the next one in advance and waits for it \
             (on_limit = \"wait\"; a wait that would end at the deadline or after it fails the call), or is refused (\"refuse\"). Default burst: one \
             second's worth, at least 1.",
            "golang.org/x/time/rate and client-go (reservations); resilience4j's RateLimiter; GCRA, ITU-T I.371.",
            "limiter.rate = { rate = \"10/s\", burst = 10, on_limit = \"wait\" }",
        ),
        gate(
            "limiter.cubic",
            "finds its rate from throttling answers",
            "No limit until the first outcome in `throttled` (default 429 and 503). Then a token bucket, asked at sending, for whose next token an \
             attempt waits; it holds one second's worth, at least 1. A throttling answer at rate w sets the rate to 0.7 w, any other outcome t seconds \
             later to 0.4 (t - K)^3 + w with K = cbrt(0.3 w / 0.4): at most twice the measured rate of outcomes, at least min_rate (0.5/s).",
            "The client rate limiter of the AWS SDKs' adaptive mode (botocore 1.44); CUBIC, RFC 9438.",
            "limiter.cubic = { throttled = [\"429\", \"503\"], min_rate = \"0.5/s\" }",
        ),
        gate(
            "concurrency",
            "at most so many retries, or attempts, in flight at once",
            "Asked at sending. A retry is admitted while fewer than `retries` are in flight: sent, and neither answered nor given up by the client. \
             First attempts always pass. With `share` instead, while fewer than max(share * attempts in flight, min) are. With hold = \"retry\" \
             asked before the wait, and a retry holds its place through it. With `attempts` instead it is a pool: first attempts need a place too, and wait \
             for one in line, for max_wait at most, or are refused (on_limit = \"refuse\").",
            "Envoy's circuit breaker for retries (max_retries, 3) and its retry budget (20% of active requests, at least 3); connection pools (HikariCP, Go's \
             database/sql) and bulkheads (resilience4j, Polly).",
            "concurrency = { retries = 3, scope = \"fleet\" }",
        ),
    ]
}

fn hedges() -> Vec<Entry> {
    let hedge =
        |name, summary, rule, source, example| without_delays(Family::Hedge, name, summary, rule, source, example);
    vec![
        hedge(
            "hedge.fixed",
            "another attempt beside one that is slow, after a time",
            "While the attempts of a first try or a retry are open, the next hedge is sent `delay` after the last of them (\"none\": not by itself), up \
             to `extra` of them. A failure in retry_on sends the next at once, with on_failure = \"wait\" when it is due, and with \"end\" none unless \
             something is open; only when all have failed, and none is to come, is there a retry. The first success wins, and so does the first \
             failure that is not in retry_on; the others are cancelled, or run on with losers = \"run\". Hedges ask budget, throttle, limiter, \
             breaker and concurrency as retries do, and budget = { ratio, min_rate, window } of their own; a refusal means that there is no more hedge.",
            "Dean and Barroso, \"The Tail at Scale\" (CACM 2013); gRPC proposal A6 (hedgingPolicy); Polly's hedging strategy.",
            "hedge.fixed = { delay = \"50ms\", extra = 1, budget = { ratio = \"5%\" } }",
        ),
        hedge(
            "hedge.percentile",
            "the same, when most would have been answered",
            "As hedge.fixed, with a delay that is the quantile `at` of what attempts took in the last three thirds of `window` (default 30 s) that are over, \
             and `min` (1 ms) at least; no hedge before the first third is over. Successes, time-outs and cancelled attempts are seen, other failures not.",
            "Finagle's backup requests (4feb34c): 1 - at is their maxExtraLoad, which is also the ratio of their budget.",
            "hedge.percentile = { at = \"99%\", budget = { ratio = \"1%\" }, scope = \"fleet\" }",
        ),
        hedge(
            "hedge.timeout",
            "leaves an attempt open when it times out",
            "An attempt's time-out does not end it: the retry follows whatever retry_on says, within attempts, after the backoff and if gates allow, and the \
             first success wins. Gates hear of the time-out. A late failure is not retried again. If there is no retry left, what is open is waited \
             for until the deadline, which is needed.",
            "Envoy's hedge_on_per_try_timeout.",
            "hedge.timeout = {}",
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
