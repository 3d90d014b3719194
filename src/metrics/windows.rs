//! Counts per window of time, kept as running sums: constant time, constant memory.

use crate::server::meter::Window;
use crate::units::{NANOS_PER_SECOND, SimTime, Span};

/// The most events in one aligned window.
#[derive(Clone, Debug)]
pub struct PeakCounter {
    range: Window,
    width: Span,
    current_end: SimTime,
    count: u64,
    best: u64,
    best_start: SimTime,
}

impl PeakCounter {
    /// Windows of `width`, counted from `origin`; only events within `range` count.
    pub fn new(origin: SimTime, width: Span, range: Window) -> PeakCounter {
        PeakCounter { range, width, current_end: origin + width, count: 0, best: 0, best_start: origin }
    }

    /// An event at `now`; never earlier than the one before.
    pub fn add(&mut self, now: SimTime) {
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

    /// The most events in one window.
    pub fn best(&self) -> u64 {
        self.best
    }

    /// The most events in one window, per second.
    pub fn rate(&self) -> f64 {
        self.best as f64 / self.width.seconds()
    }

    /// Where that window starts.
    pub fn best_start(&self) -> SimTime {
        self.best_start
    }
}

/// Variance ÷ mean of counts per 100 ms; 1 for a Poisson stream. Only windows that lie in the range as a whole count.
#[derive(Clone, Debug)]
pub struct Dispersion {
    /// The first whole window's start and the last one's end.
    range: Window,
    current: u64,
    count: u64,
    sum: u128,
    squares: u128,
}

/// Width of its windows.
const BIN: u64 = 100_000_000;

impl Dispersion {
    /// Counts within `range`.
    pub fn new(range: Window) -> Dispersion {
        let from = SimTime(range.from.0.div_ceil(BIN).saturating_mul(BIN));
        let until = SimTime(range.until.0 / BIN * BIN);
        Dispersion { range: Window { from, until }, current: from.0 / BIN, count: 0, sum: 0, squares: 0 }
    }

