//! Counts what happens in one run. Constant time per event; memory grows with the timeline's bins and the steps of a recovery only.
//!
//! An event adds to plain counters and looks at no window. When time passes the next boundary of any window (a bin of the timeline, a peak
//! window, the measured part of the run, …), [`Recorder::tick`] reads the counters, before the first event at or after the boundary is
//! counted; what they have grown by since the window began happened in it.

mod values;

use super::aftermath::Aftermath;
use super::books::{Books, FEW, PARKED, book_of};
use super::digest::{Digest, code, of_code};
use super::durable::Durable;
use super::ending::{ByEnding, Ending};
use super::finish::Finish;
use super::histogram::{Histogram, grid};
use super::parts::{OwnCounts, Parts};
use super::recovery::{Back, Recovery};
use super::result::RunResult;
pub use super::timeline::Levels;
use super::timeline::{Bins, Totals, bin_width};
use super::windows::{Dispersion, PeakCounter, Windows};
use crate::call::Verdict;
use crate::durable::Stay;
use crate::gate::Refusal;
use crate::key::CallKey;
use crate::metrics::Done;
use crate::protocol::Outcome;
use crate::scenario::metric::{Measure, Metric, Of, OutcomeKey};
use crate::scenario::{Arrivals, PolicyConfig, Scene};
use crate::units::{SimTime, Span};
use crate::window::Window;
use values::Sums;

/// What the servers measured themselves.
#[derive(Clone, Copy, Debug, Default)]
pub struct ServerTotals {
    /// Attempts at the servers × ns within the window.
    pub held: u128,
    /// Busy workers × ns within the window.
    pub busy: u128,
    /// Of the busiest server with a limited number of workers.
    pub utilisation: Option<f64>,
    /// Longest queue.
    pub queue_max: u32,
    /// Works that ended.
    pub completions: u64,
}

/// Counts what happens in one run.
#[derive(Clone, Debug)]
pub struct Recorder {
    /// When the next window of any kind ends or begins.
    next: SimTime,
    /// The same without the windows of `dispersion`, which are the narrowest as a rule.
    next_but_dispersion: SimTime,
    totals: Totals,
    /// The part of the run that is measured, and how it is told that an earlier instant lies in it.
    measured: Windows,
    window: Window,
    window_length: Span,
    digest: Digest,
    /// Attempts by whether they are measured and whether they are retries.
    sent: [[u64; 2]; 2],
    /// Hedges by whether they are measured.
    hedges: [u64; 2],
    hedges_refused: u64,
    lost_updates: u64,
    missing_effects: u64,
    undone: u64,
    left_for_person: u64,
    steps_repeated: u64,
    client_crashes: u64,
    /// Times from the crash of its client to the end of an operation, in ns, and how many.
    repairs: (u128, u64),
    /// Measured operations that succeeded, by attempts; the last is for so many and more.
    succeeded_after: [u64; 6],
    /// Measured operations that failed, likewise.
    failed_after: [u64; 3],
    has_slo: bool,
    slo: Span,
    in_time: u64,
    /// Most effects of an operation, whatever is executed.
    most_effects: u32,
    /// Measured operations of one place that are off the books, by [`book_of`] and executions; those with more executions are in `books` already.
    released: [[u64; FEW]; 3],
    books: [Books; 4],
    useful_work: u128,
    /// Measured attempts by [`code`].
    outcomes: [u64; STATUSES],
    refusals: [u64; Refusal::ALL.len()],
    /// Those with which an operation failed.
    fatal_refusals: [u64; Refusal::ALL.len()],
    breakers_opened: u64,
    /// Of operations that succeeded, by whether they needed a retry.
    latency: [Histogram; 2],
    failure_latency: Histogram,
    waits: Histogram,
    /// What had happened before the measured part, and then what happened in it.
    before: Totals,
    within: Totals,
    goodput_peak: PeakCounter,
    load_peak: PeakCounter,
    demand_peak: PeakCounter,
    recovery_peak: Option<PeakCounter>,
    dispersion: Dispersion,
    recovery: Recovery,
    aftermath: Aftermath,
    /// The end of an operation that started before this is told to whom it concerns; of all others they know by the counts.
    told_before: SimTime,
    /// Of traces.
    finish: Option<Finish>,
    /// All operations start at one instant.
    is_burst: bool,
    /// What the called server can do without faults, per second.
    capacity: Option<f64>,
    /// What went through durable queues, where there are any.
    pub durable: Option<Box<Durable>>,
    /// What there is of each server and step, where operations meet several.
    pub parts: Option<Box<Parts>>,
    /// Operations that are open when the run ends: when they started, and their attempts.
    left_open: Vec<(SimTime, u32)>,
    bins: Bins,
}

