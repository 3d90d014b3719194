//! How long it takes until operations succeed as before the faults.

use std::collections::VecDeque;

use crate::units::{NANOS_PER_SECOND, SimTime};

/// Operations by the time of their start, before the first fault and in steps of 5 s after the last one: how `time_to_recover` is found.
///
/// Operations are not told one by one: running counts are read when a stretch of time is left, as [`windows`](super::windows) does. Most end
/// in the stretch that they started in, and are counted with it; only those that end later are told. A step is forgotten as soon as no
/// open operation can change what the views of 30 s that contain it say, so that what is kept depends on how long operations last and
/// not on how long the run does.
#[derive(Clone, Debug)]
pub struct Recovery {
    first_fault: SimTime,
    last_end: SimTime,
    /// Whole views of 30 s that end with the demand or before it; a view is named after its first step.
    views: u64,
    before: Tally,
    /// By the number of the step, ascending; only steps that are over and in which an operation started.
    after: VecDeque<(u64, Tally)>,
    /// The first view that may still be as good as before.
    next_view: u64,
    found: Option<u64>,
    /// Nothing is left to find.
    done: bool,
    /// Start of the stretch that is open: all the time before the faults, all the time of the faults, or a step after them.
    since: SimTime,
    next: SimTime,
    /// The running counts at its start.
    counts: Tally,
    /// Of what has ended in it, what had started before it.
    late: Tally,
}

/// How many operations started, and how they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Started.
    pub started: u64,
    /// Succeeded.
    pub succeeded: u64,
    /// Failed.
    pub failed: u64,
}

impl Tally {
    fn open(self) -> u64 {
        self.started - self.succeeded - self.failed
    }

    fn end(&mut self, succeeded: bool) {
        self.succeeded += u64::from(succeeded);
        self.failed += u64::from(!succeeded);
    }
}

const STEP: u64 = 5 * NANOS_PER_SECOND;
/// Steps in the 30 s that are looked at.
const STEPS_IN_VIEW: u64 = 6;

impl Recovery {
    /// For faults that first begin at `first_fault` and of which the last to end does so at `last_end`; `NEVER` both if there is nothing to
    /// recover from.
    pub fn new(first_fault: SimTime, last_end: SimTime, demand_end: SimTime) -> Recovery {
        Recovery {
            first_fault,
            last_end,
            views: (demand_end.since(last_end).0 / STEP + 1).saturating_sub(STEPS_IN_VIEW),
            before: Tally::default(),
            after: VecDeque::new(),
            next_view: 0,
            found: None,
            done: false,
            since: SimTime::ZERO,
            next: first_fault,
            counts: Tally::default(),
            late: Tally::default(),
        }
    }

    /// When [`Recovery::pass`] is next due.
    pub fn next(&self) -> SimTime {
        self.next
    }

    /// Time has come to `now`, and before it `counts` operations had started and ended.
    pub fn pass(&mut self, now: SimTime, counts: Tally) {
        self.close(counts);
        (self.counts, self.late) = (counts, Tally::default());
        if now < self.last_end {
            (self.since, self.next) = (self.first_fault, self.last_end);
            return;
        }
        let step = self.step(now);
        let start = SimTime(self.last_end.0 + step * STEP);
        self.since = start.max(self.first_fault);
        self.next = SimTime(start.0.saturating_add(STEP));
        self.done = self.decide(step, false);
        if self.done {
            self.after = VecDeque::new();
            (self.since, self.next) = (SimTime::ZERO, SimTime::NEVER);
        } else if step >= self.next_view + STEPS_IN_VIEW && self.is_as_before(step - STEPS_IN_VIEW, false) == Some(true)
        {
            // Which view is the first is open; that none after this one can be is certain.
            self.next = SimTime::NEVER;
        }
    }

    /// A stretch is over, after `counts` operations had started and ended.
    fn close(&mut self, counts: Tally) {
        let tally = Tally {
            started: counts.started - self.counts.started,
            succeeded: counts.succeeded - self.counts.succeeded - self.late.succeeded,
            failed: counts.failed - self.counts.failed - self.late.failed,
        };
        if self.since < self.first_fault {
            self.before = tally;
        } else if self.since >= self.last_end && tally.started > 0 {
            self.after.push_back((self.step(self.since), tally));
        }
    }

    fn step(&self, start: SimTime) -> u64 {
        start.since(self.last_end).0 / STEP
    }

    /// An operation that started at `start` has ended.
    #[inline]
    pub fn ended(&mut self, start: SimTime, succeeded: bool) {
        if start < self.since {
            self.ended_late(start, succeeded);
        }
    }

    #[cold]
    fn ended_late(&mut self, start: SimTime, succeeded: bool) {
        self.late.end(succeeded);
        if start < self.first_fault {
            self.before.end(succeeded);
        } else if start >= self.last_end {
            let step = self.step(start);
            // If it is not there, it does not matter any more.
            if let Ok(place) = self.after.binary_search_by_key(&step, |(step, _)| *step) {
                self.after[place].1.end(succeeded);
            }
        }
    }

