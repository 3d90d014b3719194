//! `concurrency`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{RefusalName, ScopeName, gate};
use crate::gate::concurrency::{ConcurrencyConfig, Hold, MostRetries};
use crate::gate::{GateConfig, GateRule};
use crate::scenario::file::leaf::{AtLeastOne, Count, PositiveProbability};

/// A limit on retries in flight at once.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "ConcurrencyKeys", into = "ConcurrencyKeys")]
pub struct ConcurrencyTable {
    keys: ConcurrencyKeys,
    most: MostRetries,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend(
    "allOf" = [{ "oneOf": [{ "required": ["retries"] }, { "required": ["share"] }] }],
    "dependentRequired" = { "min": ["share"] }
))]
struct ConcurrencyKeys {
    /// Most retries in flight at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    retries: Option<AtLeastOne>,
    /// Most retries in flight at once, as a share of all attempts in flight.
    #[serde(skip_serializing_if = "Option::is_none")]
    share: Option<PositiveProbability>,
    /// Retries that may be in flight however few attempts there are; with `share`. Default: 3.
    #[serde(skip_serializing_if = "Option::is_none")]
    min: Option<Count<0, MOST_MIN>>,
    /// From when on a retry counts. Default: `"attempt"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    hold: Option<HoldName>,
    /// One for each client (default) or one for the fleet.
    #[serde(default)]
    scope: ScopeName,
    /// What a refusal does to the call. Default: `"fail"`.
    #[serde(default)]
    on_refusal: RefusalName,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum HoldName {
    /// From its sending.
    #[default]
    Attempt,
    /// From the decision to retry, through the backoff.
    Retry,
}

const MOST_MIN: u64 = 1_000_000;

/// Envoy's `min_retry_concurrency`.
const MIN: u64 = 3;

impl TryFrom<ConcurrencyKeys> for ConcurrencyTable {
    type Error = String;
    fn try_from(mut keys: ConcurrencyKeys) -> Result<ConcurrencyTable, String> {
        let most = match (keys.retries, keys.share) {
            (Some(_), None) if keys.min.is_some() => return Err("`min` goes with `share`".into()),
            (Some(retries), None) => MostRetries::Number(retries.get()),
            (None, Some(share)) => {
                let min = *keys.min.get_or_insert(Count(MIN));
                MostRetries::Share { share: share.0.0, min: min.0 as u32 }
            }
            (Some(_), Some(_)) => return Err("takes a number of `retries` or a `share`, not both".into()),
            (None, None) => return Err("needs `retries = 3` or `share = \"20%\"`: how many at once".into()),
        };
        Ok(ConcurrencyTable { keys, most })
    }
}

impl From<ConcurrencyTable> for ConcurrencyKeys {
    fn from(table: ConcurrencyTable) -> ConcurrencyKeys {
        table.keys
    }
}

impl ConcurrencyTable {
    /// As the engine knows it.
    pub fn build(&self) -> GateConfig {
        let hold = match self.keys.hold.unwrap_or_default() {
            HoldName::Attempt => Hold::Attempt,
            HoldName::Retry => Hold::Retry,
        };
        let rule = GateRule::Concurrency(ConcurrencyConfig { most: self.most, hold });
        gate(rule, self.keys.scope, self.keys.on_refusal)
    }
}
