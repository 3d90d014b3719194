//! What is measured: the one table of metrics, with the name, unit, group and meaning of each (contract, section 4.3, whose tables are
//! written from this one).
//!
//! It stands here and not beside the counters because a scenario is checked before anything runs. What the value of each is stands in
//! `metrics/recorder/values.rs`, in one exhaustive match.

use crate::protocol::Outcome;
use crate::units::{Span, parse_probability, parse_rate};

/// What the number of a metric means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// How many.
    Count,
    /// A part of a whole, from 0 to 1.
    Share,
    /// A ratio of anything.
    Ratio,
    /// Per second.
    PerSecond,
    /// Seconds.
    Seconds,
    /// Seconds, or never: what has not come about in a run lasts longer there than anything that has.
    SecondsOrNever,
}

/// What metrics are about; a table each in the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// How operations ended.
    Operations,
    /// What was sent.
    Attempts,
    /// What the servers had to bear.
    Load,
    /// How long the trouble lasted.
    Recovery,
    /// How long operations took.
    Latency,
    /// Who waited at the servers.
    Waiting,
    /// What the servers were busy with.
    Servers,
    /// What was done, and done too often.
    Effects,
    /// What went through durable queues.
    Queues,
    /// How attempts ended.
    Outcomes,
    /// What clients refused themselves.
    Gates,
    /// Attempts beside open ones.
    Hedges,
}

/// Of what there may be a value of a metric, beside or instead of one of the whole run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Of the whole run only.
    Run,
    /// Also of each fault that ends, and of a surge of demand that does.
    Ends,
    /// Of each status that occurs only; its name is `outcome_503`.
    Status,
    /// Of each outcome that occurs only.
    Outcome,
}

/// Writes the list of metrics, and what is said about each.
macro_rules! metrics {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal, $unit:ident, $group:ident, $scope:ident;)+) => {
        /// A metric. The comment of each is what the contract says about it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Metric {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Metric {
            /// All of them, in the contract's order.
            pub const ALL: [Metric; [$($name),+].len()] = [$(Metric::$variant),+];

            /// Its name in every output.
            pub const fn name(self) -> &'static str {
                match self { $(Metric::$variant => $name,)+ }
            }

            /// What its number means.
            pub const fn unit(self) -> Unit {
                match self { $(Metric::$variant => Unit::$unit,)+ }
            }

            /// What it is about.
            pub const fn group(self) -> Group {
                match self { $(Metric::$variant => Group::$group,)+ }
            }

            /// Of what there are values.
            pub const fn scope(self) -> Scope {
                match self { $(Metric::$variant => Scope::$scope,)+ }
            }

            /// What it is, as Markdown.
            pub fn meaning(self) -> String {
                let lines: &[&str] = match self { $(Metric::$variant => &[$($doc),+],)+ };
                lines.concat().trim().to_owned()
            }
        }
    };
}

