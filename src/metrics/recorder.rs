//! Counts what happens in one run. Constant time per event; memory grows with nothing but the timeline's bins.

use super::digest::Digest;
use super::ending::{ByEnding, Ending};
use super::histogram::{Histogram, grid};
use super::timeline::{Timeline, bin_width};
use super::windows::{Dispersion, PeakCounter, Recovery};
use crate::call::Verdict;
use crate::protocol::{Method, Outcome};
use crate::scenario::Scenario;
use crate::server::meter::Window;
use crate::units::{SimTime, Span};

/// What one run measured.
#[derive(Clone, Debug)]
pub struct RunResult {
    /// Names and values in the contract's order.
    pub metrics: Vec<(String, Option<f64>)>,
    /// Counts per bin, levels at a bin's start.
    pub timeline: Timeline,
    /// Hash of every attempt's end.
    pub digest: u64,
    /// Measured operations by how they ended.
    pub endings: ByEnding<u64>,
    /// Measured operations that succeeded within each time of [`grid`].
    pub succeeded_within: Vec<u64>,
    /// Start of the peak window with most arrivals.
    pub peak_at: SimTime,
    /// Events handled.
    pub events: u64,
    /// Attempts sent, measured or not.
    pub attempts: u64,
    /// Works that ended at the servers, measured or not.
    pub completions: u64,
    /// Bytes of state at the end of the run; nothing was given back before.
    pub state_bytes: u64,
}

impl RunResult {
    /// Bytes that one result takes, at most: its timeline and about a hundred named values.
    pub fn bytes(scenario: &Scenario) -> u64 {
        let bin = bin_width(scenario.peak_window, scenario.end());
        // A column that grows doubles.
        let timeline = 2 * 8 * size_of::<f64>() as u64 * (scenario.end().0 / bin.0 + 1);
        let successes = (grid().count() * size_of::<u64>()) as u64;
        timeline + successes + 100 * (size_of::<(String, Option<f64>)>() as u64 + 32)
    }
}

/// Levels at an instant.
#[derive(Clone, Copy, Debug, Default)]
pub struct Levels {
    /// Attempts at the servers.
    pub in_flight: u32,
    /// Attempts waiting there.
    pub queue: u32,
    /// Breakers open.
    pub breakers_open: u64,
}

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
    window: Window,
    method: Method,
    digest: Digest,
    all_attempts: u64,
    operations: u64,
    succeeded: u64,
    slo: Option<Span>,
    in_time: u64,
    failed: u64,
    unresolved: u64,
    first_attempt_successes: u64,
    endings: ByEnding<u64>,
    attempts: u64,
    retries: u64,
    successes_in_window: u64,
    arrivals_in_window: u64,
    starts_in_window: u64,
    executions: u64,
    effects: u64,
    duplicates: u64,
    duplicated_operations: u64,
    phantom_successes: u64,
    useful_work: u128,
    outcomes: Vec<u64>,
    refusals: [u64; REFUSALS.len()],
    breakers_opened: u64,
    waited: u64,
    latency: Histogram,
    failure_latency: Histogram,
    waits: Histogram,
    goodput_peak: PeakCounter,
    load_peak: PeakCounter,
    recovery_peak: Option<PeakCounter>,
    dispersion: Dispersion,
    recovery: Option<Recovery>,
    timeline: Timeline,
    bin_end: SimTime,
}

/// Outcome codes beyond the statuses 0..600.
const TIMEOUT: usize = 600;
const CONNECTION: usize = 601;
const OPEN: usize = 602;

/// The gates whose refusals are counted, in the metrics' order.
pub const REFUSALS: [&str; 5] =
    ["breaker_refused", "budget_refused", "throttled", "limiter_refused", "concurrency_refused"];

