//! Which replication stands for a policy where a mean over several would show a state that none was in.

use super::comparison::Example;
use crate::metrics::result::RunResult;
use crate::scenario::Scenario;
use crate::scenario::metric::Metric;
use crate::units::Span;

/// Time of demand after a fault without which nobody can tell whether a run recovered: the view of `time_to_recover`.
const VIEW: Span = Span::secs(30);

/// The run that stayed down and succeeded least often; if none stayed down, the one with the median success rate. The earliest of equals.
pub(super) fn example(scenario: &Scenario, runs: &[RunResult]) -> Example {
    let mut down: Vec<usize> = (0..runs.len()).filter(|run| stayed_down(scenario, &runs[*run])).collect();
    let rate = |run: &usize| runs[*run].value(Metric::SuccessRate).unwrap_or(0.0);
    // A stable sort: the earliest of equals comes first.
    down.sort_by(|a, b| rate(a).total_cmp(&rate(b)));
    let median = || {
        let mut all: Vec<usize> = (0..runs.len()).collect();
        all.sort_by(|a, b| rate(a).total_cmp(&rate(b)));
        all[(all.len() - 1) / 2]
    };
    let chosen = down.first().copied().unwrap_or_else(median);
    let timeline = &runs[chosen].timeline;
    let per_second = |counts: &[f64]| counts.iter().map(|count| count / timeline.bin.seconds()).collect();
    Example {
        replication: chosen as u32,
        stayed_down: !down.is_empty(),
        attempts: per_second(&timeline.attempts),
        goodput: per_second(&timeline.goodput),
    }
}

/// True if the run succeeded before its faults and never again as often after the last one that ended, although there was time to see it.
fn stayed_down(scenario: &Scenario, run: &RunResult) -> bool {
    let scene = scenario.common();
    let (Some(start), Some(end)) = (scene.world.first_fault_start(), scene.last_fault_end()) else { return false };
    let bins_before = (start.0 / run.timeline.bin.0.max(1)) as usize;
    let normal_before = run.timeline.goodput.iter().take(bins_before).any(|goodput| *goodput > 0.0);
    end + VIEW <= scene.frame.demand_end() && normal_before && run.value(Metric::Recovery).is_some_and(f64::is_infinite)
}
