//! How long attempts took lately, and a quantile of that.
//!
//! Three slots, of which those count that are over, as in Finagle's backup requests (`WindowedPercentileHistogram` with three buckets of ten
//! seconds): there is no quantile before the first slot is over, and within a slot it does not change.

use crate::size_class::{class, middle};
use crate::units::{SimTime, Span};

/// Slots that are over and count.
const SLOTS: usize = 3;

/// How many attempts took how long: the classes that occurred, in ascending order. Most clients see few.
#[derive(Clone, Debug, Default)]
struct Counts(Vec<(u16, u32)>);

impl Counts {
    fn add(&mut self, took: Span, attempts: u32) {
        self.add_to(class(took.0) as u16, attempts);
    }

    fn add_to(&mut self, class: u16, attempts: u32) {
        match self.0.binary_search_by_key(&class, |(class, _)| *class) {
            Ok(at) => self.0[at].1 = self.0[at].1.saturating_add(attempts),
            Err(at) => self.0.insert(at, (class, attempts)),
        }
    }
}

/// The latencies of the recent past.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    /// The number of the current slot.
    slot: u64,
    current: Counts,
    /// Those before it, in a ring.
    over: [Counts; SLOTS],
    /// What was answered since the last slot was over.
    known: Option<Option<Span>>,
}

impl Latencies {
    /// An attempt took so long.
    pub fn saw(&mut self, now: SimTime, window: Span, took: Span) {
        self.advance(now, window);
        self.current.add(took, 1);
    }

    /// The time that a share `at` of the attempts took at most, nearest rank; `None` if no slot that is over saw one.
    /// Always the same share: the answer is remembered.
    pub fn quantile(&mut self, now: SimTime, window: Span, at: f64) -> Option<Span> {
        self.advance(now, window);
        let known = self.known.unwrap_or_else(|| self.work_out(at));
        self.known = Some(known);
        known
    }

    fn work_out(&self, at: f64) -> Option<Span> {
        let mut all = Counts::default();
        self.over.iter().flat_map(|counts| &counts.0).for_each(|(class, attempts)| all.add_to(*class, *attempts));
        let total: u64 = all.0.iter().map(|(_, attempts)| u64::from(*attempts)).sum();
        let rank = ((at * total as f64).ceil() as u64).max(1);
        let mut seen = 0;
        all.0.iter().find_map(|(class, attempts)| {
            seen += u64::from(*attempts);
            (seen >= rank).then(|| Span::from_nanos_f64(middle(usize::from(*class))))
        })
    }

    /// Slots are aligned with the beginning of time.
    fn advance(&mut self, now: SimTime, window: Span) {
        let slot = now.0 / (window.0 / SLOTS as u64).max(1);
        if slot == self.slot {
            return;
        }
        self.known = None;
        for passed in self.slot..slot.min(self.slot + SLOTS as u64 + 1) {
            let oldest = &mut self.over[passed as usize % SLOTS];
            oldest.0.clear();
            std::mem::swap(oldest, &mut self.current);
        }
        self.slot = slot;
    }

    /// Bytes that it takes beside its own size.
    pub fn bytes(&self) -> usize {
        let counts = self.over.iter().chain([&self.current]);
        counts.map(|counts| counts.0.capacity() * size_of::<(u16, u32)>()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is seen: at which second, and how many ms it took. Then the quantile at a second, in ms.
    fn check(seen: &[(u64, u64)], at: f64, second: u64, expected: Option<u64>) {
        let mut latencies = Latencies::default();
        let window = Span::secs(30);
        for (second, ms) in seen {
            latencies.saw(SimTime::ZERO + Span::secs(*second), window, Span::millis(*ms));
        }
        let got = latencies.quantile(SimTime::ZERO + Span::secs(second), window, at).map(|span| span.seconds() * 1e3);
        let close = |ms: u64| got.is_some_and(|got| (got / ms as f64 - 1.0).abs() < 0.004);
        assert!(expected.map_or(got.is_none(), close), "{seen:?} at {second} s: {got:?}, not {expected:?}");
    }

    #[test]
    fn slots_count_when_they_are_over() {
        check(&[], 0.5, 100, None);
        check(&[(1, 50)], 0.5, 9, None);
        check(&[(1, 50)], 0.5, 10, Some(50));
        check(&[(1, 50)], 0.5, 39, Some(50));
        check(&[(1, 50)], 0.5, 40, None);
        // Whatever has passed in between.
        check(&[(1, 50), (1_000_000, 70)], 0.5, 1_000_009, None);
        check(&[(1, 50), (1_000_000, 70)], 0.5, 1_000_010, Some(70));
        check(&[(1, 50), (12, 70), (25, 90), (31, 10)], 0.01, 35, Some(50));
        check(&[(1, 50), (12, 70), (25, 90), (31, 10)], 0.01, 40, Some(10));
    }

    /// What was worked out once is worked out anew when a slot is over, and not before.
    #[test]
    fn quantiles_follow() {
        let (at, window) = (|second| SimTime::ZERO + Span::secs(second), Span::secs(30));
        let mut latencies = Latencies::default();
        latencies.saw(at(1), window, Span::millis(50));
        for (second, expected) in
            [(2, None), (10, Some(50)), (19, Some(50)), (20, Some(70)), (40, Some(70)), (50, None)]
        {
            let got = latencies.quantile(at(second), window, 1.0).map(|span| (span.seconds() * 1e3).round() as u64);
            assert_eq!(got, expected, "at {second} s");
            if second == 10 {
                latencies.saw(at(11), window, Span::millis(70));
            }
        }
    }

    #[test]
    fn quantiles_are_nearest_rank() {
        let all: Vec<(u64, u64)> = (1..=100).map(|ms| (ms % 10, ms * 10)).collect();
        let in_order: Vec<(u64, u64)> =
            (0..10).flat_map(|second| all.iter().filter(move |seen| seen.0 == second).copied()).collect();
        for (at, expected) in [(0.001, 10), (0.5, 500), (0.501, 510), (0.95, 950), (0.99, 990), (1.0, 1_000)] {
            check(&in_order, at, 10, Some(expected));
        }
    }
}
