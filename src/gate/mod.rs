//! Gates: state shared by many calls that may refuse an attempt. One file per gate.
//!
//! A gate is asked at one of two moments: when a retry is decided on (budgets) or when an attempt is sent (breakers). Gates asked at
//! one moment all agree before any is charged: first every `check`, then every `on_admit`; otherwise a
//! refusal by the second would burn the first one's token.

pub mod breaker;
pub mod budget;
mod chain;

pub use chain::{GateChain, GateCounts, Permits};

/// Whose state it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Every client has its own.
    #[default]
    Client,
    /// All clients share one.
    Fleet,
}

/// A gate as configured. The names are those of scenario files.
#[derive(Clone, Debug, PartialEq)]
pub struct GateConfig {
    /// Which gate, with its parameters.
    pub rule: GateRule,
    /// Whose state it is.
    pub scope: Scope,
}

/// Every gate there is.
#[derive(Clone, Debug, PartialEq)]
pub enum GateRule {
    /// `budget.tokens`.
    TokenBudget(budget::TokenBudgetConfig),
    /// `breaker.consecutive`.
    ConsecutiveBreaker(breaker::ConsecutiveBreakerConfig),
}

/// When a gate is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// A retry has been decided on, before its wait.
    Retry,
    /// An attempt is about to be sent.
    Send,
}

/// What a gate may be asked to remember about an admitted attempt: the breaker's generation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Permit(pub u32);

/// What happened to an admitted attempt, as gates see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateOutcome {
    /// A reply that is no failure in the policy's eyes: a 400 shows that the server works.
    Success,
    /// An outcome that the policy would retry.
    Failure,
}

/// The state of one gate.
#[derive(Clone, Debug)]
pub enum Gate {
    /// `budget.tokens`.
    TokenBudget(budget::TokenBudget),
    /// `breaker.consecutive`.
    ConsecutiveBreaker(breaker::ConsecutiveBreaker),
}

impl GateRule {
    /// A gate in its first state.
    pub fn build(&self) -> Gate {
        match self {
            GateRule::TokenBudget(config) => Gate::TokenBudget(budget::TokenBudget::new(config)),
            GateRule::ConsecutiveBreaker(_) => Gate::ConsecutiveBreaker(breaker::ConsecutiveBreaker::default()),
        }
    }

    /// When it is asked.
    pub fn moment(&self) -> Moment {
        match self {
            GateRule::TokenBudget(_) => Moment::Retry,
            GateRule::ConsecutiveBreaker(_) => Moment::Send,
        }
    }

    /// The metric that counts its refusals.
    pub fn refusal_metric(&self) -> &'static str {
        match self {
            GateRule::TokenBudget(_) => "budget_refused",
            GateRule::ConsecutiveBreaker(_) => "breaker_refused",
        }
    }
}
