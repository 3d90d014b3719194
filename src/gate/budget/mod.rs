//! Retry budgets: how many retries there may be in relation to everything else. Asked when a retry has been decided on.

mod ratio;
mod tokens;

pub use ratio::{ENTRY as RATIO, EarnOn, RatioBudget, RatioBudgetConfig, Rounding};
pub use tokens::{Charge, DepositOn, ENTRY as TOKENS, Refill, TokenBudget, TokenBudgetConfig, Tokens, WithTime};
