//! The columns of the comparison: what each one measures and how its cells are written.

use super::number::{LatencyUnit, Notation, difference_decimals};
use super::recovery::Recovered;
use crate::experiment::{Comparison, Estimate, PolicyResult};
use crate::scenario::metric::{Metric, Unit};

/// How the cells of a column are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// A share.
    Percent,
    /// A paired difference of shares, in points.
    Difference,
    /// Of attempts and operations.
    Ratio,
    /// A multiple.
    Times,
    /// A share of operations, counted per 10,000 of them.
    Per10k,
    /// Seconds, in one unit for all.
    Latency,
    /// Runs that were back to normal, of how many.
    Runs,
    /// Per second.
    Rate,
}

/// Which of two values is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Better {
    /// The higher.
    More,
    /// The lower, and not trying is the lowest of all.
    Less,
    /// Neither is said to be.
    Unjudged,
}

/// When a column is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Always,
    /// Somebody said what is in time.
    WithSlo,
    /// Nobody did.
    WithoutSlo,
    /// Something has an effect; with `GET` there is no duplicate to look for.
    WithEffects,
    /// There is something to recover from, and it can be told whether that was done.
    WithRecovery,
    /// There is something, but nothing tells: then the load that was held back is what is left to look at.
    InsteadOfRecovery,
}

/// All that is known of a column. In texts `{baseline}`, `{slo}`, `{after}`, `{any_end}` and `{unit}` stand for what they are in a comparison.
struct Spec {
    metric: Metric,
    format: Format,
    better: Better,
    shown: Shown,
    /// Head and unit on the page.
    page: (&'static str, &'static str),
    terminal: &'static str,
    markdown: &'static str,
    /// What a short head means, in the terminal.
    legend: &'static str,
    /// In a narrow terminal the lowest goes first; `None` stays.
    drop: Option<u8>,
}

