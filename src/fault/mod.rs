//! What goes wrong now: a server's own shares and the faults active at one instant, put together.

pub mod clock;
pub mod flapping;

use crate::distribution::Distribution;
use crate::rng::of_name;
use crate::scenario::{Fates, Fault, QueueFault, ServerConfig, StoreFault, workers_left};
use crate::units::{SimTime, Span};

/// What becomes of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nothing goes wrong.
    Success,
    /// Connection refused.
    Refused,
    /// Never arrives.
    LostRequest,
    /// Reset before the server did anything.
    Reset,
    /// A status from in front of the application.
    Error(u16),
    /// The work runs and fails.
    Failure(u16),
    /// The work runs without effect and is never answered.
    Hang,
    /// The work and its effect are done, then this status.
    LateError(u16),
    /// The effect is done, the reply never arrives.
    LostReply,
    /// The work runs and fails, and the reply that says so never arrives.
    LostFailure(u16),
    /// The effect is done, then the connection breaks.
    LateReset,
    /// The work runs and fails, and the connection breaks.
    ResetFailure(u16),
}

impl Fate {
    /// The same fate for an operation that can never succeed: where the work would be done, it fails with `status`.
    pub fn failing(self, status: u16) -> Fate {
        match self {
            Fate::Success | Fate::Failure(_) | Fate::LateError(_) => Fate::Failure(status),
            Fate::LostReply | Fate::LostFailure(_) => Fate::LostFailure(status),
            Fate::LateReset | Fate::ResetFailure(_) => Fate::ResetFailure(status),
            Fate::Refused | Fate::LostRequest | Fate::Reset | Fate::Error(_) | Fate::Hang => self,
        }
    }
}

/// Everything that holds at one server at one instant.
#[derive(Clone, Debug, Default)]
pub struct InForce {
    /// Upper ends of the intervals of [0, 1) that the fates take, in order; beyond the last: success.
    fates: Vec<(f64, Fate)>,
    /// The same for permanent errors.
    permanent: Vec<(f64, u16)>,
    /// On top of each network leg, with the number of the name of the fault that adds it: each draws for itself.
    pub added_latency: Vec<(u64, Distribution)>,
    /// Service times × this, for work that starts now.
    pub slowdown: f64,
    /// Workers × this.
    pub capacity: f64,
    /// Workers stand still.
    pub frozen: bool,
    /// Connections are refused.
    pub crashed: bool,
    /// The store of keys cannot be asked.
    pub store_down: bool,
    /// When each of these began, by its name's number, the store of keys has lost what it knew.
    pub store_forgets: Vec<u64>,
    /// How much longer each access to the store takes.
    pub store_slow: Span,
    /// Durable queues take nothing in and give nothing out.
    pub queue_down: bool,
}

impl InForce {
    /// Puts `server` and the `faults` that are active at `now` together, in the order in which they come. Faults add to the server's shares; where both exceed 1, the
    /// server's own are scaled down to what the faults leave.
    pub fn new<'a>(server: &ServerConfig, faults: impl Iterator<Item = &'a Fault> + Clone, now: SimTime) -> InForce {
        let replayed = |fault: &'a Fault| fault.errors_at(now).iter();
        let from_faults: f64 = faults.clone().map(|fault| fault.fates.total()).sum();
        let from_faults: f64 = faults.clone().flat_map(replayed).fold(from_faults, |sum, (_, share)| sum + share);
        let room = (1.0 - from_faults).max(0.0);
        let own = server.fates.total();
        let scale = if own > room { room / own } else { 1.0 };
        let permanent_from_faults: f64 =
            faults.clone().flat_map(|fault| &fault.fates.permanent_errors).map(|(_, share)| share).sum();
        let permanent_room = (1.0 - permanent_from_faults).max(0.0);
        let permanent_own: f64 = server.fates.permanent_errors.iter().map(|(_, share)| share).sum();
        let permanent_scale = if permanent_own > permanent_room { permanent_room / permanent_own } else { 1.0 };

        let mut in_force = InForce { slowdown: 1.0, capacity: 1.0, ..InForce::default() };
        // The server's own shares come first: what fails anyway stays the same draw when a fault begins.
        let mut parts = Intervals::default();
        parts.add(&server.fates, scale, permanent_scale);
        for fault in faults {
            parts.add(&fault.fates, 1.0, 1.0);
            replayed(fault).for_each(|(status, share)| parts.push(*share, Fate::Error(*status)));
            if !fault.added_latency.is_zero() {
                in_force.added_latency.push((of_name(&fault.name), fault.added_latency.clone()));
            }
            in_force.slowdown *= fault.slowdown;
            in_force.capacity *= fault.capacity;
            in_force.frozen |= fault.freeze;
            in_force.crashed |= fault.crash;
            in_force.queue_down |= fault.queue == Some(QueueFault::Down);
            match fault.store {
                None => {}
                Some(StoreFault::Down) => in_force.store_down = true,
                Some(StoreFault::Forgets) => in_force.store_forgets.push(of_name(&fault.name)),
                Some(StoreFault::Slow(more)) => in_force.store_slow += more,
            }
        }
        in_force.fates = parts.fates;
        in_force.permanent = parts.permanent;
        in_force
    }

    /// False if every attempt succeeds, whatever it draws.
    pub fn has_fates(&self) -> bool {
        !self.fates.is_empty()
    }

    /// The fate of an attempt that drew `unit` in [0, 1).
    pub fn fate(&self, unit: f64) -> Fate {
        self.fates.iter().find(|(end, _)| unit < *end).map_or(Fate::Success, |(_, fate)| *fate)
    }

    /// The status with which every attempt of an operation that drew `unit` fails, if it does.
    pub fn permanent_error(&self, unit: f64) -> Option<u16> {
        self.permanent.iter().find(|(end, _)| unit < *end).map(|(_, status)| *status)
    }

    /// True if some operations can never succeed.
    pub fn has_permanent_errors(&self) -> bool {
        !self.permanent.is_empty()
    }

    /// Workers out of `configured` that may take work.
    pub fn workers(&self, configured: Option<u32>) -> Option<u32> {
        workers_left(configured, self.capacity)
    }
}

