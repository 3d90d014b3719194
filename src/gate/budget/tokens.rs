//! Token budgets for retries (`budget.tokens`): a retry takes tokens, first attempts or successes bring some back.
//!
//! The family of the AWS SDKs' retry quota (botocore `retries/quota.py`: 500 tokens, a retry costs 5, a first-try success returns 1),
//! of gRPC's retry throttling (proposal A6) and of the adaptive strategy in Brooker, "Fixing retries with token buckets and
//! circuit breakers" (2022), which deposits on every first attempt. The deposit rule decides whether the budget keeps refilling in a total outage.

use rand::Rng;

use crate::gate::{Answer, Ask, Gate, Hears, Permit};
use crate::units::SimTime;

/// When tokens come back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DepositOn {
    /// When a call succeeds.
    #[default]
    Success,
    /// When the first attempt of a call is sent.
    FirstAttempt,
}

/// `budget.tokens = { capacity, cost, deposit, deposit_on }`. Starts full.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenBudgetConfig {
    /// Most tokens.
    pub capacity: Tokens,
    /// What a retry takes.
    pub cost: Tokens,
    /// What a deposit brings.
    pub deposit: Tokens,
    /// When it is made.
    pub deposit_on: DepositOn,
}

/// An amount of tokens, in billionths, so that ten deposits of 0.1 are exactly one token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Tokens(pub u64);

impl Tokens {
    /// Billionths in one token.
    pub const ONE: u64 = 1_000_000_000;
    /// The most there can be: 10^9 tokens.
    pub const MOST: f64 = 1e9;

    /// `amount` tokens, rounded to the billionth; within 0 and [`Tokens::MOST`].
    pub fn new(amount: f64) -> Tokens {
        Tokens((amount.clamp(0.0, Tokens::MOST) * Tokens::ONE as f64 + 0.5) as u64)
    }

    /// As a number of tokens.
    pub fn amount(self) -> f64 {
        self.0 as f64 / Tokens::ONE as f64
    }
}

/// The bucket.
#[derive(Clone, Debug)]
pub struct TokenBudget {
    tokens: Tokens,
}

impl TokenBudget {
    fn deposit(&mut self, terms: &TokenBudgetConfig) {
        self.tokens = Tokens(self.tokens.0.saturating_add(terms.deposit.0)).min(terms.capacity);
    }
}

impl Gate for TokenBudget {
    type Config = TokenBudgetConfig;
    type Terms = TokenBudgetConfig;

    fn terms(config: &TokenBudgetConfig) -> TokenBudgetConfig {
        config.clone()
    }

    fn hears(terms: &TokenBudgetConfig) -> Hears {
        match terms.deposit_on {
            DepositOn::Success => Hears { successes: true, ..Hears::NOTHING },
            DepositOn::FirstAttempt => Hears { first_attempts: true, ..Hears::NOTHING },
        }
    }

    /// A full bucket.
    fn new(terms: &TokenBudgetConfig) -> TokenBudget {
        TokenBudget { tokens: terms.capacity }
    }

    fn check(&mut self, _ask: Ask, terms: &TokenBudgetConfig, _rng: &mut dyn Rng) -> Answer {
        Answer::admit_if(self.tokens >= terms.cost)
    }

    fn touch(&self) -> bool {
        self.tokens.0 > 0
    }

    fn on_admit(&mut self, _ask: Ask, terms: &TokenBudgetConfig) -> Permit {
        assert!(self.tokens >= terms.cost, "a budget charges only what it admitted");
        self.tokens.0 -= terms.cost.0;
        Permit::default()
    }

    fn on_first_attempt(&mut self, _now: SimTime, terms: &TokenBudgetConfig) {
        if terms.deposit_on == DepositOn::FirstAttempt {
            self.deposit(terms);
        }
    }

    fn on_call_success(&mut self, terms: &TokenBudgetConfig) {
        if terms.deposit_on == DepositOn::Success {
            self.deposit(terms);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{KeyedRng, Purpose};

    const ASK: Ask = Ask { now: SimTime::ZERO, attempt: 2, waited: false };

    fn config(capacity: f64, cost: f64, deposit: f64, deposit_on: DepositOn) -> TokenBudgetConfig {
        TokenBudgetConfig {
            capacity: Tokens::new(capacity),
            cost: Tokens::new(cost),
            deposit: Tokens::new(deposit),
            deposit_on,
        }
    }

    fn admits(budget: &mut TokenBudget, config: &TokenBudgetConfig) -> bool {
        let admits = budget.check(ASK, config, &mut KeyedRng::new(1, Purpose::Gate, 0, 0)) == Answer::Admit;
        if admits {
            budget.on_admit(ASK, config);
        }
        admits
    }

    /// Retries admitted out of `tries` after `deposits` deposits into an emptied bucket of 10 tokens, of which a retry costs 5.
    fn check(deposit: f64, deposits: u32, tries: u32, expected: usize) {
        let config = config(10.0, 5.0, deposit, DepositOn::FirstAttempt);
        let mut budget = TokenBudget::new(&config);
        while admits(&mut budget, &config) {}
        for _ in 0..deposits {
            budget.on_first_attempt(SimTime::ZERO, &config);
            budget.on_call_success(&config);
        }
        let admitted = (0..tries).filter(|_| admits(&mut budget, &config)).count();
        assert_eq!(admitted, expected, "{deposits} deposits of {deposit}");
    }

    #[test]
    fn admits_what_was_deposited() {
        check(0.1, 49, 5, 0);
        check(0.1, 50, 5, 1);
        check(1.0, 9, 5, 1);
        check(1.0, 10, 5, 2);
        check(1.0, 1_000, 5, 2);
        check(0.0, 1_000, 5, 0);
    }

    /// Out of a full bucket, with nothing but failures: the retry quotas of the AWS SDKs (botocore 1.44 and before).
    #[test]
    fn published_quotas() {
        for (capacity, cost, expected) in [(500.0, 14.0, 35), (500.0, 5.0, 100), (500.0, 10.0, 50)] {
            let config = config(capacity, cost, 1.0, DepositOn::Success);
            let mut budget = TokenBudget::new(&config);
            assert_eq!((0..1_000).filter(|_| admits(&mut budget, &config)).count(), expected, "{cost} of {capacity}");
        }
    }

    #[test]
    fn deposits_only_on_its_own_occasion() {
        let config = config(10.0, 5.0, 5.0, DepositOn::Success);
        let mut budget = TokenBudget { tokens: Tokens(0) };
        budget.on_first_attempt(SimTime::ZERO, &config);
        assert!(!admits(&mut budget, &config));
        budget.on_call_success(&config);
        assert!(admits(&mut budget, &config));
    }
}
