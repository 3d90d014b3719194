//! `[[expect]]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scenario::expectation::{Expectation, Limit};
use crate::scenario::metric::{Measure, Unit};

/// The word for every policy.
pub const EVERY_POLICY: &str = "*";

/// What the results should be: a limit for a metric, held against the mean over the replications.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectTable {
    /// A policy's name, or `"*"`: every policy.
    pub policy: String,
    /// A metric, such as `success_rate` or `recovery.fault.outage`.
    pub metric: String,
    /// The least that the metric should be, itself allowed. A number in its unit, or a string with a unit that fits: `"99%"` for shares and
    /// ratios, `"2s"` for times, `"100/s"` for rates. Default: `at_most` instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_least: Option<Threshold>,
    /// The most that the metric should be, itself allowed; written as `at_least`. Default: `at_least` instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_most: Option<Threshold>,
}

/// A number in the metric's unit, or a text with one. Written back as it was read.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "must be a number in the metric's unit, or a string with one, such as \"99%\", \"2s\" or \"100/s\""
)]
pub enum Threshold {
    /// In the metric's unit.
    Number(f64),
    /// With its unit.
    Text(String),
}

impl Threshold {
    /// In the metric's unit.
    ///
    /// # Errors
    /// Says what would fit.
    pub fn value(&self, unit: Unit) -> Result<f64, String> {
        match self {
            Threshold::Number(number) => unit.check(*number),
            Threshold::Text(text) => unit.parse(text),
        }
    }
}

impl ExpectTable {
    /// As the engine knows it; `None` if the table has not been checked. `policy` is the index of the policy's name, `measure` what the metric's
    /// name says.
    pub fn build(&self, policy: Option<usize>, measure: Measure) -> Option<Expectation> {
        let unit = measure.metric.unit();
        let limit = match (&self.at_least, &self.at_most) {
            (Some(least), None) => Limit::AtLeast(least.value(unit).ok()?),
            (None, Some(most)) => Limit::AtMost(most.value(unit).ok()?),
            _ => return None,
        };
        Some(Expectation { policy, measure, limit })
    }
}
