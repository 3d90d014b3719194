//! What is measured of each server, replica, step and member of a mix, where there are several.

use crate::call::Verdict;
use crate::metrics::{Done, Standing};
use crate::protocol::Outcome;
use crate::scenario::metric::{Measure, Metric, Of};
use crate::scenario::{PolicyConfig, Scene};
use crate::units::{SimTime, Span};
use crate::window::Window;

/// Counts of every server and every step. Of operations that are measured, but for arrivals, which are those in the measured part of the run.
#[derive(Clone, Debug)]
pub struct Parts {
    window: Window,
    peak_window: Span,
    servers: Vec<OfServer>,
    /// Attempts by replica, of servers that have several.
    replicas: Vec<OfReplica>,
    steps: Vec<Sums>,
    /// With the number of each.
    members: Vec<(u32, OfMember)>,
    has_slo: bool,
    /// Calls that have ended, of steps and of servers, where an operation makes several.
    calls: Option<u64>,
}

/// What is counted of a server, and of a step.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    attempts: u64,
    /// Of steps: how often they were made, and how that ended.
    succeeded: u64,
    failed: u64,
    /// Those that succeeded, and not at the first try.
    retried: u64,
    /// How long they took, all together, in ns.
    duration: u128,
    executions: u64,
    effects: u64,
    /// Effects that are the first of an operation and a place.
    firsts: u64,
    errors: Errors,
}

/// How attempts of a step went wrong.
#[derive(Clone, Copy, Debug, Default)]
struct Errors {
    timeouts: u64,
    connections: u64,
    statuses: u64,
}

/// A call that has ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// It has succeeded.
    pub succeeded: bool,
    /// Attempts that were no hedges.
    pub tries: u32,
    /// From its beginning.
    pub took: Span,
}

#[derive(Clone, Copy, Debug, Default)]
struct OfServer {
    sums: Sums,
    arrivals: u64,
    /// The peak window that is counted, and its arrivals so far; then most of one.
    peak: (u64, u64, u64),
}

/// What is counted of a member's operations.
#[derive(Clone, Copy, Debug, Default)]
struct OfMember {
    operations: u64,
    succeeded: u64,
    in_time: u64,
    failed: u64,
    phantoms: u64,
    lost_updates: u64,
    half_done: u64,
    parked: u64,
    sums: Sums,
}

/// An operation that goes off the books.
#[derive(Clone, Copy, Debug)]
pub struct Released {
    /// Index of its client's member.
    pub member: usize,
    /// How it ended, if it has.
    pub verdict: Option<Verdict>,
    /// It succeeded, and within `slo`.
    pub in_time: bool,
    /// Attempts of all its calls.
    pub attempts: u32,
    /// Its writes over what others had written since it had read.
    pub lost_updates: u32,
    /// What is in force of what it was to do.
    pub standing: Standing,
    /// It is in a dead-letter queue.
    pub is_parked: bool,
}

/// Attempts at a replica: `of` is the server and the replica's number there, if there are others.
#[derive(Clone, Copy, Debug)]
struct OfReplica {
    of: Option<(u32, u32)>,
    attempts: u64,
}

/// What a server has measured itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct OwnCounts {
    /// Busy worker time ÷ worker time, if workers are limited.
    pub utilisation: Option<f64>,
    /// Longest queue.
    pub queue_max: u32,
}

impl Sums {
    fn enter(&mut self, done: Done) {
        self.executions += u64::from(done.executions);
        self.effects += u64::from(done.effects);
        self.firsts += u64::from(done.firsts);
    }

    fn duplicates(self) -> u64 {
        self.effects - self.firsts
    }
}

impl Parts {
    /// Of a row in its world; `None` where all clients do the same, and operations make one call, to one server that is alone.
    pub fn new(scene: Scene, row: Option<&PolicyConfig>, window: Window) -> Option<Parts> {
        let Scene { frame, world } = scene;
        let mix = row.filter(|row| row.is_mix());
        let members = mix.map_or(&[][..], |mix| &mix.members);
        let in_steps = members.iter().any(|member| !member.operation(world).steps.is_empty());
        (world.has_parts() || mix.is_some()).then(|| Parts {
            window,
            peak_window: frame.peak_window,
            members: members.iter().map(|member| (member.number, OfMember::default())).collect(),
            has_slo: frame.slo.is_some(),
            servers: vec![OfServer::default(); world.servers.len()],
            replicas: world
                .replicas()
                .map(|(server, replica)| {
                    let has_others = world.servers[server].replicas > 1;
                    OfReplica { of: has_others.then_some((server as u32, replica)), attempts: 0 }
                })
                .collect(),
            steps: vec![Sums::default(); world.operation.steps.len()],
            calls: (world.makes_several_calls() || in_steps).then_some(0),
        })
    }