/// Statuses are below this.
const STATUSES: usize = 600;

impl Recorder {
    /// Nothing has happened yet.
    pub fn new(scene: Scene, row: Option<&PolicyConfig>) -> Recorder {
        let window = Window { from: SimTime::ZERO + scene.frame.warmup, until: scene.frame.demand_end() };
        let from_there = Window { from: window.from, until: SimTime::NEVER };
        let peak = || PeakCounter::new(SimTime::ZERO, scene.frame.peak_window, from_there);
        let last_end = scene.last_fault_end();
        let recovery_peak = last_end.map(|end| {
            PeakCounter::new(end, scene.frame.peak_window, Window { from: end, until: end + Span::secs(60) })
        });
        let (first_fault, last_end) =
            scene.world.first_fault_start().zip(last_end).unwrap_or((SimTime::NEVER, SimTime::NEVER));
        let mut recorder = Recorder {
            next: SimTime::ZERO,
            next_but_dispersion: SimTime::ZERO,
            totals: Totals::default(),
            measured: Windows::new(window.from, Span::MAX, window),
            window,
            window_length: window.length(),
            digest: Digest::default(),
            sent: [[0; 2]; 2],
            hedges: [0; 2],
            hedges_refused: 0,
            lost_updates: 0,
            missing_effects: 0,
            undone: 0,
            left_for_person: 0,
            steps_repeated: 0,
            client_crashes: 0,
            repairs: (0, 0),
            succeeded_after: [0; 6],
            failed_after: [0; 3],
            has_slo: scene.frame.slo.is_some(),
            slo: scene.frame.slo.unwrap_or(Span::ZERO),
            in_time: 0,
            most_effects: scene.world.operation.method.effects(u32::MAX),
            released: [[0; FEW]; 3],
            books: [Books::default(); 4],
            useful_work: 0,
            outcomes: [0; STATUSES],
            refusals: [0; Refusal::ALL.len()],
            fatal_refusals: [0; Refusal::ALL.len()],
            breakers_opened: 0,
            latency: Default::default(),
            failure_latency: Histogram::default(),
            waits: Histogram::default(),
            before: Totals::default(),
            within: Totals::default(),
            goodput_peak: peak(),
            load_peak: peak(),
            demand_peak: peak(),
            recovery_peak,
            dispersion: Dispersion::new(window),
            recovery: Recovery::new(Back::Success, first_fault, last_end, window.until),
            aftermath: Aftermath::new(scene),
            told_before: SimTime::ZERO,
            finish: Finish::new(scene),
            is_burst: matches!(scene.world.arrivals, Arrivals::Burst { every: None, .. }),
            // Of several called servers nobody knows which is the narrow one.
            capacity: scene.world.capacity().filter(|_| row.is_none_or(|row| row.calls_one_server(scene.world))),
            durable: row.filter(|row| row.is_durable()).map(|_| Box::default()),
            parts: Parts::new(scene, row, window).map(Box::new),
            left_open: Vec::new(),
            bins: Bins::new(bin_width(scene.frame.peak_window, scene.frame.end())),
        };
        let stay = recorder.durable.as_ref().map(|_| Stay::default());
        recorder.tick(SimTime::ZERO, Levels { stay, ..Levels::default() });
        recorder
    }

    /// True if operations that start now are measured.
    #[inline]
    pub fn measures(&self) -> bool {
        self.measured.is_open()
    }

    /// True if an operation that started at `start` is measured.
    #[inline]
    pub fn measured(&self, start: SimTime) -> bool {
        self.window.contains(start)
    }

    /// When [`Recorder::tick`] is next due, and not before.
    #[inline]
    pub fn next_tick(&self) -> SimTime {
        self.next
    }

