//! The columns of the comparison: what each one measures and how its cells are written.

use super::ReportInput;
use super::number::{LatencyUnit, Notation, difference_decimals};
use super::recovery::Recovered;
use crate::decision::Decision;
use crate::experiment::{Comparison, Estimate, PolicyResult};
use crate::scenario::Arrivals;
use crate::scenario::decide::Criterion;
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
    /// A length of time, each in its own unit.
    Length,
    /// Runs that were back to normal, of how many.
    Runs,
    /// Per second.
    Rate,
}

/// When a column is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Always,
    /// Clients wait for the end of an operation before the next: how many come to one is what counts.
    InClosedLoops,
    /// How long operations take, in the way that tells most.
    Waiting(Waiting),
    /// Something has an effect; with `GET` there is no duplicate to look for.
    WithEffects,
    /// Some updates were lost.
    WithLostUpdates,
    /// Some operations were left half done.
    WithHalves,
    /// There is something to recover from, and it can be told whether that was done.
    WithRecovery,
    /// There is something, but nothing tells: then the load that was held back is what is left to look at.
    InsteadOfRecovery,
}

/// How long operations take, by what a scenario asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    /// Somebody said what is in time.
    InTime,
    /// All come in bursts, or are recorded: until they are done.
    Finish,
    /// The 99th percentile of all.
    P99,
    /// The median of all, where 1% or more succeed with nobody.
    P50,
}

impl Waiting {
    /// The one that tells most; `None` if nothing was measured or nobody succeeds half of the time.
    fn of(comparison: &Comparison) -> Option<Waiting> {
        let some = |metric: Metric, tells: fn(f64) -> bool| {
            let values = comparison.policies.iter().filter_map(|policy| policy.metric(metric));
            values.flat_map(|metric| metric.values.iter().flatten()).any(|value| tells(*value))
        };
        if some(Metric::InTimeRate, |_| true) {
            Some(Waiting::InTime)
        } else if some(Metric::FinishP99, |_| true) {
            Some(Waiting::Finish)
        } else if some(Metric::LatencyAllP99, f64::is_finite) {
            Some(Waiting::P99)
        } else {
            some(Metric::LatencyAllP50, f64::is_finite).then_some(Waiting::P50)
        }
    }
}

