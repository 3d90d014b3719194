//! What the value of each metric is: the one place where counters become numbers.

use super::super::books::Books;
use super::super::durable::Durable;
use super::super::ending::{ByEnding, Ending};
use super::super::histogram::Histogram;
use super::super::windows::PeakCounter;
use super::{Recorder, ServerTotals};
use crate::gate::Refusal;
use crate::metrics::digest::{code, of_code};
use crate::protocol::Outcome;
use crate::scenario::metric::{Metric, OutcomeKey};

/// What several metrics are made of, once a run is over.
pub(super) struct Sums {
    pub operations: u64,
    pub attempts: u64,
    pub executions: u64,
    pub effects: u64,
    /// Of an operation's effects, all but the first.
    pub duplicates: u64,
    pub phantoms: u64,
    pub lost_updates: u64,
    pub half_done: u64,
    /// Operations that did not succeed, or not in time where that counts.
    pub unsuccessful: u64,
    pub endings: ByEnding<u64>,
    pub servers: ServerTotals,
    /// Of all that succeeded.
    pub latency: Histogram,
}

impl Sums {
    /// Adds up, and checks that the books balance.
    pub fn new(recorder: &Recorder, servers: ServerTotals, endings: ByEnding<u64>) -> Sums {
        let [unresolved, succeeded, failed, parked] = recorder.books;
        let sum = |part: fn(&Books) -> u64| recorder.books.iter().map(part).sum::<u64>();
        let (executions, effects) = (sum(|books| books.executions), sum(|books| books.effects));
        let latency = recorder.latency[0].clone().plus(&recorder.latency[1]);
        let operations = recorder.within.operations;
        let in_time = if recorder.has_slo { recorder.in_time } else { succeeded.operations };
        let sums = Sums {
            operations,
            attempts: recorder.sent[1].iter().sum::<u64>() + recorder.hedges[1],
            executions,
            effects,
            duplicates: effects - sum(|books| books.firsts),
            phantoms: failed.effective,
            lost_updates: recorder.lost_updates,
            half_done: succeeded.half_done + failed.half_done + parked.half_done,
            unsuccessful: operations - in_time,
            endings,
            servers,
            latency,
        };
        assert_eq!(operations, sum(|books| books.operations), "every operation ends exactly once");
        let ended = (succeeded.operations, failed.operations);
        assert_eq!((sums.latency.count(), recorder.failure_latency.count()), ended, "its user and the books agree");
        let ways = |good: bool| {
            Ending::ALL.into_iter().filter(|ending| ending.succeeded() == good).map(|ending| endings[ending]).sum()
        };
        let ways: (u64, u64) = (ways(true), ways(false));
        let others = failed.operations + parked.operations + unresolved.operations;
        assert_eq!(ways, (succeeded.operations, others), "in one way");
        assert_eq!(sums.attempts, recorder.outcomes.iter().sum::<u64>(), "every attempt ends exactly once");
        assert!(effects <= executions, "an effect needs an execution");
        assert!(sums.lost_updates <= executions, "a write is an execution");
        assert!(sums.duplicates <= effects && sums.phantoms <= failed.operations, "books of effects");
        let fatal = recorder.fatal_refusals.iter().sum::<u64>();
        assert!(fatal <= failed.operations, "an operation fails with one refusal");
        assert!(recorder.useful_work <= servers.busy, "useful work is a part of all work");
        sums
    }

    fn gone_wrong(&self) -> u64 {
        self.unsuccessful + self.duplicates + self.phantoms + self.lost_updates + self.half_done
    }
}