    /// Time has come to `now`, and nothing of what happens at this instant is counted yet: `levels` held since the last event.
    #[inline(never)]
    pub fn tick(&mut self, now: SimTime, levels: Levels) {
        // Where events are rare, nearly each of them is in a 100 ms of its own, and in nothing else that is new.
        if now >= self.dispersion.next() {
            self.dispersion.pass(now, self.totals.arrivals);
        }
        if now >= self.next_but_dispersion {
            self.pass_others(now, levels);
        }
        self.next = self.next_but_dispersion.min(self.dispersion.next());
    }

    #[inline(never)]
    fn pass_others(&mut self, now: SimTime, levels: Levels) {
        let totals = self.totals;
        if now >= self.bins.next() {
            self.bins.pass(now, totals, levels);
        }
        if now >= self.measured.next() {
            self.close_measured();
            self.measured.pass(now);
            self.before = totals;
        }
        if now >= self.load_peak.next() {
            self.load_peak.pass(now, totals.arrivals);
            // The same windows.
            self.goodput_peak.pass(now, totals.successes);
            self.demand_peak.pass(now, totals.operations);
        }
        if let Some(peak) = &mut self.recovery_peak
            && now >= peak.next()
        {
            peak.pass(now, totals.arrivals);
        }
        if now >= self.recovery.next() {
            self.recovery.pass(now, totals.of_operations());
        }
        if now >= self.aftermath.next() {
            self.aftermath.pass(now, totals.of_operations());
        }
        let all = if self.finish.is_some() { SimTime::NEVER } else { SimTime::ZERO };
        self.told_before = all.max(self.recovery.since()).max(self.aftermath.since());
        let recovery_peak = self.recovery_peak.as_ref().map_or(SimTime::NEVER, PeakCounter::next);
        let peaks = self.load_peak.next().min(recovery_peak);
        let after = self.recovery.next().min(self.aftermath.next());
        self.next_but_dispersion = self.bins.next().min(self.measured.next()).min(after).min(peaks);
    }

    /// What is measured ends, here or with the run.
    fn close_measured(&mut self) {
        if self.measured.is_open() {
            self.within = self.totals.since(self.before);
        }
    }

    /// An operation starts.
    #[inline]
    pub fn operation_started(&mut self) {
        self.totals.operations += 1;
    }

    /// An attempt of an operation is sent.
    #[inline]
    pub fn attempt_sent(&mut self, measured: bool, attempt: u32) {
        self.sent[usize::from(measured)][usize::from(attempt > 1)] += 1;
    }

    /// A hedge is sent.
    pub fn hedge_sent(&mut self, measured: bool) {
        self.hedges[usize::from(measured)] += 1;
    }

    /// The budget for hedges refused so many to measured operations.
    pub fn hedges_refused(&mut self, refused: u64) {
        self.hedges_refused += refused;
    }

    /// So many attempts arrive at a server.
    #[inline]
    pub fn attempts_arrived(&mut self, attempts: u64) {
        self.totals.arrivals += attempts;
    }

    /// True if [`Recorder::tell_who_arrived`] has to be called too.
    #[inline]
    pub fn asks_who_arrives(&self) -> bool {
        self.aftermath.counts_arrivals()
    }

    /// These attempts that arrived are of an operation that started at `start`.
    #[inline(never)]
    pub fn tell_who_arrived(&mut self, start: SimTime, attempts: u64) {
        self.aftermath.arrived(start, attempts);
    }

    /// A worker takes up an attempt that arrived at `arrived`.
    #[inline]
    pub fn taken_up(&mut self, arrived: SimTime, now: SimTime) {
        // One comparison for both ends: what lies before the window wraps around.
        if arrived.0.wrapping_sub(self.window.from.0) < self.window_length.0 {
            self.waits.record(now.since(arrived));
        }
    }

    /// A reply reached a client that waited for it, after this much worker time.
    #[inline]
    pub fn reply_received(&mut self, busy: Span) {
        self.useful_work += u128::from(busy.0);
    }

    /// An attempt ended.
    #[inline]
    pub fn attempt_ended(&mut self, now: SimTime, call: CallKey, attempt: u32, outcome: Outcome, measured: bool) {
        let code = code(outcome);
        self.digest.attempt_ended(now, call, attempt, code);
        if measured {
            self.outcomes[usize::from(code)] += 1;
        }
    }

