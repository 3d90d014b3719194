//! `[mix.NAME.MEMBER]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::{InOrder, StepTable};
use super::top::OperationTable;
use crate::protocol::Method;
use crate::scenario::file::leaf::PositiveProbability;

/// Members of a mix, by name.
pub type MixTable = InOrder<MemberTable>;

/// Clients of a mix that do the same.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MemberTable {
    /// Its share of all clients, above 0. The shares of a mix add up to 1.
    pub share: PositiveProbability,
    /// Name of the policy that they follow.
    pub policy: String,
    /// Name of the server that their operations call. Default: that of `[operation]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// How repeated executions add up. Default: as `[operation]` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<Method>,
    /// The calls that their operations make, in place of `server` and `method`. Default: those of `[operation]`.
    #[serde(default, skip_serializing_if = "InOrder::is_empty")]
    pub step: InOrder<StepTable>,
}

impl MemberTable {
    /// What their operations do, if it is not what all others' do.
    pub fn operation(&self, others: &OperationTable) -> Option<OperationTable> {
        if !self.step.is_empty() {
            return Some(OperationTable {
                step: self.step.clone(),
                wanted: others.wanted,
                ..OperationTable::default()
            });
        }
        (self.server.is_some() || self.method.is_some()).then(|| OperationTable {
            server: self.server.clone().or_else(|| others.server.clone()),
            method: self.method.unwrap_or(others.method),
            step: InOrder::default(),
            ..others.clone()
        })
    }
}
