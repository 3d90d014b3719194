//! All gates of one policy, for all of its clients.

use super::breaker::State;
use super::{Gate, GateConfig, GateOutcome, GateRule, Moment, Permit, Scope};
use crate::units::SimTime;

/// Most gates one policy can have.
pub const MOST_GATES: usize = 2;

/// What the gates of a chain gave an admitted attempt.
pub type Permits = [Permit; MOST_GATES];

/// What the gates of a chain have done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GateCounts {
    /// Changes into the open state.
    pub breaker_opened: u64,
    /// Breakers that are open now.
    pub breakers_open: u64,
}

/// The gates of a policy with their state: one per client, or one for the fleet.
#[derive(Clone, Debug)]
pub struct GateChain {
    gates: Vec<(GateConfig, Vec<Gate>)>,
    counts: GateCounts,
}

impl GateChain {
    /// Gates in their first state for `clients` clients.
    pub fn new(configs: &[GateConfig], clients: u32) -> GateChain {
        assert!(configs.len() <= MOST_GATES, "a policy has at most {MOST_GATES} gates");
        let gates = configs
            .iter()
            .map(|config| {
                let instances = if config.scope == Scope::Client { clients as usize } else { 1 };
                (config.clone(), vec![config.rule.build(); instances])
            })
            .collect();
        GateChain { gates, counts: GateCounts::default() }
    }

    /// Bytes of gate state that a chain needs.
    pub fn bytes(configs: &[GateConfig], clients: u32) -> u64 {
        let instances: u64 =
            configs.iter().map(|c| if c.scope == Scope::Client { u64::from(clients) } else { 1 }).sum();
        instances * size_of::<Gate>() as u64
    }

    /// What the gates have done so far.
    pub fn counts(&self) -> GateCounts {
        self.counts
    }

    /// The configured gate with this number.
    pub fn config(&self, gate: u8) -> &GateConfig {
        &self.gates[gate as usize].0
    }

    fn at(instances: &mut [Gate], client: u32) -> &mut Gate {
        // One instance serves the whole fleet.
        let index = if instances.len() == 1 { 0 } else { client as usize };
        &mut instances[index]
    }

    /// Asks all gates of one moment; charges them only if all admit.
    ///
    /// # Errors
    /// The number of the first gate that refuses.
    pub fn admit(&mut self, moment: Moment, now: SimTime, client: u32, permits: &mut Permits) -> Result<(), u8> {
        for (number, (config, instances)) in self.gates.iter_mut().enumerate() {
            if config.rule.moment() != moment {
                continue;
            }
            let admits = match (&config.rule, Self::at(instances, client)) {
                (GateRule::TokenBudget(config), Gate::TokenBudget(budget)) => budget.check(config),
                (GateRule::ConsecutiveBreaker(config), Gate::ConsecutiveBreaker(breaker)) => {
                    let was_open = matches!(breaker.state(), State::Open(_));
                    let admits = breaker.check(now, config);
                    if was_open && !matches!(breaker.state(), State::Open(_)) {
                        self.counts.breakers_open -= 1;
                    }
                    admits
                }
                _ => unreachable!("a gate is built from its own rule"),
            };
            if !admits {
                return Err(number as u8);
            }
        }
        for (number, (config, instances)) in self.gates.iter_mut().enumerate() {
            if config.rule.moment() != moment {
                continue;
            }
            match (&config.rule, Self::at(instances, client)) {
                (GateRule::TokenBudget(config), Gate::TokenBudget(budget)) => budget.on_admit(config),
                (_, Gate::ConsecutiveBreaker(breaker)) => permits[number] = breaker.on_admit(),
                _ => unreachable!("a gate is built from its own rule"),
            }
        }
        Ok(())
    }

    /// The first attempt of a call is sent.
    pub fn on_first_attempt(&mut self, client: u32) {
        for (config, instances) in &mut self.gates {
            if let (GateRule::TokenBudget(config), Gate::TokenBudget(budget)) =
                (&config.rule, Self::at(instances, client))
            {
                budget.on_first_attempt(config);
            }
        }
    }