metrics! {
    /// Operations.
    Operations = "operations", Count, Operations, Run;
    /// Those that succeeded.
    Succeeded = "succeeded", Count, Operations, Run;
    /// Those that failed: their client gave up.
    Failed = "failed", Count, Operations, Run;
    /// Those that were in a dead-letter queue when the run ended: section 3.14.
    Parked = "parked", Count, Operations, Run;
    /// Those that had done none of this when the run ended.
    Unresolved = "unresolved", Count, Operations, Run;
    /// `succeeded` ÷ `operations`.
    SuccessRate = "success_rate", Share, Operations, Run;
    /// Share of `operations` that succeeded within `slo`, from the start of the operation. Null without `slo`.
    InTimeRate = "in_time_rate", Share, Operations, Run;
    /// Share of operations that succeeded without a retry, with hedges or not.
    FirstAttemptSuccessRate = "first_attempt_success_rate", Share, Operations, Run;
    /// Operations that succeeded, and with a retry: without it they would not have.
    RetriesNeeded = "retries_needed", Count, Operations, Run;
    /// `unsuccessful` + `duplicates` + `phantom_successes` + `lost_updates` + `half_done`: what somebody has to answer for. An operation may count more than once.
    GoneWrong = "gone_wrong", Count, Operations, Run;
    /// `gone_wrong` ÷ `operations`.
    GoneWrongRate = "gone_wrong_rate", Ratio, Operations, Run;
    /// Operations that did not succeed: `failed`, `parked` and `unresolved`; with `slo` all that did not succeed within it.
    Unsuccessful = "unsuccessful", Count, Operations, Run;
    /// On the wire; first ones, `retries` and `hedges`.
    Attempts = "attempts", Count, Attempts, Run;
    /// Attempts of a call after its first, without hedges.
    Retries = "retries", Count, Attempts, Run;
    /// `attempts` ÷ `operations`.
    AttemptsPerOperation = "attempts_per_operation", Ratio, Attempts, Run;
    /// `attempts` ÷ calls. Where an operation makes one call, it is the same number; else each call that has ended counts, of steps and of servers.
    AttemptsPerCall = "attempts_per_call", Ratio, Attempts, Run;
    /// Operations that succeeded in [warmup, duration), per second.
    Goodput = "goodput", PerSecond, Load, Run;
    /// Most successes in one `peak_window`, per second.
    PeakGoodput = "peak_goodput", PerSecond, Load, Run;
    /// Attempts that arrived at the servers, whatever the answer, per second. Lost requests do not arrive.
    LoadMean = "load_mean", PerSecond, Load, Run;
    /// Most of them in one `peak_window`, per second. Windows are counted from 0.
    PeakLoad = "peak_load", PerSecond, Load, Run;
    /// `peak_load` ÷ mean rate at which operations started. It depends on how long demand lasts: `peak_of_demand` does not.
    PeakRatio = "peak_ratio", Ratio, Load, Run;
    /// `peak_load` ÷ most operations that started in one `peak_window`, the same windows: without retries it is 1 where requests take no time to arrive.
    PeakOfDemand = "peak_of_demand", Ratio, Load, Run;
    /// `peak_load` ÷ what the called server can do without faults: workers ÷ mean service time, or its rate limit if that is less. Null if neither limits it.
    PeakOfCapacity = "peak_of_capacity", Ratio, Load, Run;
    /// Variance ÷ mean of the numbers of arrivals in 100 ms each; 1 for a Poisson stream.
    Dispersion = "dispersion", Ratio, Load, Run;
    /// As `peak_load`, in the first minute after the last fault that ends in the run has ended; windows are counted from its end. Null if none ends. What comes later is in `wave`.
    RecoveryPeak = "recovery_peak", PerSecond, Load, Run;
    /// The highest of the family. Of a fault: most arrivals in one `peak_window`, per second, from its end on, of operations that had started before its end; windows are counted from there. Of a surge of demand likewise.
    Wave = "wave", PerSecond, Load, Ends;
    /// From *end*, the last end of a fault in the run, to the first *t* = *end* + 5 s · *j* for which operations that start in [t, t + 30 s) succeed at 95% or more of the share before the first fault. The 30 s end with the demand or before. The whole run counts, warm-up included. Null if there is no such fault, if nothing succeeded before the first one, or if there is no such *t*.
    TimeToRecover = "time_to_recover", Seconds, Recovery, Run;
    /// The longest of the family. Of a fault: as `time_to_recover` from its own end on, but success *and* load have to be back: operations that start in [t, t + 30 s) succeed at 95% or more of the share before any of that began, with at most 1.1 times as many attempts each. Never, if there is no such *t*. Null if the demand ends within 30 s of it or no operation starts after it, if none started before or fewer than 95% of those succeeded, or if demand exceeds, after it and on average, what the server can do with the faults that last from the beginning to the end. *Before* is before the first fault, other than those, and before a surge of demand, which begins with the first step up of a profile, or else after 30 s. Of a surge likewise.
    Recovery = "recovery", SecondsOrNever, Recovery, Ends;
    /// From the start of the first operation until 99% of all had succeeded. Of traces and of bursts that do not come again only; of bursts within 0.4%.
    FinishP99 = "finish_p99", SecondsOrNever, Recovery, Run;
    /// Until all had.
    Finish = "finish", SecondsOrNever, Recovery, Run;
    /// From the start of an operation to its success; operations that succeeded only, as in all that is called `latency_…` but `latency_all_…`. Mean and maximum are exact, quantiles within 0.4%.
    LatencyMean = "latency_mean", Seconds, Latency, Run;
    /// Median.
    LatencyP50 = "latency_p50", Seconds, Latency, Run;
    /// 90th percentile.
    LatencyP90 = "latency_p90", Seconds, Latency, Run;
    /// 99th percentile.
    LatencyP99 = "latency_p99", Seconds, Latency, Run;
    /// 99.9th percentile.
    LatencyP999 = "latency_p999", Seconds, Latency, Run;
    /// The longest.
    LatencyMax = "latency_max", Seconds, Latency, Run;
    /// Median over all operations; those that do not succeed are longer than any that do.
    LatencyAllP50 = "latency_all_p50", SecondsOrNever, Latency, Run;
    /// 99th percentile likewise.
    LatencyAllP99 = "latency_all_p99", SecondsOrNever, Latency, Run;
    /// 99.9th percentile likewise.
    LatencyAllP999 = "latency_all_p999", SecondsOrNever, Latency, Run;
    /// Of operations that succeeded with a retry.
    LatencyRetriedMean = "latency_retried_mean", Seconds, Latency, Run;
    /// Their median.
    LatencyRetriedP50 = "latency_retried_p50", Seconds, Latency, Run;
    /// Their 99th percentile.
    LatencyRetriedP99 = "latency_retried_p99", Seconds, Latency, Run;
    /// From the start of an operation to its end, success or failure: the mean of those that ended.
    DurationMean = "duration_mean", Seconds, Latency, Run;
    /// From the start of an operation to its failure: median.
    FailureLatencyP50 = "failure_latency_p50", Seconds, Latency, Run;
    /// 99th percentile.
    FailureLatencyP99 = "failure_latency_p99", Seconds, Latency, Run;
    /// Time in the queue of the attempts that a worker took up, by their arrival: of those that arrived in [warmup, duration), whenever they were taken up. One that left the queue before is not among them.
    WaitMean = "wait_mean", Seconds, Waiting, Run;
    /// 99th percentile likewise.
    WaitP99 = "wait_p99", Seconds, Waiting, Run;
    /// Share of these that had to wait.
    Waited = "waited", Share, Waiting, Run;
    /// Mean number of attempts waiting or in service.
    InFlightMean = "in_flight_mean", Ratio, Waiting, Run;
    /// Section 1.
    Executions = "executions", Count, Effects, Run;
    /// Section 1.
    Effects = "effects", Count, Effects, Run;
    /// Section 1.
    Duplicates = "duplicates", Count, Effects, Run;
    /// `duplicates` ÷ `operations`.
    DuplicateRate = "duplicate_rate", Ratio, Effects, Run;
    /// Operations with a duplicate.
    DuplicatedOperations = "duplicated_operations", Count, Effects, Run;
    /// Section 1.
    PhantomSuccesses = "phantom_successes", Count, Effects, Run;
    /// `phantom_successes` ÷ `operations`.
    PhantomRate = "phantom_rate", Share, Effects, Run;
    /// Operations that are over and were left half done: some of their steps have an effect that was not undone, and others that they owe have none. An operation with all of them that has failed is a phantom success.
    HalfDone = "half_done", Count, Effects, Run;
    /// `half_done` ÷ `operations`.
    HalfDoneRate = "half_done_rate", Share, Effects, Run;
    /// Steps without the effect that they owe, of operations that have succeeded or were left half done.
    MissingEffects = "missing_effects", Count, Effects, Run;
    /// Operations that have failed and undone all that they had done; a part of `failed`.
    Undone = "undone", Count, Effects, Run;
    /// Operations of which an undo has failed: a person has to look.
    LeftForPerson = "left_for_person", Count, Effects, Run;
    /// Calls of steps that their operation had made before.
    StepsRepeated = "steps_repeated", Count, Effects, Run;
    /// Crashes of clients in the measured part of the run.
    ClientCrashes = "client_crashes", Count, Effects, Run;
    /// Mean time from the first crash of its client to the end of an operation, of those that went on. Null if none did.
    RepairMean = "repair_mean", Seconds, Effects, Run;
    /// Writes over what another operation had written since this one had read, without looking: section 3.13.
    LostUpdates = "lost_updates", Count, Effects, Run;
    /// `lost_updates` ÷ `operations`.
    LostUpdateRate = "lost_update_rate", Ratio, Effects, Run;
    /// Operations that went to a durable queue. Like all that follow: null without one, and of operations that are measured.
    HandedOver = "handed_over", Count, Queues, Run;
    /// Mean time from the start of an operation until it was there: how long its user has waited. Null if none was.
    AcceptedMean = "accepted_mean", Seconds, Queues, Run;
    /// Operations that were lost on the way there; a part of `failed`.
    LostHandovers = "lost_handovers", Count, Queues, Run;
    /// Tries of workers of the queue.
    DurableTries = "durable_tries", Count, Queues, Run;
    /// Of these, tries of what another worker was still at.
    Redeliveries = "redeliveries", Count, Queues, Run;
    /// Of these tries, those that found the work done by another path (`check_first`).
    FoundDone = "found_done", Count, Queues, Run;
    /// Messages that were in the dead-letter queue and were put back.
    Redriven = "redriven", Count, Queues, Run;
    /// Most messages that waited or were being tried at once, of all operations.
    MessagesMax = "messages_max", Count, Queues, Run;
    /// Longest time that a message was there until it was done or parked, or the run over; of all operations.
    OldestMax = "oldest_max", Seconds, Queues, Run;
    /// Share of `operations` that had succeeded within a minute.
    DoneIn1m = "done_in_1m", Share, Queues, Run;
    /// Within ten minutes.
    DoneIn10m = "done_in_10m", Share, Queues, Run;
    /// Within an hour.
    DoneIn1h = "done_in_1h", Share, Queues, Run;
    /// Within a day.
    DoneIn1d = "done_in_1d", Share, Queues, Run;
    /// Share of busy worker time that went into attempts from which no waiting client got a reply: hangs, lost replies, abandoned and cut-off work, hedges that lost.
    WastedWork = "wasted_work", Share, Servers, Run;
    /// Busy worker time ÷ (configured workers × time), of the busiest server. Null if workers are unlimited.
    Utilisation = "utilisation", Ratio, Servers, Run;
    /// Longest queue (a peak).
    QueueMax = "queue_max", Count, Servers, Run;
    /// Attempts by how they ended: with this status. Statuses are listed that occur anywhere in the comparison, in ascending order. With the next four they add up to `attempts`.
    OutcomeStatus = "outcome_<status>", Count, Outcomes, Status;
    /// Another attempt won.
    OutcomeCancelled = "outcome_cancelled", Count, Outcomes, Run;
    /// Refused or reset.
    OutcomeConnection = "outcome_connection", Count, Outcomes, Run;
    /// The run ended first.
    OutcomeOpen = "outcome_open", Count, Outcomes, Run;
    /// The attempt's own time-out, or the deadline.
    OutcomeTimeout = "outcome_timeout", Count, Outcomes, Run;
    /// Attempts that ended so, in the words of `outcome_…` (`503`, `timeout`), ÷ `operations`; of outcomes that occur anywhere in the comparison.
    OutcomesPerOperation = "outcomes_per_operation", Ratio, Outcomes, Outcome;
    /// Attempts that were answered with a status that is no 2xx.
    ErrorReplies = "error_replies", Count, Outcomes, Run;
    /// How often a breaker opened, in operations that are measured.
    BreakerOpened = "breaker_opened", Count, Gates, Run;
    /// Attempts that a breaker refused.
    BreakerRefused = "breaker_refused", Count, Gates, Run;
    /// Retries that a budget refused.
    BudgetRefused = "budget_refused", Count, Gates, Run;
    /// Attempts that a throttle refused.
    Throttled = "throttled", Count, Gates, Run;
    /// Attempts that a limiter refused. What it makes wait is not refused.
    LimiterRefused = "limiter_refused", Count, Gates, Run;
    /// Attempts that a limit on concurrency refused. What is made to wait in line is not refused, unless `max_wait` passes.
    ConcurrencyRefused = "concurrency_refused", Count, Gates, Run;
    /// Operations whose call ended with a breaker's refusal, at that instant: at once or, with `on_refusal = "retry"`, because it used up the last attempt or left no time before the deadline. A refusal after which something was still open, as beside hedges, ended nothing and is not counted here, whatever came of it. The number says what came last, not that these operations would have succeeded without the breaker.
    FailedByBreaker = "failed_by_breaker", Count, Gates, Run;
    /// With a budget's.
    FailedByBudget = "failed_by_budget", Count, Gates, Run;
    /// With a throttle's.
    FailedByThrottle = "failed_by_throttle", Count, Gates, Run;
    /// With a limiter's.
    FailedByLimiter = "failed_by_limiter", Count, Gates, Run;
    /// With that of a limit on concurrency.
    FailedByConcurrency = "failed_by_concurrency", Count, Gates, Run;
    /// Operations that failed with nothing sent: refused, or made to wait for a limiter or a place until their deadline had come too near.
    FailedWithoutAttempt = "failed_without_attempt", Count, Gates, Run;
    /// Attempts sent beside an open one.
    Hedges = "hedges", Count, Hedges, Run;
    /// Hedges that their own `budget` refused.
    HedgesRefused = "hedges_refused", Count, Hedges, Run;
}

