//! Token budgets for retries (`budget.tokens`): a retry takes tokens, first attempts or successes bring some back.
//!
//! The family of the AWS SDKs' retry quota (botocore `retries/quota.py`: 500 tokens; a retry costs 5 or, since 1.44, 14, one after a throttling
//! answer 5; a call that succeeds at once returns 1, one that was retried gets back what its last retry took), of gRPC's retry throttling
//! (proposal A6: every failure takes one, every success brings some, and nobody retries with half of the tokens or fewer), and of the adaptive
//! strategy in Brooker, "Fixing retries with token buckets and circuit breakers" (2022), which deposits on every first attempt. The deposit
//! rule decides whether the budget keeps refilling in a total outage; what comes in with time alone always does.

use std::fmt;

use rand::Rng;

use crate::entry::Entry;
use crate::gate::{Answer, Ask, Ended, Gate, GateOutcome, GateState, Hears, Kept, Permit};
use crate::protocol::Outcome;
use crate::retry::OutcomeClass;
use crate::units::{SimTime, Span};

/// What is said of it.
pub const ENTRY: Entry = Entry {
    name: "budget.tokens",
    summary: "retries cost tokens that first attempts or successes earn",
    rule: "A retry is admitted if tokens >= cost, and takes cost (cost_for: after some outcomes). Deposits per call that succeeded, per first \
           attempt sent, or per call that succeeded at once, never above capacity; with refund = \"last\" a success gives back what the call's \
           last retry took. Starts full, or with `initial`. With charge = \"failure\" every failure takes cost instead, and a retry is \
           admitted if tokens > above * capacity. With `refill` tokens come in with time too. A refusal ends the call, before its wait, unless on_refusal = \"retry\".",
    source: "botocore's retry quota (500 tokens, 14 per retry or 5 after a 429, the last one's back on success, 1 per success at once); gRPC proposal \
           A6 (charge = \"failure\", above = 0.5); Brooker, \"Fixing retries with token buckets and circuit breakers\" (2022).",
    example: "budget.tokens = { capacity = 500, cost = 5, deposit = 1, deposit_on = \"success\", scope = \"client\" }",
};

/// When tokens come back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(rename_all = "kebab-case")
)]
pub enum DepositOn {
    /// Each call that succeeds.
    #[default]
    Success,
    /// Each first attempt that is sent.
    FirstAttempt,
    /// Each call that succeeds with its first attempt.
    FirstTrySuccess,
}

/// What takes tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(rename_all = "kebab-case")
)]
pub enum Charge {
    /// A retry, when it is decided on.
    #[default]
    Retry,
    /// Every outcome in `retry_on`, as far as there are any tokens, whether or not a retry follows it, and before that is decided.
    Failure,
}

/// `budget.tokens = { capacity, initial, cost, cost_for, charge, above, deposit, deposit_on, refund, refill }`.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenBudgetConfig {
    /// Most tokens.
    pub capacity: Tokens,
    /// Tokens at first; at most `capacity`.
    pub initial: Tokens,
    /// What a retry, or a failure, takes.
    pub cost: Tokens,
    /// What it takes after some outcomes; the most specific class that contains the outcome applies.
    pub cost_for: Vec<(OutcomeClass, Tokens)>,
    /// Whether retries or failures take it.
    pub charge: Charge,
    /// Retries only with more than this share of `capacity`.
    pub above: f64,
    /// What a deposit brings.
    pub deposit: Tokens,
    /// When it is made.
    pub deposit_on: DepositOn,
    /// A call that was retried and succeeds gets back what its last retry took.
    pub refund: bool,
    /// What comes in with time, whatever calls do.
    pub refill: Option<Refill>,
}

/// Tokens that come in with time, evenly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refill {
    /// So many,
    pub tokens: Tokens,
    /// in so long; above 0.
    pub per: Span,
}

