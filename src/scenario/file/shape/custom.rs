//! `backoff.custom`: a backoff put together from its parts, for what no name says.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::retry::curve::constant::Constant;
use crate::retry::curve::decorrelated::{Decorrelated, StepFrom};
use crate::retry::curve::exponential::Exponential;
use crate::retry::curve::feedback::Feedback;
use crate::retry::curve::linear::Linear;
use crate::retry::curve::power::Power;
use crate::retry::curve::schedule::Schedule;
use crate::retry::curve::telescoping::Telescoping;
use crate::retry::jitter::additive::Additive;
use crate::retry::jitter::multiply::Multiply;
use crate::retry::jitter::whole_seconds::WholeSeconds;
use crate::retry::{Backoff, CapAt, Curve, Jitter};
use crate::scenario::file::leaf::{Amount, Count, Duration, Factor, OrNone, PositiveDuration, Probability};
use crate::units::Span;

/// curve → cap → jitter → unit → floor → cap.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[schemars(extend("examples" = [{ "curve": { "exponential": { "base": "500ms" } }, "cap": "5s", "jitter": { "multiply": { "low": 0.5, "high": 1.0 } }, "floor": "500ms" }]))]
pub struct CustomBackoff {
    /// How the window grows; n is k−1 + `offset`.
    curve: CurveChoice,
    /// Added to the index of the curve. Below 0, an exponential curve is divided by its factor, others stay at their first.
    #[serde(default)]
    offset: i16,
    /// The first delay, exactly, whatever the rest says; the curve does not wait for it.
    #[serde(default)]
    first: OrNone<Duration>,
    /// Longest window or delay.
    #[serde(default)]
    cap: OrNone<Duration>,
    /// What the cap bounds.
    #[serde(default)]
    cap_at: CapAt,
    /// What randomness does to the window w.
    #[serde(default)]
    jitter: JitterChoice,
    /// Shortest delay.
    #[serde(default = "no_time")]
    floor: Duration,
    /// Delays are cut to whole multiples of this.
    #[serde(default)]
    unit: OrNone<PositiveDuration>,
    /// Whether the upper end of a range that jitter draws from is as likely as the multiples of `unit` below it.
    #[serde(default)]
    inclusive: bool,
}

fn no_time() -> Duration {
    Duration(Span::ZERO)
}

/// How the window grows; n is 0 before the first retry.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum CurveChoice {
    /// Always the same.
    Constant {
        /// The window.
        delay: Duration,
    },
    /// base + step · n, at least 0.
    Linear {
        /// Before the first retry.
        base: Duration,
        /// What each further window is longer.
        step: Duration,
    },
    /// base · factor^n, with `whole` cut to multiples of it before it is multiplied on.
    Exponential {
        /// Before the first retry.
        base: Duration,
        /// At least 1.
        #[serde(default)]
        factor: Factor,
        /// The window is cut to whole multiples of this before it is multiplied on.
        #[serde(default)]
        whole: OrNone<PositiveDuration>,
    },
    /// base + scale · n^exponent.
    Power {
        /// Before the first retry.
        base: Duration,
        /// What the power is multiplied by.
        scale: Duration,
        /// 1 to 16.
        exponent: Count<1, 16>,
    },
    /// The windows of a list in turn, the last one repeating.
    Schedule {
        /// At least one.
        delays: Delays,
    },
    /// U(from, 3 · previous delay); with `from = "previous"` the first delay is the base.
    Decorrelated {
        /// Where the walk starts.
        base: Duration,
        /// Where each step begins: at the base, or at the previous delay, and the first delay is the base then.
        #[serde(default)]
        from: StepFrom,
    },
    /// First the base, then U(0, previous delay · 2^n); what has reached the cap stays there.
    Feedback {
        /// The first delay.
        base: Duration,
    },
    /// As `telescoping-jitter`, at t = n + U(0, 1).
    Telescoping {
        /// About the median of the first delay.
        base: Duration,
    },
}

/// A list of times.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Vec<Duration>")]
struct Delays(Vec<Duration>);

impl TryFrom<Vec<Duration>> for Delays {
    type Error = String;
    fn try_from(delays: Vec<Duration>) -> Result<Delays, String> {
        if delays.is_empty() { Err("needs at least one delay".into()) } else { Ok(Delays(delays)) }
    }
}

impl JsonSchema for Delays {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Delays".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "array", "items": generator.subschema_for::<Duration>(), "minItems": 1 })
    }
}

