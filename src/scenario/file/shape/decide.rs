//! `[decide]`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::expect::Threshold;
use crate::scenario::decide::{Criterion, Decide, Margin, Scale};
use crate::scenario::file::leaf::Amount;
use crate::scenario::metric::Names;
use crate::scenario::metric::Unit;

/// What the choice between policies is made by.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DecideTable {
    /// Criteria that come first, in this order; the others follow in theirs. The first has a column of its own, unless another shows it.
    #[serde(default)]
    pub order: Vec<String>,
    /// What a duplicate, a phantom success and a lost update weigh in what went wrong, 0 to 1,000,000; an operation that did not succeed weighs 1.
    #[serde(default)]
    pub weigh: Weights,
    /// By criterion: smaller differences do not matter. A share, or a time.
    #[serde(default)]
    pub margin: BTreeMap<String, Threshold>,
    /// Policies that are decided among themselves: `[["a", "b"], ["c", "d"]]`. Each stands in one group at most; those that stand in none
    /// are one more. Default: by their worlds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<Vec<String>>>,
}

/// What weighs how much where an operation without success weighs 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    /// A duplicate.
    #[serde(default = "one")]
    pub duplicate: Amount,
    /// A phantom success.
    #[serde(default = "one")]
    pub phantom: Amount,
    /// A lost update.
    #[serde(default = "one")]
    pub lost_update: Amount,
    /// An operation that was left half done.
    #[serde(default = "one")]
    pub half_done: Amount,
}

impl Default for Weights {
    fn default() -> Weights {
        Weights { duplicate: one(), phantom: one(), lost_update: one(), half_done: one() }
    }
}

fn one() -> Amount {
    Amount(1.0)
}

/// A margin as it is written for criteria of this scale.
///
/// # Errors
/// Says what would fit.
pub fn margin(scale: Scale, written: &Threshold) -> Result<Margin, String> {
    match scale {
        Scale::Share => written.value(Unit::Share).map(Margin::Absolute),
        Scale::Ratio => written.value(Unit::Ratio).map(Margin::Relative),
        Scale::Time => {
            let time = written.value(Unit::Seconds).map(Margin::Absolute);
            let time = time.or_else(|_| written.value(Unit::Ratio).map(Margin::Relative));
            time.map_err(|_| "a time, or a share of one: \"5s\" or \"10%\"".to_owned())
        }
    }
}

impl DecideTable {
    /// As the decision knows it, for these policies, where things are called so. The table has been checked.
    pub fn build(&self, policies: &[&str], names: &Names) -> Decide {
        let criterion = |name: &str| Criterion::parse(name, names).expect("names have been checked");
        let policy = |name: &String| policies.iter().position(|own| own == name).expect("names have been checked");
        let margin = |(name, written): (&String, &Threshold)| {
            let criterion = criterion(name);
            (criterion, margin(criterion.scale(), written).expect("margins have been checked"))
        };
        let groups =
            self.groups.as_ref().map(|groups| groups.iter().map(|group| group.iter().map(policy).collect()).collect());
        Decide {
            duplicate: self.weigh.duplicate.0,
            phantom: self.weigh.phantom.0,
            lost_update: self.weigh.lost_update.0,
            half_done: self.weigh.half_done.0,
            order: self.order.iter().map(|name| criterion(name)).collect(),
            margins: self.margin.iter().map(margin).collect(),
            groups,
        }
    }
}
