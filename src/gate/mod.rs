//! Gates: state shared by many calls that may refuse an attempt. One file per gate.
//!
//! A gate is asked at one of two moments: when a retry is decided on (budgets) or when an attempt is sent (throttle, limiter, breaker,
//! concurrency). Gates asked at one moment all agree before any is charged: first every [`Gate::check`], then every
//! [`Gate::on_admit`]; otherwise a refusal by the second would burn the first one's token. Every attempt that was admitted ends exactly
//! once, by [`Gate::on_outcome`] or [`Gate::on_abandon`].

pub mod breaker;
pub mod budget;
mod chain;
pub mod concurrency;
pub mod cubic;
pub mod limiter;
pub mod pool;
mod shared;
mod slots;
pub mod throttle;

use std::fmt;

use rand::Rng;

use crate::protocol::Outcome;
use crate::units::{SimTime, Span};

pub use chain::{Admission, GateChain, GateCounts, MOST_GATES, Permits};

/// Whose state it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(rename_all = "lowercase")
)]
pub enum Scope {
    /// One for each client.
    #[default]
    Client,
    /// One for all clients.
    Fleet,
    /// One for each client and each replica of the server: of breakers only.
    #[cfg_attr(feature = "scenario-files", serde(skip))]
    Replica,
}

/// What a refusal does to a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(rename_all = "lowercase")
)]
pub enum OnRefusal {
    /// The call ends at once.
    #[default]
    Fail,
    /// It counts as one of the call's attempts, and the backoff follows.
    Retry,
}

/// What it stands around.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(rename_all = "lowercase")
)]
pub enum Around {
    /// Each attempt, inside of the retries.
    #[default]
    Attempt,
    /// The call with all its retries and hedges: only its first attempt asks, a refusal fails the call, and what it hears of is the call's end, with
    /// the outcome of its last attempt.
    Call,
}

/// A gate as configured. The names are those of scenario files.
#[derive(Clone, Debug, PartialEq)]
pub struct GateConfig {
    /// Which gate, with its parameters.
    pub rule: GateRule,
    /// Whose state it is.
    pub scope: Scope,
    /// What its refusal does to a call.
    pub on_refusal: OnRefusal,
    /// What it stands around; the call only if it is asked at sending, and its refusal ends the call.
    pub around: Around,
}

impl GateConfig {
    /// A gate whose refusal ends the call.
    pub fn new(rule: GateRule, scope: Scope) -> GateConfig {
        GateConfig { rule, scope, on_refusal: OnRefusal::Fail, around: Around::Attempt }
    }
}

/// Every gate there is.
#[derive(Clone, Debug, PartialEq)]
pub enum GateRule {
    /// `budget.tokens`.
    TokenBudget(budget::TokenBudgetConfig),
    /// `budget.ratio`.
    RatioBudget(budget::RatioBudgetConfig),
    /// `throttle.adaptive`.
    AdaptiveThrottle(throttle::AdaptiveThrottleConfig),
    /// `limiter.rate`.
    RateLimiter(limiter::RateLimiterConfig),
    /// `limiter.cubic`.
    CubicLimiter(cubic::CubicLimiterConfig),
    /// `breaker.consecutive`.
    ConsecutiveBreaker(breaker::ConsecutiveBreakerConfig),
    /// `breaker.rate`.
    RateBreaker(breaker::RateBreakerConfig),
    /// `concurrency` with `retries` or `share`.
    Concurrency(concurrency::ConcurrencyConfig),
    /// `concurrency` with `attempts`.
    Pool(pool::PoolConfig),
}

impl GateRule {
    /// When it is asked.
    pub fn moment(&self) -> Moment {
        match self {
            GateRule::TokenBudget(_) | GateRule::RatioBudget(_) => Moment::Retry,
            GateRule::AdaptiveThrottle(_)
            | GateRule::RateLimiter(_)
            | GateRule::CubicLimiter(_)
            | GateRule::ConsecutiveBreaker(_)
            | GateRule::RateBreaker(_)
            | GateRule::Pool(_) => Moment::Send,
            GateRule::Concurrency(config) => config.hold.moment(),
        }
    }

    /// What counts its refusals.
    pub fn refusal(&self) -> Refusal {
        match self {
            GateRule::TokenBudget(_) | GateRule::RatioBudget(_) => Refusal::Budget,
            GateRule::AdaptiveThrottle(_) => Refusal::Throttle,
            GateRule::RateLimiter(_) | GateRule::CubicLimiter(_) => Refusal::Limiter,
            GateRule::ConsecutiveBreaker(_) | GateRule::RateBreaker(_) => Refusal::Breaker,
            GateRule::Concurrency(_) | GateRule::Pool(_) => Refusal::Concurrency,
        }
    }
}