impl TokenBudgetConfig {
    /// Full at first; every retry takes as much, and each call that succeeds brings the deposit.
    pub fn new(capacity: Tokens, cost: Tokens, deposit: Tokens) -> TokenBudgetConfig {
        TokenBudgetConfig {
            capacity,
            initial: capacity,
            cost,
            cost_for: Vec::new(),
            charge: Charge::Retry,
            above: 0.0,
            deposit,
            deposit_on: DepositOn::Success,
            refund: false,
            refill: None,
        }
    }
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

/// What a budget works with.
#[derive(Clone, Debug)]
pub struct TokenBudgetTerms {
    capacity: Tokens,
    initial: Tokens,
    usual: Price,
    /// After some outcomes, the most specific class first.
    special: Vec<(OutcomeClass, Price)>,
    charge: Charge,
    deposit: Tokens,
    deposit_on: DepositOn,
    refund: bool,
    refill: Refill,
}

/// What is taken, and what has to be there for a retry.
#[derive(Clone, Copy, Debug)]
struct Price {
    takes: Tokens,
    needs: Tokens,
}

impl TokenBudgetTerms {
    /// What is taken after this outcome, with a number by which [`TokenBudgetTerms::with_number`] knows it.
    #[inline]
    fn after(&self, outcome: Outcome) -> (u32, Price) {
        if self.special.is_empty() { (0, self.usual) } else { self.search(outcome) }
    }

    #[inline(never)]
    fn search(&self, outcome: Outcome) -> (u32, Price) {
        let found = self.special.iter().position(|(class, _)| class.contains(outcome));
        let number = found.map_or(0, |at| at as u32 + 1);
        (number, self.with_number(number))
    }

    fn with_number(&self, number: u32) -> Price {
        number.checked_sub(1).map_or(self.usual, |at| self.special[at as usize].1)
    }
}

/// What a bucket remembers of what comes in with time. Most know nothing of it, and do not pay for it: it is a parameter of the bucket's type.
pub trait Inflow: Clone + fmt::Debug + Default {
    /// So late it is: adds what has come in since this was said before.
    fn pass_time(&mut self, now: SimTime, tokens: &mut Tokens, terms: &TokenBudgetTerms);
}

/// Nothing comes in.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nothing;

impl Inflow for Nothing {
    #[inline(always)]
    fn pass_time(&mut self, _now: SimTime, _tokens: &mut Tokens, _terms: &TokenBudgetTerms) {}
}

/// Tokens come in with time. Parts of a billionth are kept, so that it makes no difference how often somebody asks.
#[derive(Clone, Copy, Debug, Default)]
pub struct WithTime {
    since: SimTime,
    /// In billionths of a token, divided by the ns of [`Refill::per`].
    rest: u64,
}

impl Inflow for WithTime {
    fn pass_time(&mut self, now: SimTime, tokens: &mut Tokens, terms: &TokenBudgetTerms) {
        let passed = now.since(self.since);
        if passed == Span::ZERO {
            return;
        }
        self.since = now;
        let per = u128::from(terms.refill.per.0.max(1));
        // At most 10^18 a time, and 2^64 ns: no overflow.
        let more = u128::from(terms.refill.tokens.0) * u128::from(passed.0) + u128::from(self.rest);
        let room = u128::from(terms.capacity.0.saturating_sub(tokens.0));
        if more / per >= room {
            // What does not fit in is lost.
            (*tokens, self.rest) = (terms.capacity, 0);
        } else {
            tokens.0 += (more / per) as u64;
            self.rest = (more % per) as u64;
        }
    }
}

/// The bucket. `I` is what it remembers of what comes in with time.
#[derive(Clone, Debug)]
pub struct TokenBudget<I = Nothing> {
    tokens: Tokens,
    inflow: I,
}

impl<I> TokenBudget<I> {
    fn put(&mut self, tokens: Tokens, terms: &TokenBudgetTerms) {
        self.tokens = Tokens(self.tokens.0.saturating_add(tokens.0)).min(terms.capacity);
    }
}

impl<I: Inflow> Kept for TokenBudget<I> {
    type Config = TokenBudgetConfig;
    type Terms = TokenBudgetTerms;