impl Recorder {
    /// Nothing has happened yet.
    pub fn new(scenario: &Scenario) -> Recorder {
        let window = Window { from: SimTime::ZERO + scenario.warmup, until: SimTime::ZERO + scenario.duration };
        let measured = Window { from: window.from, until: SimTime::NEVER };
        let peak = || PeakCounter::new(SimTime::ZERO, scenario.peak_window, measured);
        let last_end = scenario.last_fault_end();
        let recovery_peak = last_end
            .map(|end| PeakCounter::new(end, scenario.peak_window, Window { from: end, until: end + Span::secs(60) }));
        let recovery = last_end
            .zip(scenario.first_fault_start())
            .map(|(end, start)| Recovery::new(start, end, SimTime::ZERO + scenario.duration));
        let bin = bin_width(scenario.peak_window, scenario.end());
        let mut recorder = Recorder {
            window,
            method: scenario.operation.method,
            digest: Digest::default(),
            all_attempts: 0,
            operations: 0,
            succeeded: 0,
            slo: scenario.slo,
            in_time: 0,
            failed: 0,
            unresolved: 0,
            first_attempt_successes: 0,
            endings: ByEnding::default(),
            attempts: 0,
            retries: 0,
            successes_in_window: 0,
            arrivals_in_window: 0,
            starts_in_window: 0,
            executions: 0,
            effects: 0,
            duplicates: 0,
            duplicated_operations: 0,
            phantom_successes: 0,
            useful_work: 0,
            outcomes: vec![0; OPEN + 1],
            refusals: [0; REFUSALS.len()],
            breakers_opened: 0,
            waited: 0,
            latency: Histogram::default(),
            failure_latency: Histogram::default(),
            waits: Histogram::default(),
            goodput_peak: peak(),
            load_peak: peak(),
            recovery_peak,
            dispersion: Dispersion::new(window),
            recovery,
            timeline: Timeline { bin, ..Timeline::default() },
            bin_end: SimTime::ZERO,
        };
        recorder.tick(SimTime::ZERO, Levels::default());
        recorder
    }

    /// True if operations that start at `start` are measured.
    pub fn measures(&self, start: SimTime) -> bool {
        self.window.contains(start)
    }

    /// When [`Recorder::tick`] is next due.
    pub fn next_tick(&self) -> SimTime {
        self.bin_end
    }

    /// Time has passed the end of a bin: `levels` held since the last event.
    pub fn tick(&mut self, now: SimTime, levels: Levels) {
        while now >= self.bin_end {
            let line = &mut self.timeline;
            for counts in
                [&mut line.operations, &mut line.attempts, &mut line.goodput, &mut line.failed, &mut line.refused]
            {
                counts.push(0.0);
            }
            line.in_flight.push(f64::from(levels.in_flight));
            line.queue.push(f64::from(levels.queue));
            line.breaker_open.push(levels.breakers_open as f64);
            self.bin_end = self.bin_end + line.bin;
        }
    }

    /// An operation starts.
    pub fn operation_started(&mut self, now: SimTime) {
        bump(&mut self.timeline.operations);
        if self.measures(now) {
            self.operations += 1;
            self.starts_in_window += 1;
        }
        if let Some(recovery) = &mut self.recovery {
            recovery.started(now);
        }
    }

    /// An attempt of an operation is sent.
    pub fn attempt_sent(&mut self, measured: bool, attempt: u32) {
        self.all_attempts += 1;
        if measured {
            self.attempts += 1;
            self.retries += u64::from(attempt > 1);
        }
    }

    /// An attempt arrives at a server.
    pub fn attempt_arrived(&mut self, now: SimTime) {
        bump(&mut self.timeline.attempts);
        self.arrivals_in_window += u64::from(self.window.contains(now));
        self.load_peak.add(now);
        self.dispersion.add(now);
        if let Some(peak) = &mut self.recovery_peak {
            peak.add(now);
        }
    }

    /// A worker takes up an attempt that arrived at `arrived`.
    pub fn taken_up(&mut self, arrived: SimTime, now: SimTime) {
        if self.window.contains(arrived) {
            let wait = now.since(arrived);
            self.waits.record(wait);
            self.waited += u64::from(wait > Span::ZERO);
        }
    }

    /// A reply reached a client that waited for it, after this much worker time.
    pub fn reply_received(&mut self, busy: Span) {
        self.useful_work += u128::from(busy.0);
    }