impl Metric {
    /// The metric of this name.
    pub fn named(name: &str) -> Option<Metric> {
        Metric::ALL.into_iter().find(|metric| metric.name() == name)
    }

    /// True if there is a value of the whole run.
    pub fn is_of_run(self) -> bool {
        matches!(self.scope(), Scope::Run | Scope::Ends)
    }

    /// True if there is a value of each server too, where operations meet several.
    pub fn is_of_servers(self) -> bool {
        use Metric as M;
        let counted = matches!(self, M::Attempts | M::AttemptsPerOperation | M::LoadMean | M::PeakLoad);
        counted || matches!(self, M::Executions | M::Effects | M::Duplicates | M::Utilisation | M::QueueMax)
    }

    /// True if there is a value of each member too, in a mix.
    pub fn is_of_members(self) -> bool {
        use Metric as M;
        let ended =
            matches!(self, M::Operations | M::Succeeded | M::Failed | M::Parked | M::Unresolved | M::SuccessRate);
        let wrong = matches!(self, M::Unsuccessful | M::GoneWrong | M::GoneWrongRate | M::PhantomSuccesses)
            || self == M::LostUpdates
            || self == M::HalfDone;
        let done = matches!(self, M::Executions | M::Effects | M::Duplicates | M::DuplicateRate);
        ended || wrong || done || matches!(self, M::Attempts | M::AttemptsPerOperation)
    }