    fn terms(config: &TokenBudgetConfig) -> TokenBudgetTerms {
        // The least amount that is above the share, if the share matters.
        let above = Tokens((config.capacity.0 as f64 * config.above) as u64 + 1);
        let price = |takes: Tokens| Price {
            takes,
            needs: match config.charge {
                Charge::Failure => above,
                Charge::Retry if config.above > 0.0 => takes.max(above),
                Charge::Retry => takes,
            },
        };
        let mut special: Vec<_> = config.cost_for.iter().map(|(class, cost)| (*class, price(*cost))).collect();
        special.sort_by_key(|(class, _)| class.breadth());
        TokenBudgetTerms {
            capacity: config.capacity,
            initial: config.initial.min(config.capacity),
            usual: price(config.cost),
            special,
            charge: config.charge,
            deposit: config.deposit,
            deposit_on: config.deposit_on,
            refund: config.refund && config.charge == Charge::Retry,
            refill: config.refill.unwrap_or(Refill { tokens: Tokens(0), per: Span::secs(1) }),
        }
    }

    fn hears(terms: &TokenBudgetTerms) -> Hears {
        Hears {
            first_attempts: terms.deposit_on == DepositOn::FirstAttempt,
            successes: terms.deposit_on != DepositOn::FirstAttempt || terms.refund,
            ends: terms.charge == Charge::Failure,
            ..Hears::NOTHING
        }
    }

    fn new(terms: &TokenBudgetTerms) -> TokenBudget<I> {
        TokenBudget { tokens: terms.initial, inflow: I::default() }
    }

    fn touch(&self) -> bool {
        self.tokens.0 > 0
    }
}

impl<I: Inflow> Gate for TokenBudget<I> {
    #[inline(always)]
    fn pass_time(&mut self, now: SimTime, terms: &TokenBudgetTerms) {
        self.inflow.pass_time(now, &mut self.tokens, terms);
    }

    fn check(&mut self, ask: Ask, terms: &TokenBudgetTerms, _rng: &mut dyn Rng) -> Answer {
        Answer::admit_if(self.tokens >= terms.after(ask.after).1.needs)
    }

    fn state(&self, ask: Ask, terms: &TokenBudgetTerms) -> GateState {
        GateState::Tokens(self.tokens.amount(), terms.after(ask.after).1.needs.amount())
    }

    fn on_admit(&mut self, ask: Ask, terms: &TokenBudgetTerms) -> Permit {
        let (number, price) = terms.after(ask.after);
        assert!(self.tokens >= price.needs, "a budget charges only what it admitted");
        if terms.charge == Charge::Retry {
            self.tokens.0 -= price.takes.0;
        }
        Permit(number)
    }

    fn on_first_attempt(&mut self, _now: SimTime, terms: &TokenBudgetTerms) {
        if terms.deposit_on == DepositOn::FirstAttempt {
            self.put(terms.deposit, terms);
        }
    }

    fn on_outcome(&mut self, _permit: Permit, ended: Ended, terms: &TokenBudgetTerms) {
        if terms.charge == Charge::Failure && ended.outcome == GateOutcome::Failure {
            self.tokens.0 = self.tokens.0.saturating_sub(terms.after(ended.reply).1.takes.0);
        }
    }

