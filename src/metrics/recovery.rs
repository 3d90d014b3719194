//! How long it takes until operations succeed as before the faults, and cost as little.

use std::collections::VecDeque;

use crate::units::{NANOS_PER_SECOND, SimTime};

/// What has to be back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Back {
    /// The share of operations that succeed, to 95% of what it was: `time_to_recover`.
    Success,
    /// That, and the attempts that an operation takes, to 1.1 times what they were: `recovery`.
    SuccessAndLoad,
}

/// Operations by the time of their start, before the first fault and in steps of 5 s after an end: how `time_to_recover` and `recovery` are
/// found.
///
/// Operations are not told one by one: running counts are read when a stretch of time is left, as [`windows`](super::windows) does. Most end
/// in the stretch that they started in, and are counted with it; only those that end later are told. A step is forgotten as soon as no
/// open operation can change what the views of 30 s that contain it say, so that what is kept depends on how long operations last and
/// not on how long the run does.
#[derive(Clone, Debug)]
pub struct Recovery {
    back: Back,
    first_fault: SimTime,
    last_end: SimTime,
    /// Whole views of 30 s that end with the demand or before it; a view is named after its first step.
    views: u64,
    /// An operation has started in one of them.
    seen: bool,
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
    /// Attempts of those that ended.
    pub attempts: u64,
}

impl Tally {
    fn open(self) -> u64 {
        self.started - self.succeeded - self.failed
    }

    fn end(&mut self, succeeded: bool, attempts: u32) {
        self.succeeded += u64::from(succeeded);
        self.failed += u64::from(!succeeded);
        self.attempts += u64::from(attempts);
    }
}

const STEP: u64 = 5 * NANOS_PER_SECOND;
/// Steps in the 30 s that are looked at.
const STEPS_IN_VIEW: u64 = 6;

impl Recovery {
    /// For faults that first begin at `first_fault` and one that ends at `last_end`; `NEVER` both if there is nothing to recover from.
    pub fn new(back: Back, first_fault: SimTime, last_end: SimTime, demand_end: SimTime) -> Recovery {
        Recovery {
            back,
            first_fault,
            last_end,
            views: (demand_end.since(last_end).0 / STEP + 1).saturating_sub(STEPS_IN_VIEW),
            seen: false,
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
            attempts: counts.attempts - self.counts.attempts - self.late.attempts,
        };
        if self.since < self.first_fault {
            self.before = tally;
        } else if self.since >= self.last_end && tally.started > 0 {
            let step = self.step(self.since);
            self.seen |= self.views > 0 && step < self.views + STEPS_IN_VIEW - 1;
            self.after.push_back((step, tally));
        }
    }

    fn step(&self, start: SimTime) -> u64 {
        start.since(self.last_end).0 / STEP
    }

    /// Who started before this has to be told when it ends.
    pub fn since(&self) -> SimTime {
        self.since
    }

    /// An operation that started at `start` has ended, after so many attempts.
    #[inline]
    pub fn ended(&mut self, start: SimTime, succeeded: bool, attempts: u32) {
        if start < self.since {
            self.ended_late(start, succeeded, attempts);
        }
    }

    #[cold]
    fn ended_late(&mut self, start: SimTime, succeeded: bool, attempts: u32) {
        self.late.end(succeeded, attempts);
        if let Some(tally) = self.tally_of(start) {
            tally.end(succeeded, attempts);
        }
    }

    /// An operation that started at `start` is open when the run ends, after so many attempts. All time before is closed by now.
    pub fn left_open(&mut self, start: SimTime, attempts: u32) {
        if let Some(tally) = self.tally_of(start) {
            tally.attempts += u64::from(attempts);
        }
    }