/// Kinds of gates whose refusals are counted apart, in the order of the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// By a breaker.
    Breaker,
    /// By a budget.
    Budget,
    /// By a throttle.
    Throttle,
    /// By a limiter.
    Limiter,
    /// By a limit on retries or attempts at once.
    Concurrency,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Refusal; 5] =
        [Refusal::Breaker, Refusal::Budget, Refusal::Throttle, Refusal::Limiter, Refusal::Concurrency];
}

/// When a gate is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// A retry has been decided on, before its wait.
    Retry,
    /// An attempt is about to be sent.
    Send,
    /// Another attempt is about to be sent beside one that is open: asks those of both other moments.
    Hedge,
}

/// An attempt that asks a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The instant.
    pub now: SimTime,
    /// The attempt's number in its call, from 1; above 1 it is a retry.
    pub attempt: u32,
    /// It has asked before, was made to wait, and holds what was reserved for it.
    pub waited: bool,
    /// It has waited in line, and a place is kept for it.
    pub has_place: bool,
    /// How the attempt before it ended; [`Outcome::Open`] for a first one.
    pub after: Outcome,
    /// The replica that it would go to, among all that calls with these rules may go to.
    pub endpoint: u16,
}

impl Ask {
    /// A first attempt.
    pub const fn first(now: SimTime) -> Ask {
        Ask { now, attempt: 1, waited: false, has_place: false, after: Outcome::Open, endpoint: 0 }
    }

    /// The first retry of a call, after a failure.
    pub const fn retry(now: SimTime, after: Outcome) -> Ask {
        Ask { now, attempt: 2, waited: false, has_place: false, after, endpoint: 0 }
    }
}

/// What a gate says to an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It may go out.
    Admit,
    /// It may go out, but not before this instant.
    NotBefore(SimTime),
    /// It may go out when a place becomes free for it, and can wait in line.
    InLine,
    /// It may not.
    Refuse,
}

impl Answer {
    /// Yes or no.
    pub fn admit_if(admits: bool) -> Answer {
        if admits { Answer::Admit } else { Answer::Refuse }
    }
}

/// Why a gate refuses, as far as its state says it in a word.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum GateState {
    /// It does not.
    #[default]
    Unsaid,
    /// A breaker is open, until then.
    OpenUntil(SimTime),
    /// A breaker is half-open, and lets no more probes pass.
    HalfOpen,
    /// There are so many tokens, and so many are needed.
    Tokens(f64, f64),
    /// The next token comes then.
    TokenAt(SimTime),
}

/// What a gate may be asked to remember about an admitted attempt: a breaker's generation, a place that was taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Permit(pub u32);

impl Permit {
    /// The same, given at this endpoint. What was given has to fit into 16 bits.
    fn at(self, endpoint: u16) -> Permit {
        assert!(self.0 <= u32::from(u16::MAX), "half of a permit says where it was given");
        Permit(u32::from(endpoint) << 16 | self.0)
    }

    /// What was given, and where.
    fn split(self) -> (Permit, u16) {
        (Permit(self.0 & u32::from(u16::MAX)), (self.0 >> 16) as u16)
    }
}

/// What happened to an admitted attempt, as gates see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateOutcome {
    /// A reply that is no failure in the policy's eyes: a 400 shows that the server works.
    Success,
    /// An outcome that the policy would retry.
    Failure,
}

/// How an admitted attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// When.
    pub now: SimTime,
    /// With what, in the policy's eyes.
    pub outcome: GateOutcome,
    /// With what, to be precise.
    pub reply: Outcome,
    /// Its number in its call, from 1.
    pub attempt: u32,
    /// How long after it was sent.
    pub took: Span,
}

impl Ended {
    /// A first attempt, at the instant at which it was sent: with a 200, or with a 503.
    pub const fn at_once(now: SimTime, outcome: GateOutcome) -> Ended {
        let reply = match outcome {
            GateOutcome::Success => Outcome::OK,
            GateOutcome::Failure => Outcome::Status(503),
        };
        Ended { now, outcome, reply, attempt: 1, took: Span::ZERO }
    }
}

