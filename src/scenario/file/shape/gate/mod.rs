//! The gates of `[policy.NAME]`: `breaker`, `budget`, `throttle`, `limiter`, `concurrency`. One file for each.

mod breaker;
mod budget;
mod concurrency;
mod limiter;
mod open;
mod throttle;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use breaker::BreakerChoice;
pub use budget::BudgetChoice;
pub use concurrency::ConcurrencyTable;
pub use limiter::LimiterChoice;
pub use throttle::ThrottleChoice;

use crate::gate::{Around, GateConfig, GateRule, OnRefusal, Scope};

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ScopeName {
    /// One for each client.
    #[default]
    Client,
    /// One for all clients.
    Fleet,
}

/// `on_refusal`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RefusalName {
    /// The call ends at once.
    #[default]
    Fail,
    /// It counts as one of the call's attempts, and the backoff follows.
    Retry,
}

impl ScopeName {
    /// As the engine knows it.
    pub fn build(self) -> Scope {
        match self {
            ScopeName::Client => Scope::Client,
            ScopeName::Fleet => Scope::Fleet,
        }
    }
}

/// `around`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AroundName {
    /// Each attempt, inside of the retries.
    #[default]
    Attempt,
    /// The call with all its retries and hedges: only its first attempt asks, a refusal fails the call, and what it hears of is the call's end, with
    /// the outcome of its last attempt.
    Call,
}

fn gate_around(rule: GateRule, scope: ScopeName, on_refusal: RefusalName, around: Option<AroundName>) -> GateConfig {
    let around = match around.unwrap_or_default() {
        AroundName::Attempt => Around::Attempt,
        AroundName::Call => Around::Call,
    };
    GateConfig { around, ..gate(rule, scope, on_refusal) }
}

fn gate(rule: GateRule, scope: ScopeName, on_refusal: RefusalName) -> GateConfig {
    let on_refusal = match on_refusal {
        RefusalName::Fail => OnRefusal::Fail,
        RefusalName::Retry => OnRefusal::Retry,
    };
    GateConfig { on_refusal, ..GateConfig::new(rule, scope.build()) }
}