    /// How many values a row has of parts.
    pub fn values_of(scene: Scene, row: &PolicyConfig) -> usize {
        let whole = Window { from: SimTime::ZERO, until: SimTime::NEVER };
        let Some(parts) = Parts::new(scene, Some(row), whole) else { return 0 };
        let none = |count: usize| vec![OwnCounts::default(); count];
        parts.values(0, (&none(parts.servers.len()), &none(parts.replicas.len()))).len()
    }

    /// An attempt of a measured operation is sent to a server, to this replica of all, in this step if no server sends it.
    pub fn sent(&mut self, server: usize, replica: u32, step: Option<usize>) {
        self.servers[server].sums.attempts += 1;
        self.replicas[replica as usize].attempts += 1;
        if let Some(step) = step.and_then(|step| self.steps.get_mut(step)) {
            step.attempts += 1;
        }
    }

    /// An attempt has arrived at a server.
    pub fn arrived(&mut self, now: SimTime, server: usize) {
        let of = &mut self.servers[server];
        of.arrivals += u64::from(self.window.contains(now));
        if now >= self.window.from {
            let (window, count, most) = &mut of.peak;
            let own = now.0 / self.peak_window.0;
            (*count, *window) = if own == *window { (*count + 1, own) } else { (1, own) };
            *most = (*most).max(*count);
        }
    }

    /// A call that is made for a measured operation has ended.
    pub fn call_ended(&mut self) {
        if let Some(calls) = &mut self.calls {
            *calls += 1;
        }
    }

    /// It was made in this step.
    pub fn step_ended(&mut self, step: usize, Ended { succeeded, tries, took }: Ended) {
        if let Some(step) = self.steps.get_mut(step) {
            step.succeeded += u64::from(succeeded);
            step.failed += u64::from(!succeeded);
            step.retried += u64::from(succeeded && tries > 1);
            step.duration += u128::from(took.0);
        }
    }

    /// An attempt of a measured operation has ended in this step.
    pub fn attempt_ended(&mut self, step: usize, outcome: Outcome) {
        let Some(Sums { errors, .. }) = self.steps.get_mut(step) else { return };
        match outcome {
            Outcome::Timeout => errors.timeouts += 1,
            Outcome::Refused | Outcome::Reset => errors.connections += 1,
            Outcome::Status(_) if !outcome.is_success() => errors.statuses += 1,
            _ => {}
        }
    }

    /// A measured operation goes off the books, after so many executions at one place.
    pub fn executed(&mut self, server: usize, step: Option<usize>, done: Done) {
        let step = step.and_then(|step| self.steps.get_mut(step));
        for sums in [Some(&mut self.servers[server].sums), step].into_iter().flatten() {
            sums.enter(done);
        }
    }

    /// A measured operation goes off the books, with what it has done at each of its places.
    #[inline(always)]
    pub fn released(&mut self, of: Released, places: impl Iterator<Item = Done>) {
        let Some((_, member)) = self.members.get_mut(of.member) else { return };
        member.operations += 1;
        member.succeeded += u64::from(of.verdict == Some(Verdict::Succeeded));
        member.in_time += u64::from(of.in_time);
        let failed = matches!(of.verdict, Some(Verdict::Failed(_)));
        member.failed += u64::from(failed);
        member.sums.attempts += u64::from(of.attempts);
        places.for_each(|done| member.sums.enter(done));
        member.phantoms += u64::from(failed && of.standing == Standing::All);
        member.half_done += u64::from((of.verdict.is_some() || of.is_parked) && of.standing == Standing::Partly);
        member.parked += u64::from(of.is_parked);
        member.lost_updates += u64::from(of.lost_updates);
    }

