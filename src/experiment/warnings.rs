//! What results themselves say against trusting them.
//!
//! What a scenario tells beforehand stands in `scenario/file/warnings/`.

use std::fmt;

use super::comparison::{Comparison, PolicyResult};
use crate::scenario::Scenario;
use crate::scenario::metric::Metric;

/// Something to know before believing a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// A stable name for this kind.
    pub code: &'static str,
    /// One line.
    pub title: String,
    /// Why it matters.
    pub why: &'static str,
    /// What to do.
    pub help: &'static str,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}; {}", self.code, self.title, self.why, self.help)
    }
}

/// A server that is busy for less than this share of its time, and never lets anybody wait, is larger than the question needs.
const IDLE: f64 = 0.5;

/// All that there is to say.
pub fn warnings(scenario: &Scenario, comparison: &Comparison) -> Vec<Warning> {
    [wide_intervals(comparison), never_saturates(scenario, comparison), open_work(comparison)]
        .into_iter()
        .flatten()
        .collect()
}

/// Differences there are, and none of which the intervals let anybody be sure of.
fn wide_intervals(comparison: &Comparison) -> Option<Warning> {
    const ASKED: [Metric; 3] = [Metric::SuccessRate, Metric::DuplicateRate, Metric::LoadMean];
    if comparison.replications < 2 {
        return None;
    }
    let others = comparison.policies.iter().enumerate().filter(|(index, _)| *index != comparison.baseline);
    let differences: Vec<_> = others
        .flat_map(|(_, policy)| ASKED.into_iter().filter_map(|metric| policy.metric(metric)))
        .map(|metric| metric.versus_baseline)
        .filter(|difference| difference.mean.is_some_and(|mean| mean != 0.0))
        .collect();
    if differences.is_empty() || differences.iter().any(super::Estimate::excludes_zero) {
        return None;
    }
    Some(Warning {
        code: "wide-intervals",
        title: format!("no difference from {} is certain", comparison.policies[comparison.baseline].name),
        why: "the intervals of success, duplicates and load are wider than the differences, which may be chance",
        help: "run more replications, or a longer duration",
    })
}

/// Workers are counted, and all of them together were never needed.
fn never_saturates(scenario: &Scenario, comparison: &Comparison) -> Option<Warning> {
    let server = scenario.world.called();
    // Without a queue a full server turns requests away, and no metric of waiting tells.
    if server.workers.is_none() || server.queue == Some(0) {
        return None;
    }
    let values = |policy: &PolicyResult, metric| policy.metric(metric).map_or(Vec::new(), |m| m.values.clone());
    let mut busiest: f64 = 0.0;
    for policy in &comparison.policies {
        if values(policy, Metric::QueueMax).iter().flatten().any(|longest| *longest > 0.0) {
            return None;
        }
        busiest = values(policy, Metric::Utilisation).iter().flatten().copied().fold(busiest, f64::max);
    }
    (busiest < IDLE).then(|| Warning {
        code: "never-saturates",
        title: format!(
            "nobody ever waited at server {}, busy for {:.0}% of its time at most",
            server.name,
            busiest * 100.0
        ),
        why: "its workers and its queue made no difference, and the results say nothing about its capacity",
        help: "ask more of it, give it fewer workers, or leave `workers` out",
    })
}

/// Operations that neither succeeded nor failed.
fn open_work(comparison: &Comparison) -> Option<Warning> {
    let open: Vec<String> = comparison
        .policies
        .iter()
        .filter_map(|policy| {
            let count: f64 = policy.metric(Metric::Unresolved)?.values.iter().flatten().sum();
            (count > 0.0).then(|| format!("{count:.0} of {}", policy.name))
        })
        .collect();
    (!open.is_empty()).then(|| Warning {
        code: "open-work",
        title: format!("operations were still open when the run ended: {}", open.join(", ")),
        why: "they count as neither succeeded nor failed, and their latency is not measured",
        help: "give the policy a `deadline` or a `timeout`, or the run a longer `drain`",
    })
}