    /// A gate refused. `fatal`: with that the operation fails.
    #[inline]
    pub fn refused(&mut self, by: Refusal, measured: bool, fatal: bool) {
        self.totals.refusals += 1;
        self.refusals[by as usize] += u64::from(measured);
        self.fatal_refusals[by as usize] += u64::from(measured && fatal);
    }

    /// The operation whose call ended with a gate's refusal has failed with that.
    pub fn failed_by(&mut self, by: Refusal, measured: bool) {
        self.fatal_refusals[by as usize] += u64::from(measured);
    }

    /// The end of a measured operation's attempt opened so many breakers.
    #[inline]
    pub fn breakers_opened(&mut self, opened: u64) {
        self.breakers_opened += opened;
    }

    /// An operation that started at `start` ended for its user, after so many attempts that were no hedges, and so many in all.
    #[inline(always)]
    pub fn operation_ended(
        &mut self,
        now: SimTime,
        start: SimTime,
        (tries, attempts): (u32, u32),
        verdict: Verdict,
        measured: bool,
    ) {
        let latency = now.since(start);
        let succeeded = verdict == Verdict::Succeeded;
        self.totals.attempts_of_ended += u64::from(attempts);
        if start < self.told_before {
            self.tell_of_end(now, start, attempts, succeeded, measured);
        }
        if succeeded {
            self.totals.successes += 1;
            if measured {
                self.succeeded_after[tries.min(5) as usize] += 1;
                self.in_time += u64::from(latency <= self.slo);
                if tries > 1 {
                    self.retried(latency);
                } else {
                    self.latency[0].record(latency);
                }
            }
        } else {
            self.totals.failures += 1;
            if measured {
                self.failed_after[tries.min(2) as usize] += 1;
                self.failure_latency.record(latency);
            }
        }
    }

    #[inline(never)]
    fn retried(&mut self, latency: Span) {
        self.latency[1].record(latency);
    }

    #[inline(never)]
    fn tell_of_end(&mut self, now: SimTime, start: SimTime, attempts: u32, succeeded: bool, measured: bool) {
        self.recovery.ended(start, succeeded, attempts);
        self.aftermath.ended(start, succeeded, attempts);
        if let Some(finish) = self.finish.as_mut().filter(|_| succeeded && measured) {
            finish.succeeded(now);
        }
    }

    /// An operation that started at `start` is open when the run ends, after so many attempts.
    pub fn left_open(&mut self, start: SimTime, attempts: u32) {
        self.left_open.push((start, attempts));
    }

    /// An operation is off the books: nothing of it is in flight any more, or the run is over. `verdict` is `None` if it is unresolved.
    #[inline]
    pub fn operation_released(&mut self, measured: bool, verdict: Option<Verdict>, executions: u32) {
        if measured {
            let book = book_of(verdict);
            match self.released[book].get_mut(executions as usize) {
                Some(few) => *few += 1,
                None => self.books[book].enter(1, executions, self.most_effects),
            }
        }
    }

    /// The same of an operation with what it has done at each of several places, and its writes over what others had written since it had read.
    pub fn places_released(
        &mut self,
        measured: bool,
        verdict: Option<Verdict>,
        places: impl Iterator<Item = Done>,
        lost_updates: u32,
        after: super::books::LeftBehind,
    ) {
        if measured {
            self.lost_updates += u64::from(lost_updates);
            self.missing_effects += u64::from(after.missing);
            self.undone += u64::from(after.is_undone);
            self.left_for_person += u64::from(after.is_left);
            self.steps_repeated += u64::from(after.repeated);
            let book = if after.is_parked { PARKED } else { book_of(verdict) };
            self.books[book].enter_places(places, after.standing);
        }
    }

    /// A client has crashed.
    pub fn client_crashed(&mut self, now: SimTime) {
        self.client_crashes += u64::from(self.measured(now));
    }

    /// An operation is over, so long after its client had crashed.
    pub fn repaired(&mut self, took: Span, measured: bool) {
        if measured {
            self.repairs = (self.repairs.0 + u128::from(took.0), self.repairs.1 + 1);
        }
    }

    /// Bytes that grow with the run.
    pub fn bytes(&self) -> usize {
        self.recovery.bytes() + self.aftermath.bytes()
    }