/// Shares laid end to end.
#[derive(Default)]
struct Intervals {
    fates: Vec<(f64, Fate)>,
    permanent: Vec<(f64, u16)>,
}

impl Intervals {
    fn push(&mut self, share: f64, fate: Fate) {
        if share > 0.0 {
            let start = self.fates.last().map_or(0.0, |(end, _)| *end);
            self.fates.push((start + share, fate));
        }
    }

    fn add(&mut self, fates: &Fates, scale: f64, permanent_scale: f64) {
        self.push(fates.refused * scale, Fate::Refused);
        self.push(fates.lost_requests * scale, Fate::LostRequest);
        self.push(fates.resets * scale, Fate::Reset);
        for (status, share) in &fates.errors {
            self.push(share * scale, Fate::Error(*status));
        }
        for (status, share) in &fates.failures {
            self.push(share * scale, Fate::Failure(*status));
        }
        self.push(fates.hangs * scale, Fate::Hang);
        for (status, share) in &fates.late_errors {
            self.push(share * scale, Fate::LateError(*status));
        }
        self.push(fates.lost_replies * scale, Fate::LostReply);
        self.push(fates.late_resets * scale, Fate::LateReset);
        for (status, share) in &fates.permanent_errors {
            if *share > 0.0 {
                let start = self.permanent.last().map_or(0.0, |(end, _)| *end);
                self.permanent.push((start + share * permanent_scale, *status));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(fates: Fates) -> ServerConfig {
        ServerConfig { fates, ..ServerConfig::named("s") }
    }

    fn fault(fates: Fates) -> Fault {
        Fault { fates, ..Fault::named("f", 0, SimTime::ZERO, SimTime::NEVER) }
    }

    /// Share of the unit interval that each fate takes.
    fn check(server_fates: Fates, fault_fates: &[Fates], expected: &[(Fate, f64)]) {
        let faults: Vec<Fault> = fault_fates.iter().cloned().map(fault).collect();
        let in_force = InForce::new(&server(server_fates), faults.iter(), SimTime::ZERO);
        let n = 10_000;
        for (fate, share) in expected {
            let count = (0..n).filter(|i| in_force.fate(f64::from(*i) / f64::from(n)) == *fate).count();
            let got = count as f64 / f64::from(n);
            assert!((got - share).abs() < 2e-4, "{fate:?}: {got}, expected {share}");
        }
    }

    #[test]
    fn shares_add_and_the_baseline_yields() {
        let base = Fates { refused: 0.1, errors: vec![(500, 0.2)], ..Fates::default() };
        let outage = Fates { errors: vec![(503, 0.5)], lost_replies: 0.1, ..Fates::default() };
        check(base.clone(), &[], &[(Fate::Refused, 0.1), (Fate::Error(500), 0.2), (Fate::Success, 0.7)]);
        check(
            base.clone(),
            std::slice::from_ref(&outage),
            &[(Fate::Refused, 0.1), (Fate::Error(503), 0.5), (Fate::LostReply, 0.1), (Fate::Success, 0.1)],
        );
        let total = Fates { errors: vec![(503, 0.85)], ..Fates::default() };
        check(
            base,
            &[total],
            &[(Fate::Refused, 0.05), (Fate::Error(500), 0.1), (Fate::Error(503), 0.85), (Fate::Success, 0.0)],
        );
    }

    #[test]
    fn what_can_never_succeed_fails_where_its_work_would_be_done() {
        for (fate, expected) in [
            (Fate::Success, Fate::Failure(402)),
            (Fate::Failure(500), Fate::Failure(402)),
            (Fate::LateError(500), Fate::Failure(402)),
            (Fate::LostReply, Fate::LostFailure(402)),
            (Fate::Hang, Fate::Hang),
            (Fate::Error(503), Fate::Error(503)),
            (Fate::Reset, Fate::Reset),
        ] {
            assert_eq!(fate.failing(402), expected, "{fate:?}");
        }
    }

    #[test]
    fn workers_round_down() {
        for (capacity, expected) in [(0.29, 29), (0.5, 50), (0.999, 99), (0.0, 0), (1.5, 150)] {
            let in_force = InForce { capacity, ..InForce::default() };
            assert_eq!(in_force.workers(Some(100)), Some(expected), "{capacity}");
        }
        for (capacity, expected) in [(0.0, Some(0)), (0.5, None), (1.0, None)] {
            assert_eq!(InForce { capacity, ..InForce::default() }.workers(None), expected, "unlimited × {capacity}");
        }
    }
}
