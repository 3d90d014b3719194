//! `breaker`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::open::OpenChoice;
use super::{Around, OnRefusal, Scope, gate_around};
use crate::gate::breaker::{
    CircuitRules, ConsecutiveBreakerConfig, Judge, RateBreakerConfig, RateWindow, SlowCalls, Stale, Threshold, Verdict,
};
use crate::gate::{GateConfig, GateRule};
use crate::protocol::Outcome;
use crate::scenario::file::leaf::{
    AtLeastOne, Count, Duration, OrNone, Outcomes, PositiveDuration, PositiveProbability,
};
use crate::units::Span;

/// A circuit breaker.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("examples" = [{ "consecutive": { "failures": 5, "open": "30s" } }]))]
pub enum BreakerChoice {
    /// Opens after a number of failures in a row.
    Consecutive(ConsecutiveBreaker),
    /// Opens at a share of failures, or at so many, among the last calls or in the last time.
    Rate(RateBreaker),
}

/// As sony/gobreaker 2.4 (`MaxRequests` 0 means 1).
fn one_probe() -> AtLeastOne {
    Count(1)
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum EdgeName {
    /// It is a probe.
    #[default]
    At,
    /// It is refused still; a later one is a probe (resilience4j, Hystrix, gobreaker).
    After,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum VerdictName {
    /// All `probes`, or `successes` of them.
    #[default]
    All,
    /// The first outcome (Polly, Hystrix).
    First,
    /// What would open it (`threshold` or `failures`), once there are as many outcomes of probes as `probes`, or as `min_calls` of a share
    /// if those are fewer (resilience4j).
    Threshold,
}

/// `successes` of so many probes.
fn check_successes(successes: Option<AtLeastOne>, probes: AtLeastOne) -> Result<(), String> {
    match successes {
        Some(successes) if successes.0 > probes.0 => {
            Err(format!("`successes` ({}) is above `probes` ({}): it would never close", successes.0, probes.0))
        }
        _ => Ok(()),
    }
}

/// All outcomes that can be failures.
fn all_failures() -> impl Iterator<Item = Outcome> {
    (400..600).map(Outcome::Status).chain([Outcome::Timeout, Outcome::Refused, Outcome::Reset])
}

/// `ignore` beside `failures_are`. Something else may open it, if `slow_calls` do.
fn check_ignore(ignore: Option<&Outcomes>, failures_are: Option<&Outcomes>, slow_calls: bool) -> Result<(), String> {
    let Some(ignore) = ignore else { return Ok(()) };
    let both = failures_are.and_then(|failures| ignore.0.iter().find(|word| failures.0.contains(word)));
    if let Some(both) = both {
        return Err(format!("\"{}\" is in `ignore` and in `failures_are`: it cannot be both", both.0));
    }
    let (ignored, failures) = (ignore.set(), failures_are.map(Outcomes::set));
    let is_left = |failure| !ignored.contains(failure) && failures.as_ref().is_none_or(|set| set.contains(failure));
    if slow_calls || all_failures().any(is_left) {
        return Ok(());
    }
    Err("`ignore` leaves no failures: it would never open".into())
}

/// What breakers share, as the engine knows it.
fn rules(
    edge: Option<EdgeName>,
    verdict: Option<VerdictName>,
    successes: Option<AtLeastOne>,
    half_open_for: Option<OrNone<PositiveDuration>>,
    stale: Option<Stale>,
    failures_are: Option<&Outcomes>,
    ignore: Option<&Outcomes>,
) -> CircuitRules {
    CircuitRules {
        verdict: match (verdict.unwrap_or_default(), successes) {
            (VerdictName::All, None) => Verdict::All,
            (VerdictName::All, Some(successes)) => Verdict::Successes(successes.get()),
            (VerdictName::First, _) => Verdict::First,
            (VerdictName::Threshold, _) => Verdict::Threshold,
        },
        stale: stale.unwrap_or_default(),
        half_open_for: half_open_for.and_then(|limit| limit.0).map(PositiveDuration::span),
        strictly_after: edge.unwrap_or_default() == EdgeName::After,
        failures: failures_are.map(Outcomes::set),
        ignored: ignore.map(Outcomes::set),
    }
}

/// Whose breaker it is.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum BreakerScope {
    /// One for each client.
    #[default]
    Client,
    /// One for all clients.
    Fleet,
    /// One for each client and each replica of the server, which is chosen first.
    Replica,
}

impl From<BreakerScope> for Scope {
    fn from(scope: BreakerScope) -> Scope {
        match scope {
            BreakerScope::Client => Scope::Client,
            BreakerScope::Fleet => Scope::Fleet,
            BreakerScope::Replica => Scope::Replica,
        }
    }
}

/// Opens after a number of failures in a row.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "ConsecutiveBreakerKeys", into = "ConsecutiveBreakerKeys")]
pub struct ConsecutiveBreaker {
    keys: ConsecutiveBreakerKeys,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ConsecutiveBreakerKeys {
    /// So many failures in a row open it; at least 1.
    failures: AtLeastOne,
    /// How long it refuses everything once it is open: a duration, above 0, or a backoff whose waits are taken in turn, from opening to
    /// opening, and begin anew once it is closed.
    open: OpenChoice,
    /// What becomes of an attempt at the very instant at which `open` has passed. Default: `"at"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    edge: Option<EdgeName>,
    /// Attempts that pass when it is half-open, at least 1. The first of them that fails opens it again, that many successes close it.
    #[serde(default = "one_probe")]
    probes: AtLeastOne,
    /// So many successes among the probes close it, at most `probes`; it opens again as soon as they can no longer be reached. Default:
    /// `probes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    successes: Option<AtLeastOne>,
    /// Longest time half-open, above 0: so long after its first probe has passed without a verdict it opens again. Default: `"none"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    half_open_for: Option<OrNone<PositiveDuration>>,
    /// What outcomes of attempts do that passed in an earlier state. Default: `"drop"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    stale: Option<Stale>,
    /// Outcomes that are failures to it, in the words of `retry_on`; every other one is a success. Default: those of `retry_on`.
    #[serde(skip_serializing_if = "Option::is_none")]
    failures_are: Option<Outcomes>,
    /// Outcomes that are neither failures nor successes to it, and are not counted, whatever `failures_are` says. Default: `[]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    ignore: Option<Outcomes>,
    /// Whose state it is.
    #[serde(default)]
    scope: BreakerScope,
    /// What a refusal does to the call.
    #[serde(default)]
    on_refusal: OnRefusal,
    /// What it stands around. Default: `"attempt"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    around: Option<Around>,
}

impl TryFrom<ConsecutiveBreakerKeys> for ConsecutiveBreaker {
    type Error = String;
    fn try_from(keys: ConsecutiveBreakerKeys) -> Result<ConsecutiveBreaker, String> {
        check_successes(keys.successes, keys.probes)?;
        check_ignore(keys.ignore.as_ref(), keys.failures_are.as_ref(), false)?;
        Ok(ConsecutiveBreaker { keys })
    }
}

impl From<ConsecutiveBreaker> for ConsecutiveBreakerKeys {
    fn from(breaker: ConsecutiveBreaker) -> ConsecutiveBreakerKeys {
        breaker.keys
    }
}

/// Opens at a share of failures, or at so many; `calls` or `window` says of which outcomes.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "RateBreakerKeys", into = "RateBreakerKeys")]
pub struct RateBreaker {
    keys: RateBreakerKeys,
    threshold: Threshold,
    window: RateWindow,
    min_calls: AtLeastOne,
    judge: Judge,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend(
    "allOf" = [
        { "oneOf": [{ "required": ["threshold"] }, { "required": ["failures"] }] },
        { "oneOf": [{ "required": ["calls"] }, { "required": ["window"] }] }
    ],
    "dependentRequired" = {
        "slow_threshold": ["slow_call"], "slots": ["window"], "tick": ["judge"]
    }
))]
struct RateBreakerKeys {
    /// Share of failures at or above which it opens, above 0. Default: `failures` instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    threshold: Option<PositiveProbability>,
    /// Number of failures in the window at which it opens, whatever else is in it. Default: `threshold` instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    failures: Option<AtLeastOne>,
    /// The last so many outcomes count. Default: `window` instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    calls: Option<AtLeastOne>,
    /// The outcomes of the last so long count. Default: `calls` instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<PositiveDuration>,
    /// Slots of the `window`, 1 to 1,000: it forgets one at a time. Default: `10`.
    #[serde(skip_serializing_if = "Option::is_none")]
    slots: Option<Count<1, MOST_SLOTS>>,
    /// Fewer outcomes than this open nothing; at least 1, at most `calls`. Default: `20`, or `calls` if that is less; with `failures` `1`.
    min_calls: Option<AtLeastOne>,
    /// When it looks at them. Default: `"outcome"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    judge: Option<JudgeName>,
    /// With `judge = "tick"`: how often. Default: `"500ms"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    tick: Option<PositiveDuration>,
    /// How long it refuses everything once it is open: a duration, above 0, or a backoff whose waits are taken in turn, from opening to
    /// opening, and begin anew once it is closed.
    open: OpenChoice,
    /// What becomes of an attempt at the very instant at which `open` has passed. Default: `"at"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    edge: Option<EdgeName>,
    /// Attempts that pass when it is half-open, at least 1.
    #[serde(default = "one_probe")]
    probes: AtLeastOne,
    /// What decides about a half-open breaker. Default: `"all"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<VerdictName>,
    /// With `verdict = "all"`: so many successes among the probes close it, at most `probes`; it opens again as soon as they can no longer
    /// be reached. Default: `probes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    successes: Option<AtLeastOne>,
    /// Longest time half-open, above 0: so long after its first probe has passed without a verdict it opens again. Default: `"none"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    half_open_for: Option<OrNone<PositiveDuration>>,
    /// What outcomes of attempts do that passed in an earlier state. Default: `"drop"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    stale: Option<Stale>,
    /// Outcomes that are failures to it, in the words of `retry_on`; every other one is a success. Default: those of `retry_on`.
    #[serde(skip_serializing_if = "Option::is_none")]
    failures_are: Option<Outcomes>,
    /// Outcomes that are neither failures nor successes to it, and are not counted, slow or not, whatever `failures_are` says. Default:
    /// `[]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    ignore: Option<Outcomes>,
    /// An attempt that takes longer is slow, whatever its outcome: without `slow_threshold`, a failure. Default: none is slow.
    #[serde(skip_serializing_if = "Option::is_none")]
    slow_call: Option<PositiveDuration>,
    /// Slow calls are counted apart, and it opens at a share of them at or above this too, above 0. Default: a slow call is a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    slow_threshold: Option<PositiveProbability>,
    /// Whose state it is.
    #[serde(default)]
    scope: BreakerScope,
    /// What a refusal does to the call.
    #[serde(default)]
    on_refusal: OnRefusal,
    /// What it stands around. Default: `"attempt"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    around: Option<Around>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum JudgeName {
    /// After each outcome.
    #[default]
    Outcome,
    /// After each failure and each slow call (Polly).
    Failure,
    /// Every `tick`, counted from the start of the run (Hystrix).
    Tick,
}

/// Hystrix's `requestVolumeThreshold`.
const MIN_CALLS: u64 = 20;

/// Hystrix's `metrics.healthSnapshot.intervalInMilliseconds`.
const TICK: Span = Span::millis(500);

/// As Hystrix and Polly.
const SLOTS: u64 = 10;

/// One for each second of a quarter of an hour.
const MOST_SLOTS: u64 = 1_000;

impl TryFrom<RateBreakerKeys> for RateBreaker {
    type Error = String;
    fn try_from(mut keys: RateBreakerKeys) -> Result<RateBreaker, String> {
        let threshold = match (keys.threshold, keys.failures) {
            (Some(share), None) => Threshold::Share(share.0.0),
            (None, Some(failures)) => Threshold::Count(failures.get()),
            (Some(_), Some(_)) => return Err("opens at a `threshold` or at so many `failures`, not both".into()),
            (None, None) => return Err("needs `threshold = \"50%\"` or `failures = 5`: what opens it".into()),
        };
        let window = match (keys.calls, keys.window) {
            (Some(calls), None) => RateWindow::Calls(calls.get()),
            (None, Some(window)) => RateWindow::Time(window.span(), keys.slots.map_or(SLOTS, |slots| slots.0) as u32),
            (Some(_), Some(_)) => {
                return Err("counts over the last `calls` or over a `window` of time, not both".into());
            }
            (None, None) => return Err("needs `calls = 100` or `window = \"30s\"`: the outcomes that count".into()),
        };
        if keys.slots.is_some() && keys.window.is_none() {
            return Err("`slots` are those of a `window` of time".into());
        }
        if keys.slow_threshold.is_some() && keys.slow_call.is_none() {
            return Err("`slow_threshold` needs `slow_call`: from when on is a call slow?".into());
        }
        // A window of fewer calls is judged when it is full.
        let most = keys.calls.map_or(u64::MAX, |calls| calls.0);
        let usual = if keys.failures.is_some() { 1 } else { MIN_CALLS };
        let min_calls = *keys.min_calls.get_or_insert(Count(usual.min(most)));
        if min_calls.0 > most {
            return Err(format!("`min_calls` ({}) is above `calls` ({most}): it would never open", min_calls.0));
        }
        if let Some(failures) = keys.failures.filter(|failures| failures.0 > most) {
            return Err(format!("`failures` ({}) is above `calls` ({most}): it would never open", failures.0));
        }
        check_successes(keys.successes, keys.probes)?;
        if keys.around == Some(Around::Call) && keys.slow_call.is_some() {
            return Err("`slow_call` is about attempts, which a breaker with `around = \"call\"` does not see".into());
        }
        check_ignore(keys.ignore.as_ref(), keys.failures_are.as_ref(), keys.slow_call.is_some())?;
        if keys.successes.is_some() && keys.verdict.is_some_and(|verdict| verdict != VerdictName::All) {
            return Err("`successes` needs `verdict = \"all\"`: otherwise something else closes it".into());
        }
        let judge = match keys.judge.unwrap_or_default() {
            JudgeName::Tick => Judge::Tick(keys.tick.get_or_insert(PositiveDuration(Duration(TICK))).span()),
            _ if keys.tick.is_some() => return Err("`tick` needs `judge = \"tick\"`".into()),
            JudgeName::Outcome => Judge::Outcome,
            JudgeName::Failure => Judge::Failure,
        };
        Ok(RateBreaker { keys, threshold, window, min_calls, judge })
    }
}

impl From<RateBreaker> for RateBreakerKeys {
    fn from(breaker: RateBreaker) -> RateBreakerKeys {
        breaker.keys
    }
}

impl BreakerChoice {
    /// Its key.
    pub fn name(&self) -> &'static str {
        match self {
            BreakerChoice::Consecutive(_) => "consecutive",
            BreakerChoice::Rate(_) => "rate",
        }
    }

    /// A key of `open` that means nothing without another one that is missing, and that one.
    pub fn without_effect(&self) -> Option<(&'static str, &'static str)> {
        match self {
            BreakerChoice::Consecutive(breaker) => breaker.keys.open.without_effect(),
            BreakerChoice::Rate(breaker) => breaker.keys.open.without_effect(),
        }
    }

    /// As the engine knows it.
    pub fn build(&self) -> GateConfig {
        match self {
            BreakerChoice::Consecutive(ConsecutiveBreaker { keys }) => {
                let rule = GateRule::ConsecutiveBreaker(ConsecutiveBreakerConfig {
                    failures: keys.failures.get(),
                    open: keys.open.build(),
                    probes: keys.probes.get(),
                    rules: rules(
                        keys.edge,
                        None,
                        keys.successes,
                        keys.half_open_for,
                        keys.stale,
                        keys.failures_are.as_ref(),
                        keys.ignore.as_ref(),
                    ),
                });
                gate_around(rule, keys.scope.into(), keys.on_refusal, keys.around)
            }
            BreakerChoice::Rate(RateBreaker { keys, threshold, window, min_calls, judge }) => {
                let slow = keys.slow_call.map(|above| SlowCalls {
                    above: above.span(),
                    threshold: keys.slow_threshold.map(|threshold| threshold.0.0),
                });
                let rule = GateRule::RateBreaker(RateBreakerConfig {
                    threshold: *threshold,
                    window: *window,
                    min_calls: min_calls.get(),
                    judge: *judge,
                    open: keys.open.build(),
                    probes: keys.probes.get(),
                    rules: rules(
                        keys.edge,
                        keys.verdict,
                        keys.successes,
                        keys.half_open_for,
                        keys.stale,
                        keys.failures_are.as_ref(),
                        keys.ignore.as_ref(),
                    ),
                    slow,
                });
                gate_around(rule, keys.scope.into(), keys.on_refusal, keys.around)
            }
        }
    }
}
