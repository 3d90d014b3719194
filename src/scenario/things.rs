//! What operations are about, and what comes again: repeats of an operation, and operations about the same things.

use crate::distribution::Distribution;
#[cfg(feature = "scenario-files")]
use crate::scenario::file::leaf::{Amount, As, Count};

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