    /// An attempt ended.
    pub fn attempt_ended(&mut self, now: SimTime, operation: u64, attempt: u32, outcome: Outcome, measured: bool) {
        self.digest.attempt_ended(now, operation, attempt, outcome);
        if measured {
            let code = match outcome {
                Outcome::Status(status) => usize::from(status),
                Outcome::Timeout => TIMEOUT,
                Outcome::Connection => CONNECTION,
                Outcome::Open => OPEN,
            };
            self.outcomes[code] += 1;
        }
    }

    /// A gate refused.
    pub fn refused(&mut self, metric: &str, measured: bool) {
        bump(&mut self.timeline.refused);
        if let Some(index) = REFUSALS.iter().position(|name| *name == metric)
            && measured
        {
            self.refusals[index] += 1;
        }
    }

    /// The end of a measured operation's attempt opened so many breakers.
    pub fn breakers_opened(&mut self, opened: u64) {
        self.breakers_opened += opened;
    }

    /// An operation that started at `start` ended for its user.
    pub fn operation_ended(&mut self, now: SimTime, start: SimTime, attempts: u32, verdict: Verdict) {
        let measured = self.measures(start);
        let latency = now.since(start);
        if measured {
            self.endings[Ending::of(verdict == Verdict::Succeeded, attempts)] += 1;
        }
        match verdict {
            Verdict::Succeeded => {
                bump(&mut self.timeline.goodput);
                self.successes_in_window += u64::from(self.window.contains(now));
                self.goodput_peak.add(now);
                if let Some(recovery) = &mut self.recovery {
                    recovery.succeeded(start);
                }
                if measured {
                    self.succeeded += 1;
                    self.in_time += u64::from(self.slo.is_some_and(|slo| latency <= slo));
                    self.first_attempt_successes += u64::from(attempts == 1);
                    self.latency.record(latency);
                }
            }
            Verdict::Failed(_) => {
                bump(&mut self.timeline.failed);
                if measured {
                    self.failed += 1;
                    self.failure_latency.record(latency);
                }
            }
        }
    }

    /// An operation is off the books: nothing of it is in flight any more, or the run is over. `verdict` is `None` if it is unresolved.
    pub fn operation_released(&mut self, measured: bool, verdict: Option<Verdict>, executions: u32) {
        if !measured {
            return;
        }
        let effects = u64::from(self.method.effects(executions));
        self.executions += u64::from(executions);
        self.effects += effects;
        self.duplicates += effects.saturating_sub(1);
        self.duplicated_operations += u64::from(effects > 1);
        match verdict {
            None => {
                self.unresolved += 1;
                self.endings[Ending::Unresolved] += 1;
            }
            Some(Verdict::Failed(_)) => self.phantom_successes += u64::from(effects > 0),
            Some(Verdict::Succeeded) => {}
        }
    }

    /// Bytes that grow with the run.
    pub fn bytes(&self) -> usize {
        self.recovery.as_ref().map_or(0, Recovery::bytes)
    }

    /// The run is over.
    ///
    /// # Panics
    /// If the books do not balance: that is a bug in the simulator.
    pub fn finish(self, servers: ServerTotals, events: u64, state_bytes: u64) -> RunResult {
        assert_eq!(
            self.operations,
            self.succeeded + self.failed + self.unresolved,
            "every operation ends exactly once"
        );
        let (succeeded, others): (Vec<Ending>, Vec<Ending>) = Ending::ALL.into_iter().partition(|e| e.succeeded());
        let sum = |endings: Vec<Ending>| endings.into_iter().map(|ending| self.endings[ending]).sum::<u64>();
        assert_eq!((sum(succeeded), sum(others)), (self.succeeded, self.failed + self.unresolved), "in one way");
        assert_eq!(self.attempts, self.outcomes.iter().sum::<u64>(), "every attempt ends exactly once");
        assert!(self.effects <= self.executions, "an effect needs an execution");
        assert!(self.duplicates <= self.effects && self.phantom_successes <= self.failed, "books of effects");
        assert!(self.useful_work <= servers.busy, "useful work is a part of all work");
        RunResult {
            metrics: self.metrics(servers),
            timeline: self.timeline,
            digest: self.digest.value(),
            endings: self.endings,
            succeeded_within: self.latency.within(grid()),
            peak_at: self.load_peak.best_start(),
            events,
            attempts: self.all_attempts,
            completions: servers.completions,
            state_bytes,
        }
    }

