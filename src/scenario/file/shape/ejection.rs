//! `ejection`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::endpoint::EjectionConfig;
use crate::scenario::file::leaf::{Count, Duration, Outcomes, PositiveDuration, Probability};

type AtLeastOne = Count<1, 1_000_000>;

/// Leaves a replica out that has failed too often.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{ "failures": 5, "for": "30s" }]))]
pub struct EjectionTable {
    /// So many failures in a row, as one client sees them, eject a replica; at least 1.
    #[serde(default = "failures")]
    failures: AtLeastOne,
    /// What failures are, in the words of `retry_on`; every other outcome is a success. Default: those of `retry_on`.
    #[serde(skip_serializing_if = "Option::is_none")]
    failures_are: Option<Outcomes>,
    /// How long the client leaves it out, times the number of its ejections so far. Above 0.
    #[serde(rename = "for", default = "time")]
    time: PositiveDuration,
    /// Largest share of the server's replicas that is out at once; one may be in any case.
    #[serde(default = "most")]
    most: Probability,
}

fn failures() -> AtLeastOne {
    Count(u64::from(EjectionConfig::default().failures))
}

fn time() -> PositiveDuration {
    PositiveDuration(Duration(EjectionConfig::default().time))
}

fn most() -> Probability {
    Probability(EjectionConfig::default().most)
}

impl EjectionTable {
    /// As the engine knows it.
    pub fn build(&self) -> EjectionConfig {
        EjectionConfig {
            failures: self.failures.0 as u32,
            failures_are: self.failures_are.as_ref().map(Outcomes::set),
            time: self.time.span(),
            most: self.most.0,
        }
    }
}
