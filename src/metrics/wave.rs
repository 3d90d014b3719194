//! The wave after a fault: what operations that had started before its end still send when it is over.

use super::windows::PeakCounter;
use crate::units::{SimTime, Span};
use crate::window::Window;

/// For each end of a fault, or of a surge of demand: the most arrivals in one window from there on, of operations that had started before it.
///
/// An arrival is compared with one instant, and looked at more closely only if its operation is as old as that.
#[derive(Clone, Debug)]
pub struct Waves {
    /// Ends, ascending.
    ends: Vec<SimTime>,
    /// Arrivals by how many of the ends had come when their operation started, from an instant on at which the end they lie before had come.
    arrived: Vec<u64>,
    /// Windows from each end on.
    peaks: Vec<PeakCounter>,
    /// The latest end that has come: who started before it is counted.
    come: SimTime,
}

impl Waves {
    /// For these `ends`, in windows of this width.
    pub fn new(mut ends: Vec<SimTime>, width: Span) -> Waves {
        ends.sort_unstable();
        ends.dedup();
        let peak = |end: &SimTime| PeakCounter::new(*end, width, Window { from: *end, until: SimTime::NEVER });
        Waves { arrived: vec![0; ends.len()], peaks: ends.iter().map(peak).collect(), ends, come: SimTime::ZERO }
    }

    /// True once an end has come, and somebody may be left from before it.
    #[inline]
    pub fn count(&self) -> bool {
        self.come > SimTime::ZERO
    }

    /// So many attempts of an operation that started at `start` arrive.
    #[inline]
    pub fn arrived(&mut self, start: SimTime, attempts: u64) {
        if start < self.come {
            self.arrived_late(start, attempts);
        }
    }

    #[cold]
    fn arrived_late(&mut self, start: SimTime, attempts: u64) {
        self.arrived[self.ends.partition_point(|end| *end <= start)] += attempts;
    }

    /// When [`Waves::pass`] is next due.
    pub fn next(&self) -> SimTime {
        self.peaks.iter().map(PeakCounter::next).min().unwrap_or(SimTime::NEVER)
    }

    /// Time has come to `now`.
    pub fn pass(&mut self, now: SimTime) {
        let mut arrived = 0;
        for (peak, own) in self.peaks.iter_mut().zip(&self.arrived) {
            arrived += own;
            if now >= peak.next() {
                peak.pass(now, arrived);
            }
        }
        let come = self.ends.partition_point(|end| *end <= now);
        self.come = come.checked_sub(1).map_or(SimTime::ZERO, |last| self.ends[last]);
    }

    /// All is over.
    pub fn close(&mut self) {
        let mut arrived = 0;
        for (peak, own) in self.peaks.iter_mut().zip(&self.arrived) {
            arrived += own;
            peak.close(arrived);
        }
    }

    /// The wave after this end, per second.
    pub fn after(&self, end: SimTime) -> Option<f64> {
        self.ends.binary_search(&end).ok().map(|index| self.peaks[index].rate())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Waves in windows of 10 ns after `ends`, of arrivals at an instant, each of an operation that started at another.
    fn waves(ends: &[u64], arrivals: &[(u64, u64)]) -> Vec<u64> {
        let mut waves = Waves::new(ends.iter().copied().map(SimTime).collect(), Span(10));
        let mut arrivals = arrivals.to_vec();
        arrivals.sort_unstable();
        for (now, start) in arrivals {
            if SimTime(now) >= waves.next() {
                waves.pass(SimTime(now));
            }
            waves.arrived(SimTime(start), 1);
        }
        waves.close();
        let count = |end: &u64| (waves.after(SimTime(*end)).expect("it is an end") * 1e-8).round() as u64;
        ends.iter().map(count).collect()
    }

    #[test]
    fn only_who_was_there_before() {
        // Three from before the end within one window, one that started at the end itself, one arrival before it.
        let arrivals = [(99, 50), (100, 99), (105, 1), (109, 2), (104, 100), (110, 3)];
        assert_eq!(waves(&[100], &arrivals), [3]);
        // Of two ends the later one counts those of the earlier one too, from its own instant on.
        let arrivals = [(120, 10), (125, 10), (125, 150), (205, 10), (206, 150), (207, 250)];
        assert_eq!(waves(&[100, 200], &arrivals), [2, 2]);
        assert_eq!(waves(&[], &arrivals), Vec::<u64>::new());
        assert_eq!(waves(&[100, 100], &arrivals), [2, 2]);
    }

    proptest! {
        /// As if each arrival were looked at.
        #[test]
        fn counting_in_steps_says_what_happened(
            ends in proptest::collection::vec(1u64..200, 0..5),
            lives in proptest::collection::vec((0u64..200, 0u64..150), 0..80),
        ) {
            let arrivals: Vec<(u64, u64)> = lives.iter().map(|(start, later)| (start + later, *start)).collect();
            let expected: Vec<u64> = ends.iter().map(|end| {
                let window = |w: u64| arrivals.iter().filter(|(now, start)| {
                    start < end && now >= end && (now - end) / 10 == w
                }).count() as u64;
                (0..40).map(window).max().unwrap_or(0)
            }).collect();
            prop_assert_eq!(waves(&ends, &arrivals), expected);
        }
    }
}