/// Writes the columns as an enum and as a table.
macro_rules! columns {
    ($($(#[doc = $doc:literal])+ $column:ident: $spec:expr;)+) => {
        /// A column of the comparison table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Column {
            $($(#[doc = $doc])+ $column,)+
        }

        impl Column {
            /// In the table's order.
            pub const ALL: [Column; [$(stringify!($column)),+].len()] = [$(Column::$column),+];

            const fn spec(self) -> &'static Spec {
                match self { $(Column::$column => &const { $spec },)+ }
            }
        }
    };
}

columns! {
    /// Share of operations that succeeded.
    Success: Spec {
        metric: Metric::SuccessRate, format: Format::Percent, better: Better::More, shown: Shown::Always, drop: None,
        page: ("Succeeded", "% of operations"), terminal: "success", markdown: "succeeded", legend: "",
    };
    /// Paired difference of that share to the baseline, in points.
    VersusBaseline: Spec {
        metric: Metric::SuccessRate, format: Format::Difference, better: Better::Unjudged, shown: Shown::Always, drop: None,
        page: ("vs {baseline}", "points, paired"), terminal: "vs {baseline}", markdown: "vs {baseline}, points", legend: "",
    };
    /// Attempts per operation.
    Attempts: Spec {
        metric: Metric::AttemptsPerOperation, format: Format::Ratio, better: Better::Less, shown: Shown::Always, drop: Some(7),
        page: ("Attempts", "per operation"), terminal: "attempts", markdown: "attempts per operation", legend: "",
    };
    /// Highest load, as a multiple of the highest demand.
    Peak: Spec {
        metric: Metric::PeakOfDemand, format: Format::Times, better: Better::Less, shown: Shown::Always, drop: None,
        page: ("Peak load", "× demand"), terminal: "peak", markdown: "peak, × demand", legend: "",
    };
    /// Duplicate effects per 10,000 operations.
    Duplicates: Spec {
        metric: Metric::DuplicateRate, format: Format::Per10k, better: Better::Less, shown: Shown::WithEffects, drop: Some(6),
        page: ("Duplicates", "per 10,000"), terminal: "dup/10k", markdown: "duplicates per 10,000", legend: "dup: duplicate effects",
    };
    /// Phantom successes per 10,000 operations.
    Phantom: Spec {
        metric: Metric::PhantomRate, format: Format::Per10k, better: Better::Less, shown: Shown::WithEffects, drop: Some(3),
        page: ("Phantom", "per 10,000"), terminal: "phantom/10k", markdown: "phantom per 10,000",
        legend: "phantom: done, but reported as failed",
    };
    /// 99th percentile of the latency of successes.
    P99: Spec {
        metric: Metric::LatencyP99, format: Format::Latency, better: Better::Unjudged, shown: Shown::WithoutSlo, drop: Some(1),
        page: ("p99 latency", "{unit}, successes only"), terminal: "p99", markdown: "p99, {unit}", legend: "",
    };
    /// Share of operations that succeeded within the `slo`.
    InTime: Spec {
        metric: Metric::InTimeRate, format: Format::Percent, better: Better::More, shown: Shown::WithSlo, drop: Some(2),
        page: ("In time", "% within {slo}"), terminal: "in time", markdown: "in {slo}", legend: "in time: succeeded within {slo}",
    };
    /// Replications in which all was back to normal after everything that ended.
    Recovered: Spec {
        metric: Metric::Recovery, format: Format::Runs, better: Better::Unjudged, shown: Shown::WithRecovery, drop: Some(4),
        page: ("Recovered", "runs after {after}"), terminal: "recov", markdown: "recovered",
        legend: "recov: replications back to normal after {after}",
    };
    /// Highest load after that by operations from before, per second.
    Wave: Spec {
        metric: Metric::Wave, format: Format::Rate, better: Better::Less, shown: Shown::InsteadOfRecovery, drop: Some(5),
        page: ("Wave", "attempts/s after {any_end}"), terminal: "wave/s", markdown: "wave, attempts/s",
        legend: "wave: most attempts per second after {any_end}, of operations from before",
    };
}

impl Column {
    /// The columns that have something to say.
    pub fn shown(comparison: &Comparison, recovered: Option<&[Recovered]>) -> Vec<Column> {
        let wave = recovered.is_none() && comparison.policies.iter().any(|p| p.mean(Metric::Wave).is_some());
        let (effects, slo) = (has_effects(comparison), has_slo(comparison));
        let shown = |column: &Column| match column.spec().shown {
            Shown::Always => true,
            Shown::WithSlo => slo,
            Shown::WithoutSlo => !slo,
            Shown::WithEffects => effects,
            Shown::WithRecovery => recovered.is_some(),
            Shown::InsteadOfRecovery => wave,
        };
        Column::ALL.into_iter().filter(shown).collect()
    }

    /// Less is better here, and not trying is the cheapest of all.
    pub fn is_cost(self) -> bool {
        self.spec().better == Better::Less
    }

    /// More is better here.
    pub fn is_gain(self) -> bool {
        self.spec().better == Better::More
    }

    /// It counts what should not happen.
    pub fn counts_harm(self) -> bool {
        self.spec().format == Format::Per10k
    }

    /// It is in the unit of latencies.
    pub fn is_latency(self) -> bool {
        self.spec().format == Format::Latency
    }

    /// It tells how many runs did something.
    pub fn counts_runs(self) -> bool {
        self.spec().format == Format::Runs
    }

    /// When it goes if there is no room for all, the lowest first; `None` stays.
    pub fn dropped(self) -> Option<u8> {
        self.spec().drop
    }

    /// What `policy` has in this column, replication by replication, in the metric's unit.
    pub fn values(self, policy: &PolicyResult) -> Vec<Option<f64>> {
        policy.metric(self.spec().metric).map(|metric| metric.values.clone()).unwrap_or_default()
    }

    /// The mean of what `policy` has in this column; cheaper than the whole estimate.
    pub fn mean(self, policy: &PolicyResult) -> Option<f64> {
        policy.mean(self.spec().metric)
    }

    /// Mean and 95% interval of what `policy` has in this column.
    pub fn estimate(self, policy: &PolicyResult) -> Estimate {
        policy.metric(self.spec().metric).map(|metric| metric.estimate).unwrap_or_default()
    }

    /// The paired difference `own` − `other` in this column.
    pub fn difference(self, own: &PolicyResult, other: &PolicyResult, confidence: f64) -> Estimate {
        let is_share = self.spec().metric.unit() == Unit::Share;
        let of = if is_share { Estimate::of_difference_of_shares } else { Estimate::of_difference };
        of(&self.values(own), &self.values(other), confidence)
    }
}

/// What heads and legends of columns say in one comparison.
pub struct Heads<'a> {
    /// The baseline's name, as it is shown.
    pub baseline: &'a str,
    /// The time within which an operation should succeed.
    pub slo: String,
    /// What there is to recover from.
    pub after: String,
    /// What a wave may come after.
    pub any_end: String,
    /// The unit of latencies.
    pub unit: LatencyUnit,
}

impl Heads<'_> {
    /// Head and unit on the page.
    pub fn page(&self, column: Column) -> (String, String) {
        let (head, unit) = column.spec().page;
        (self.fill(head), self.fill(unit))
    }

    /// Head in the terminal.
    pub fn terminal(&self, column: Column) -> String {
        self.fill(column.spec().terminal)
    }

    /// Head in Markdown.
    pub fn markdown(&self, column: Column) -> String {
        self.fill(column.spec().markdown)
    }

    /// What a short head means, if that has to be said.
    pub fn legend(&self, column: Column) -> Option<String> {
        let legend = column.spec().legend;
        (!legend.is_empty()).then(|| self.fill(legend))
    }

    fn fill(&self, text: &str) -> String {
        let text = text.replace("{slo}", &self.slo).replace("{unit}", self.unit.symbol());
        // Names come last: they may hold anything.
        text.replace("{after}", &self.after).replace("{any_end}", &self.any_end).replace("{baseline}", self.baseline)
    }
}