    /// True if there is a value of each replica too, where a server has several.
    pub fn is_of_replicas(self) -> bool {
        matches!(self, Metric::Attempts | Metric::Utilisation | Metric::QueueMax)
    }

    /// True if there is a value of each step too, where operations have steps.
    pub fn is_of_steps(self) -> bool {
        use Metric as M;
        let ended = matches!(self, M::Succeeded | M::Failed | M::AttemptsPerCall | M::Attempts);
        let how = matches!(self, M::RetriesNeeded | M::DurationMean);
        let wrong = matches!(self, M::OutcomeTimeout | M::OutcomeConnection | M::ErrorReplies);
        ended || how || wrong || matches!(self, M::Executions | M::Effects | M::Duplicates)
    }
}

/// What a value is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Of {
    /// The whole run.
    Run,
    /// A surge of demand.
    Demand,
    /// The fault with this index.
    Fault(u32),
    /// The status, or [`Outcome::Timeout`] and the like, by their code in the metrics: statuses have three digits and come first.
    Outcome(OutcomeKey),
    /// The server with this index.
    Server(u32),
    /// Of the server with this index the replica with this number, from 0.
    Replica(u32, u32),
    /// The step of the operation with this index.
    Step(u32),
    /// The members of mixes with this number.
    Member(u32),
}