/// All that is known of a column. In texts `{baseline}`, `{slo}`, `{after}`, `{any_end}` and `{unit}` stand for what they are in a comparison.
struct Spec {
    metric: Metric,
    format: Format,
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
    /// What went wrong, per 10,000 operations.
    Wrong: Spec {
        metric: Metric::GoneWrongRate, format: Format::Per10k, shown: Shown::Always, drop: None,
        page: ("Gone wrong", "per 10,000"), terminal: "wrong", markdown: "gone wrong per 10,000",
        legend: "wrong, per 10,000: {wrong}",
    };
    /// Operations that succeeded, per second.
    Goodput: Spec {
        metric: Metric::Goodput, format: Format::Rate, shown: Shown::InClosedLoops, drop: None,
        page: ("Goodput", "successes/s"), terminal: "good/s", markdown: "goodput, /s", legend: "good: successes per second",
    };
    /// Share of operations that succeeded.
    Success: Spec {
        metric: Metric::SuccessRate, format: Format::Percent, shown: Shown::Always, drop: None,
        page: ("Succeeded", "% of operations"), terminal: "success", markdown: "succeeded", legend: "",
    };
    /// Paired difference of that share to the baseline, in points.
    VersusBaseline: Spec {
        metric: Metric::SuccessRate, format: Format::Difference, shown: Shown::Always, drop: Some(3),
        page: ("vs {baseline}", "points, paired"), terminal: "vs {baseline}", markdown: "vs {baseline}, points", legend: "",
    };
    /// Attempts per operation.
    Attempts: Spec {
        metric: Metric::AttemptsPerOperation, format: Format::Ratio, shown: Shown::Always, drop: Some(9),
        page: ("Attempts", "per operation"), terminal: "attempts", markdown: "attempts per operation", legend: "",
    };
    /// Highest load, as a multiple of the highest demand.
    Peak: Spec {
        metric: Metric::PeakOfDemand, format: Format::Times, shown: Shown::Always, drop: None,
        page: ("Peak load", "× highest demand"), terminal: "peak", markdown: "peak, × highest demand",
        legend: "peak: of the highest demand",
    };
    /// Duplicate effects per 10,000 operations.
    Duplicates: Spec {
        metric: Metric::DuplicateRate, format: Format::Per10k, shown: Shown::WithEffects, drop: Some(6),
        page: ("Duplicates", "per 10,000"), terminal: "dup", markdown: "duplicates per 10,000", legend: "dup: duplicate effects per 10,000",
    };
    /// Phantom successes per 10,000 operations.
    Phantom: Spec {
        metric: Metric::PhantomRate, format: Format::Per10k, shown: Shown::WithEffects, drop: Some(7),
        page: ("Phantom", "per 10,000"), terminal: "phan", markdown: "phantom per 10,000",
        legend: "phan: phantom successes per 10,000, done but reported as failed",
    };
    /// Lost updates per 10,000 operations.
    LostUpdates: Spec {
        metric: Metric::LostUpdateRate, format: Format::Per10k, shown: Shown::WithLostUpdates, drop: Some(5),
        page: ("Lost updates", "per 10,000"), terminal: "lost", markdown: "lost updates per 10,000",
        legend: "lost: lost updates per 10,000, written over without being read",
    };
    /// Operations left half done per 10,000.
    HalfDone: Spec {
        metric: Metric::HalfDoneRate, format: Format::Per10k, shown: Shown::WithHalves, drop: Some(9),
        page: ("Half done", "per 10,000"), terminal: "half", markdown: "half done per 10,000",
        legend: "half: left half done, per 10,000",
    };
    /// 99th percentile of the latency of all operations.
    P99: Spec {
        metric: Metric::LatencyAllP99, format: Format::Latency, shown: Shown::Waiting(Waiting::P99), drop: Some(8),
        page: ("p99", "{unit}, all operations"), terminal: "p99", markdown: "p99 of all, {unit}",
        legend: "p99: of all operations, failures last",
    };
    /// Median of the latency of all operations.
    P50: Spec {
        metric: Metric::LatencyAllP50, format: Format::Latency, shown: Shown::Waiting(Waiting::P50), drop: Some(8),
        page: ("p50", "{unit}, all operations"), terminal: "p50", markdown: "p50 of all, {unit}",
        legend: "p50: of all operations, failures last",
    };
    /// Until 99% of all operations have succeeded.
    Finish: Spec {
        metric: Metric::FinishP99, format: Format::Length, shown: Shown::Waiting(Waiting::Finish), drop: Some(8),
        page: ("Finished", "until 99% succeeded"), terminal: "finish", markdown: "99% done after",
        legend: "finish: until 99% succeeded",
    };
    /// Share of operations that succeeded within the `slo`.
    InTime: Spec {
        metric: Metric::InTimeRate, format: Format::Percent, shown: Shown::Waiting(Waiting::InTime), drop: Some(8),
        page: ("In time", "% within {slo}"), terminal: "in time", markdown: "in {slo}", legend: "in time: succeeded within {slo}",
    };
    /// Replications in which all was back to normal after everything that ended.
    Recovered: Spec {
        metric: Metric::Recovery, format: Format::Runs, shown: Shown::WithRecovery, drop: Some(4),
        page: ("Recovered", "runs after {after}"), terminal: "recov", markdown: "recovered",
        legend: "recov: replications back to normal after {after}",
    };
    /// Highest load after that by operations from before, per second.
    Wave: Spec {
        metric: Metric::Wave, format: Format::Rate, shown: Shown::InsteadOfRecovery, drop: Some(8),
        page: ("Wave", "attempts/s after {any_end}"), terminal: "wave/s", markdown: "wave, attempts/s",
        legend: "wave: most attempts per second after {any_end}, of operations from before",
    };
}