    /// Goes through the views that are over when `step` begins, as far as it is certain what they say. True if nothing is left to find.
    fn decide(&mut self, step: u64, last: bool) -> bool {
        if self.before.succeeded == 0 {
            return last || self.before.open() == 0;
        }
        while let Some((front, _)) = self.after.front() {
            // Views between the last one tried and those that contain this step contain nothing.
            let first = self.next_view.max((front + 1).saturating_sub(STEPS_IN_VIEW));
            if first >= self.views {
                return true;
            }
            if first + STEPS_IN_VIEW > step {
                return false;
            }
            match self.is_as_before(first, last) {
                Some(true) => {
                    self.found = Some(first);
                    return true;
                }
                Some(false) => {
                    self.next_view = first + 1;
                    while self.after.front().is_some_and(|(front, _)| *front <= first) {
                        self.after.pop_front();
                    }
                }
                None => return false,
            }
        }
        false
    }

    /// True if the operations of the view from step `first` on succeeded at 95% of the share from before the faults, or more. `None` if there
    /// are none, or if it depends on those that are open; if this is the `last` time to ask, they stay without success.
    fn is_as_before(&self, first: u64, last: bool) -> Option<bool> {
        let from = self.after.partition_point(|(step, _)| *step < first);
        let view = self.after.range(from..).take_while(|(step, _)| *step < first + STEPS_IN_VIEW);
        let (mut started, mut succeeded, mut open) = (0, 0, 0);
        for (_, tally) in view {
            started += tally.started;
            succeeded += tally.succeeded;
            open += if last { 0 } else { tally.open() };
        }
        let open_before = if last { 0 } else { self.before.open() };
        let wide = |a: u64, b: u64| u128::from(a) * u128::from(b);
        let good =
            |succeeded: u64, before: u64| wide(succeeded, self.before.started) * 100 >= wide(before, started) * 95;
        // More successes in the view make it better, more of them before the faults make it worse.
        let worst = good(succeeded, self.before.succeeded + open_before);
        let best = good(succeeded + open, self.before.succeeded);
        (started > 0 && worst == best).then_some(best)
    }

    /// All is over, after `counts` operations had started and ended.
    pub fn finish(&mut self, counts: Tally) {
        if !self.done {
            self.close(counts);
            self.decide(u64::MAX, true);
        }
    }

    /// Seconds from the end of the last fault until operations succeed as before; `None`: never, or nothing to compare with.
    pub fn time(&self) -> Option<f64> {
        self.found.map(|first| (first * (STEP / NANOS_PER_SECOND)) as f64)
    }

