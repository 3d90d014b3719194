//! `concurrency`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{RefusalName, ScopeName, gate};
use crate::gate::concurrency::ConcurrencyConfig;
use crate::gate::{GateConfig, GateRule};
use crate::scenario::file::leaf::AtLeastOne;

/// A limit on retries in flight at once.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConcurrencyTable {
    /// Most retries in flight at once.
    retries: AtLeastOne,
    /// One for each client (default) or one for the fleet.
    #[serde(default)]
    scope: ScopeName,
    /// What a refusal does to the call. Default: `"fail"`.
    #[serde(default)]
    on_refusal: RefusalName,
}

impl ConcurrencyTable {
    /// As the engine knows it.
    pub fn build(&self) -> GateConfig {
        let rule = GateRule::Concurrency(ConcurrencyConfig { retries: self.retries.get() });
        gate(rule, self.scope, self.on_refusal)
    }
}
