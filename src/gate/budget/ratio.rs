//! A budget in proportion to demand (`budget.ratio`): retries are at most so many per first attempt of the recent past, and so many a second.
//!
//! Finagle's `RetryBudget` (20% and 10 a second over 10 s) and tower's, which follows it, with the rule of the Google SRE book ("Handling
//! Overload": retries at most 10% of requests). They differ in who earns, which decides whether there are retries in a total outage: in
//! Finagle's RetryFilter every request does when it is sent, in its RequeueFilter every success, in Linkerd every answer that is not retried.
//! And both count in whole numbers, so that some ratios are granted more than they say. What is there without any demand is part of the
//! window: once spent, it comes back when the retries that spent it have left.

use rand::Rng;

use super::Tokens;
use crate::entry::Entry;
use crate::gate::slots::{Slot, Slots};
use crate::gate::{Answer, Ask, Ended, Gate, GateOutcome, Hears, Kept, Permit};
use crate::units::{SimTime, Span};

/// What is said of it.
pub const ENTRY: Entry = Entry {
    name: "budget.ratio",
    summary: "retries in proportion to first attempts",
    rule: "A retry is admitted if retries + 1 <= ratio * deposits + min_rate * window, both counted over the current tenth of the window \
           (default 10 s) and the nine before. Deposits are first attempts sent, or, by deposit_on, successes (\"success\") or outcomes not in \
           retry_on (\"not-retried\"). With `rounding` the whole numbers of \"finagle\" or \"tower\", which grant somewhat more. A refusal ends the \
           call, before its wait, unless on_refusal = \"retry\".",
    source: "Finagle's RetryBudget and tower's (20% and 10/s over 10 s); Beyer et al., \"Site Reliability Engineering\" (2016), chapter 21 (10%).",
    example: "budget.ratio = { ratio = \"20%\", min_rate = \"10/s\", window = \"10s\", scope = \"fleet\" }",
};

/// What earns a share of a retry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(rename_all = "kebab-case")
)]
pub enum EarnOn {
    /// A first attempt that is sent (Finagle's RetryFilter).
    #[default]
    FirstAttempt,
    /// A call that succeeds (its RequeueFilter).
    Success,
    /// An attempt that ends with an outcome not in `retry_on` (Linkerd).
    NotRetried,
}

/// The arithmetic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(rename_all = "kebab-case")
)]
pub enum Rounding {
    /// Exactly.
    #[default]
    None,
    /// In Finagle's whole numbers: a retry takes ⌊1000 ÷ `ratio`⌋ of the 1000 that a deposit brings.
    Finagle,
    /// In tower's whole numbers: a retry takes ⌊1 ÷ `ratio`⌋ of the 1 that a deposit brings; above a ratio of 1 as Finagle.
    Tower,
}

/// `budget.ratio = { ratio, min_rate, window, deposit_on, rounding }`.
#[derive(Clone, Debug, PartialEq)]
pub struct RatioBudgetConfig {
    /// Retries for each deposit; counted in billionths, so that ten times 0.1 is one.
    pub ratio: Tokens,
    /// Retries per second that are free.
    pub min_rate: f64,
    /// How long the past is.
    pub window: Span,
    /// What is a deposit.
    pub deposit_on: EarnOn,
    /// How it is counted.
    pub rounding: Rounding,
}

impl RatioBudgetConfig {
    /// First attempts earn, and the arithmetic is exact.
    pub fn new(ratio: Tokens, min_rate: f64, window: Span) -> RatioBudgetConfig {
        RatioBudgetConfig { ratio, min_rate, window, deposit_on: EarnOn::FirstAttempt, rounding: Rounding::None }
    }
}

const EARNED: usize = 0;
const RETRY: usize = 1;

/// Deposits and retries of the recent past.
#[derive(Clone, Debug)]
pub struct RatioBudget {
    slots: Slots<2>,
}

/// What a budget works with.
#[derive(Clone, Debug)]
pub struct RatioBudgetTerms {
    /// What a deposit brings.
    deposit: u64,
    /// What a retry takes.
    takes: u64,
    /// What is there without any demand.
    reserve: u64,
    slot: Slot,
    deposit_on: EarnOn,
}

/// What a deposit brings and a retry takes.
fn prices(config: &RatioBudgetConfig) -> (u64, u64) {
    let ratio = config.ratio.amount();
    match config.rounding {
        Rounding::None => (config.ratio.0, Tokens::ONE),
        // Nothing is earned; what is free is counted in retries.
        _ if config.ratio.0 == 0 => (0, 1),
        Rounding::Tower if ratio <= 1.0 => (1, (1.0 / ratio) as u64),
        Rounding::Finagle | Rounding::Tower => (1_000, ((1_000.0 / ratio) as u64).max(1)),
    }
}