    /// An event at `now`.
    pub fn add(&mut self, now: SimTime) {
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
    pub fn ratio(mut self) -> Option<f64> {
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

/// Operations by the time of their start, before the first fault and in steps of 5 s after the last one: how `time_to_recover` is found.
#[derive(Clone, Debug)]
pub struct Recovery {
    first_fault: SimTime,
    last_end: SimTime,
    demand_end: SimTime,
    before: Tally,
    /// By the number of the step, ascending; only steps in which an operation started.
    after: Vec<(u64, Tally)>,
}

/// How many operations started, and how many of them succeeded.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    started: u64,
    succeeded: u64,
}

const STEP: u64 = 5_000_000_000;
/// Steps in the 30 s that are looked at.
const STEPS_IN_VIEW: u64 = 6;

impl Recovery {
    /// For faults that first begin at `first_fault` and of which the last to end does so at `last_end`.
    pub fn new(first_fault: SimTime, last_end: SimTime, demand_end: SimTime) -> Recovery {
        Recovery { first_fault, last_end, demand_end, before: Tally::default(), after: Vec::new() }
    }

    /// The tally of operations that start at `start`; `None` during the faults.
    fn tally(&mut self, start: SimTime) -> Option<&mut Tally> {
        if start < self.first_fault {
            return Some(&mut self.before);
        }
        if start < self.last_end {
            return None;
        }
        let step = start.since(self.last_end).0 / STEP;
        let place = match self.after.last() {
            // Operations start in order, and most succeed soon.
            Some((last, _)) if *last == step => Ok(self.after.len() - 1),
            _ => self.after.binary_search_by_key(&step, |(step, _)| *step),
        };
        let place = place.unwrap_or_else(|place| {
            self.after.insert(place, (step, Tally::default()));
            place
        });
        Some(&mut self.after[place].1)
    }

    /// An operation starts.
    pub fn started(&mut self, start: SimTime) {
        if let Some(tally) = self.tally(start) {
            tally.started += 1;
        }
    }

    /// An operation that started at `start` has succeeded.
    pub fn succeeded(&mut self, start: SimTime) {
        if let Some(tally) = self.tally(start) {
            tally.succeeded += 1;
        }
    }

    /// Seconds from the end of the last fault until operations succeed as before; `None`: never, or nothing to compare with.
    pub fn time(&self) -> Option<f64> {
        if self.before.succeeded == 0 {
            return None;
        }
        // Only whole views of 30 s that end with the demand or before it.
        let views = (self.demand_end.since(self.last_end).0 / STEP + 1).saturating_sub(STEPS_IN_VIEW);
        let mut next = 0;
        for (place, (step, _)) in self.after.iter().enumerate() {
            // Views between the last ones tried and those that contain this step contain nothing.
            for first in next.max((step + 1).saturating_sub(STEPS_IN_VIEW))..=*step {
                if first < views && self.is_as_before(first, place) {
                    return Some((first * (STEP / NANOS_PER_SECOND)) as f64);
                }
            }
            next = step + 1;
        }
        None
    }

    /// True if the operations of the view from step `first` on, among them those at `place`, succeeded at 95% of the share from before the
    /// faults, or more.
    fn is_as_before(&self, first: u64, place: usize) -> bool {
        let from = self.after[..place].iter().rposition(|(step, _)| *step < first).map_or(0, |before| before + 1);
        let view = self.after[from..].iter().take_while(|(step, _)| *step < first + STEPS_IN_VIEW);
        let (started, succeeded) =
            view.fold((0, 0), |sum, (_, tally)| (sum.0 + tally.started, sum.1 + tally.succeeded));
        let wide = |a: u64, b: u64| u128::from(a) * u128::from(b);
        wide(succeeded, self.before.started) * 100 >= wide(self.before.succeeded, started) * 95
    }

    /// Bytes taken.
    pub fn bytes(&self) -> usize {
        self.after.capacity() * size_of::<(u64, Tally)>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALWAYS: Window = Window { from: SimTime::ZERO, until: SimTime::NEVER };

    #[test]
    fn peaks_are_of_aligned_windows() {
        let mut peak = PeakCounter::new(SimTime(0), Span(10), ALWAYS);
        [1, 8, 9, 10, 11, 12, 19, 95, 96].into_iter().for_each(|t| peak.add(SimTime(t)));
        assert_eq!((peak.best(), peak.best_start()), (4, SimTime(10)));
        let mut late = PeakCounter::new(SimTime(5), Span(10), Window { from: SimTime(5), until: SimTime(25) });
        [1, 2, 3, 4, 5, 14, 15, 25, 26, 27].into_iter().for_each(|t| late.add(SimTime(t)));
        assert_eq!((late.best(), late.best_start()), (2, SimTime(5)));
    }

    #[test]
    fn dispersion_of_known_counts() {
        let mut dispersion = Dispersion::new(Window { from: SimTime(50_000_000), until: SimTime(450_000_000) });
        // The windows are 100–200, 200–300 and 300–400 ms, with counts 3, 0, 0: mean 1, variance 3.
        [60, 110, 120, 130, 410].into_iter().for_each(|ms| dispersion.add(SimTime(ms * 1_000_000)));
        assert_eq!(dispersion.ratio(), Some(3.0));
        assert_eq!(Dispersion::new(ALWAYS).ratio(), None);
    }

    /// Operations every second, failing until `bad_until` seconds after the fault.
    fn check(bad_until: u64, demand_end: u64, expected: Option<f64>) {
        let second = |s: u64| SimTime(s * 1_000_000_000);
        let mut recovery = Recovery::new(second(100), second(200), second(demand_end));
        for s in 0..demand_end {
            recovery.started(second(s));
            if s < 100 || s >= 200 + bad_until {
                recovery.succeeded(second(s));
            }
        }
        assert_eq!(recovery.time(), expected, "bad for {bad_until} s");
    }

    #[test]
    fn recovery_is_the_first_good_half_minute() {
        check(0, 400, Some(0.0));
        // One failure in 30 is above 95%, two are not.
        check(1, 400, Some(0.0));
        check(2, 400, Some(5.0));
        check(62, 400, Some(65.0));
        check(61, 400, Some(60.0));
        check(500, 400, None);
        check(0, 229, None);
        check(0, 230, Some(0.0));
    }

    /// A demand of centuries with an operation now and then takes no memory for the time between.
    #[test]
    fn rare_operations_take_little() {
        let year = |y: u64| SimTime(y * 365 * 86_400 * 1_000_000_000);
        let mut recovery = Recovery::new(year(1), year(2), year(584));
        recovery.started(year(0));
        recovery.succeeded(year(0));
        for y in 2..584 {
            recovery.started(year(y));
        }
        assert_eq!(recovery.time(), None);
        // A view begins up to 25 s before the operation in it, on the grid of the fault's end.
        recovery.succeeded(year(583));
        assert_eq!(recovery.time(), Some(581.0 * 365.0 * 86_400.0 - 25.0));
        assert!(recovery.bytes() < 100_000, "{}", recovery.bytes());
    }

    /// 95% of the share from before: 19 of 20 where all succeeded, 171 of 200 where nine tenths did.
    #[test]
    fn the_share_from_before_is_what_counts() {
        for (before, after, expected) in
            [((7, 7), (19, 20), Some(0.0)), ((9, 10), (171, 200), Some(0.0)), ((9, 10), (170, 200), None)]
        {
            let mut recovery = Recovery::new(SimTime(1), SimTime(2), SimTime(30_000_000_002));
            for ((succeeded, started), start) in [(before, SimTime(0)), (after, SimTime(2))] {
                (0..started).for_each(|_| recovery.started(start));
                (0..succeeded).for_each(|_| recovery.succeeded(start));
            }
            assert_eq!(recovery.time(), expected, "{before:?} before, {after:?} after");
        }
    }
}