    /// The run is over. `own` is what every server has measured itself, and every replica.
    ///
    /// # Panics
    /// If the books do not balance: that is a bug in the simulator.
    pub fn finish(
        mut self,
        servers: ServerTotals,
        own: (&[OwnCounts], &[OwnCounts]),
        events: u64,
        state_bytes: u64,
    ) -> RunResult {
        let totals = self.totals;
        self.close_measured();
        self.goodput_peak.close(totals.successes);
        self.load_peak.close(totals.arrivals);
        self.demand_peak.close(totals.operations);
        if let Some(peak) = &mut self.recovery_peak {
            peak.close(totals.arrivals);
        }
        self.dispersion.close(totals.arrivals);
        let open = std::mem::take(&mut self.left_open);
        self.recovery.finish(totals.of_operations(), open.iter().copied());
        self.aftermath.finish(totals.of_operations(), &open);
        for (few, books) in self.released.iter().zip(&mut self.books) {
            few.iter().zip(0..).for_each(|(operations, executions)| {
                books.enter(*operations, executions, self.most_effects);
            });
        }
        let endings = self.endings();
        let attempts = self.sent.as_flattened().iter().chain(&self.hedges).sum();
        let sums = Sums::new(&self, servers, endings);
        let metrics = self.metrics(&sums, own);
        let latency = sums.latency;
        RunResult {
            metrics,
            timeline: self.bins.finish(totals),
            digest: self.digest.value(),
            endings,
            succeeded_within: latency.within(grid()),
            taken_up: self.waits.count(),
            peak_at: self.load_peak.best_start(),
            events,
            attempts,
            completions: servers.completions,
            state_bytes,
        }
    }

    /// Measured operations by how they ended.
    fn endings(&self) -> ByEnding<u64> {
        let mut endings = ByEnding::default();
        for (succeeded, counts) in [(true, &self.succeeded_after[..]), (false, &self.failed_after[..])] {
            counts.iter().zip(0..).for_each(|(n, attempts)| endings[Ending::of(succeeded, attempts)] += n);
        }
        endings[Ending::Parked] = self.books[PARKED].operations;
        endings[Ending::Unresolved] = self.books[book_of(None)].operations;
        endings
    }