impl RatioBudget {
    fn earn(&mut self, now: SimTime, terms: &RatioBudgetTerms) {
        self.slots.advance(now, terms.slot);
        self.slots.add(EARNED);
    }
}

impl Kept for RatioBudget {
    type Config = RatioBudgetConfig;
    type Terms = RatioBudgetTerms;

    fn terms(config: &RatioBudgetConfig) -> RatioBudgetTerms {
        let (deposit, takes) = prices(config);
        let free = config.min_rate * config.window.seconds();
        let reserve = match config.rounding {
            Rounding::None => Tokens::new(free).0,
            Rounding::Finagle | Rounding::Tower => (free * takes as f64) as u64,
        };
        RatioBudgetTerms { deposit, takes, reserve, slot: Slot::of(config.window), deposit_on: config.deposit_on }
    }

    fn hears(terms: &RatioBudgetTerms) -> Hears {
        Hears {
            first_attempts: terms.deposit_on == EarnOn::FirstAttempt,
            ends: terms.deposit_on != EarnOn::FirstAttempt,
            ..Hears::NOTHING
        }
    }

    fn new(_terms: &RatioBudgetTerms) -> RatioBudget {
        RatioBudget { slots: Slots::new() }
    }
}

impl Gate for RatioBudget {
    /// Admits if what the retries of the window take, with this one, is no more than the reserve and the deposits of the window.
    fn check(&mut self, ask: Ask, terms: &RatioBudgetTerms, _rng: &mut dyn Rng) -> Answer {
        self.slots.advance(ask.now, terms.slot);
        let sums = self.slots.sums();
        let earned = u128::from(terms.deposit) * u128::from(sums[EARNED]) + u128::from(terms.reserve);
        Answer::admit_if(u128::from(sums[RETRY] + 1) * u128::from(terms.takes) <= earned)
    }

    fn on_admit(&mut self, _ask: Ask, _terms: &RatioBudgetTerms) -> Permit {
        self.slots.add(RETRY);
        Permit::default()
    }

    fn on_first_attempt(&mut self, now: SimTime, terms: &RatioBudgetTerms) {
        if terms.deposit_on == EarnOn::FirstAttempt {
            self.earn(now, terms);
        }
    }

