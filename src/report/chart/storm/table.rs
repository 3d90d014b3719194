//! The numbers behind the panels, in steps of time.

use super::Storm;
use super::strips::Level;
use crate::experiment::PolicyResult;
use crate::report::chart::Table;
use crate::report::chart::axis::instant;
use crate::report::number::Notation;

/// Most columns of a table.
const MOST_TIMES: usize = 30;
/// Steps in time that readers count in, in seconds.
const STEPS: [f64; 17] =
    [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 14_400.0];

/// What the panels show of every policy: attempts, goodput, and the levels that have strips.
pub fn tables(storm: &Storm) -> Vec<Table> {
    let mut tables = vec![
        table(storm, "attempts per second", &|policy| &policy.timeline.attempts),
        table(storm, "goodput per second", &|policy| &policy.timeline.goodput),
    ];
    let level = |level: Level| table(storm, level.label(), &|policy| level.means(policy));
    tables.extend(storm.strips.any().into_iter().map(level));
    tables
}

fn table(storm: &Storm, what: &str, values: &dyn Fn(&PolicyResult) -> &[f64]) -> Table {
    let n = Notation::PAGE;
    let end = storm.axes.time.high;
    let bin = storm.grouping.bin_seconds;
    let needed = end / MOST_TIMES as f64;
    let step = STEPS.into_iter().find(|step| *step >= needed.max(bin)).unwrap_or(needed.max(bin));
    // Whole bins, or the columns would drift away from their heads.
    let bins = (step / bin).round().max(1.0) as usize;
    let step = bins as f64 * bin;
    let columns = (end / step).ceil().max(1.0) as usize;
    let row = |policy: &PolicyResult| {
        let values = values(policy);
        let mean = |i: usize| {
            let shown = values.get(i * bins..((i + 1) * bins).min(values.len())).unwrap_or_default();
            // What comes after the last bin of all runs is no traffic.
            n.rate(shown.iter().sum::<f64>() / bins as f64)
        };
        (0..columns).map(mean).collect()
    };
    Table {
        title: format!("{what}, mean per {}", n.length(step)),
        heads: (0..columns).map(|i| instant(i as f64 * step, end)).collect(),
        rows: storm.input.comparison.policies.iter().map(row).collect(),
    }
}
