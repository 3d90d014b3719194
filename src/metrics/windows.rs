//! Counts per window of time. Nothing is done for each event: when time leaves a window, a running count is read, and what it has grown by
//! since the window began happened in it. Constant memory, and constant time however many windows have passed.

use crate::units::{SimTime, Span};
use crate::window::Window;

/// Windows of one width, counted from an origin, of which only the parts within a range are looked at.
#[derive(Clone, Debug)]
pub struct Windows {
    range: Window,
    width: Span,
    /// Of the window that is open, or of the first one; its full width, even if the range ends before.
    end: SimTime,
    next: SimTime,
    open: bool,
}

impl Windows {
    /// Windows of `width`, counted from `origin`, within `range`, which does not begin before it.
    pub fn new(origin: SimTime, width: Span, range: Window) -> Windows {
        Windows { range, width, end: origin + width, next: range.from, open: false }
    }

    /// When [`Windows::pass`] is next due.
    #[inline]
    pub fn next(&self) -> SimTime {
        self.next
    }

    /// True if the last event was in a window, within the range.
    #[inline]
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// The beginning of the window that is open.
    pub fn start(&self) -> SimTime {
        SimTime(self.end.0 - self.width.0)
    }

    /// Opens the window that `now` lies in; it is [`Windows::next`] or later.
    pub fn pass(&mut self, now: SimTime) {
        self.open = now < self.range.until;
        if !self.open {
            self.next = SimTime::NEVER;
            return;
        }
        if now >= self.end {
            // In most cases the next window; the division only when some are skipped.
            let late = now.since(self.end).0;
            let passed = if late < self.width.0 { 1 } else { late / self.width.0 + 1 };
            self.end = self.end + Span(self.width.0.saturating_mul(passed));
        }
        self.next = self.end.min(self.range.until);
    }
}

/// The most events in one aligned window.
#[derive(Clone, Debug)]
pub struct PeakCounter {
    windows: Windows,
    /// Events before the window that is open.
    before: u64,
    best: u64,
    best_start: SimTime,
}

impl PeakCounter {
    /// Windows of `width`, counted from `origin`; only events within `range` count.
    pub fn new(origin: SimTime, width: Span, range: Window) -> PeakCounter {
        PeakCounter { windows: Windows::new(origin, width, range), before: 0, best: 0, best_start: origin }
    }

    /// When [`PeakCounter::pass`] is next due.
    pub fn next(&self) -> SimTime {
        self.windows.next()
    }

    /// Time has come to `now`, and before it `count` events had happened.
    pub fn pass(&mut self, now: SimTime, count: u64) {
        self.close(count);
        self.windows.pass(now);
        self.before = count;
    }

    /// All is over, after `count` events, or a window is.
    pub fn close(&mut self, count: u64) {
        if self.windows.is_open() && count - self.before > self.best {
            self.best = count - self.before;
            self.best_start = self.windows.start();
        }
    }

    /// The most events in one window.
    pub fn best(&self) -> u64 {
        self.best
    }

    /// The most events in one window, per second.
    pub fn rate(&self) -> f64 {
        self.best as f64 / self.windows.width.seconds()
    }

    /// Where that window starts.
    pub fn best_start(&self) -> SimTime {
        self.best_start
    }
}

/// Variance ÷ mean of counts per 100 ms; 1 for a Poisson stream. Only windows that lie in the range as a whole count.
#[derive(Clone, Debug)]
pub struct Dispersion {
    windows: Windows,
    /// Events before the window that is open.
    before: u64,
    sum: u128,
    squares: u128,
}

/// Width of its windows.
const BIN: u64 = 100_000_000;

impl Dispersion {
    /// Counts within `range`.
    pub fn new(range: Window) -> Dispersion {
        // The first whole window's start and the last one's end.
        let from = SimTime(range.from.0.div_ceil(BIN).saturating_mul(BIN));
        let until = SimTime(range.until.0 / BIN * BIN);
        let windows = Windows::new(SimTime::ZERO, Span(BIN), Window { from, until });
        Dispersion { windows, before: 0, sum: 0, squares: 0 }
    }

    /// When [`Dispersion::pass`] is next due.
    pub fn next(&self) -> SimTime {
        self.windows.next()
    }

