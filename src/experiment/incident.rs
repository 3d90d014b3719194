//! Single operations that went wrong, of the policy that does most harm and of the chosen one: what the report draws.

use std::sync::atomic::AtomicBool;

use super::Comparison;
use crate::metrics::notes::{Account, Told, Wanted};
use crate::scenario::Scenario;
use crate::scenario::metric::Metric;
use crate::sim::{self, Limits, Stop};

/// Bytes that a run may take while it is told for a report; one that takes more is not drawn.
pub const TOLD_BYTES: u64 = 1 << 30;

/// An operation of one run, told from its start to its end.
#[derive(Clone, Debug)]
pub struct Incident {
    /// Whose, as a place in the file.
    pub slot: usize,
    /// Of which replication, from 1.
    pub replication: u32,
    /// What happened.
    pub told: Told,
    /// What the places are called at which it makes its calls.
    pub places: Vec<String>,
}

/// What should not come about: an effect too many, one that nobody knows of, one that is gone, half of an order.
const HARM: [Metric; 4] = [Metric::Duplicates, Metric::PhantomSuccesses, Metric::LostUpdates, Metric::HalfDone];

/// The operation that went most wrong under the policy with most harm, and that of the one `chosen` among those that it is compared with; nothing where no policy does any. Each is that of the
/// first run in which its policy did harm, or of the first run. That run is made once more.
///
/// # Errors
/// Says why such a run stopped before its end.
pub fn incidents(
    scenario: &Scenario,
    comparison: &Comparison,
    chosen: impl Fn(usize) -> Option<usize>,
    memory: u64,
    interrupted: &AtomicBool,
) -> Result<Vec<Incident>, Stop> {
    let harm = |policy: usize, run: usize| {
        let of =
            |metric| comparison.policies[policy].metric(metric).and_then(|own| own.values.get(run).copied().flatten());
        HARM.into_iter().filter_map(of).sum::<f64>()
    };
    let runs = 0..comparison.replications as usize;
    let all = |policy: usize| runs.clone().map(|run| harm(policy, run)).sum::<f64>();
    // The first of those that do most.
    let worst = (0..comparison.policies.len()).rev().max_by(|a, b| all(*a).total_cmp(&all(*b)));
    let Some(worst) = worst.filter(|worst| all(*worst) > 0.0) else { return Ok(Vec::new()) };
    let mut incidents = Vec::new();
    for policy in std::iter::once(worst).chain(chosen(worst).filter(|chosen| *chosen != worst)) {
        let run = runs.clone().find(|run| harm(policy, *run) > 0.0).unwrap_or(0) as u32;
        let slot = comparison.policies[policy].slot;
        let limits = Limits { memory: memory as usize, interrupted };
        let (_, Account { told, places }) = sim::tell(scenario, slot, run, limits, Wanted::Worst(1))?;
        incidents.extend(told.into_iter().map(|(_, told)| Incident {
            slot,
            replication: run + 1,
            told,
            places: places.clone(),
        }));
    }
    Ok(incidents)
}