    /// The stretch that an operation started in; `None` if it does not matter, or does not any more.
    fn tally_of(&mut self, start: SimTime) -> Option<&mut Tally> {
        if start < self.first_fault {
            return Some(&mut self.before);
        }
        if start < self.last_end {
            return None;
        }
        let step = self.step(start);
        let place = self.after.binary_search_by_key(&step, |(step, _)| *step).ok()?;
        Some(&mut self.after[place].1)
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

    /// True if the operations of the view from step `first` on succeeded at 95% of the share from before the faults, or more, and, if the load
    /// has to be back, with at most 1.1 times the attempts each. `None` if there are none, or if it depends on those that are open; if this is
    /// the `last` time to ask, they stay as they are.
    fn is_as_before(&self, first: u64, last: bool) -> Option<bool> {
        let from = self.after.partition_point(|(step, _)| *step < first);
        let view = self.after.range(from..).take_while(|(step, _)| *step < first + STEPS_IN_VIEW);
        let mut sum = Tally::default();
        for (_, tally) in view {
            sum.started += tally.started;
            sum.succeeded += tally.succeeded;
            sum.failed += tally.failed;
            sum.attempts += tally.attempts;
        }
        if sum.started == 0 {
            return None;
        }
        let open = |tally: Tally| if last { 0 } else { tally.open() };
        let success = self.success_is_back(sum, open(sum), open(self.before));
        match self.back {
            Back::Success => success,
            Back::SuccessAndLoad => match (success, self.load_is_back(sum, open(sum), open(self.before))) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
        }
    }

    /// `None` if it depends on those that are open.
    fn success_is_back(&self, view: Tally, open: u64, open_before: u64) -> Option<bool> {
        let good =
            |succeeded: u64, before: u64| wide(succeeded, self.before.started) * 100 >= wide(before, view.started) * 95;
        // More successes in the view make it better, more of them before the faults make it worse.
        let worst = good(view.succeeded, self.before.succeeded + open_before);
        let best = good(view.succeeded + open, self.before.succeeded);
        (worst == best).then_some(best)
    }

    /// `None` if it depends on those that are open, of which nobody knows how often they will be tried.
    fn load_is_back(&self, view: Tally, open: u64, open_before: u64) -> Option<bool> {
        let good = wide(view.attempts, self.before.started) * 10 <= wide(self.before.attempts, view.started) * 11;
        match (good, open > 0, open_before > 0) {
            // What is still to come can only make the view worse, or what was before worse than it looks.
            (true, false, _) => Some(true),
            (false, _, false) => Some(false),
            _ => None,
        }
    }

    /// All is over, after `counts` operations had started and ended; [`Recovery::left_open`] tells of the others before.
    pub fn finish(&mut self, counts: Tally, open: impl Iterator<Item = (SimTime, u32)>) {
        if self.done {
            return;
        }
        self.close(counts);
        open.for_each(|(start, attempts)| self.left_open(start, attempts));
        self.decide(u64::MAX, true);
    }

    /// Seconds from the end of the last fault until operations succeed as before; `None`: never, or nothing to compare with.
    pub fn time(&self) -> Option<f64> {
        self.found.map(|first| (first * (STEP / NANOS_PER_SECOND)) as f64)
    }

    /// The same, infinite if it never came about. `None` if there is no telling: no operation started before the faults or fewer than 95% of those
    /// succeeded, or none started in a view.
    pub fn time_or_never(&self) -> Option<f64> {
        let was_well = self.before.started > 0 && wide(self.before.succeeded, 100) >= wide(self.before.started, 95);
        if !was_well || !self.seen {
            return None;
        }
        Some(self.time().unwrap_or(f64::INFINITY))
    }

    /// Bytes taken.
    pub fn bytes(&self) -> usize {
        self.after.capacity() * size_of::<(u64, Tally)>()
    }
}

fn wide(a: u64, b: u64) -> u128 {
    u128::from(a) * u128::from(b)
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
        before: Three,
        after: Vec<Three>,
    }

    /// Started, succeeded, attempts.
    type Three = [u64; 3];

    impl EachOperation {
        fn tell(&mut self, start: SimTime, tell: impl Fn(&mut Three)) {
            if start < self.first_fault {
                return tell(&mut self.before);
            }
            if start >= self.last_end {
                let step = (start.since(self.last_end).0 / STEP) as usize;
                self.after.resize(self.after.len().max(step + 1), [0; 3]);
                tell(&mut self.after[step]);
            }
        }

