//! Does anything in a row depend on chance? If not, one run says all there is to say.

use super::call::{CallConfig, ClientRules};
use super::{Arrivals, Fates, Fault, Scenario, ServerConfig};
use crate::distribution::Distribution;
use crate::endpoint::Balance;
use crate::flow::When;
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
        let calls = world.servers.iter().flat_map(|server| &server.calls).chain(&world.operation.steps);
        let calls =
            calls.chain(row.members.iter().filter_map(|member| member.operation.as_ref()).flat_map(|own| &own.steps));
        let own =
            row.members.iter().flat_map(|member| member.steps.iter().map(|(_, rules)| rules).chain([&member.rules]));
        let mut all = own.chain(calls.clone().filter_map(|call| call.rules.as_ref()));
        let shares = |call: &CallConfig| matches!(call.step.when, When::Share(_));
        let world_draws = world.servers.iter().any(server) || world.faults.iter().any(fault);
        let again = world.repeat.as_ref().is_some_and(|repeat| repeat.share < 1.0 || varies(&repeat.after));
        let things = world.contend.is_some_and(|contend| contend.things > 1);
        let crashes = world.crashes.as_ref();
        let crashes = crashes.is_some_and(|own| own.random.is_some() || own.at_step.is_some_and(|at| at.share < 1.0));
        let writes = world.operation.journal.fails;
        demand
            || crashes
            || writes > 0.0 && writes < 1.0
            || again
            || things
            || row.members.len() > 1
            || world_draws
            || all.any(rules)
            || calls.into_iter().any(shares)
    }
}

fn rules(rules: &ClientRules) -> bool {
    let loses_keys = rules.policy.key_lost();
    (loses_keys > 0.0 && loses_keys < 1.0)
        || rules.policy.draws()
        || rules.gates.iter().any(|gate| matches!(gate.rule, GateRule::AdaptiveThrottle(_)))
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
        || server.replicas > 1 && matches!(server.balance, Balance::Random | Balance::TwoChoices)
}

fn fault(fault: &Fault) -> bool {
    fates(&fault.fates) || varies(&fault.added_latency) || fault.flapping.is_some() || fault.series.is_some()
}
