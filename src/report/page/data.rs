//! The numbers behind the figures, as tables that open on demand.

use super::{N, Page};
use crate::experiment::{Estimate, PolicyResult};
use crate::report::chart::axis::instant;
use crate::report::chart::storm::Storm;
use crate::report::chart::{dots, latency};
use crate::report::column::{Cells, Column};
use crate::report::escape::escape;
use crate::report::number::LatencyUnit;
use crate::scenario::metric::Metric;

/// Most columns of the storm's table.
const MOST_TIMES: usize = 30;
/// Steps in time that readers count in, in seconds.
const STEPS: [f64; 17] =
    [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 14_400.0];

impl Page<'_> {
    /// What the panels show of every policy in steps of time: attempts, goodput, and the levels that have strips.
    pub(super) fn storm_data(&self, storm: &Storm) -> String {
        let mut tables = vec![
            self.timeline_data(storm, "attempts per second", &|policy| &policy.timeline.attempts),
            self.timeline_data(storm, "goodput per second", &|policy| &policy.timeline.goodput),
        ];
        let levels = storm.strips.any();
        tables.extend(
            levels.into_iter().map(|level| self.timeline_data(storm, level.label(), &|policy| level.means(policy))),
        );
        self.data_tables(&tables)
    }

    fn timeline_data(&self, storm: &Storm, what: &str, values: &dyn Fn(&PolicyResult) -> &[f64]) -> (String, String) {
        let end = storm.axes.time.high;
        let bin = storm.grouping.bin_seconds;
        let needed = end / MOST_TIMES as f64;
        let step = STEPS.into_iter().find(|step| *step >= needed.max(bin)).unwrap_or(needed.max(bin));
        // Whole bins, or the columns would drift away from their heads.
        let bins = (step / bin).round().max(1.0) as usize;
        let step = bins as f64 * bin;
        let columns = (end / step).ceil().max(1.0) as usize;
        let heads: Vec<String> = (0..columns).map(|i| instant(i as f64 * step, end)).collect();
        let row = |policy: usize| {
            let values = values(&self.input.comparison.policies[policy]);
            let mean = |i: usize| {
                let shown = values.get(i * bins..((i + 1) * bins).min(values.len())).unwrap_or_default();
                // What comes after the last bin of all runs is no traffic.
                N.rate(shown.iter().sum::<f64>() / bins as f64)
            };
            (0..columns).map(mean).collect()
        };
        let title = format!("{what}, mean per {}", N.length(step));
        let table = self.policy_table(&title, &heads, &row);
        (title, table)
    }

    /// What the dot plots show, with intervals.
    pub(super) fn dots_data(&self) -> String {
        let comparison = self.input.comparison;
        let cells = Cells::new(comparison, None, N);
        let columns: Vec<Column> =
            dots::plots(comparison).iter().flat_map(|plot| [Some(plot.column), plot.second]).flatten().collect();
        let head = |column: &Column| match column {
            Column::Success => "succeeded",
            Column::Attempts => "attempts per operation",
            Column::Duplicates => "duplicates per 10,000",
            _ => "phantom successes per 10,000",
        };
        let heads: Vec<String> = columns.iter().map(|column| head(column).to_owned()).collect();
        let row = |policy: usize| {
            let write = |column: &Column| {
                let Estimate { mean, ci_low, ci_high } = column.estimate(&comparison.policies[policy]);
                let Some(mean) = mean else { return format!("{} (no operation was measured)", N.null) };
                let number = |value: f64| cells.number(*column, value);
                let interval =
                    ci_low.zip(ci_high).map(|(low, high)| format!(" ({} to {})", number(low.max(0.0)), number(high)));
                number(mean) + &interval.unwrap_or_default()
            };
            columns.iter().map(write).collect()
        };
        let interval = if comparison.replications > 1 { " (mean and 95% interval)" } else { "" };
        self.data_table(&format!("{}{interval}", heads.join(", ")), &heads, &row)
    }

    /// Quantiles of the latency, beside the picture of all of it.
    pub(super) fn latency_quantiles(&self) -> String {
        const QUANTILES: [(&str, Metric); 4] = [
            ("p50", Metric::LatencyP50),
            ("p90", Metric::LatencyP90),
            ("p99", Metric::LatencyP99),
            ("p99.9", Metric::LatencyP999),
        ];
        let policies = &self.input.comparison.policies;
        // Milliseconds where seconds would be written as 0.03.
        let unit = |metric: Metric| {
            let values = || policies.iter().filter_map(|policy| policy.mean(metric)).filter(|seconds| *seconds > 0.0);
            if values().all(|seconds| seconds >= 0.1) { LatencyUnit::of(values()) } else { LatencyUnit::Millis }
        };
        let units = QUANTILES.map(|(_, metric)| unit(metric));
        let quantile_head = |((name, _), unit): (&(&str, Metric), &LatencyUnit)| format!("{name}, {}", unit.symbol());
        let mut heads: Vec<String> = QUANTILES.iter().zip(&units).map(quantile_head).collect();
        heads.push("never".to_owned());
        let row = |policy: usize| {
            let policy = &policies[policy];
            let quantile = |((_, metric), unit): (&(&str, Metric), &LatencyUnit)| {
                policy.mean(*metric).map_or_else(|| N.null.to_owned(), |seconds| N.latency(seconds, *unit))
            };
            let mut cells: Vec<String> = QUANTILES.iter().zip(&units).map(quantile).collect();
            cells.push(latency::percent(latency::level(policy)));
            cells
        };
        let title = "Latency of successes, and the share that never succeeded";
        format!("<p class=\"fh\">{title}</p>{}", self.policy_table(title, &heads, &row))
    }

    /// A table with a row for each policy, behind its title.
    pub(super) fn data_table(&self, title: &str, heads: &[String], row: &dyn Fn(usize) -> Vec<String>) -> String {
        self.data_tables(&[(title.to_owned(), self.policy_table(title, heads, row))])
    }

    /// Tables behind one title, that of the first; each of several has its own above it.
    fn data_tables(&self, tables: &[(String, String)]) -> String {
        let Some((first, _)) = tables.first() else { return String::new() };
        let more = if tables.len() > 1 { " and more" } else { "" };
        let table = |(title, table): &(String, String)| {
            let title = if tables.len() > 1 { format!("<p class=\"fh\">{}</p>", escape(title)) } else { String::new() };
            title + table
        };
        let all: String = tables.iter().map(table).collect();
        format!("<details><summary>Data table: {}{more}</summary>{all}</details>", escape(first))
    }

    fn policy_table(&self, title: &str, heads: &[String], row: &dyn Fn(usize) -> Vec<String>) -> String {
        let heads: String = heads.iter().map(|head| format!("<th scope=\"col\">{}</th>", escape(head))).collect();
        let rows = (0..self.input.comparison.policies.len()).map(|policy| {
            let cells: String = row(policy).iter().map(|cell| format!("<td>{}</td>", escape(cell))).collect();
            format!("<tr class=\"{}\"><th scope=\"row\">{}</th>{cells}</tr>", self.class(policy), self.name(policy))
        });
        let rows: String = rows.collect();
        let title = escape(title);
        format!(
            "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{title}\"><table class=\"plain\"><thead>\
             <tr><th scope=\"col\">policy</th>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
        )
    }
}
