//! The gates of `[policy.NAME]`: `breaker`, `budget`, `throttle`, `limiter`, `concurrency`. One file for each.

mod breaker;
mod budget;
mod concurrency;
mod limiter;
mod open;
mod throttle;

pub use breaker::BreakerChoice;
pub use budget::BudgetChoice;
pub use concurrency::ConcurrencyTable;
pub use limiter::LimiterChoice;
pub use throttle::ThrottleChoice;

use crate::gate::{Around, GateConfig, GateRule, OnRefusal, Scope};

fn gate_around(rule: GateRule, scope: Scope, on_refusal: OnRefusal, around: Option<Around>) -> GateConfig {
    GateConfig { around: around.unwrap_or_default(), ..gate(rule, scope, on_refusal) }
}

fn gate(rule: GateRule, scope: Scope, on_refusal: OnRefusal) -> GateConfig {
    GateConfig { on_refusal, ..GateConfig::new(rule, scope) }
}
