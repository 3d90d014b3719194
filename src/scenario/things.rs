//! What operations are about, and what comes again: repeats of an operation, and operations about the same things.

use crate::distribution::Distribution;
#[cfg(feature = "scenario-files")]
use crate::scenario::file::leaf::{Amount, As, Count, Status};

/// Operations that are done again.
#[derive(Clone, Debug, PartialEq)]
pub struct Repeat {
    /// Share of operations that are.
    pub share: f64,
    /// How long after the start of the one before, drawn for each.
    pub after: Distribution,
    /// How often, at least 1.
    pub times: u32,
    /// What a repeat has in common with the first.
    pub same: Same,
}

/// What a repeat has in common with the operation that it repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(rename_all = "lowercase")
)]
pub enum Same {
    /// It is the same action again, as a network or a form does that sends twice.
    Key,
    /// It is another action about the same thing, as a second click, or a cron job and a webhook handler for one order.
    Thing,
}

/// What a call does with the row of the thing that its operation is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowUse {
    /// Whether it reads the row's version, which a later step goes by.
    pub reads: Reads,
    /// Whether it writes, and on which condition.
    pub writes: Writes,
    /// Whether it has the row for itself, and how long.
    pub locks: Locks,
}

impl RowUse {
    /// True if it does nothing with it.
    pub fn is_none(self) -> bool {
        self == RowUse::default()
    }

    /// The status that it is answered if somebody has ever written, where it looks for that when its work begins.
    pub fn if_undone(self) -> Option<u16> {
        match (self.reads, self.writes) {
            (Reads::IfUndone(status), _) | (_, Writes::IfUndone(status)) => Some(status),
            _ => None,
        }
    }
}

/// Whether a call reads a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reads {
    /// It does not.
    #[default]
    No,
    /// It does: what a later step writes, goes by that.
    Yes,
    /// If nobody has ever written; otherwise this is the answer: an order that is cancelled by then.
    IfUndone(u16),
}

impl Reads {
    /// True if it reads nothing.
    pub fn is_no(&self) -> bool {
        *self == Reads::No
    }
}

/// Whether a call has a row for itself, and how long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Locks {
    /// It does not care who else has it.
    #[default]
    No,
    /// While a worker is busy with it.
    Work,
    /// If that has succeeded, on until whoever makes the steps has done with them: one transaction across steps.
    UntilOver,
}

impl Locks {
    /// True if it locks nothing.
    pub fn is_no(&self) -> bool {
        *self == Locks::No
    }
}

/// Whether a call writes to a row, and on which condition. What it goes by is the version of the row that an earlier step has read, or that it reads itself
/// when its work begins; it writes when its effect is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(rename_all = "kebab-case")
)]
pub enum Writes {
    /// It does not.
    #[default]
    Nothing,
    /// In any case. If somebody has written since it read, that is lost.
    Blind,
    /// If nobody has written since it read; otherwise this is the answer, and there is no effect, as with `If-Match` (RFC 9110, section 13.1.1).
    IfUnchanged(#[cfg_attr(feature = "scenario-files", serde(with = "As::<Status>"))] u16),
    /// If nobody had ever written when it read; otherwise this is the answer, and there is no effect: an order that is cancelled by then.
    IfUndone(#[cfg_attr(feature = "scenario-files", serde(with = "As::<Status>"))] u16),
}

impl Writes {
    /// True if it does not write.
    pub fn is_nothing(&self) -> bool {
        *self == Writes::Nothing
    }
}

/// Operations about the same things.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(deny_unknown_fields),
    schemars(extend("examples" = [{ "things": 1000, "zipf": 1.1 }]))
)]
pub struct Contend {
    /// So many things; each operation is about one of them. 1 to 1,000,000.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<Count<1, 1_000_000>>"))]
    pub things: u32,
    /// They are drawn with weights 1/rank^`zipf`: 0 is all alike.
    #[cfg_attr(feature = "scenario-files", serde(default, with = "As::<Amount>"))]
    pub zipf: f64,
}

impl Contend {
    /// The upper ends of the intervals of [0, 1) in which each thing is drawn.
    pub fn ends(&self) -> Vec<f64> {
        let weights = (1..=self.things).map(|rank| libm::pow(f64::from(rank), -self.zipf));
        let mut sum = 0.0;
        let mut ends: Vec<f64> = weights
            .map(|weight| {
                sum += weight;
                sum
            })
            .collect();
        ends.iter_mut().for_each(|end| *end /= sum);
        ends
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_are_drawn_by_rank() {
        let check = |things, zipf, expected: &[f64]| {
            let ends = Contend { things, zipf }.ends();
            assert_eq!(ends.len(), expected.len());
            assert!(ends.iter().zip(expected).all(|(end, expected)| (end - expected).abs() < 1e-12), "{ends:?}");
        };
        check(1, 1.1, &[1.0]);
        check(4, 0.0, &[0.25, 0.5, 0.75, 1.0]);
        // 1 : 1/2 : 1/3
        check(3, 1.0, &[6.0 / 11.0, 9.0 / 11.0, 1.0]);
        check(2, 1e9, &[1.0, 1.0]);
    }
}