    fn on_call_success(&mut self, permit: Permit, attempts: u32, terms: &TokenBudgetTerms) {
        let retried = attempts > 1;
        if terms.deposit_on == DepositOn::Success || (terms.deposit_on == DepositOn::FirstTrySuccess && !retried) {
            self.put(terms.deposit, terms);
        }
        if terms.refund && retried {
            self.put(terms.with_number(permit.0).takes, terms);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{KeyedRng, Purpose};

    /// Tokens come in with time, exactly, however often somebody asks, and up to the capacity.
    #[test]
    fn tokens_come_in_with_time() {
        let refilled = |tokens: f64, per, capacity, initial| {
            let refill = Some(Refill { tokens: Tokens::new(tokens), per });
            let config = TokenBudgetConfig { refill, initial: Tokens::new(initial), ..config(capacity, 1.0, 0.0) };
            TokenBudget::<WithTime>::terms(&config)
        };
        let after = |terms: &TokenBudgetTerms, instants: &[u64]| {
            let mut budget = TokenBudget::<WithTime>::new(terms);
            instants.iter().for_each(|ns| budget.pass_time(SimTime(*ns), terms));
            budget.tokens
        };
        const SECOND: u64 = 1_000_000_000;
        let day = Span::secs(86_400);
        for (tokens, per, seconds, expected) in [
            (10.0, Span::secs(1), 3, 30.0),
            (1.0, Span::secs(60), 90, 1.5),
            (1.0, day, 86_400 * 7, 7.0),
            (7.0, day, 86_400, 7.0),
        ] {
            let terms = refilled(tokens, per, 1e6, 0.0);
            assert_eq!(after(&terms, &[seconds * SECOND]), Tokens::new(expected));
            // Looked at at odd instants in between.
            let odd: Vec<u64> = (0..seconds.min(997)).map(|k| k * (seconds * SECOND / 997) + k % 7).collect();
            assert_eq!(after(&terms, &[&odd[..], &[seconds * SECOND]].concat()), Tokens::new(expected), "{tokens}");
        }
        // What does not fit in is lost, parts too.
        let full = refilled(10.0, Span::secs(1), 5.0, 4.5);
        assert_eq!(after(&full, &[SECOND]), Tokens::new(5.0));
        let mut budget = TokenBudget::<WithTime>::new(&full);
        budget.pass_time(SimTime(SECOND), &full);
        let ask = Ask::retry(SimTime(SECOND), Outcome::Timeout);
        budget.on_admit(ask, &full);
        budget.pass_time(SimTime(SECOND + SECOND / 20), &full);
        assert_eq!(budget.tokens, Tokens::new(4.5));
        // As long as time lasts, and as much as there can be.
        let most = refilled(Tokens::MOST, Span::secs(1), Tokens::MOST, 0.0);
        assert_eq!(after(&most, &[u64::MAX]), Tokens::new(Tokens::MOST));
    }

    fn config(capacity: f64, cost: f64, deposit: f64) -> TokenBudgetConfig {
        TokenBudgetConfig::new(Tokens::new(capacity), Tokens::new(cost), Tokens::new(deposit))
    }

    /// A bucket in the hands of a script: each call runs to its end before the next begins.
    struct Bucket {
        terms: TokenBudgetTerms,
        budget: TokenBudget,
    }

    impl Bucket {
        fn of(config: &TokenBudgetConfig) -> Bucket {
            let terms = TokenBudget::<Nothing>::terms(config);
            Bucket { budget: TokenBudget::<Nothing>::new(&terms), terms }
        }

        fn first_attempt(&mut self) {
            self.budget.on_first_attempt(SimTime::ZERO, &self.terms);
        }

        /// An attempt ends with this, and if that is a failure, asks for a retry.
        fn fails(&mut self, attempt: u32, outcome: Outcome) -> Option<Permit> {
            let ended = Ended { reply: outcome, attempt, ..Ended::at_once(SimTime::ZERO, GateOutcome::Failure) };
            self.budget.on_outcome(Permit::default(), ended, &self.terms);
            let ask = Ask { attempt: attempt + 1, ..Ask::retry(SimTime::ZERO, outcome) };
            let rng = &mut KeyedRng::new(1, Purpose::Gate, 0, 0);
            let admits = self.budget.check(ask, &self.terms, rng) == Answer::Admit;
            admits.then(|| self.budget.on_admit(ask, &self.terms))
        }

        /// Retries that are granted in a row when everything ends with this outcome.
        fn grants(&mut self, outcome: Outcome) -> u32 {
            (0..1_000).take_while(|_| self.fails(1, outcome).is_some()).count() as u32
        }

        /// A call that succeeds after retries whose failures were these.
        fn call(&mut self, failures: &[Outcome]) {
            self.first_attempt();
            let mut permit = Permit(99);
            for (before, outcome) in failures.iter().enumerate() {
                permit = self.fails(before as u32 + 1, *outcome).expect("tokens for the script");
            }
            let attempts = failures.len() as u32 + 1;
            let ended = Ended { attempt: attempts, ..Ended::at_once(SimTime::ZERO, GateOutcome::Success) };
            self.budget.on_outcome(permit, ended, &self.terms);
            self.budget.on_call_success(permit, attempts, &self.terms);
        }

        fn holds(&self, tokens: f64) {
            assert_eq!(self.budget.tokens, Tokens::new(tokens));
        }
    }

    const ERROR: Outcome = Outcome::Status(503);
    const THROTTLED: Outcome = Outcome::Status(429);

    /// Retries granted after `deposits` deposits into an emptied bucket of 10 tokens, of which a retry costs 5.
    fn check(deposit: f64, deposits: u32, expected: u32) {
        let config = TokenBudgetConfig { deposit_on: DepositOn::FirstAttempt, ..config(10.0, 5.0, deposit) };
        let mut bucket = Bucket::of(&config);
        bucket.grants(ERROR);
        for _ in 0..deposits {
            bucket.call(&[]);
        }
        assert_eq!(bucket.grants(ERROR), expected, "{deposits} deposits of {deposit}");
    }

    #[test]
    fn admits_what_was_deposited() {
        check(0.1, 49, 0);
        check(0.1, 50, 1);
        check(1.0, 9, 1);
        check(1.0, 10, 2);
        check(1.0, 1_000, 2);
        check(0.0, 1_000, 0);
    }

    #[test]
    fn deposits_only_on_its_own_occasion() {
        for (deposit_on, first, once, retried) in [
            (DepositOn::Success, 0.0, 5.0, 5.0),
            (DepositOn::FirstAttempt, 5.0, 0.0, 0.0),
            (DepositOn::FirstTrySuccess, 0.0, 5.0, 0.0),
        ] {
            let config = TokenBudgetConfig { initial: Tokens(0), deposit_on, ..config(10.0, 5.0, 5.0) };
            let mut bucket = Bucket::of(&config);
            bucket.first_attempt();
            bucket.holds(first);
            bucket.budget.on_call_success(Permit::default(), 1, &bucket.terms);
            bucket.holds(first + once);
            bucket.budget.on_call_success(Permit::default(), 2, &bucket.terms);
            bucket.holds(first + once + retried);
        }
    }

    /// Retry quotas of the AWS SDKs. 2.1 is botocore since 1.44 and @smithy/core 3.41; of 2.0 there are two readings of what a time-out is.
    fn aws(cost: f64, cost_for: &[(OutcomeClass, f64)]) -> TokenBudgetConfig {
        TokenBudgetConfig {
            cost_for: cost_for.iter().map(|(class, cost)| (*class, Tokens::new(*cost))).collect(),
            deposit_on: DepositOn::FirstTrySuccess,
            refund: true,
            ..config(500.0, cost, 1.0)
        }
    }

    #[test]
    fn published_quotas_of_aws() {
        use OutcomeClass::{Any, Connection, ServerErrors, Status, Timeout};
        let standard = aws(14.0, &[(Status(429), 5.0)]);
        let botocore = aws(5.0, &[(Timeout, 10.0)]);
        let rust =
            aws(5.0, &[(Any, 7.0), (ServerErrors, 10.0), (Timeout, 10.0), (Connection, 10.0), (Status(429), 5.0)]);
        for (config, outcome, granted, left) in [
            (&standard, ERROR, 35, 10.0),
            (&standard, Outcome::Timeout, 35, 10.0),
            (&standard, THROTTLED, 100, 0.0),
            (&botocore, ERROR, 100, 0.0),
            (&botocore, Outcome::Timeout, 50, 0.0),
            (&rust, ERROR, 50, 0.0),
            (&rust, Outcome::Refused, 50, 0.0),
            (&rust, THROTTLED, 100, 0.0),
            // No class but the widest knows this one.
            (&rust, Outcome::Status(408), 71, 3.0),
        ] {
            let mut bucket = Bucket::of(config);
            assert_eq!(bucket.grants(outcome), granted, "{outcome} costs what?");
            bucket.holds(left);
        }
        // The 36th is refused, and one success at once does not bring enough.
        let mut bucket = Bucket::of(&standard);
        assert_eq!(bucket.grants(ERROR), 35);
        bucket.call(&[]);
        bucket.holds(11.0);
        assert_eq!(bucket.grants(ERROR), 0);
        (0..3).for_each(|_| bucket.call(&[]));
        assert_eq!(bucket.grants(ERROR), 1);
    }

    /// What the last retry took comes back, and no more.
    #[test]
    fn refunds_of_aws() {
        let standard = aws(14.0, &[(OutcomeClass::Status(429), 5.0)]);
        for (failures, left) in [
            (&[][..], 400.0 + 1.0),
            (&[ERROR], 400.0),
            (&[ERROR, ERROR], 400.0 - 14.0),
            (&[ERROR, THROTTLED], 400.0 - 14.0),
            (&[THROTTLED, ERROR], 400.0 - 5.0),
            (&[THROTTLED, ERROR, ERROR], 400.0 - 19.0),
        ] {
            let mut bucket = Bucket::of(&TokenBudgetConfig { initial: Tokens::new(400.0), ..standard.clone() });
            bucket.call(failures);
            bucket.holds(left);
        }
        // A refund never overfills.
        let mut bucket = Bucket::of(&standard);
        bucket.call(&[ERROR]);
        bucket.call(&[]);
        bucket.holds(500.0);
    }

    /// gRPC's retry throttling (proposal A6): `maxTokens` 10, `tokenRatio` 0.1.
    #[test]
    fn published_vector_of_grpc() {
        let config = TokenBudgetConfig { charge: Charge::Failure, above: 0.5, ..config(10.0, 1.0, 0.1) };
        let mut bucket = Bucket::of(&config);
        for left in [9.0, 8.0, 7.0, 6.0] {
            assert!(bucket.fails(1, ERROR).is_some());
            bucket.holds(left);
        }
        // The fifth leaves exactly half, which is not above half.
        assert!(bucket.fails(1, ERROR).is_none());
        bucket.holds(5.0);
        // Ten successes bring 6.0, of which the failure leaves 5.0; eleven leave 5.1.
        for (successes, retried) in [(10, false), (11, true)] {
            let mut later = Bucket { terms: bucket.terms.clone(), budget: bucket.budget.clone() };
            (0..successes).for_each(|_| later.call(&[]));
            assert_eq!(later.fails(1, ERROR).is_some(), retried, "{successes} successes");
        }
        // Refused or not, every failure takes one, and there is a floor.
        assert!((0..9).all(|_| bucket.fails(1, ERROR).is_none()));
        bucket.holds(0.0);
    }

    /// Retries can take tokens and leave a reserve.
    #[test]
    fn a_share_that_retries_leave() {
        let mut bucket = Bucket::of(&TokenBudgetConfig { above: 0.5, ..config(10.0, 2.0, 0.0) });
        assert_eq!(bucket.grants(ERROR), 3);
        bucket.holds(4.0);
        let mut bucket = Bucket::of(&TokenBudgetConfig { above: 0.1, ..config(10.0, 4.0, 0.0) });
        assert_eq!(bucket.grants(ERROR), 2);
        bucket.holds(2.0);
    }
}