    /// Time has come to `now`, and before it `count` events had happened.
    pub fn pass(&mut self, now: SimTime, count: u64) {
        self.close(count);
        self.windows.pass(now);
        self.before = count;
    }

    /// All is over, after `count` events, or a window is.
    pub fn close(&mut self, count: u64) {
        if self.windows.is_open() {
            let events = u128::from(count - self.before);
            self.sum += events;
            self.squares += events * events;
        }
    }

    /// The ratio; `None` with fewer than two windows or no events.
    pub fn ratio(&self) -> Option<f64> {
        let windows = self.windows.range.length().0 / BIN;
        if windows < 2 || self.sum == 0 {
            return None;
        }
        let n = windows as f64;
        let mean = self.sum as f64 / n;
        let variance = (self.squares as f64 - n * mean * mean) / (n - 1.0);
        Some(variance / mean)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALWAYS: Window = Window { from: SimTime::ZERO, until: SimTime::NEVER };

    /// The most events in one aligned window.
    #[derive(Clone, Debug)]
    struct PeakOfEach {
        range: Window,
        width: Span,
        current_end: SimTime,
        count: u64,
        best: u64,
        best_start: SimTime,
    }

    impl PeakOfEach {
        /// Windows of `width`, counted from `origin`; only events within `range` count.
        fn new(origin: SimTime, width: Span, range: Window) -> PeakOfEach {
            PeakOfEach { range, width, current_end: origin + width, count: 0, best: 0, best_start: origin }
        }

        /// An event at `now`; never earlier than the one before.
        fn add(&mut self, now: SimTime) {
            if !self.range.contains(now) {
                return;
            }
            if now >= self.current_end {
                let passed = now.since(self.current_end).0 / self.width.0 + 1;
                self.current_end = self.current_end + Span(self.width.0.saturating_mul(passed));
                self.count = 0;
            }
            self.count += 1;
            if self.count > self.best {
                self.best = self.count;
                self.best_start = SimTime(self.current_end.0 - self.width.0);
            }
        }
    }

    /// Variance ÷ mean of counts per 100 ms; 1 for a Poisson stream. Only windows that lie in the range as a whole count.
    #[derive(Clone, Debug)]
    struct DispersionOfEach {
        /// The first whole window's start and the last one's end.
        range: Window,
        current: u64,
        count: u64,
        sum: u128,
        squares: u128,
    }

    impl DispersionOfEach {
        /// Counts within `range`.
        fn new(range: Window) -> DispersionOfEach {
            let from = SimTime(range.from.0.div_ceil(BIN).saturating_mul(BIN));
            let until = SimTime(range.until.0 / BIN * BIN);
            DispersionOfEach { range: Window { from, until }, current: from.0 / BIN, count: 0, sum: 0, squares: 0 }
        }

        /// An event at `now`.
        fn add(&mut self, now: SimTime) {
            if !self.range.contains(now) {
                return;
            }
            // A comparison in most cases; the division only when a window is left.
            if now.0 >= (self.current + 1) * BIN {
                self.close();
                self.current = now.0 / BIN;
            }
            self.count += 1;
        }

        fn close(&mut self) {
            self.sum += u128::from(self.count);
            self.squares += u128::from(self.count) * u128::from(self.count);
            self.count = 0;
        }

        /// The ratio; `None` with fewer than two windows or no events.
        fn ratio(mut self) -> Option<f64> {
            self.close();
            let windows = self.range.length().0 / BIN;
            if windows < 2 || self.sum == 0 {
                return None;
            }
            let n = windows as f64;
            let mean = self.sum as f64 / n;
            let variance = (self.squares as f64 - n * mean * mean) / (n - 1.0);
            Some(variance / mean)
        }
    }

    /// Tells of events at `times`, as the recorder does: of boundaries only.
    fn run(times: &[u64], mut pass: impl FnMut(SimTime, u64) -> SimTime) -> u64 {
        let mut next = SimTime::ZERO;
        for (count, time) in (0..).zip(times) {
            if SimTime(*time) >= next {
                next = pass(SimTime(*time), count);
            }
        }
        times.len() as u64
    }

    fn peak(origin: u64, width: u64, range: Window, times: &[u64]) -> (u64, SimTime) {
        let mut peak = PeakCounter::new(SimTime(origin), Span(width), range);
        let mut each = PeakOfEach::new(SimTime(origin), Span(width), range);
        times.iter().for_each(|time| each.add(SimTime(*time)));
        let count = run(times, |now, count| {
            if now >= peak.next() {
                peak.pass(now, count);
            }
            peak.next()
        });
        peak.close(count);
        assert_eq!((peak.best(), peak.best_start()), (each.best, each.best_start));
        (peak.best(), peak.best_start())
    }

    fn dispersion(range: Window, times: &[u64]) -> Option<f64> {
        let (mut dispersion, mut each) = (Dispersion::new(range), DispersionOfEach::new(range));
        times.iter().for_each(|time| each.add(SimTime(*time)));
        let count = run(times, |now, count| {
            if now >= dispersion.next() {
                dispersion.pass(now, count);
            }
            dispersion.next()
        });
        dispersion.close(count);
        assert_eq!(dispersion.ratio(), each.ratio());
        dispersion.ratio()
    }

    #[test]
    fn peaks_are_of_aligned_windows() {
        assert_eq!(peak(0, 10, ALWAYS, &[1, 8, 9, 10, 11, 12, 19, 95, 96]), (4, SimTime(10)));
        let late = Window { from: SimTime(5), until: SimTime(25) };
        assert_eq!(peak(5, 10, late, &[1, 2, 3, 4, 5, 14, 15, 25, 26, 27]), (2, SimTime(5)));
        // Centuries between two events are one step.
        assert_eq!(peak(0, 1, ALWAYS, &[7, u64::MAX - 1, u64::MAX - 1]), (2, SimTime(u64::MAX - 1)));
        // Windows that reach beyond the end of time.
        peak(0, u64::MAX / 2 + 9, ALWAYS, &[7, u64::MAX / 2 + 10, u64::MAX - 3, u64::MAX - 3]);
    }

    #[test]
    fn dispersion_of_known_counts() {
        // The windows are 100–200, 200–300 and 300–400 ms, with counts 3, 0, 0: mean 1, variance 3.
        let times = [60, 110, 120, 130, 410].map(|ms| ms * 1_000_000);
        let range = Window { from: SimTime(50_000_000), until: SimTime(450_000_000) };
        assert_eq!(dispersion(range, &times), Some(3.0));
        assert_eq!(dispersion(ALWAYS, &[]), None);
    }

    /// Instants in order: bursts at one instant, right at and beside boundaries of `width`, and after long gaps.
    fn instants(width: u64) -> impl Strategy<Value = Vec<u64>> {
        let next = prop_oneof![
            3 => (Just(0u64), 0u64..2),
            3 => (Just(0u64), 0..=width),
            3 => (Just(1u64), 0u64..3),
            1 => (0u64..12, 0..width),
            1 => (0u64..1 << 40, 0..width),
        ];
        proptest::collection::vec(next, 0..120).prop_map(move |steps| {
            let mut now = 0u64;
            let advance = |(windows, nanos): (u64, u64)| {
                // To the boundary so many windows away, 1 ns less or more; or some ns on.
                let boundary = (now / width + windows).wrapping_mul(width);
                now = if windows > 0 {
                    now.max(boundary.wrapping_add(nanos).saturating_sub(1))
                } else {
                    now.wrapping_add(nanos)
                };
                now
            };
            steps.into_iter().map(advance).collect()
        })
    }

    /// Ranges that begin or end on a boundary, within a window, or never.
    fn range(width: u64) -> impl Strategy<Value = Window> {
        let until = prop_oneof![0..30 * width, (0u64..30).prop_map(move |n| n * width), Just(u64::MAX)];
        (prop_oneof![0..9 * width, (0u64..9).prop_map(move |n| n * width)], until)
            .prop_map(|(from, until)| Window { from: SimTime(from), until: SimTime(until) })
    }

    proptest! {
        /// A count that is read at boundaries says what looking at each event says.
        #[test]
        fn boundaries_are_enough_for_peaks(
            (width, times, range) in (1u64..9).prop_flat_map(|width| (Just(width), instants(width), range(width))),
            aligned in any::<bool>(),
        ) {
            // Counted from the run's beginning, or from that of the range.
            peak(if aligned { 0 } else { range.from.0 }, width, range, &times);
        }

        #[test]
        fn boundaries_are_enough_for_dispersion(times in instants(BIN), range in range(BIN)) {
            dispersion(range, &times);
        }
    }
}
