//! Does anything in a row depend on chance? If not, one run says all there is to say.

use super::{Arrivals, Fates, Fault, Scenario, ServerConfig};
use crate::distribution::Distribution;
use crate::gate::GateRule;

impl Scenario {
    /// True unless everything that this row does and meets is the same in every run.
    pub fn is_left_to_chance(&self, policy: usize) -> bool {
        let world = self.of(policy).world;
        let row = &self.policies[policy];
        // A trace draws which client an operation is at.
        let demand = match &world.arrivals {
            Arrivals::Constant { .. } | Arrivals::Burst { .. } => false,
            Arrivals::Closed { think } => varies(think),
            Arrivals::Trace(_) => world.clients > 1,
            Arrivals::Poisson { .. } | Arrivals::Profile(_) => true,
        };
        let throttled = row.gates.iter().any(|gate| matches!(gate.rule, GateRule::AdaptiveThrottle(_)));
        demand || world.servers.iter().any(server) || world.faults.iter().any(fault) || row.policy.draws() || throttled
    }
}

fn varies(distribution: &Distribution) -> bool {
    !matches!(distribution, Distribution::Constant(_))
}

/// Shares of some of all attempts, beside others.
fn fates(fates: &Fates) -> bool {
    fates.listed().iter().any(|(_, _, share)| *share < 1.0)
}

fn server(server: &ServerConfig) -> bool {
    varies(&server.service_time)
        || varies(&server.network)
        || server.max_wait.as_ref().is_some_and(varies)
        || server.retry_after.iter().any(|(_, wait)| varies(wait))
        || fates(&server.fates)
}

fn fault(fault: &Fault) -> bool {
    fates(&fault.fates) || varies(&fault.added_latency) || fault.flapping.is_some() || fault.series.is_some()
}
