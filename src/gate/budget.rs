//! Token budgets for retries (`budget.tokens`): a retry takes tokens, first attempts or successes bring some back.
//!
//! The family of the AWS SDKs' retry quota (botocore `retries/quota.py`: 500 tokens, a retry costs 5, a first-try success returns 1),
//! of gRPC's retry throttling (proposal A6) and of the adaptive strategy in Brooker, "Fixing retries with token buckets and
//! circuit breakers" (2022), which deposits on every first attempt. The deposit rule decides whether the budget keeps refilling in a total outage.

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
    /// A full bucket.
    pub fn new(config: &TokenBudgetConfig) -> TokenBudget {
        TokenBudget { tokens: config.capacity }
    }

    /// True if a retry is admitted now. Charges nothing.
    pub fn check(&self, config: &TokenBudgetConfig) -> bool {
        self.tokens >= config.cost
    }

    /// Charges an admitted retry.
    pub fn on_admit(&mut self, config: &TokenBudgetConfig) {
        assert!(self.tokens >= config.cost, "a budget charges only what it admitted");
        self.tokens.0 -= config.cost.0;
    }

    /// A first attempt was sent.
    pub fn on_first_attempt(&mut self, config: &TokenBudgetConfig) {
        if config.deposit_on == DepositOn::FirstAttempt {
            self.deposit(config);
        }
    }

    /// A call succeeded.
    pub fn on_call_success(&mut self, config: &TokenBudgetConfig) {
        if config.deposit_on == DepositOn::Success {
            self.deposit(config);
        }
    }

    fn deposit(&mut self, config: &TokenBudgetConfig) {
        self.tokens = Tokens(self.tokens.0.saturating_add(config.deposit.0)).min(config.capacity);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(deposit: f64, deposit_on: DepositOn) -> TokenBudgetConfig {
        TokenBudgetConfig {
            capacity: Tokens::new(10.0),
            cost: Tokens::new(5.0),
            deposit: Tokens::new(deposit),
            deposit_on,
        }
    }

    /// Retries admitted out of `tries` after `deposits` deposits into an emptied bucket.
    fn check(deposit: f64, deposits: u32, tries: u32, expected: u32) {
        let config = config(deposit, DepositOn::FirstAttempt);
        let mut budget = TokenBudget::new(&config);
        while budget.check(&config) {
            budget.on_admit(&config);
        }
        for _ in 0..deposits {
            budget.on_first_attempt(&config);
            budget.on_call_success(&config);
        }
        let mut admitted = 0;
        for _ in 0..tries {
            if budget.check(&config) {
                budget.on_admit(&config);
                admitted += 1;
            }
        }
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

    #[test]
    fn deposits_only_on_its_own_occasion() {
        let config = config(5.0, DepositOn::Success);
        let mut budget = TokenBudget { tokens: Tokens(0) };
        budget.on_first_attempt(&config);
        assert!(!budget.check(&config));
        budget.on_call_success(&config);
        assert!(budget.check(&config));
    }
}