    fn metrics(&self, servers: ServerTotals) -> Vec<(String, Option<f64>)> {
        let seconds = self.window.length().seconds();
        let count = |n: u64| Some(n as f64);
        let ratio = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
        let per_second = |n: u64| (seconds > 0.0).then(|| n as f64 / seconds);
        let start_rate = per_second(self.starts_in_window).filter(|rate| *rate > 0.0);
        let mut rows: Vec<(&str, Option<f64>)> = vec![
            ("operations", count(self.operations)),
            ("succeeded", count(self.succeeded)),
            ("failed", count(self.failed)),
            ("unresolved", count(self.unresolved)),
            ("success_rate", ratio(self.succeeded, self.operations)),
            ("in_time_rate", self.slo.and_then(|_| ratio(self.in_time, self.operations))),
            ("first_attempt_success_rate", ratio(self.first_attempt_successes, self.operations)),
            ("attempts", count(self.attempts)),
            ("retries", count(self.retries)),
            ("attempts_per_operation", ratio(self.attempts, self.operations)),
            // One step, one call per operation.
            ("attempts_per_call", ratio(self.attempts, self.operations)),
            ("goodput", per_second(self.successes_in_window)),
            ("peak_goodput", Some(self.goodput_peak.rate())),
            ("load_mean", per_second(self.arrivals_in_window)),
            ("peak_load", Some(self.load_peak.rate())),
            ("peak_ratio", start_rate.map(|rate| self.load_peak.rate() / rate)),
            ("recovery_peak", self.recovery_peak.as_ref().map(PeakCounter::rate)),
            ("dispersion", self.dispersion.clone().ratio()),
            ("time_to_recover", self.recovery.as_ref().and_then(Recovery::time)),
        ];
        rows.push(("latency_mean", self.latency.mean()));
        for (name, p) in [("latency_p50", 0.5), ("latency_p90", 0.9), ("latency_p99", 0.99), ("latency_p999", 0.999)] {
            rows.push((name, self.latency.quantile(p)));
        }
        rows.extend([
            ("latency_max", self.latency.max()),
            ("failure_latency_p50", self.failure_latency.quantile(0.5)),
            ("failure_latency_p99", self.failure_latency.quantile(0.99)),
            ("wait_mean", self.waits.mean()),
            ("wait_p99", self.waits.quantile(0.99)),
            ("waited", ratio(self.waited, self.waits.count())),
            ("in_flight_mean", (seconds > 0.0).then(|| servers.held as f64 / self.window.length().0 as f64)),
            ("executions", count(self.executions)),
            ("effects", count(self.effects)),
            ("duplicates", count(self.duplicates)),
            ("duplicate_rate", ratio(self.duplicates, self.operations)),
            ("duplicated_operations", count(self.duplicated_operations)),
            ("phantom_successes", count(self.phantom_successes)),
            ("wasted_work", (servers.busy > 0).then(|| 1.0 - self.useful_work as f64 / servers.busy as f64)),
            ("utilisation", servers.utilisation),
            ("queue_max", count(u64::from(servers.queue_max))),
        ]);
        let mut metrics: Vec<(String, Option<f64>)> = rows.into_iter().map(|(name, v)| (name.to_owned(), v)).collect();
        for (code, n) in self.outcomes.iter().enumerate() {
            // Statuses are listed where they occur; the other three always.
            if *n > 0 || code >= TIMEOUT {
                let outcome = match code {
                    TIMEOUT => Outcome::Timeout,
                    CONNECTION => Outcome::Connection,
                    OPEN => Outcome::Open,
                    status => Outcome::Status(status as u16),
                };
                metrics.push((format!("outcome_{outcome}"), count(*n)));
            }
        }
        metrics.push(("breaker_opened".to_owned(), count(self.breakers_opened)));
        for (name, n) in REFUSALS.iter().zip(self.refusals) {
            metrics.push(((*name).to_owned(), count(n)));
        }
        metrics
    }
}

/// One more in the current bin.
fn bump(column: &mut [f64]) {
    if let Some(last) = column.last_mut() {
        *last += 1.0;
    }
}