    /// The values of all measures, in their order.
    fn metrics(&self, sums: &Sums, own: (&[OwnCounts], &[OwnCounts])) -> Vec<(Measure, Option<f64>)> {
        let of_run = Metric::ALL.into_iter().filter(|metric| metric.is_of_run());
        let mut metrics: Vec<_> = of_run.map(|metric| (metric.into(), values::value(metric, self, sums))).collect();
        metrics.extend(self.aftermath.values());
        metrics.extend(self.parts.iter().flat_map(|parts| parts.values(sums.operations, own)));
        // Outcomes are listed where they occur.
        let codes = (0..).zip(self.outcomes).filter(|(_, n)| *n > 0);
        for (outcome, n) in codes.map(|(code, n)| (of_code(code), n as f64)) {
            let of = |metric| Measure { metric, of: Of::Outcome(outcome) };
            if let OutcomeKey::Status(_) = outcome {
                metrics.push((of(Metric::OutcomeStatus), Some(n)));
            }
            metrics.push((of(Metric::OutcomesPerOperation), (sums.operations > 0).then(|| n / sums.operations as f64)));
        }
        metrics.sort_unstable_by_key(|(measure, _)| *measure);
        metrics
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::Method;
    use crate::retry::GiveUp;
    use crate::scenario::{Arrivals, Scenario, ServerConfig};

    /// An operation of one attempt, which waits, works, and so ends; with its executions in the end.
    #[derive(Clone, Copy, Debug)]
    struct Life {
        start: u64,
        waits: u64,
        works: u64,
        succeeds: bool,
        executions: u32,
    }

    impl Life {
        fn up(&self) -> u64 {
            self.start + self.waits
        }

        fn end(&self) -> u64 {
            self.up() + self.works
        }
    }

    fn record(scenario: &Scenario, lives: &[Life]) -> RunResult {
        let mut recorder = Recorder::new(scenario.common(), None);
        let of = |index: usize| [(lives[index].start, 0), (lives[index].up(), 1), (lives[index].end(), 2)];
        let mut events: Vec<(u64, i32, usize)> =
            (0..lives.len()).flat_map(|index| of(index).map(|(at, what)| (at, what, index))).collect();
        events.sort_unstable();
        let mut measured = vec![false; lives.len()];
        for (number, (at, what, index)) in (1..).zip(events) {
            let (now, life) = (SimTime(at), &lives[index]);
            if now >= recorder.next_tick() {
                recorder.tick(now, Levels { in_flight: number, ..Levels::default() });
            }
            let outcome = if life.succeeds { Outcome::OK } else { Outcome::Timeout };
            let verdict = if life.succeeds { Verdict::Succeeded } else { Verdict::Failed(GiveUp::AttemptsExhausted) };
            match what {
                0 => {
                    measured[index] = recorder.measures();
                    recorder.operation_started();
                    recorder.attempt_sent(measured[index], 1);
                    recorder.attempts_arrived(1);
                }
                1 => recorder.taken_up(SimTime(life.start), now),
                _ => {
                    recorder.reply_received(Span(life.works));
                    recorder.attempt_ended(now, CallKey::operation(index as u64), 1, outcome, measured[index]);
                    recorder.operation_ended(now, SimTime(life.start), (1, 1), verdict, measured[index]);
                    recorder.operation_released(measured[index], Some(verdict), life.executions);
                }
            }
        }
        recorder.finish(ServerTotals { busy: u128::MAX, ..ServerTotals::default() }, (&[], &[]), 0, 0)
    }

    /// A refusal is counted by its gate, and once more if it was the end of its operation; but only where operations are measured.
    #[test]
    fn refusals_and_what_they_cost() {
        let mut scenario = Scenario::new(Span(100), Arrivals::Constant { rate: 1.0 }, ServerConfig::named("s"));
        scenario.frame.warmup = Span(10);
        let mut recorder = Recorder::new(scenario.common(), None);
        // Start, attempts, and refusals: the last of them was the end.
        let operations: [(u64, u32, &[Refusal]); 5] = [
            (0, 0, &[Refusal::Breaker]),
            (20, 0, &[Refusal::Breaker, Refusal::Breaker]),
            (30, 1, &[Refusal::Breaker, Refusal::Budget]),
            (40, 2, &[Refusal::Limiter, Refusal::Concurrency]),
            (50, 0, &[Refusal::Throttle]),
        ];
        let verdict = Verdict::Failed(GiveUp::AttemptsExhausted);
        for (start, attempts, refusals) in operations {
            let start = SimTime(start);
            recorder.tick(start, Levels::default());
            let measured = recorder.measures();
            recorder.operation_started();
            for attempt in 1..=attempts {
                recorder.attempt_sent(measured, attempt);
                recorder.attempt_ended(start, CallKey::operation(start.0), attempt, Outcome::Timeout, measured);
            }
            for (index, by) in refusals.iter().enumerate() {
                recorder.refused(*by, measured, index + 1 == refusals.len());
            }
            recorder.operation_ended(start, start, (attempts, attempts), verdict, measured);
            recorder.operation_released(measured, Some(verdict), 0);
        }
        let result = recorder.finish(ServerTotals::default(), (&[], &[]), 0, 0);
        let metric = |name: &str| result.value(Metric::named(name).expect("a metric"));
        let refused = ["breaker_refused", "budget_refused", "throttled", "limiter_refused", "concurrency_refused"];
        assert_eq!(refused.map(metric), [3.0, 1.0, 1.0, 1.0, 1.0].map(Some));
        let gates = ["breaker", "budget", "throttle", "limiter", "concurrency"];
        let failed_by = gates.map(|gate| metric(&format!("failed_by_{gate}")));
        assert_eq!(failed_by, [1.0, 1.0, 1.0, 0.0, 1.0].map(Some));
        assert_eq!((metric("failed"), metric("failed_without_attempt")), (Some(4.0), Some(2.0)));
    }

    /// When something happened in a life.
    type When<'a> = &'a dyn Fn(&Life) -> Option<u64>;

    /// Numbers near `width` and its multiples, or anything small.
    fn around(width: u64, most: u64) -> impl Strategy<Value = u64> {
        prop_oneof![Just(0), 0..width, (0..most, 0u64..3).prop_map(move |(n, i)| (n * width + i).saturating_sub(1))]
    }

    fn lives(width: u64) -> impl Strategy<Value = Vec<Life>> {
        let life = (around(width, 40), around(width, 3), around(width, 3), any::<bool>(), 0u32..9);
        let life = life.prop_map(|(start, waits, works, succeeds, executions)| Life {
            start,
            waits,
            works,
            succeeds,
            executions,
        });
        proptest::collection::vec(life, 1..60)
    }

    proptest! {
        /// Plain counters that are read at boundaries say what a look at all that has happened says.
        #[test]
        fn counters_say_what_happened(
            (width, warmup, duration, lives) in
                (2u64..9).prop_flat_map(|width| (Just(width), around(width, 9), around(width, 40), lives(width))),
            post in any::<bool>(),
        ) {
            let method = if post { Method::Post } else { Method::Put };
            let mut scenario = Scenario::new(Span(duration + 1), Arrivals::Constant { rate: 1.0 }, ServerConfig::named("s"));
            scenario.world_mut().operation.method = method;
            (scenario.frame.warmup, scenario.frame.peak_window) = (Span(warmup), Span(width));
            scenario.frame.slo = Some(Span(width));
            let result = record(&scenario, &lives);

            let count = |of: &dyn Fn(&Life) -> bool| lives.iter().filter(|life| of(life)).count() as f64;
            let sum = |of: &dyn Fn(&Life) -> u32| lives.iter().map(|life| f64::from(of(life))).sum::<f64>();
            let within = |t: u64| warmup <= t && t < duration + 1;
            let (measured, good) = (|life: &Life| within(life.start), |life: &Life| within(life.start) && life.succeeds);
            let effects = |life: &Life| if measured(life) { method.effects(life.executions) } else { 0 };
            let length = (duration + 1).saturating_sub(warmup) as f64 / 1e9;
            let share = |part: f64, whole: f64| (whole > 0.0).then(|| part / whole);
            let operations = count(&measured);
            let latencies = |succeeds: bool| {
                lives.iter().filter(move |life| measured(life) && life.succeeds == succeeds).map(|life| life.end() - life.start)
            };
            let expected = [
                ("operations", Some(operations)),
                ("succeeded", Some(count(&good))),
                ("failed", Some(operations - count(&good))),
                ("in_time_rate", share(count(&|life| good(life) && life.end() - life.start <= width), operations)),
                ("first_attempt_success_rate", share(count(&good), operations)),
                ("attempts", Some(operations)),
                ("goodput", share(count(&|life| life.succeeds && within(life.end())), length)),
                ("load_mean", share(operations, length)),
                ("latency_max", latencies(true).max().map(|max| max as f64 * 1e-9)),
                ("waited", share(count(&|life| measured(life) && life.waits > 0), operations)),
                ("executions", Some(sum(&|life| if measured(life) { life.executions } else { 0 }))),
                ("effects", Some(sum(&effects))),
                ("duplicates", Some(sum(&|life| effects(life).saturating_sub(1)))),
                ("duplicated_operations", Some(count(&|life| effects(life) > 1))),
                ("phantom_successes", Some(count(&|life| !life.succeeds && effects(life) > 0))),
                ("outcome_timeout", Some(operations - count(&good))),
            ];
            for (name, value) in expected {
                let metric = Metric::named(name).expect("a metric");
                prop_assert_eq!(result.value(metric), value, "{}", name);
            }
            let line = &result.timeline;
            prop_assert_eq!(line.bin, Span(width));
            let last = lives.iter().map(Life::end).max().unwrap_or(0);
            prop_assert_eq!(line.operations.len() as u64, last / width + 1);
            let columns: [(&[f64], When); 4] = [
                (&line.operations, &|life| Some(life.start)),
                (&line.attempts, &|life| Some(life.start)),
                (&line.goodput, &|life| life.succeeds.then(|| life.end())),
                (&line.failed, &|life| (!life.succeeds).then(|| life.end())),
            ];
            for (bin, bounds) in (0..=last / width).map(|bin| bin * width..(bin + 1) * width).enumerate() {
                for (column, at) in columns {
                    prop_assert_eq!(column[bin], count(&|life| at(life).is_some_and(|at| bounds.contains(&at))));
                }
                // Levels at a bin's start are told with the first event from there on.
                let events = lives.iter().flat_map(|life| [life.start, life.up(), life.end()]);
                let before = events.filter(|at| *at < bounds.start).count() as f64;
                prop_assert_eq!(line.in_flight[bin], if bin == 0 { 0.0 } else { before + 1.0 });
            }
        }
    }
}