impl Column {
    /// The columns that have something to say.
    pub fn shown(input: &ReportInput, recovered: Option<&[Recovered]>) -> Vec<Column> {
        let comparison = input.comparison;
        let wave = recovered.is_none() && comparison.policies.iter().any(|p| p.mean(Metric::Wave).is_some());
        let (effects, waiting) = (has_effects(comparison), Waiting::of(comparison));
        let closed = |policy: usize| matches!(input.scene_of(policy).world.arrivals, Arrivals::Closed { .. });
        let shown = |column: &Column| match column.spec().shown {
            Shown::Always => true,
            Shown::InClosedLoops => (0..comparison.policies.len()).any(closed),
            Shown::Waiting(how) => waiting == Some(how),
            Shown::WithEffects => effects,
            Shown::WithLostUpdates => loses_updates(comparison),
            Shown::WithHalves => leaves_halves(comparison),
            Shown::WithRecovery => recovered.is_some(),
            Shown::InsteadOfRecovery => wave,
        };
        Column::ALL.into_iter().filter(shown).collect()
    }

    /// What the decision compares in it.
    pub fn criterion(self) -> Criterion {
        Criterion::of(self.spec().metric)
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

    /// In how many runs it never came about, and of how many; `None` if it did in each.
    pub fn never(self, policy: &PolicyResult) -> Option<(usize, usize)> {
        let measured = policy.metric(self.spec().metric)?;
        let of = measured.values.iter().flatten().count();
        measured.never().filter(|never| *never > 0).map(|never| (never, of))
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
    /// What goes wrong, by its parts.
    pub wrong: String,
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
        let text =
            text.replace("{slo}", &self.slo).replace("{unit}", self.unit.symbol()).replace("{wrong}", &self.wrong);
        // Names come last: they may hold anything.
        text.replace("{after}", &self.after).replace("{any_end}", &self.any_end).replace("{baseline}", self.baseline)
    }
}

/// True if some policy had an effect on a server.
pub fn has_effects(comparison: &Comparison) -> bool {
    comparison.policies.iter().any(|policy| policy.mean(Metric::Effects).is_some_and(|mean| mean > 0.0))
}

/// True if some policy has lost updates.
pub fn loses_updates(comparison: &Comparison) -> bool {
    comparison.policies.iter().any(|policy| policy.mean(Metric::LostUpdates).is_some_and(|mean| mean > 0.0))
}

/// True if some policy leaves operations half done.
pub fn leaves_halves(comparison: &Comparison) -> bool {
    comparison.policies.iter().any(|policy| policy.mean(Metric::HalfDone).is_some_and(|mean| mean > 0.0))
}

/// Writes the cells of one comparison.
pub struct Cells<'a> {
    comparison: &'a Comparison,
    decision: Option<&'a Decision>,
    recovered: Option<Vec<Recovered>>,
    notation: Notation,
    latency_unit: LatencyUnit,
}