        fn time(&self, back: Back) -> Option<f64> {
            let views = (self.demand_end.since(self.last_end).0 / STEP + 1).saturating_sub(STEPS_IN_VIEW);
            let good = |first: &u64| {
                let view = self.after.iter().skip(*first as usize).take(STEPS_IN_VIEW as usize);
                let [started, succeeded, attempts] =
                    view.fold([0; 3], |sum, step| std::array::from_fn(|column| sum[column] + step[column]));
                let [were, well, took] = self.before;
                let light = back == Back::Success || attempts * were * 10 <= took * started * 11;
                started > 0 && succeeded * were * 100 >= well * started * 95 && light
            };
            let first = (0..views.min(self.after.len() as u64)).find(good);
            first.filter(|_| self.before[1] > 0).map(|first| (first * 5) as f64)
        }
    }

    /// An operation: when it starts, how much later it succeeds or fails, if it ends, and how many attempts it takes until then or the end.
    type Operation = (SimTime, Option<(u64, bool)>, u32);

    /// What is found, with the most steps that were kept.
    fn found(faults: (SimTime, SimTime), demand_end: SimTime, operations: &[Operation]) -> (Option<f64>, usize) {
        found_back(Back::SuccessAndLoad, faults, demand_end, operations);
        found_back(Back::Success, faults, demand_end, operations)
    }

    fn found_back(
        back: Back,
        faults: (SimTime, SimTime),
        demand_end: SimTime,
        operations: &[Operation],
    ) -> (Option<f64>, usize) {
        let mut recovery = Recovery::new(back, faults.0, faults.1, demand_end);
        let (first_fault, last_end) = faults;
        let mut each = EachOperation { first_fault, last_end, demand_end, before: [0; 3], after: Vec::new() };
        let mut events: Vec<(SimTime, Option<bool>, SimTime, u32)> = Vec::new();
        for (start, end, attempts) in operations {
            events.push((*start, None, *start, *attempts));
            events.extend(end.map(|(later, succeeded)| (SimTime(start.0 + later), Some(succeeded), *start, *attempts)));
        }
        events.sort();
        let (mut counts, mut most) = (Tally::default(), 0);
        for (now, end, start, attempts) in events {
            if now >= recovery.next() {
                recovery.pass(now, counts);
            }
            match end {
                None => {
                    counts.started += 1;
                    each.tell(start, |three| three[0] += 1);
                    each.tell(start, |three| three[2] += u64::from(attempts));
                }
                Some(succeeded) => {
                    counts.end(succeeded, attempts);
                    recovery.ended(start, succeeded, attempts);
                    each.tell(start, |three| three[1] += u64::from(succeeded));
                }
            }
            most = most.max(recovery.after.len());
        }
        let open =
            operations.iter().filter(|(_, end, _)| end.is_none()).map(|(start, _, attempts)| (*start, *attempts));
        recovery.finish(counts, open);
        assert_eq!(recovery.time(), each.time(back), "{back:?}");
        (recovery.time(), most)
    }

    fn second(s: u64) -> SimTime {
        SimTime(s * NANOS_PER_SECOND)
    }

