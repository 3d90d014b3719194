//! The ways between clients and a server: what each leg takes, with what faults add to it.

use super::Server;
use crate::distribution::Distribution;
use crate::fault::InForce;
use crate::key::CallKey;
use crate::rng::Purpose;
use crate::scenario::ServerConfig;
use crate::units::Span;

/// One way over the network. Each draws for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leg {
    /// A request's, to the server.
    Out,
    /// A reply's, to its client.
    Back,
    /// To the server, of the word that nobody waits for the reply any more.
    Cancel,
}

impl Leg {
    /// What the network's own delay is drawn for, and what faults add to it.
    fn purposes(self) -> (Purpose, Purpose) {
        match self {
            Leg::Out => (Purpose::NetworkOut, Purpose::AddedOut),
            Leg::Back => (Purpose::NetworkBack, Purpose::AddedBack),
            Leg::Cancel => (Purpose::NetworkCancel, Purpose::AddedCancel),
        }
    }
}

impl Server<'_> {
    /// How long an attempt's way over the network takes if it begins now.
    #[inline(always)]
    pub fn leg(&self, key: CallKey, attempt: u32, leg: Leg) -> Span {
        self.constant_leg.unwrap_or_else(|| self.random_leg(key, attempt, leg))
    }

    /// Kept apart, so that a leg that is the same for all stays a look at one field.
    #[inline(never)]
    fn random_leg(&self, key: CallKey, attempt: u32, leg: Leg) -> Span {
        let (own, added) = leg.purposes();
        let draw = |distribution: &Distribution, purpose, fault: u64| {
            distribution.sample(&mut self.streams.at(purpose, key, fault.wrapping_add(u64::from(attempt))))
        };
        let mut delay = draw(&self.config.network, own, 0);
        for (fault, latency) in &self.in_force.added_latency {
            delay += draw(latency, added, *fault);
        }
        delay
    }
}

/// What each leg of the network takes, if nothing about it is random.
pub(super) fn constant_leg(config: &ServerConfig, in_force: &InForce) -> Option<Span> {
    let added = in_force.added_latency.iter().map(|(_, latency)| latency);
    std::iter::once(&config.network).chain(added).try_fold(Span::ZERO, |sum, latency| match latency {
        Distribution::Constant(span) => Some(sum + *span),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Fault;
    use crate::server::Floor;
    use crate::slab::Slab;
    use crate::units::SimTime;
    use crate::window::Window;

    /// What the network and the faults of these names make of a leg.
    fn leg(network: &Distribution, faults: &[(&str, &Distribution)], leg: Leg) -> Span {
        let config = ServerConfig { network: network.clone(), ..ServerConfig::named("s") };
        let always = Window { from: SimTime::ZERO, until: SimTime::NEVER };
        let mut server = Server::new(&config, 1, 1, always);
        let fault = |(name, latency): &(&str, &Distribution)| {
            let added_latency = (*latency).clone();
            Fault { added_latency, ..Fault::named(name, 0, SimTime::ZERO, SimTime::NEVER) }
        };
        let faults: Vec<Fault> = faults.iter().map(fault).collect();
        let in_force = InForce::new(&config, faults.iter(), SimTime::ZERO);
        let mut floor = Floor { jobs: &mut Slab::default(), out: &mut Vec::new(), beside: None };
        server.set_in_force(SimTime::ZERO, in_force, &mut floor);
        server.leg(CallKey::operation(5), 2, leg)
    }

    #[test]
    fn legs_add_up_and_each_draws_for_itself() {
        let constant = |ms| Distribution::Constant(Span::millis(ms));
        let random = Distribution::Exponential { mean: Span::millis(10) };
        for way in [Leg::Out, Leg::Back, Leg::Cancel] {
            assert_eq!(leg(&constant(3), &[("a", &constant(4)), ("b", &constant(5))], way), Span::millis(12));
            let own = leg(&random, &[], way);
            let (a, b) = (leg(&constant(0), &[("a", &random)], way), leg(&constant(0), &[("b", &random)], way));
            assert_eq!(leg(&random, &[("a", &random), ("b", &random)], way), own + a + b, "{way:?}");
            assert!(own != a && own != b && a != b, "{way:?}: {own:?}, {a:?}, {b:?}");
        }
        let all = [Leg::Out, Leg::Back, Leg::Cancel];
        let drawn = all.into_iter().flat_map(|way| [leg(&random, &[], way), leg(&constant(0), &[("a", &random)], way)]);
        let mut drawn: Vec<Span> = drawn.collect();
        drawn.sort();
        drawn.dedup();
        assert_eq!(drawn.len(), 6, "each leg draws for itself: {drawn:?}");
    }
}