/// What faults, servers, steps and members are called, by their indices.
#[derive(Clone, Debug, Default)]
pub struct Names<'a> {
    /// Faults.
    pub faults: Vec<&'a str>,
    /// Servers.
    pub servers: Vec<&'a str>,
    /// Steps of the operation.
    pub steps: Vec<&'a str>,
    /// Members of mixes.
    pub members: Vec<&'a str>,
}

impl<'a> Names<'a> {
    /// Where only faults have names.
    pub fn of_faults(faults: &[&'a str]) -> Names<'a> {
        Names { faults: faults.to_vec(), ..Names::default() }
    }
}

/// Outcomes in the order in which they are listed: statuses, then the others by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OutcomeKey {
    /// Answered with this status.
    Status(u16),
    /// Another attempt won.
    Cancelled,
    /// Refused or reset.
    Connection,
    /// The run ended first.
    Open,
    /// Timed out.
    Timeout,
}

impl OutcomeKey {
    /// What `outcome` is listed under.
    pub fn of(outcome: Outcome) -> OutcomeKey {
        match outcome {
            Outcome::Status(status) => OutcomeKey::Status(status),
            Outcome::Refused | Outcome::Reset => OutcomeKey::Connection,
            Outcome::Open => OutcomeKey::Open,
            Outcome::Cancelled => OutcomeKey::Cancelled,
            Outcome::Timeout => OutcomeKey::Timeout,
        }
    }