    /// Operations every second, failing until `bad_until` seconds after the fault.
    fn check(bad_until: u64, demand_end: u64, expected: Option<f64>) {
        let operations: Vec<Operation> =
            (0..demand_end).map(|s| (second(s), Some((0, s < 100 || s >= 200 + bad_until)), 1)).collect();
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
        let mut recovery = Recovery::new(Back::SuccessAndLoad, year(1), year(2), year(584));
        let mut counts = Tally { started: 1, succeeded: 1, failed: 0, attempts: 1 };
        recovery.ended(year(0), true, 1);
        for y in 2..584 {
            recovery.pass(year(y), counts);
            counts.started += 1;
            if y == 583 {
                counts.end(true, 1);
                recovery.ended(year(y), true, 1);
            }
        }
        assert!(recovery.bytes() < 100_000, "{}", recovery.bytes());
        recovery.finish(counts, (2..583).map(|y| (year(y), 1)));
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
                operations.extend((0..started).map(|n| (start, Some((0, n < succeeded)), 1)));
            }
            let (time, _) = found((SimTime(1), SimTime(2)), SimTime(30_000_000_002), &operations);
            assert_eq!(time, expected, "{before:?} before, {after:?} after");
        }
    }

    /// One that never ends may keep the first view open, but not what comes after a view that is good for certain.
    #[test]
    fn a_hanging_operation_holds_nothing_up() {
        let operations: Vec<Operation> =
            (0..50_000u64).map(|s| (second(s), (s != 200).then_some((0, !(100..202).contains(&s))), 1)).collect();
        let (time, kept) = found((second(100), second(200)), second(50_000), &operations);
        assert_eq!(time, Some(5.0));
        assert!(kept <= 7, "{kept} steps");
    }

    /// Operations every second: who started before 100 s made one attempt, later ones two, and from `light_from` s after the fault's end one again.
    fn check_load(light_from: u64, every: u64, expected: Option<f64>) {
        let heavy = |s: u64| s >= 100 && s < 200 + light_from && s.is_multiple_of(every);
        let operations: Vec<Operation> =
            (0..400).map(|s| (second(s), Some((0, true)), if heavy(s) { 2 } else { 1 })).collect();
        let (time, _) = found_back(Back::SuccessAndLoad, (second(100), second(200)), second(400), &operations);
        assert_eq!(time, expected, "heavy for {light_from} s, one in {every}");
        assert_eq!(found((second(100), second(200)), second(400), &operations).0, Some(0.0), "success was never gone");
    }

    #[test]
    fn load_has_to_be_back_too() {
        check_load(0, 1, Some(0.0));
        // 3 attempts too many for 30 operations are a tenth, 4 are more.
        check_load(3, 1, Some(0.0));
        check_load(4, 1, Some(5.0));
        check_load(62, 1, Some(60.0));
        check_load(200, 1, None);
        check_load(200, 10, Some(0.0));
    }

    /// Never, no telling, and at once.
    #[test]
    fn never_is_not_no_telling() {
        let check = |well_before: u64, until: u64, succeeds_after: bool, expected: Option<f64>| {
            let ends = |s: u64| if s < 100 { s % 100 < well_before } else { succeeds_after && s >= 200 };
            let operations = (0..until).map(|s| (second(s), ends(s)));
            let mut recovery = Recovery::new(Back::SuccessAndLoad, second(100), second(200), second(400));
            let mut counts = Tally::default();
            for (now, succeeded) in operations {
                if now >= recovery.next() {
                    recovery.pass(now, counts);
                }
                counts.started += 1;
                counts.end(succeeded, 1);
            }
            recovery.finish(counts, std::iter::empty());
            assert_eq!(recovery.time_or_never(), expected, "{well_before} {until} {succeeds_after}");
        };
        check(100, 400, true, Some(0.0));
        check(100, 400, false, Some(f64::INFINITY));
        check(95, 400, true, Some(0.0));
        check(94, 400, true, None);
        check(0, 400, false, None);
        // Nobody comes after it.
        check(100, 200, true, None);
        check(100, 201, true, Some(0.0));
    }

    proptest! {
        /// What is forgotten, and what is counted with its stretch, changes nothing.
        #[test]
        fn nothing_is_lost(
            faults in (0u64..40, 0u64..60),
            demand_end in 0u64..400,
            // Seconds since the one before, how long it lasts in seconds, a ns more or less, how it ends, how often it is tried.
            operations in proptest::collection::vec((0u64..9, prop_oneof![3 => 0u64..4, 1 => 0u64..150], 0u64..3, 0u8..20, 1u32..3), 0..300),
            good_from in 0u64..300,
            bad_share in 0u8..20,
        ) {
            let (first_fault, last_end) = (second(faults.0 + 1), second(faults.0 + 1 + faults.1));
            let mut now = 0;
            let mut list: Vec<Operation> = Vec::new();
            for (gap, lasts, nudge, fate, attempts) in operations {
                now += gap;
                let start = SimTime((second(now).0 + nudge).saturating_sub(1)).max(list.last().map_or(SimTime::ZERO, |last| last.0));
                let succeeds = start < first_fault || (now >= faults.0 + good_from && fate > 1) || fate > bad_share;
                let attempts = if start < first_fault || now >= faults.0 + good_from + 30 { 1 } else { attempts };
                list.push((start, (fate != 0).then_some((second(lasts).0 + nudge, succeeds)), attempts));
            }
            found((first_fault, last_end), second(demand_end), &list);
        }
    }
}