/// The value of a metric of the whole run. Null has its reasons in the contract.
pub(super) fn value(metric: Metric, r: &Recorder, s: &Sums) -> Option<f64> {
    use Metric as M;
    let [unresolved, succeeded, failed, parked] = &r.books;
    let durable = |count: fn(&Durable) -> u64| r.durable.as_ref().map(|durable| count(durable) as f64);
    let seconds = r.window_length.seconds();
    let count = |n: u64| Some(n as f64);
    let ratio = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
    let per_second = |n: u64| (seconds > 0.0).then(|| n as f64 / seconds);
    // Of all operations; those that do not succeed come last.
    let of_all = |p: f64| s.latency.quantile_among(p, s.operations);
    let outcome = |outcome: Outcome| count(r.outcomes[usize::from(code(outcome))]);
    let refused = |by: Refusal| count(r.refusals[by as usize]);
    let failed_by = |by: Refusal| count(r.fatal_refusals[by as usize]);
    let peak = r.load_peak.rate();
    match metric {
        M::Operations => count(s.operations),
        M::Succeeded => count(succeeded.operations),
        M::Failed => count(failed.operations),
        M::Parked => count(parked.operations),
        M::Unresolved => count(unresolved.operations),
        M::SuccessRate => ratio(succeeded.operations, s.operations),
        M::InTimeRate => ratio(r.in_time, s.operations).filter(|_| r.has_slo),
        M::FirstAttemptSuccessRate => ratio(s.endings[Ending::First], s.operations),
        M::RetriesNeeded => count(succeeded.operations - s.endings[Ending::First]),
        M::GoneWrong => count(s.gone_wrong()),
        M::GoneWrongRate => ratio(s.gone_wrong(), s.operations),
        M::Unsuccessful => count(s.unsuccessful),
        M::Attempts => count(s.attempts),
        M::Retries => count(r.sent[1][1]),
        M::AttemptsPerOperation => ratio(s.attempts, s.operations),
        M::AttemptsPerCall => {
            let calls = r.parts.as_ref().and_then(|parts| parts.calls()).unwrap_or(s.operations);
            ratio(s.attempts, calls)
        }
        M::Goodput => per_second(r.within.successes),
        M::PeakGoodput => Some(r.goodput_peak.rate()),
        M::LoadMean => per_second(r.within.arrivals),
        M::PeakLoad => Some(peak),
        M::PeakRatio => per_second(s.operations).filter(|rate| *rate > 0.0).map(|rate| peak / rate),
        M::PeakOfDemand => ratio(r.load_peak.best(), r.demand_peak.best()),
        M::PeakOfCapacity => r.capacity.filter(|capacity| *capacity > 0.0).map(|capacity| peak / capacity),
        M::Dispersion => r.dispersion.ratio(),
        M::RecoveryPeak => r.recovery_peak.as_ref().map(PeakCounter::rate),
        M::Wave | M::Recovery => r.aftermath.most(metric),
        M::TimeToRecover => r.recovery.time(),
        M::FinishP99 if r.is_burst => of_all(0.99),
        M::FinishP99 => r.finish.as_ref().map(|finish| finish.of_most()),
        M::Finish if r.is_burst && succeeded.operations < s.operations => Some(f64::INFINITY),
        M::Finish if r.is_burst => s.latency.max(),
        M::Finish => r.finish.as_ref().map(|finish| finish.of_all()),
        M::LatencyMean => s.latency.mean(),
        M::LatencyP50 => s.latency.quantile(0.5),
        M::LatencyP90 => s.latency.quantile(0.9),
        M::LatencyP99 => s.latency.quantile(0.99),
        M::LatencyP999 => s.latency.quantile(0.999),
        M::LatencyMax => s.latency.max(),
        M::LatencyAllP50 => of_all(0.5),
        M::LatencyAllP99 => of_all(0.99),
        M::LatencyAllP999 => of_all(0.999),
        M::LatencyRetriedMean => r.latency[1].mean(),
        M::LatencyRetriedP50 => r.latency[1].quantile(0.5),
        M::LatencyRetriedP99 => r.latency[1].quantile(0.99),
        M::DurationMean => s.latency.mean_with(&r.failure_latency),
        M::FailureLatencyP50 => r.failure_latency.quantile(0.5),
        M::FailureLatencyP99 => r.failure_latency.quantile(0.99),
        M::WaitMean => r.waits.mean(),
        M::WaitP99 => r.waits.quantile(0.99),
        M::Waited => ratio(r.waits.count() - r.waits.zeroes(), r.waits.count()),
        M::InFlightMean => (seconds > 0.0).then(|| s.servers.held as f64 / r.window_length.0 as f64),
        M::Executions => count(s.executions),
        M::Effects => count(s.effects),
        M::Duplicates => count(s.duplicates),
        M::DuplicateRate => ratio(s.duplicates, s.operations),
        M::DuplicatedOperations => count(r.books.iter().map(|books| books.duplicated).sum()),
        M::PhantomSuccesses => count(s.phantoms),
        M::PhantomRate => ratio(s.phantoms, s.operations),
        M::HalfDone => count(s.half_done),
        M::HalfDoneRate => ratio(s.half_done, s.operations),
        M::MissingEffects => count(r.missing_effects),
        M::Undone => count(r.undone),
        M::LeftForPerson => count(r.left_for_person),
        M::StepsRepeated => count(r.steps_repeated),
        M::ClientCrashes => count(r.client_crashes),
        M::RepairMean => (r.repairs.1 > 0).then(|| r.repairs.0 as f64 / r.repairs.1 as f64 / 1e9),
        M::HandedOver => durable(|of| of.handed_over),
        M::AcceptedMean => {
            let of = r.durable.as_ref().filter(|of| of.handed_over > 0)?;
            Some(of.accepted as f64 / of.handed_over as f64 / 1e9)
        }
        M::LostHandovers => durable(|of| of.lost),
        M::DurableTries => durable(|of| of.tries),
        M::Redeliveries => durable(|of| of.redeliveries),
        M::FoundDone => durable(|of| of.found_done),
        M::Redriven => durable(|of| of.redriven),
        M::MessagesMax => durable(|of| u64::from(of.deepest)),
        M::OldestMax => r.durable.as_ref().map(|durable| durable.longest.seconds()),
        M::DoneIn1m | M::DoneIn10m | M::DoneIn1h | M::DoneIn1d => {
            let done = r.durable.as_ref()?.done_within;
            ratio(done[metric as usize - M::DoneIn1m as usize], s.operations)
        }
        M::LostUpdates => count(s.lost_updates),
        M::LostUpdateRate => ratio(s.lost_updates, s.operations),
        M::WastedWork => (s.servers.busy > 0).then(|| 1.0 - r.useful_work as f64 / s.servers.busy as f64),
        M::Utilisation => s.servers.utilisation,
        M::QueueMax => count(u64::from(s.servers.queue_max)),
        M::OutcomeCancelled => outcome(Outcome::Cancelled),
        M::OutcomeConnection => outcome(Outcome::Refused),
        M::ErrorReplies => {
            let statuses = (0..).zip(r.outcomes).map(|(code, n)| (of_code(code), n));
            let is_error = |outcome: OutcomeKey| match outcome {
                OutcomeKey::Status(status) => !Outcome::Status(status).is_success(),
                _ => false,
            };
            count(statuses.filter(|(outcome, _)| is_error(*outcome)).map(|(_, n)| n).sum())
        }
        M::OutcomeOpen => outcome(Outcome::Open),
        M::OutcomeTimeout => outcome(Outcome::Timeout),
        // Of each outcome that occurs, not of the run.
        M::OutcomeStatus | M::OutcomesPerOperation => None,
        M::BreakerOpened => count(r.breakers_opened),
        M::BreakerRefused => refused(Refusal::Breaker),
        M::BudgetRefused => refused(Refusal::Budget),
        M::Throttled => refused(Refusal::Throttle),
        M::LimiterRefused => refused(Refusal::Limiter),
        M::ConcurrencyRefused => refused(Refusal::Concurrency),
        M::FailedByBreaker => failed_by(Refusal::Breaker),
        M::FailedByBudget => failed_by(Refusal::Budget),
        M::FailedByThrottle => failed_by(Refusal::Throttle),
        M::FailedByLimiter => failed_by(Refusal::Limiter),
        M::FailedByConcurrency => failed_by(Refusal::Concurrency),
        M::FailedWithoutAttempt => count(s.endings[Ending::Refused]),
        M::Hedges => count(r.hedges[1]),
        M::HedgesRefused => count(r.hedges_refused),
    }
}