    /// An admitted attempt ended.
    pub fn on_outcome(&mut self, now: SimTime, client: u32, permits: &Permits, outcome: GateOutcome) {
        for (number, (config, instances)) in self.gates.iter_mut().enumerate() {
            if let (GateRule::ConsecutiveBreaker(config), Gate::ConsecutiveBreaker(breaker)) =
                (&config.rule, Self::at(instances, client))
                && breaker.on_outcome(now, permits[number], outcome, config)
            {
                self.counts.breaker_opened += 1;
                self.counts.breakers_open += 1;
            }
        }
    }

    /// An admitted attempt was given up without an outcome.
    pub fn on_abandon(&mut self, client: u32, permits: &Permits) {
        for (number, (_, instances)) in self.gates.iter_mut().enumerate() {
            if let Gate::ConsecutiveBreaker(breaker) = Self::at(instances, client) {
                breaker.on_abandon(permits[number]);
            }
        }
    }

    /// A call succeeded.
    pub fn on_call_success(&mut self, client: u32) {
        for (config, instances) in &mut self.gates {
            if let (GateRule::TokenBudget(config), Gate::TokenBudget(budget)) =
                (&config.rule, Self::at(instances, client))
            {
                budget.on_call_success(config);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::breaker::ConsecutiveBreakerConfig;
    use crate::gate::budget::{DepositOn, TokenBudgetConfig, Tokens};
    use crate::units::Span;

    fn configs(scope: Scope) -> Vec<GateConfig> {
        vec![
            GateConfig {
                rule: GateRule::TokenBudget(TokenBudgetConfig {
                    capacity: Tokens::new(1.0),
                    cost: Tokens::new(1.0),
                    deposit: Tokens::new(1.0),
                    deposit_on: DepositOn::Success,
                }),
                scope,
            },
            GateConfig {
                rule: GateRule::ConsecutiveBreaker(ConsecutiveBreakerConfig {
                    failures: 1,
                    open: Span::secs(1),
                    probes: 1,
                }),
                scope,
            },
        ]
    }

    #[test]
    fn scopes_separate_clients_or_join_them() {
        for (scope, other_client_refused) in [(Scope::Client, false), (Scope::Fleet, true)] {
            let mut chain = GateChain::new(&configs(scope), 2);
            let mut permits = Permits::default();
            chain.admit(Moment::Send, SimTime::ZERO, 0, &mut permits).unwrap();
            chain.on_outcome(SimTime::ZERO, 0, &permits, GateOutcome::Failure);
            assert_eq!(chain.counts(), GateCounts { breaker_opened: 1, breakers_open: 1 });
            assert_eq!(chain.admit(Moment::Send, SimTime::ZERO, 0, &mut permits), Err(1));
            assert_eq!(chain.admit(Moment::Send, SimTime::ZERO, 1, &mut permits).is_err(), other_client_refused);
            // The budget is another moment's gate and still has its token.
            assert!(chain.admit(Moment::Retry, SimTime::ZERO, 0, &mut permits).is_ok());
            assert_eq!(chain.admit(Moment::Retry, SimTime::ZERO, 0, &mut permits), Err(0));
            chain.on_call_success(0);
            assert!(chain.admit(Moment::Retry, SimTime::ZERO, 0, &mut permits).is_ok());
        }
    }

    /// Two gates of one moment: a refusal by the second leaves the first one's token alone.
    #[test]
    fn all_agree_before_any_is_charged() {
        let rich = configs(Scope::Fleet)[0].clone();
        let mut poor = rich.clone();
        if let GateRule::TokenBudget(config) = &mut poor.rule {
            config.cost = Tokens::new(2.0);
        }
        let mut chain = GateChain::new(&[rich, poor], 1);
        let mut permits = Permits::default();
        assert_eq!(chain.admit(Moment::Retry, SimTime::ZERO, 0, &mut permits), Err(1));
        let Gate::TokenBudget(first) = &chain.gates[0].1[0] else { panic!("a budget stands first") };
        let GateRule::TokenBudget(config) = &chain.gates[0].0.rule else { panic!("a budget stands first") };
        assert!(first.check(config), "a refused gate charged its neighbour");
    }
}
