//! The columns of the comparison: what each one measures and how its cells are written.

use super::number::{LatencyUnit, Notation, difference_decimals};
use super::recovery::Recovered;
use crate::experiment::{Comparison, Estimate, PolicyResult};
use crate::metrics::statistics::summarise;

/// A column of the comparison table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Column {
    /// Share of operations that succeeded.
    Success,
    /// Paired difference of that share to the baseline, in points.
    VersusBaseline,
    /// Attempts per operation.
    Attempts,
    /// Highest load, as a multiple of the demand.
    Peak,
    /// Duplicate effects per 10,000 operations.
    Duplicates,
    /// Phantom successes per 10,000 operations.
    Phantom,
    /// 99th percentile of the latency of successes.
    P99,
    /// Share of operations that succeeded within the `slo`.
    InTime,
    /// Replications that were back to normal after the last fault that ended.
    Recovered,
    /// Highest load after the last fault that ended, per second.
    Wave,
}

impl Column {
    /// In the table's order.
    pub const ALL: [Column; 10] = [
        Column::Success,
        Column::VersusBaseline,
        Column::Attempts,
        Column::Peak,
        Column::Duplicates,
        Column::Phantom,
        Column::P99,
        Column::InTime,
        Column::Recovered,
        Column::Wave,
    ];

    /// The columns that have something to say. Where nothing tells when the servers were back to normal, since there was no demand before the
    /// fault or none after it, the load that was held back is what is left to look at.
    ///
    /// Where nothing has an effect, as with `GET`, there is no duplicate to look for. Where somebody said what is in time, that counts, not the
    /// latency of those that were.
    pub fn shown(comparison: &Comparison, recovered: Option<&[Recovered]>) -> Vec<Column> {
        let effects = has_effects(comparison);
        let wave = recovered.is_none() && comparison.policies.iter().any(|p| p.mean("recovery_peak").is_some());
        let shown = |column: &Column| match column {
            Column::Recovered => recovered.is_some(),
            Column::Wave => wave,
            Column::Duplicates | Column::Phantom => effects,
            Column::P99 => !has_slo(comparison),
            Column::InTime => has_slo(comparison),
            _ => true,
        };
        Column::ALL.into_iter().filter(shown).collect()
    }

    /// Less is better here, and not trying is the cheapest of all.
    pub fn is_cost(self) -> bool {
        matches!(self, Column::Attempts | Column::Peak | Column::Duplicates | Column::Phantom | Column::Wave)
    }

    /// What `policy` has in this column, replication by replication, in the metric's unit.
    pub fn values(self, policy: &PolicyResult) -> Vec<Option<f64>> {
        let of = |name: &str| policy.metric(name).map(|metric| metric.values.clone()).unwrap_or_default();
        match self {
            Column::Success | Column::VersusBaseline => of("success_rate"),
            Column::Attempts => of("attempts_per_operation"),
            Column::Peak => of("peak_ratio"),
            Column::Duplicates => of("duplicate_rate"),
            Column::Phantom => {
                let share = |(part, whole): (&Option<f64>, &Option<f64>)| {
                    let whole = (*whole)?;
                    (whole > 0.0).then_some((*part)? / whole)
                };
                of("phantom_successes").iter().zip(&of("operations")).map(share).collect()
            }
            Column::P99 => of("latency_p99"),
            Column::InTime => of("in_time_rate"),
            Column::Recovered => of("time_to_recover"),
            Column::Wave => of("recovery_peak"),
        }
    }

    /// The mean of what `policy` has in this column; cheaper than the whole estimate.
    pub fn mean(self, policy: &PolicyResult) -> Option<f64> {
        let present: Vec<f64> = self.values(policy).into_iter().flatten().collect();
        (!present.is_empty()).then(|| summarise(&present).mean)
    }

    /// Mean and 95% interval of what `policy` has in this column.
    pub fn estimate(self, policy: &PolicyResult) -> Estimate {
        Estimate::of(&self.values(policy), 0.95)
    }
}

