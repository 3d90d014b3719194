//! What one run measured: plain data, of which an experiment compares many.

use super::ending::ByEnding;
use super::histogram::grid;
use super::parts::Parts;
use super::timeline::{Timeline, bin_width};
use crate::scenario::metric::{Measure, Metric};
use crate::scenario::{PolicyConfig, Scene};
use crate::units::SimTime;

/// More outcomes than this are not expected of a run; each takes a few bytes.
const MOST_OUTCOMES: usize = 20;

/// What one run measured.
#[derive(Clone, Debug)]
pub struct RunResult {
    /// In the order of [`Measure`]s, each once; outcomes that did not occur are left out.
    pub metrics: Vec<(Measure, Option<f64>)>,
    /// Counts per bin, levels at a bin's start.
    pub timeline: Timeline,
    /// Hash of every attempt's end.
    pub digest: u64,
    /// Measured operations by how they ended.
    pub endings: ByEnding<u64>,
    /// Measured operations that succeeded within each time of [`grid`].
    pub succeeded_within: Vec<u64>,
    /// Measured attempts that a worker took up.
    pub taken_up: u64,
    /// Start of the peak window with most arrivals.
    pub peak_at: SimTime,
    /// Events handled.
    pub events: u64,
    /// Attempts sent, measured or not.
    pub attempts: u64,
    /// Works that ended at the servers, measured or not.
    pub completions: u64,
    /// Bytes of state at the end of the run; nothing was given back before.
    pub state_bytes: u64,
}

impl RunResult {
    /// The value of a measure; `None` also if there is none such.
    pub fn value(&self, measure: impl Into<Measure>) -> Option<f64> {
        let measure = measure.into();
        let place = self.metrics.binary_search_by_key(&measure, |(own, _)| *own).ok()?;
        self.metrics[place].1
    }

    /// Bytes that one result of a row takes, at most: its timeline, a value of each metric, two for all that ends and for each outcome, and those of all
    /// parts.
    pub fn bytes(scene: Scene, row: &PolicyConfig) -> u64 {
        let bin = bin_width(scene.frame.peak_window, scene.frame.end());
        // A column that grows doubles.
        let timeline = 2 * 8 * size_of::<f64>() as u64 * (scene.frame.end().0 / bin.0 + 1);
        let successes = (grid().count() * size_of::<u64>()) as u64;
        let of_parts = Parts::values_of(scene, row);
        let values = Metric::ALL.len() + 2 * (scene.what_ends().len() + MOST_OUTCOMES) + of_parts;
        timeline + successes + (values * size_of::<(Measure, Option<f64>)>()) as u64
    }
}