/// True if some policy had an effect on a server.
pub fn has_effects(comparison: &Comparison) -> bool {
    comparison.policies.iter().any(|policy| policy.mean(Metric::Effects).is_some_and(|mean| mean > 0.0))
}

/// True if the scenario says what is in time.
pub fn has_slo(comparison: &Comparison) -> bool {
    comparison.policies.iter().any(|policy| policy.mean(Metric::InTimeRate).is_some())
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
        let latency_unit = LatencyUnit::of(comparison.policies.iter().filter_map(|p| p.mean(Metric::LatencyP99)));
        Cells { comparison, recovered: recovered.map(<[Recovered]>::to_vec), notation, latency_unit }
    }

    /// The unit of the p99 column.
    pub fn latency_unit(&self) -> LatencyUnit {
        self.latency_unit
    }

    /// The text of a cell. Null is [`Notation::null`].
    pub fn text(&self, policy: usize, column: Column) -> String {
        let n = &self.notation;
        match column.spec().format {
            Format::Difference => return self.difference(policy),
            Format::Runs => {
                let recovered = self.recovered.as_ref().map(|all| all[policy]).filter(|r| r.of > 0);
                return recovered.map_or_else(|| n.null.to_owned(), |r| format!("{}/{}", r.runs, r.of));
            }
            _ => {}
        }
        match column.mean(&self.comparison.policies[policy]) {
            Some(mean) => self.number(column, mean),
            None => n.null.to_owned(),
        }
    }

    /// A value of a column, written as in its cells.
    pub fn number(&self, column: Column, value: f64) -> String {
        let n = &self.notation;
        match column.spec().format {
            Format::Percent => n.percent(value),
            Format::Difference => n.signed_points(value, 1),
            Format::Ratio => n.ratio(value),
            Format::Times => n.times(value),
            Format::Per10k => n.per_10_000(value),
            Format::Latency | Format::Runs => n.latency(value, self.latency_unit),
            Format::Rate => n.count(value),
        }
    }

    fn difference(&self, policy: usize) -> String {
        let n = &self.notation;
        let baseline = self.comparison.baseline;
        if policy == baseline {
            return "baseline".to_owned();
        }
        let (own, base) = (&self.comparison.policies[policy], &self.comparison.policies[baseline]);
        let paired = Column::Success.difference(own, base, 0.95);
        let Some(mean) = paired.mean else { return n.null.to_owned() };
        let decimals = difference_decimals(
            own.mean(Metric::SuccessRate).unwrap_or(0.0),
            base.mean(Metric::SuccessRate).unwrap_or(0.0),
        );
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