    /// Calls that have ended, of operations and of servers, where an operation makes several.
    pub fn calls(&self) -> Option<u64> {
        self.calls
    }

    /// The values of all, in no order; `own` and `replicas` are what servers and replicas have measured.
    pub fn values(
        &self,
        operations: u64,
        (own, replicas): (&[OwnCounts], &[OwnCounts]),
    ) -> Vec<(Measure, Option<f64>)> {
        let seconds = self.window.length().seconds();
        let per = |count: u64, of: f64| (of > 0.0).then(|| count as f64 / of);
        let mut values = Vec::new();
        for (index, (server, own)) in (0..).zip(self.servers.iter().zip(own)) {
            let mut add = |metric, value| values.push((Measure { metric, of: Of::Server(index) }, value));
            let sums = server.sums;
            add(Metric::Attempts, Some(sums.attempts as f64));
            add(Metric::AttemptsPerOperation, per(sums.attempts, operations as f64));
            add(Metric::LoadMean, per(server.arrivals, seconds));
            add(Metric::PeakLoad, per(server.peak.2, self.peak_window.seconds()));
            add(Metric::Executions, Some(sums.executions as f64));
            add(Metric::Effects, Some(sums.effects as f64));
            add(Metric::Duplicates, Some(sums.duplicates() as f64));
            add(Metric::Utilisation, own.utilisation);
            add(Metric::QueueMax, Some(f64::from(own.queue_max)));
        }
        for (OfReplica { of, attempts }, own) in self.replicas.iter().zip(replicas) {
            let Some((server, replica)) = *of else { continue };
            let mut add = |metric, value| values.push((Measure { metric, of: Of::Replica(server, replica) }, value));
            add(Metric::Attempts, Some(*attempts as f64));
            add(Metric::Utilisation, own.utilisation);
            add(Metric::QueueMax, Some(f64::from(own.queue_max)));
        }
        for (index, step) in (0..).zip(&self.steps) {
            let mut add = |metric, value| values.push((Measure { metric, of: Of::Step(index) }, value));
            let calls = step.succeeded + step.failed;
            add(Metric::Succeeded, Some(step.succeeded as f64));
            add(Metric::Failed, Some(step.failed as f64));
            add(Metric::Attempts, Some(step.attempts as f64));
            add(Metric::AttemptsPerCall, per(step.attempts, calls as f64));
            add(Metric::RetriesNeeded, Some(step.retried as f64));
            add(Metric::DurationMean, (calls > 0).then(|| step.duration as f64 / calls as f64 / 1e9));
            add(Metric::OutcomeTimeout, Some(step.errors.timeouts as f64));
            add(Metric::OutcomeConnection, Some(step.errors.connections as f64));
            add(Metric::ErrorReplies, Some(step.errors.statuses as f64));
            add(Metric::Executions, Some(step.executions as f64));
            add(Metric::Effects, Some(step.effects as f64));
            add(Metric::Duplicates, Some(step.duplicates() as f64));
        }
        for (number, member) in &self.members {
            let mut add = |metric, value| values.push((Measure { metric, of: Of::Member(*number) }, value));
            let OfMember { operations, succeeded, in_time, failed, phantoms, lost_updates, half_done, parked, sums } =
                *member;
            let unsuccessful = operations - if self.has_slo { in_time } else { succeeded };
            let wrong = unsuccessful + sums.duplicates() + phantoms + lost_updates + half_done;
            let rate = |count: u64| per(count, operations as f64);
            add(Metric::Operations, Some(operations as f64));
            add(Metric::Succeeded, Some(succeeded as f64));
            add(Metric::Failed, Some(failed as f64));
            add(Metric::Parked, Some(parked as f64));
            add(Metric::Unresolved, Some((operations - succeeded - failed - parked) as f64));
            add(Metric::SuccessRate, rate(succeeded));
            add(Metric::GoneWrong, Some(wrong as f64));
            add(Metric::GoneWrongRate, rate(wrong));
            add(Metric::Unsuccessful, Some(unsuccessful as f64));
            add(Metric::Attempts, Some(sums.attempts as f64));
            add(Metric::AttemptsPerOperation, rate(sums.attempts));
            add(Metric::Executions, Some(sums.executions as f64));
            add(Metric::Effects, Some(sums.effects as f64));
            add(Metric::Duplicates, Some(sums.duplicates() as f64));
            add(Metric::DuplicateRate, rate(sums.duplicates()));
            add(Metric::PhantomSuccesses, Some(phantoms as f64));
            add(Metric::LostUpdates, Some(lost_updates as f64));
            add(Metric::HalfDone, Some(half_done as f64));
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Method;
    use crate::scenario::call::CallConfig;
    use crate::scenario::{Arrivals, Frame, ServerConfig, World};

    #[test]
    fn counts_by_server_and_step() {
        let mut world = World::new(Arrivals::Poisson { rate: 1.0 }, ServerConfig::named("a"));
        let window = Window { from: SimTime::ZERO + Span::secs(10), until: SimTime::ZERO + Span::secs(20) };
        let frame = Frame::lasting(Span::secs(20));
        let new = |world: &World, row| Parts::new(Scene { frame: &frame, world }, row, window);
        assert!(new(&world, None).is_none(), "one call to one server has no parts");
        world.servers.push(ServerConfig { replicas: 2, ..ServerConfig::named("b") });
        world.operation.steps = vec![CallConfig::to("one", 0, Method::Get), CallConfig::to("two", 1, Method::Post)];
        let mut parts = new(&world, None).expect("two steps");
        let at = |ms| SimTime::ZERO + Span::millis(ms);
        for (server, replica, step) in [(0, 0, Some(0)), (1, 1, Some(1)), (1, 1, Some(1)), (1, 2, None)] {
            parts.sent(server, replica, step);
        }
        // Before the window, two in one second of it, one in another, and one after it.
        for ms in [9_999, 12_100, 12_900, 15_000, 20_000] {
            parts.arrived(at(ms), 1);
        }
        for (step, succeeded) in [(Some(0), true), (Some(1), false), (None, true)] {
            parts.call_ended();
            if let Some(step) = step {
                parts.step_ended(step, Ended { succeeded, tries: 2, took: Span::millis(300) });
            }
        }
        assert_eq!(parts.calls(), Some(3));
        parts.executed(1, Some(1), Done::new(3, u32::MAX));
        parts.executed(1, None, Done::new(1, 0));
        let own = [OwnCounts::default(), OwnCounts { utilisation: Some(0.25), queue_max: 7 }];
        let replicas = [own[0], own[0], own[1]];
        let values = parts.values(2, (&own, &replicas));
        let value = |metric, of| values.iter().find(|(own, _)| *own == Measure { metric, of }).expect("it is there").1;
        let (a, b, two) = (Of::Server(0), Of::Server(1), Of::Step(1));
        let [first, second] = [0, 1].map(|replica| Of::Replica(1, replica));
        assert_eq!((value(Metric::Attempts, first), value(Metric::Attempts, second)), (Some(2.0), Some(1.0)));
        assert_eq!((value(Metric::Utilisation, second), value(Metric::QueueMax, second)), (Some(0.25), Some(7.0)));
        assert!(
            values.iter().all(|(measure, _)| !matches!(measure.of, Of::Replica(0, _))),
            "the first server is alone"
        );
        assert_eq!((value(Metric::Attempts, a), value(Metric::Attempts, b)), (Some(1.0), Some(3.0)));
        assert_eq!((value(Metric::Attempts, two), value(Metric::AttemptsPerCall, two)), (Some(2.0), Some(2.0)));
        assert_eq!(value(Metric::AttemptsPerOperation, b), Some(1.5));
        assert_eq!((value(Metric::LoadMean, b), value(Metric::PeakLoad, b)), (Some(0.3), Some(2.0)));
        assert_eq!((value(Metric::Executions, b), value(Metric::Executions, two)), (Some(4.0), Some(3.0)));
        assert_eq!((value(Metric::Effects, b), value(Metric::Duplicates, b)), (Some(3.0), Some(2.0)));
        assert_eq!((value(Metric::Utilisation, b), value(Metric::QueueMax, b)), (Some(0.25), Some(7.0)));
        assert_eq!((value(Metric::Succeeded, two), value(Metric::Failed, two)), (Some(0.0), Some(1.0)));
    }
}
