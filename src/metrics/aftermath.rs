//! What comes after each fault that ends, and after a surge of demand: how long until all is as before, and how high the wave is.

use super::recovery::{Back, Recovery, Tally};
use super::wave::Waves;
use crate::scenario::Scene;
use crate::scenario::metric::{Measure, Metric, Of};
use crate::units::SimTime;

/// What comes after all that ends.
#[derive(Clone, Debug)]
pub struct Aftermath {
    each: Vec<After>,
    waves: Waves,
    /// Who started before this has to be told when it ends.
    since: SimTime,
}

/// What comes after one of them.
#[derive(Clone, Debug)]
struct After {
    what: Of,
    end: SimTime,
    /// Not where there is no telling, since nothing could be as before.
    recovery: Option<Recovery>,
}

impl Aftermath {
    /// Of all that ends in the run.
    pub fn new(scene: Scene) -> Aftermath {
        let first = scene.undisturbed_until();
        let demand_end = scene.frame.demand_end();
        let after = |(what, end): (Of, SimTime)| {
            let recovery =
                (!scene.asks_too_much_after(end)).then(|| Recovery::new(Back::SuccessAndLoad, first, end, demand_end));
            After { what, end, recovery }
        };
        let each: Vec<After> = scene.what_ends().into_iter().map(after).collect();
        let waves = Waves::new(each.iter().map(|after| after.end).collect(), scene.frame.peak_window);
        Aftermath { each, waves, since: SimTime::ZERO }
    }

    /// True if arrivals have to be told with the start of their operation.
    #[inline]
    pub fn counts_arrivals(&self) -> bool {
        self.waves.count()
    }

    /// So many attempts of an operation that started at `start` arrive.
    #[inline]
    pub fn arrived(&mut self, start: SimTime, attempts: u64) {
        self.waves.arrived(start, attempts);
    }

    /// Who started before this has to be told when it ends.
    pub fn since(&self) -> SimTime {
        self.since
    }

    /// An operation that started at `start` has ended, after so many attempts.
    pub fn ended(&mut self, start: SimTime, succeeded: bool, attempts: u32) {
        if start < self.since {
            self.recoveries_mut().for_each(|recovery| recovery.ended(start, succeeded, attempts));
        }
    }

    /// When [`Aftermath::pass`] is next due.
    pub fn next(&self) -> SimTime {
        self.recoveries().map(Recovery::next).min().unwrap_or(SimTime::NEVER).min(self.waves.next())
    }

    /// Time has come to `now`, and before it `counts` operations had started and ended.
    pub fn pass(&mut self, now: SimTime, counts: Tally) {
        for recovery in self.recoveries_mut().filter(|recovery| now >= recovery.next()) {
            recovery.pass(now, counts);
        }
        if now >= self.waves.next() {
            self.waves.pass(now);
        }
        self.since = self.recoveries().map(Recovery::since).max().unwrap_or(SimTime::ZERO);
    }

    /// All is over, after `counts` operations had started and ended; the start of each of the others, and its attempts.
    pub fn finish(&mut self, counts: Tally, open: &[(SimTime, u32)]) {
        self.recoveries_mut().for_each(|recovery| recovery.finish(counts, open.iter().copied()));
        self.waves.close();
    }

    /// `recovery` and `wave` of each.
    pub fn values(&self) -> impl Iterator<Item = (Measure, Option<f64>)> {
        self.each.iter().flat_map(|after| {
            let recovery = after.recovery.as_ref().and_then(Recovery::time_or_never);
            let of = |metric| Measure { metric, of: after.what };
            [(of(Metric::Recovery), recovery), (of(Metric::Wave), self.waves.after(after.end))]
        })
    }

    /// The longest or highest of a family; `None` where none has a value.
    pub fn most(&self, metric: Metric) -> Option<f64> {
        self.values().filter(|(measure, _)| measure.metric == metric).filter_map(|(_, value)| value).reduce(f64::max)
    }

    /// Bytes that grow with the run.
    pub fn bytes(&self) -> usize {
        self.recoveries().map(Recovery::bytes).sum()
    }

    fn recoveries(&self) -> impl Iterator<Item = &Recovery> {
        self.each.iter().filter_map(|after| after.recovery.as_ref())
    }

    fn recoveries_mut(&mut self) -> impl Iterator<Item = &mut Recovery> {
        self.each.iter_mut().filter_map(|after| after.recovery.as_mut())
    }
}
