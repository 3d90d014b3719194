//! What happens when: a world in the frame of its scenario.

use super::metric::Of;
use super::{Arrivals, Fault, Frame, World, profile_rate};
use crate::units::{SimTime, Span};

/// What a row meets, and for how long: all that a run has to know but its policy.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// Times and measures, the same for every row.
    pub frame: &'a Frame,
    /// The row's world.
    pub world: &'a World,
}

/// Where nothing says when a surge of demand began, what came in this time came before it.
const FIRST_VIEW: Span = Span::secs(30);

impl Scene<'_> {
    /// The end of the last fault that ends within the run.
    pub fn last_fault_end(self) -> Option<SimTime> {
        self.world.faults.iter().map(|fault| fault.until).filter(|until| *until < self.frame.end()).max()
    }

    /// All that ends in the run and may be recovered from: faults in their order, then a surge of demand.
    pub fn what_ends(self) -> Vec<(Of, SimTime)> {
        let faults = (0..).zip(&self.world.faults).filter(|(_, fault)| fault.until < self.frame.end());
        let faults = faults.map(|(index, fault)| (Of::Fault(index), fault.until));
        faults.chain(self.surge().map(|(_, end)| (Of::Demand, end))).collect()
    }

    /// First and last instant of a surge of demand, the last one being the first after it: of a profile from its first step up to its last step
    /// down, or until `recover_from`, and then from the first 30 s on where nothing tells when it began.
    fn surge(self) -> Option<(SimTime, SimTime)> {
        let steps = match &self.world.arrivals {
            Arrivals::Profile(points) => &points[..],
            _ => &[],
        };
        let mut pairs = steps.iter().zip(steps.iter().skip(1));
        let up = pairs.clone().find(|(a, b)| b.rate > a.rate).map(|(a, _)| SimTime::ZERO + a.at);
        let down = pairs.rfind(|(a, b)| b.rate < a.rate).map(|(_, b)| SimTime::ZERO + b.at);
        let end = self.world.recover_from.map(|from| SimTime::ZERO + from).or(down.filter(|_| up.is_some()))?;
        (end < self.frame.demand_end()).then(|| (up.unwrap_or(SimTime::ZERO + FIRST_VIEW).min(end), end))
    }

    /// The time before anything happens that there may be a recovery from. What is so from the beginning and never ends is how the world is.
    pub fn undisturbed_until(self) -> SimTime {
        let changes = |fault: &&Fault| fault.from > SimTime::ZERO || fault.until < self.frame.end();
        let faults = self.world.faults.iter().filter(changes).map(|fault| fault.from);
        faults.chain(self.surge().map(|(start, _)| start)).min().unwrap_or(SimTime::NEVER)
    }

    /// True if the demand after `end`, on average, is more than the called server can do with the faults that last for all of the run: then nothing
    /// can be as before.
    pub fn asks_too_much_after(self, end: SimTime) -> bool {
        let lasts = |fault: &Fault| fault.from == SimTime::ZERO && fault.until >= self.frame.end();
        let capacity = self.world.capacity_with(lasts);
        self.mean_demand(end).zip(capacity).is_some_and(|(demand, capacity)| demand > capacity)
    }

    /// Mean operations per second from `from` to the end of the demand; `None` in a closed loop, for bursts, and if that is no time.
    fn mean_demand(self, from: SimTime) -> Option<f64> {
        let until = self.frame.demand_end();
        let seconds = until.since(from).seconds();
        if seconds <= 0.0 {
            return None;
        }
        match &self.world.arrivals {
            Arrivals::Poisson { rate } | Arrivals::Constant { rate } => Some(*rate),
            Arrivals::Closed { .. } | Arrivals::Burst { .. } => None,
            Arrivals::Trace(trace) => {
                let starts = trace.at.partition_point(|at| *at < until) - trace.at.partition_point(|at| *at < from);
                Some(starts as f64 / seconds)
            }
            Arrivals::Profile(points) => {
                // Linear between points, so that a mean of two ends is exact; of two points at one instant the later one holds from there on.
                let inside = points.iter().map(|point| SimTime::ZERO + point.at).filter(|at| from < *at && *at < until);
                let edges: Vec<SimTime> = std::iter::once(from).chain(inside).chain([until]).collect();
                let area = |pair: &[SimTime]| {
                    let last = profile_rate(points, Span(pair[1].0 - 1));
                    (profile_rate(points, Span(pair[0].0)) + last) / 2.0 * pair[1].since(pair[0]).seconds()
                };
                Some(edges.windows(2).filter(|pair| pair[0] < pair[1]).map(area).sum::<f64>() / seconds)
            }
        }
    }

    /// Operations per second that the demand asks for at `t`; `None` in a closed loop, for bursts and for recorded instants, whose rate is no number.
    pub fn demand_at(self, t: SimTime) -> Option<f64> {
        if t >= self.frame.demand_end() {
            return Some(0.0);
        }
        match &self.world.arrivals {
            Arrivals::Poisson { rate } | Arrivals::Constant { rate } => Some(*rate),
            Arrivals::Closed { .. } | Arrivals::Burst { .. } | Arrivals::Trace(_) => None,
            Arrivals::Profile(points) => Some(profile_rate(points, Span(t.0))),
        }
    }
}