impl<'a> Cells<'a> {
    /// Cells in this notation. `recovered` is per policy, if there was anything to recover from.
    pub fn new(comparison: &'a Comparison, recovered: Option<&[Recovered]>, notation: Notation) -> Cells<'a> {
        let means = |column: Column| comparison.policies.iter().filter_map(move |policy| column.mean(policy));
        let columns = if means(Column::P99).next().is_some() { means(Column::P99) } else { means(Column::P50) };
        let latency_unit = LatencyUnit::of(columns);
        Cells { comparison, decision: None, recovered: recovered.map(<[Recovered]>::to_vec), notation, latency_unit }
    }

    /// With weights and baselines as they are decided by.
    pub fn of(self, decision: &'a Decision) -> Cells<'a> {
        Cells { decision: Some(decision), ..self }
    }

    /// The unit of the p99 column.
    pub fn latency_unit(&self) -> LatencyUnit {
        self.latency_unit
    }

    /// Mean and 95% interval of a cell.
    pub fn estimate(&self, policy: usize, column: Column) -> Estimate {
        match (column, self.decision) {
            (Column::Wrong, Some(decision)) => decision.wrong[policy].map(|wrong| wrong.estimate).unwrap_or_default(),
            _ => column.estimate(&self.comparison.policies[policy]),
        }
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
        let result = &self.comparison.policies[policy];
        if let Some((never, of)) = column.never(result) {
            return if never == of { "never".to_owned() } else { format!("never in {never}") };
        }
        let mean = match column {
            // With its weights.
            Column::Wrong => match self.decision {
                Some(decision) => decision.wrong[policy].map(|wrong| wrong.all),
                None => column.mean(result),
            },
            _ => column.mean(result),
        };
        match mean {
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
            Format::Length => n.length(value),
            Format::Rate if value > 0.0 && value < 99.5 => n.fixed(value, 1),
            Format::Rate => n.count(value),
        }
    }

    fn difference(&self, policy: usize) -> String {
        let n = &self.notation;
        let baseline = self.decision.map_or(self.comparison.baseline, |decision| decision.group_of(policy).baseline);
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
    use crate::report::fixture::{Row, around, row, with_input};

    /// The column that says how long it takes, of a policy that has this beside what every one has, and its text.
    fn check(own: impl FnOnce(Row) -> Row, column: Column, expected: &str) {
        let (shown, text) = with_input(vec![own(row("p", &around(0.9, 0.0)))], |input| {
            let cells = Cells::new(input.comparison, None, Notation::PAGE);
            (Column::shown(input, None), cells.text(0, column))
        });
        let waiting = [Column::P99, Column::P50, Column::Finish, Column::InTime];
        assert_eq!(shown.iter().filter(|own| waiting.contains(own)).collect::<Vec<_>>(), [&column]);
        assert_eq!(text, expected);
    }

    /// How long operations take is told in one way: the one that says most about what the scenario asks.
    #[test]
    fn one_column_says_how_long_it_takes() {
        let never = f64::INFINITY;
        check(|row| row.all("latency_all_p99", 1.5).all("latency_all_p50", 0.2), Column::P99, "1.5");
        check(|row| row.all("latency_all_p99", never).all("latency_all_p50", 0.2), Column::P50, "200");
        check(|row| row.all("latency_all_p99", 1.5).all("finish_p99", 130.0), Column::Finish, "2:10\u{a0}min");
        check(|row| row.all("latency_all_p99", 1.5).all("in_time_rate", 0.4567), Column::InTime, "45.7%");
        check(|row| row.all("finish_p99", never), Column::Finish, "never");
        let some = [never, never, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0];
        check(|row| row.set("latency_all_p99", &some), Column::P99, "never in 2");
    }

    /// What a column shows is what the decision compares, and so is in its family of intervals.
    #[test]
    fn the_decision_knows_every_column() {
        let full = |name, rate| {
            let row = row(name, &around(rate, 0.0)).all("latency_all_p99", 1.0).all("latency_all_p50", 1.0);
            let row = row.all("finish_p99", 1.0).all("in_time_rate", 0.5).all("wave", 5.0).all("goodput", 4.0);
            row.all("lost_updates", 2.0).all("lost_update_rate", 0.02).all("half_done", 2.0).all("half_done_rate", 0.02)
        };
        with_input(vec![full("a", 0.9), full("b", 0.8)], |input| {
            for column in Column::ALL.into_iter().filter(|column| *column != Column::Goodput) {
                assert!(input.decision.groups[0].rank(column.criterion()).is_some(), "{column:?}");
            }
        });
    }
}