    fn on_outcome(&mut self, _permit: Permit, ended: Ended, terms: &RatioBudgetTerms) {
        let earns = match terms.deposit_on {
            EarnOn::FirstAttempt => false,
            EarnOn::Success => ended.reply.is_success(),
            EarnOn::NotRetried => ended.outcome == GateOutcome::Success,
        };
        if earns {
            self.earn(ended.now, terms);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Outcome;
    use crate::rng::{KeyedRng, Purpose};

    /// A budget in the hands of a script.
    struct Play {
        terms: RatioBudgetTerms,
        budget: RatioBudget,
        now: SimTime,
    }

    impl Play {
        fn of(config: &RatioBudgetConfig) -> Play {
            let terms = RatioBudget::terms(config);
            Play { budget: RatioBudget::new(&terms), terms, now: SimTime::ZERO }
        }

        fn retry(&mut self) -> bool {
            let ask = Ask::retry(self.now, Outcome::Timeout);
            let rng = &mut KeyedRng::new(1, Purpose::Gate, 0, 0);
            let admits = self.budget.check(ask, &self.terms, rng) == Answer::Admit;
            if admits {
                self.budget.on_admit(ask, &self.terms);
            }
            admits
        }

        fn first(&mut self) {
            self.budget.on_first_attempt(self.now, &self.terms);
        }

        fn ends(&mut self, reply: Outcome, outcome: GateOutcome) {
            let ended = Ended { reply, ..Ended::at_once(self.now, outcome) };
            self.budget.on_outcome(Permit::default(), ended, &self.terms);
        }

        fn grants(&mut self) -> u32 {
            (0..10_000).take_while(|_| self.retry()).count() as u32
        }
    }

    /// A digit sends as many first attempts, `r` asks for a retry, `.` lets a slot of a second pass. Returns `1`/`0` for each `r`.
    fn check(ratio: f64, min_rate: f64, script: &str, expected: &str) {
        let mut play = Play::of(&RatioBudgetConfig::new(Tokens::new(ratio), min_rate, Span::secs(10)));
        let mut got = String::new();
        for step in script.chars() {
            match step {
                '.' => play.now = play.now + Span::secs(1),
                'r' => got.push(if play.retry() { '1' } else { '0' }),
                digit => (0..digit.to_digit(10).expect("a digit")).for_each(|_| play.first()),
            }
        }
        assert_eq!(got, expected, "{ratio}, {min_rate}/s: {script}");
    }

    #[test]
    fn retries_in_proportion() {
        check(0.2, 0.0, "r5rr5rr", "01010");
        check(0.2, 0.0, "4r1r", "01");
        // Ten tenths are one, and seven hundred times a thousandth are not.
        check(0.1, 0.0, "9r1rr", "010");
        check(2.0, 0.0, "1rrr", "110");
        // Without any demand only the free ones: min_rate × window.
        check(0.2, 0.3, "rrrr", "1110");
        check(0.2, 0.05, "rr", "00");
        check(0.2, 0.05, "3r", "1");
    }

    #[test]
    fn the_window_is_ten_slots() {
        // Earned in the first slot, it is there to the end of the tenth.
        check(1.0, 0.0, "1.........r", "1");
        check(1.0, 0.0, "1..........r", "0");
        // A retry leaves the window as its first attempt does.
        check(1.0, 0.0, "1r.1rr........rr.r", "110000");
        check(0.0, 0.1, "r.........r.r", "101");
    }

    /// What Finagle's and tower's budgets grant after so many deposits: their arithmetic, read and, of tower 0.5.3, executed.
    #[test]
    fn published_vectors() {
        use Rounding::{Finagle, None, Tower};
        for (rounding, ratio, min_rate, deposits, granted) in [
            // Without traffic the reserve: ten a second for ten seconds.
            (None, 0.2, 10.0, 0, 100),
            (Finagle, 0.2, 10.0, 0, 100),
            (Tower, 0.2, 10.0, 0, 100),
            (None, 0.2, 10.0, 1_000, 300),
            (Finagle, 0.2, 10.0, 1_000, 300),
            (Tower, 0.2, 10.0, 1_000, 300),
            // tower's truncation grants more than the ratio, Finagle's hardly does.
            (None, 0.6, 0.0, 10, 6),
            (Finagle, 0.6, 0.0, 10, 6),
            (Tower, 0.6, 0.0, 10, 10),
            (Tower, 0.3, 0.0, 1_000, 333),
            (Tower, 0.4, 0.0, 1_000, 500),
            (Tower, 0.6, 0.0, 1_000, 1_000),
            (Tower, 0.9, 0.0, 1_000, 1_000),
            (Tower, 1.5, 0.0, 1_000, 1_501),
            (Finagle, 1.5, 0.0, 1_000, 1_501),
            (None, 1.5, 0.0, 1_000, 1_500),
            // Nothing is earned, and what is free stays.
            (Finagle, 0.0, 1.0, 1_000, 10),
            (Tower, 0.0, 1.0, 1_000, 10),
        ] {
            let base = RatioBudgetConfig::new(Tokens::new(ratio), min_rate, Span::secs(10));
            let mut play = Play::of(&RatioBudgetConfig { rounding, ..base });
            (0..deposits).for_each(|_| play.first());
            assert_eq!(play.grants(), granted, "{rounding:?}: {ratio} of {deposits} and {min_rate}/s");
            // All of it expires with the window, and the reserve is there again.
            play.now = play.now + Span(Span::secs(10).0 - 1);
            assert_eq!(play.grants(), 0);
            play.now = play.now + Span(1);
            assert_eq!(play.grants(), (min_rate * 10.0) as u32, "{rounding:?}");
        }
    }

    /// Who earns: a first attempt when it is sent, a success, or whatever is not retried.
    #[test]
    fn occasions() {
        for (deposit_on, first, success, declined, failure) in
            [(EarnOn::FirstAttempt, 1, 0, 0, 0), (EarnOn::Success, 0, 1, 0, 0), (EarnOn::NotRetried, 0, 1, 1, 0)]
        {
            let base = RatioBudgetConfig::new(Tokens::new(1.0), 0.0, Span::secs(10));
            let mut play = Play::of(&RatioBudgetConfig { deposit_on, ..base });
            play.first();
            assert_eq!(play.grants(), first, "{deposit_on:?}: a first attempt");
            play.ends(Outcome::OK, GateOutcome::Success);
            assert_eq!(play.grants(), success, "{deposit_on:?}: a success");
            play.ends(Outcome::Status(402), GateOutcome::Success);
            assert_eq!(play.grants(), declined, "{deposit_on:?}: an answer that is not retried");
            play.ends(Outcome::Timeout, GateOutcome::Failure);
            assert_eq!(play.grants(), failure, "{deposit_on:?}: a failure");
        }
    }
}