/// True if some policy had an effect on a server.
pub fn has_effects(comparison: &Comparison) -> bool {
    comparison.policies.iter().any(|policy| policy.mean("effects").is_some_and(|mean| mean > 0.0))
}

/// True if the scenario says what is in time.
pub fn has_slo(comparison: &Comparison) -> bool {
    comparison.policies.iter().any(|policy| policy.mean("in_time_rate").is_some())
}

/// Writes the cells of one comparison.
pub struct Cells<'a> {
    comparison: &'a Comparison,
    recovered: Option<Vec<Recovered>>,
    notation: Notation,
    latency_unit: LatencyUnit,
}

impl<'a> Cells<'a> {
    /// Cells in this notation. `recovered` is per policy, if there was anything to recover from.
    pub fn new(comparison: &'a Comparison, recovered: Option<&[Recovered]>, notation: Notation) -> Cells<'a> {
        let latency_unit = LatencyUnit::of(comparison.policies.iter().filter_map(|p| p.mean("latency_p99")));
        Cells { comparison, recovered: recovered.map(<[Recovered]>::to_vec), notation, latency_unit }
    }

    /// The unit of the p99 column.
    pub fn latency_unit(&self) -> LatencyUnit {
        self.latency_unit
    }

    /// The text of a cell. Null is [`Notation::null`].
    pub fn text(&self, policy: usize, column: Column) -> String {
        let n = &self.notation;
        if column == Column::VersusBaseline {
            return self.difference(policy);
        }
        if column == Column::Recovered {
            let recovered = self.recovered.as_ref().map(|all| all[policy]);
            return recovered.map_or_else(|| n.null.to_owned(), |r| format!("{}/{}", r.runs, r.of));
        }
        match column.mean(&self.comparison.policies[policy]) {
            Some(mean) => self.number(column, mean),
            None => n.null.to_owned(),
        }
    }

    /// A value of a column, written as in its cells.
    pub fn number(&self, column: Column, value: f64) -> String {
        let n = &self.notation;
        match column {
            Column::Success | Column::InTime => n.percent(value),
            Column::VersusBaseline => n.signed_points(value, 1),
            Column::Attempts => n.ratio(value),
            Column::Peak => n.times(value),
            Column::Duplicates | Column::Phantom => n.per_10_000(value),
            Column::P99 | Column::Recovered => n.latency(value, self.latency_unit),
            Column::Wave => n.count(value),
        }
    }

    fn difference(&self, policy: usize) -> String {
        let n = &self.notation;
        let baseline = self.comparison.baseline;
        if policy == baseline {
            return "baseline".to_owned();
        }
        let (own, base) = (&self.comparison.policies[policy], &self.comparison.policies[baseline]);
        let success = Column::Success;
        let paired = Estimate::of_difference(&success.values(own), &success.values(base), 0.95);
        let Some(mean) = paired.mean else { return n.null.to_owned() };
        let decimals =
            difference_decimals(own.mean("success_rate").unwrap_or(0.0), base.mean("success_rate").unwrap_or(0.0));
        let mut text = n.signed_points(mean, decimals);
        if let Some(half) = paired.half_width() {
            text.push_str(&format!(" {}{}", n.plus_minus, n.points(half, decimals)));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::{around, comparison, row};

    /// Where somebody has said what is in time, that stands where the latency stands otherwise, and nothing else changes.
    #[test]
    fn in_time_takes_the_place_of_the_latency() {
        let rows = |in_time: Option<f64>| {
            let row = row("p", &around(0.9, 0.0));
            comparison(vec![row.maybe("in_time_rate", vec![in_time; 10])])
        };
        let without = Column::shown(&rows(None), None);
        let with = Column::shown(&rows(Some(0.4567)), None);
        let replaced = |column: &Column| if *column == Column::P99 { Column::InTime } else { *column };
        assert!(without.contains(&Column::P99));
        assert_eq!(with, without.iter().map(replaced).collect::<Vec<_>>());
        let comparison = rows(Some(0.4567));
        assert_eq!(Cells::new(&comparison, None, Notation::PAGE).text(0, Column::InTime), "45.7%");
    }
}