/// What randomness does to the window.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum JitterChoice {
    /// Nothing.
    #[default]
    None,
    /// w · U(low, high).
    Multiply(MultiplyKeys),
    /// w + U(−below, above + growth · (k−1)), at least 0.
    Add(AddKeys),
    /// Exponentially distributed with the mean w.
    Memoryless,
    /// w + U(0, share) · w with the random part of the whole seconds cut to whole seconds, as tower 0.5.3 does.
    WholeSeconds {
        /// By how much of the window the delay may exceed it.
        share: Probability,
    },
}

/// `add = { below, above, growth }`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AddKeys {
    /// Most that is taken away.
    #[serde(default = "no_time")]
    below: Duration,
    /// Most that is added before the first retry.
    above: Duration,
    /// How much more may be added before each further retry.
    #[serde(default = "no_time")]
    growth: Duration,
}

impl AddKeys {
    /// As the engine knows it.
    pub fn additive(&self) -> Additive {
        Additive { below: self.below.0, above: self.above.0, growth: self.growth.0 }
    }
}

/// `multiply = { low, high }`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "MultiplyRange")]
pub struct MultiplyKeys {
    low: Amount,
    high: Amount,
}

/// A random multiple of the window.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct MultiplyRange {
    /// Smallest multiple of the window.
    low: Amount,
    /// Largest multiple of the window.
    high: Amount,
}

impl TryFrom<MultiplyRange> for MultiplyKeys {
    type Error = String;
    fn try_from(MultiplyRange { low, high }: MultiplyRange) -> Result<MultiplyKeys, String> {
        if low.0 > high.0 { Err("`low` is above `high`".into()) } else { Ok(MultiplyKeys { low, high }) }
    }
}

impl MultiplyKeys {
    /// As the engine knows it.
    pub fn multiply(&self) -> Multiply {
        Multiply { low: self.low.0, high: self.high.0 }
    }
}

impl CurveChoice {
    fn build(&self) -> Curve {
        match self {
            CurveChoice::Constant { delay } => Curve::Constant(Constant { delay: delay.0 }),
            CurveChoice::Linear { base, step } => Curve::Linear(Linear { base: base.0, step: step.0 }),
            CurveChoice::Exponential { base, factor, whole } => Curve::Exponential(Exponential {
                base: base.0,
                factor: factor.0,
                whole: whole.0.map_or(Span::ZERO, PositiveDuration::span),
            }),
            CurveChoice::Power { base, scale, exponent } => {
                Curve::Power(Power { base: base.0, scale: scale.0, exponent: exponent.0 as u32 })
            }
            CurveChoice::Schedule { delays } => {
                Curve::Schedule(Schedule { delays: delays.0.iter().map(|delay| delay.0).collect() })
            }
            CurveChoice::Decorrelated { base, from } => Curve::Decorrelated(Decorrelated { base: base.0, from: *from }),
            CurveChoice::Feedback { base } => Curve::Feedback(Feedback { base: base.0 }),
            CurveChoice::Telescoping { base } => Curve::Telescoping(Telescoping { base: base.0 }),
        }
    }
}

impl JitterChoice {
    fn build(&self) -> Jitter {
        match self {
            JitterChoice::None => Jitter::None,
            JitterChoice::Multiply(range) => Jitter::Multiply(range.multiply()),
            JitterChoice::Add(range) => Jitter::Additive(range.additive()),
            JitterChoice::Memoryless => Jitter::Memoryless,
            JitterChoice::WholeSeconds { share } => Jitter::WholeSeconds(WholeSeconds { share: share.0 }),
        }
    }
}

impl CustomBackoff {
    /// A key that means nothing without another one that is missing, and that one.
    pub fn without_effect(&self) -> Option<(&'static str, &'static str)> {
        if self.inclusive && self.unit.0.is_none() {
            Some(("inclusive", "unit"))
        } else if !matches!(self.cap_at, CapAt::Window) && self.cap.0.is_none() {
            Some(("cap_at", "cap"))
        } else {
            None
        }
    }

    /// As the engine knows it.
    pub fn build(&self) -> Backoff {
        let cap_at = self.cap_at;
        let backoff = Backoff::new(self.curve.build(), self.cap.0.map(|cap| cap.0), cap_at, self.jitter.build())
            .with_offset(self.offset.into())
            .with_floor(self.floor.0)
            .with_unit(self.unit.0.map_or(Span::ZERO, PositiveDuration::span), self.inclusive);
        match self.first.0 {
            Some(first) => backoff.with_first(first.0),
            None => backoff,
        }
    }
}