    /// Bytes taken.
    pub fn bytes(&self) -> usize {
        self.after.capacity() * size_of::<(u64, Tally)>()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// How it is meant: every operation is told, and nothing is forgotten.
    struct EachOperation {
        first_fault: SimTime,
        last_end: SimTime,
        demand_end: SimTime,
        before: (u64, u64),
        after: Vec<(u64, u64)>,
    }

    impl EachOperation {
        fn tell(&mut self, start: SimTime, tell: impl Fn(&mut (u64, u64))) {
            if start < self.first_fault {
                return tell(&mut self.before);
            }
            if start >= self.last_end {
                let step = (start.since(self.last_end).0 / STEP) as usize;
                self.after.resize(self.after.len().max(step + 1), (0, 0));
                tell(&mut self.after[step]);
            }
        }

        fn time(&self) -> Option<f64> {
            let views = (self.demand_end.since(self.last_end).0 / STEP + 1).saturating_sub(STEPS_IN_VIEW);
            let good = |first: &u64| {
                let view = self.after.iter().skip(*first as usize).take(STEPS_IN_VIEW as usize);
                let (started, succeeded) = view.fold((0, 0), |sum, step| (sum.0 + step.0, sum.1 + step.1));
                started > 0 && succeeded * self.before.0 * 100 >= self.before.1 * started * 95
            };
            let first = (0..views.min(self.after.len() as u64)).find(good);
            first.filter(|_| self.before.1 > 0).map(|first| (first * 5) as f64)
        }
    }

    /// An operation: when it starts, and how much later it succeeds or fails, if it ends.
    type Operation = (SimTime, Option<(u64, bool)>);

    /// What is found, with the most steps that were kept.
    fn found(faults: (SimTime, SimTime), demand_end: SimTime, operations: &[Operation]) -> (Option<f64>, usize) {
        let mut recovery = Recovery::new(faults.0, faults.1, demand_end);
        let mut each =
            EachOperation { first_fault: faults.0, last_end: faults.1, demand_end, before: (0, 0), after: Vec::new() };
        let mut events: Vec<(SimTime, Option<bool>, SimTime)> = Vec::new();
        for (start, end) in operations {
            events.push((*start, None, *start));
            events.extend(end.map(|(later, succeeded)| (SimTime(start.0 + later), Some(succeeded), *start)));
        }
        events.sort();
        let (mut counts, mut most) = (Tally::default(), 0);
        for (now, end, start) in events {
            if now >= recovery.next() {
                recovery.pass(now, counts);
            }
            match end {
                None => {
                    counts.started += 1;
                    each.tell(start, |tally| tally.0 += 1);
                }
                Some(succeeded) => {
                    counts.end(succeeded);
                    recovery.ended(start, succeeded);
                    each.tell(start, |tally| tally.1 += u64::from(succeeded));
                }
            }
            most = most.max(recovery.after.len());
        }
        recovery.finish(counts);
        assert_eq!(recovery.time(), each.time());
        (recovery.time(), most)
    }

    fn second(s: u64) -> SimTime {
        SimTime(s * NANOS_PER_SECOND)
    }

    /// Operations every second, failing until `bad_until` seconds after the fault.
    fn check(bad_until: u64, demand_end: u64, expected: Option<f64>) {
        let operations: Vec<Operation> =
            (0..demand_end).map(|s| (second(s), Some((0, s < 100 || s >= 200 + bad_until)))).collect();
        let (time, kept) = found((second(100), second(200)), second(demand_end), &operations);
        assert_eq!(time, expected, "bad for {bad_until} s");
        assert!(kept <= 6, "{kept} steps");
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
        // However long it lasts, what is settled is forgotten.
        check(99_000, 100_000, Some(99_000.0));
    }

    /// A demand of centuries with an operation now and then takes no memory for the time between.
    #[test]
    fn rare_operations_take_little() {
        let year = |y: u64| second(y * 365 * 86_400);
        let mut recovery = Recovery::new(year(1), year(2), year(584));
        let mut counts = Tally { started: 1, succeeded: 1, failed: 0 };
        recovery.ended(year(0), true);
        for y in 2..584 {
            recovery.pass(year(y), counts);
            counts.started += 1;
            if y == 583 {
                counts.succeeded += 1;
                recovery.ended(year(y), true);
            }
        }
        assert!(recovery.bytes() < 100_000, "{}", recovery.bytes());
        recovery.finish(counts);
        // A view begins up to 25 s before the operation in it, on the grid of the fault's end.
        assert_eq!(recovery.time(), Some(581.0 * 365.0 * 86_400.0 - 25.0));
    }

    /// 95% of the share from before: 19 of 20 where all succeeded, 171 of 200 where nine tenths did.
    #[test]
    fn the_share_from_before_is_what_counts() {
        for (before, after, expected) in
            [((7, 7), (19, 20), Some(0.0)), ((9, 10), (171, 200), Some(0.0)), ((9, 10), (170, 200), None)]
        {
            let mut operations: Vec<Operation> = Vec::new();
            for ((succeeded, started), start) in [(before, SimTime(0)), (after, SimTime(2))] {
                operations.extend((0..started).map(|n| (start, Some((0, n < succeeded)))));
            }
            let (time, _) = found((SimTime(1), SimTime(2)), SimTime(30_000_000_002), &operations);
            assert_eq!(time, expected, "{before:?} before, {after:?} after");
        }
    }

    /// One that never ends may keep the first view open, but not what comes after a view that is good for certain.
    #[test]
    fn a_hanging_operation_holds_nothing_up() {
        let operations: Vec<Operation> =
            (0..50_000u64).map(|s| (second(s), (s != 200).then_some((0, !(100..202).contains(&s))))).collect();
        let (time, kept) = found((second(100), second(200)), second(50_000), &operations);
        assert_eq!(time, Some(5.0));
        assert!(kept <= 7, "{kept} steps");
    }

    proptest! {
        /// What is forgotten, and what is counted with its stretch, changes nothing.
        #[test]
        fn nothing_is_lost(
            faults in (0u64..40, 0u64..60),
            demand_end in 0u64..400,
            // Seconds since the one before, how long it lasts in seconds, a ns more or less, how it ends.
            operations in proptest::collection::vec((0u64..9, prop_oneof![3 => 0u64..4, 1 => 0u64..150], 0u64..3, 0u8..20), 0..300),
            good_from in 0u64..300,
            bad_share in 0u8..20,
        ) {
            let (first_fault, last_end) = (second(faults.0 + 1), second(faults.0 + 1 + faults.1));
            let mut now = 0;
            let mut list: Vec<Operation> = Vec::new();
            for (gap, lasts, nudge, fate) in operations {
                now += gap;
                let start = SimTime((second(now).0 + nudge).saturating_sub(1)).max(list.last().map_or(SimTime::ZERO, |last| last.0));
                let succeeds = start < first_fault || (now >= faults.0 + good_from && fate > 1) || fate > bad_share;
                list.push((start, (fate != 0).then_some((second(lasts).0 + nudge, succeeds))));
            }
            found((first_fault, last_end), second(demand_end), &list);
        }
    }
}