    fn parse(text: &str) -> Option<OutcomeKey> {
        match text {
            "cancelled" => Some(OutcomeKey::Cancelled),
            "connection" => Some(OutcomeKey::Connection),
            "open" => Some(OutcomeKey::Open),
            "timeout" => Some(OutcomeKey::Timeout),
            _ => status(text).map(OutcomeKey::Status),
        }
    }
}

impl std::fmt::Display for OutcomeKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            OutcomeKey::Status(status) => write!(f, "{status}"),
            OutcomeKey::Cancelled => f.write_str("cancelled"),
            OutcomeKey::Connection => f.write_str("connection"),
            OutcomeKey::Open => f.write_str("open"),
            OutcomeKey::Timeout => f.write_str("timeout"),
        }
    }
}

fn status(text: &str) -> Option<u16> {
    text.parse().ok().filter(|status| text.len() == 3 && (100..600).contains(status))
}

/// A number from 1, as it is written, counted from 0.
fn from_one(text: &str) -> Option<u32> {
    let number: u32 = text.parse().ok()?;
    (number > 0 && number.to_string() == text).then(|| number - 1)
}

/// A metric of something: what has a value in each run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Measure {
    /// What is measured.
    pub metric: Metric,
    /// Of what.
    pub of: Of,
}

impl From<Metric> for Measure {
    fn from(metric: Metric) -> Measure {
        Measure { metric, of: Of::Run }
    }
}

impl Measure {
    /// Its name, where things are called so.
    pub fn name(self, names: &Names) -> String {
        let metric = self.metric.name();
        match self.of {
            Of::Run => metric.to_owned(),
            Of::Demand => format!("{metric}.demand"),
            Of::Fault(index) => format!("{metric}.fault.{}", names.faults[index as usize]),
            Of::Server(index) => format!("{metric}.server.{}", names.servers[index as usize]),
            Of::Replica(index, replica) => {
                format!("{metric}.server.{}.{}", names.servers[index as usize], u64::from(replica) + 1)
            }
            Of::Step(index) => format!("{metric}.step.{}", names.steps[index as usize]),
            Of::Member(index) => format!("{metric}.member.{}", names.members[index as usize]),
            Of::Outcome(outcome) if self.metric == Metric::OutcomeStatus => format!("outcome_{outcome}"),
            Of::Outcome(outcome) => format!("{metric}.outcome.{outcome}"),
        }
    }

    /// What somebody called this, where things are called so. `None` if there is no such metric, or nothing of that name.
    pub fn parse(name: &str, names: &Names) -> Option<Measure> {
        let of_outcome = |metric, outcome| Measure { metric, of: Of::Outcome(outcome) };
        if let Some(status) = name.strip_prefix("outcome_").and_then(status) {
            return Some(of_outcome(Metric::OutcomeStatus, OutcomeKey::Status(status)));
        }
        let (metric, rest) = name.split_once('.').map_or((name, None), |(metric, rest)| (metric, Some(rest)));
        let metric = Metric::named(metric)?;
        let index = |names: &[&str], name| names.iter().position(|own| *own == name).map(|index| index as u32);
        let part = rest.and_then(|rest| rest.split_once('.'));
        match part {
            Some(("server", name)) if metric.is_of_servers() => {
                let of = match name.split_once('.').filter(|_| metric.is_of_replicas()) {
                    Some((name, replica)) => Of::Replica(index(&names.servers, name)?, from_one(replica)?),
                    None => Of::Server(index(&names.servers, name)?),
                };
                return Some(Measure { metric, of });
            }
            Some(("step", name)) if metric.is_of_steps() => {
                return Some(Measure { metric, of: Of::Step(index(&names.steps, name)?) });
            }
            Some(("member", name)) if metric.is_of_members() => {
                return Some(Measure { metric, of: Of::Member(index(&names.members, name)?) });
            }
            _ => {}
        }
        match (metric.scope(), rest) {
            (Scope::Run | Scope::Ends, None) => Some(metric.into()),
            (Scope::Ends, Some("demand")) => Some(Measure { metric, of: Of::Demand }),
            (Scope::Ends, Some(rest)) => {
                let name = rest.strip_prefix("fault.")?;
                Some(Measure { metric, of: Of::Fault(index(&names.faults, name)?) })
            }
            (Scope::Outcome, Some(rest)) => {
                Some(of_outcome(metric, OutcomeKey::parse(rest.strip_prefix("outcome.")?)?))
            }
            _ => None,
        }
    }
}