/// What a gate wants to be told. What it does not hear of costs a run nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hears {
    /// [`Gate::on_first_attempt`].
    pub first_attempts: bool,
    /// [`Gate::on_retry_sent`] and [`Gate::on_unsent`].
    pub retries: bool,
    /// [`Gate::on_outcome`] and [`Gate::on_abandon`].
    pub ends: bool,
    /// [`Gate::on_call_success`].
    pub successes: bool,
    /// [`Gate::reserve`] and [`Gate::give_back`].
    pub waits: bool,
}

impl Hears {
    /// Everything.
    pub const ALL: Hears = Hears { first_attempts: true, retries: true, ends: true, successes: true, waits: true };
    /// Nothing: it is only asked.
    pub const NOTHING: Hears =
        Hears { first_attempts: false, retries: false, ends: false, successes: false, waits: false };
}

/// How the state of one gate is made and kept: of one client, or of the fleet.
pub trait Kept: Clone + fmt::Debug {
    /// Its parameters, the same for all clients.
    type Config;
    /// What can be worked out of the parameters before a run, so that nobody does it for each attempt.
    type Terms: Clone + fmt::Debug;

    /// Works the terms out.
    fn terms(config: &Self::Config) -> Self::Terms;

    /// A gate in its first state.
    fn new(terms: &Self::Terms) -> Self;

    /// What it does something about.
    fn hears(_terms: &Self::Terms) -> Hears {
        Hears::ALL
    }

    /// Most bytes it takes beside its own size.
    fn most_heap_bytes(_terms: &Self::Terms) -> u64 {
        0
    }

    /// Bytes that it takes beside its own size now. Only an outcome may change them.
    fn heap_bytes(&self) -> usize {
        0
    }

    /// Looks at it, so that it is at hand when it is needed. To be written where very many clients have one of their own; what it returns means
    /// nothing.
    fn touch(&self) -> bool {
        false
    }
}

/// What the state of one gate does. Only [`Gate::check`] and [`Gate::on_admit`] have to be written.
pub trait Gate: Kept {
    /// Whether calls wait in line for it: then it is asked whose turn it is, whenever an attempt ends.
    const HAS_LINE: bool = false;

    /// Whether each replica may have one of its own ([`Scope::Replica`]). What it gives as a permit fits into 16 bits then.
    const OF_REPLICAS: bool = false;

    /// So late it is: makes up for what was to happen by itself since then. Comes before an attempt asks, and before an outcome.
    fn pass_time(&mut self, _now: SimTime, _terms: &Self::Terms) {}

    /// Asks. May move its clock on, but charges nothing.
    fn check(&mut self, ask: Ask, terms: &Self::Terms, rng: &mut dyn Rng) -> Answer;

    /// All gates of the moment agreed: charges the attempt.
    fn on_admit(&mut self, ask: Ask, terms: &Self::Terms) -> Permit;

    /// Why it would refuse an attempt that asks, for those who want it told.
    fn state(&self, _ask: Ask, _terms: &Self::Terms) -> GateState {
        GateState::Unsaid
    }

    /// It said no itself.
    fn on_refuse(&mut self, _now: SimTime, _terms: &Self::Terms) {}

    /// An admitted attempt ended.
    fn on_outcome(&mut self, _permit: Permit, _ended: Ended, _terms: &Self::Terms) {}

    /// An admitted attempt, with this number in its call, was given up without an outcome.
    fn on_abandon(&mut self, _permit: Permit, _attempt: u32) {}

    /// True for a breaker that is open.
    fn is_open(&self) -> bool {
        false
    }

    /// The first attempt of a call is sent.
    fn on_first_attempt(&mut self, _now: SimTime, _terms: &Self::Terms) {}

    /// A retry is sent.
    fn on_retry_sent(&mut self, _terms: &Self::Terms) {}

    /// A retry that was decided on, and admitted then, is not sent after all.
    fn on_unsent(&mut self, _terms: &Self::Terms) {}

    /// A call succeeded, after so many attempts. With the permit of its last retry, if it was retried.
    fn on_call_success(&mut self, _permit: Permit, _attempts: u32, _terms: &Self::Terms) {}

    /// It said not yet, and the attempt will wait.
    fn reserve(&mut self, _now: SimTime, _terms: &Self::Terms) {}

    /// The attempt that waited does not go out after all.
    fn give_back(&mut self, _terms: &Self::Terms) {}

    /// If a place has become free: the call that has waited longest, for which it is kept from now on.
    fn next_in_line(&mut self, _terms: &Self::Terms) -> Option<u32> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counters of refusals are found by number.
    #[test]
    fn refusals_stand_in_their_order() {
        assert_eq!(Refusal::ALL.map(|refusal| refusal as usize), [0, 1, 2, 3, 4]);
    }
}