impl Unit {
    /// A limit that is written as a text with a unit.
    ///
    /// # Errors
    /// Says what would fit.
    pub fn parse(self, text: &str) -> Result<f64, String> {
        match self {
            Unit::Share => parse_probability(text),
            Unit::Ratio => parse_percent(text).ok_or_else(|| "a ratio: a number, or a string such as \"150%\"".into()),
            Unit::PerSecond => parse_rate(text).map_err(|problem| format!("a rate: {problem}")),
            Unit::Seconds | Unit::SecondsOrNever => {
                Span::parse(text).map(Span::seconds).map_err(|problem| format!("a time: {problem}"))
            }
            Unit::Count => Err("a count: a number without a unit".into()),
        }
    }

    /// A limit that is written as a number.
    ///
    /// # Errors
    /// Says what would fit.
    pub fn check(self, number: f64) -> Result<f64, String> {
        match self {
            _ if !number.is_finite() || number < 0.0 => Err("must be a finite number of at least 0".into()),
            Unit::Share if number > 1.0 => Err(format!("a share is from 0 to 1: \"{number}%\" or {}", number / 100.0)),
            _ => Ok(number),
        }
    }
}

/// A per cent that may exceed 100.
fn parse_percent(text: &str) -> Option<f64> {
    let number: f64 = text.trim().strip_suffix('%')?.trim().parse().ok()?;
    (number.is_finite() && number >= 0.0).then_some(number / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAULTS: [&str; 2] = ["outage", "x.y"];

    fn measure(name: &str) -> Option<Measure> {
        Measure::parse(name, &Names::of_faults(&FAULTS))
    }

    fn check(metric: &str, text: &str, expected: Option<f64>) {
        let unit = measure(metric).unwrap_or_else(|| panic!("{metric} is no metric")).metric.unit();
        let got = text.parse().map_or_else(|_| unit.parse(text), |number: f64| unit.check(number)).ok();
        assert_eq!(got, expected, "{metric}: {text}");
    }

    #[test]
    fn limits_fit_their_metrics() {
        check("success_rate", "99%", Some(0.99));
        check("success_rate", "0.99", Some(0.99));
        check("success_rate", "99", None);
        check("success_rate", "2s", None);
        check("peak_ratio", "6", Some(6.0));
        check("utilisation", "150%", Some(1.5));
        check("peak_ratio", "100/s", None);
        check("latency_p99", "250ms", Some(0.25));
        check("latency_p99", "2", Some(2.0));
        check("latency_p99", "99%", None);
        check("recovery.fault.outage", "2m", Some(120.0));
        check("wave.demand", "100/s", Some(100.0));
        check("goodput", "6000/m", Some(100.0));
        check("duplicates", "0", Some(0.0));
        check("duplicates", "-1", None);
        check("duplicates", "1%", None);
        check("outcome_503", "10", Some(10.0));
    }

    #[test]
    fn names_have_a_metric_and_a_scope() {
        for name in [
            "wave",
            "wave.demand",
            "recovery.fault.outage",
            "recovery.fault.x.y",
            "outcome_503",
            "outcome_open",
            "outcomes_per_operation.outcome.503",
            "outcomes_per_operation.outcome.timeout",
        ] {
            let measure = measure(name).unwrap_or_else(|| panic!("{name} is no metric"));
            assert_eq!(measure.name(&Names::of_faults(&FAULTS)), name);
        }
        for name in [
            "outcome_99",
            "outcome_600",
            "outcome_5xx",
            "outcome_<status>",
            "success",
            "",
            "success_rate.demand",
            "recovery.fault",
            "recovery.fault.other",
            "recovery.server.outage",
            "recovery.",
            "outcomes_per_operation",
            "outcomes_per_operation.outcome.fast",
        ] {
            assert_eq!(measure(name), None, "{name}");
        }
    }

    #[test]
    fn no_name_is_given_twice() {
        for (index, metric) in Metric::ALL.into_iter().enumerate() {
            assert_eq!(metric as usize, index);
            assert!(metric.meaning().ends_with('.'), "{}", metric.name());
            assert!(Metric::ALL[..index].iter().all(|other| other.name() != metric.name()), "{}", metric.name());
        }
    }
}
