//! The gates of `[policy.NAME]`: `breaker`, `budget`, `throttle`, `limiter`, `concurrency`.

use serde::{Deserialize, Serialize};

use crate::gate::breaker::{ConsecutiveBreakerConfig, RateBreakerConfig, RateWindow, SlowCalls};
use crate::gate::budget::{DepositOn, RatioBudgetConfig, TokenBudgetConfig, Tokens};
use crate::gate::concurrency::ConcurrencyConfig;
use crate::gate::limiter::{OnLimit, RateLimiterConfig};
use crate::gate::throttle::AdaptiveThrottleConfig;
use crate::gate::{GateConfig, GateRule, OnRefusal, Scope};
use crate::scenario::file::leaf::{
    AtLeastOne, Count, Duration, PositiveDuration, PositiveProbability, PositiveRate, Rate, Ratio,
};
use crate::units::Span;

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScopeName {
    #[default]
    Client,
    Fleet,
}

/// `on_refusal`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RefusalName {
    #[default]
    Fail,
    Retry,
}

fn gate(rule: GateRule, scope: ScopeName, on_refusal: RefusalName) -> GateConfig {
    let scope = match scope {
        ScopeName::Client => Scope::Client,
        ScopeName::Fleet => Scope::Fleet,
    };
    let on_refusal = match on_refusal {
        RefusalName::Fail => OnRefusal::Fail,
        RefusalName::Retry => OnRefusal::Retry,
    };
    GateConfig { rule, scope, on_refusal }
}

/// `breaker`. A new one is registered here.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum BreakerChoice {
    Consecutive {
        failures: AtLeastOne,
        open: PositiveDuration,
        #[serde(default = "one_probe")]
        probes: AtLeastOne,
        #[serde(default)]
        scope: ScopeName,
        #[serde(default)]
        on_refusal: RefusalName,
    },
    Rate(RateBreaker),
}

/// As sony/gobreaker 2.4 (`MaxRequests` 0 means 1).
fn one_probe() -> AtLeastOne {
    Count(1)
}

/// `breaker.rate`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "RateBreakerKeys", into = "RateBreakerKeys")]
pub struct RateBreaker {
    keys: RateBreakerKeys,
    window: RateWindow,
    min_calls: AtLeastOne,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RateBreakerKeys {
    threshold: PositiveProbability,
    #[serde(skip_serializing_if = "Option::is_none")]
    calls: Option<AtLeastOne>,
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<PositiveDuration>,
    min_calls: Option<AtLeastOne>,
    open: PositiveDuration,
    #[serde(default = "one_probe")]
    probes: AtLeastOne,
    #[serde(skip_serializing_if = "Option::is_none")]
    slow_call: Option<PositiveDuration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    slow_threshold: Option<PositiveProbability>,
    #[serde(default)]
    scope: ScopeName,
    #[serde(default)]
    on_refusal: RefusalName,
}

/// Hystrix's `requestVolumeThreshold`.
const MIN_CALLS: u64 = 20;

impl TryFrom<RateBreakerKeys> for RateBreaker {
    type Error = String;
    fn try_from(mut keys: RateBreakerKeys) -> Result<RateBreaker, String> {
        let window = match (keys.calls, keys.window) {
            (Some(calls), None) => RateWindow::Calls(calls.get()),
            (None, Some(window)) => RateWindow::Time(window.span()),
            (Some(_), Some(_)) => {
                return Err("counts over the last `calls` or over a `window` of time, not both".into());
            }
            (None, None) => return Err("needs `calls = 100` or `window = \"30s\"`: the outcomes that count".into()),
        };
        if keys.slow_threshold.is_some() && keys.slow_call.is_none() {
            return Err("`slow_threshold` needs `slow_call`: from when on is a call slow?".into());
        }
        // A window of fewer calls is judged when it is full.
        let most = keys.calls.map_or(u64::MAX, |calls| calls.0);
        let min_calls = *keys.min_calls.get_or_insert(Count(MIN_CALLS.min(most)));
        if min_calls.0 > most {
            return Err(format!("`min_calls` ({}) is above `calls` ({most}): it would never open", min_calls.0));
        }
        Ok(RateBreaker { keys, window, min_calls })
    }
}

impl From<RateBreaker> for RateBreakerKeys {
    fn from(breaker: RateBreaker) -> RateBreakerKeys {
        breaker.keys
    }
}

impl BreakerChoice {
    /// As the engine knows it.
    pub fn build(&self) -> GateConfig {
        match self {
            BreakerChoice::Consecutive { failures, open, probes, scope, on_refusal } => {
                let rule = GateRule::ConsecutiveBreaker(ConsecutiveBreakerConfig {
                    failures: failures.get(),
                    open: open.span(),
                    probes: probes.get(),
                });
                gate(rule, *scope, *on_refusal)
            }
            BreakerChoice::Rate(RateBreaker { keys, window, min_calls }) => {
                let slow = keys.slow_call.map(|above| SlowCalls {
                    above: above.span(),
                    threshold: keys.slow_threshold.map(|threshold| threshold.0.0),
                });
                let rule = GateRule::RateBreaker(RateBreakerConfig {
                    threshold: keys.threshold.0.0,
                    window: *window,
                    min_calls: min_calls.get(),
                    open: keys.open.span(),
                    probes: keys.probes.get(),
                    slow,
                });
                gate(rule, keys.scope, keys.on_refusal)
            }
        }
    }
}

/// `budget`. A new one is registered here.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum BudgetChoice {
    Tokens {
        capacity: TokenAmount,
        #[serde(default = "one_token")]
        cost: TokenAmount,
        deposit: TokenAmount,
        #[serde(default)]
        deposit_on: DepositName,
        #[serde(default)]
        scope: ScopeName,
        #[serde(default)]
        on_refusal: RefusalName,
    },
    Ratio {
        ratio: Ratio,
        #[serde(default)]
        min_rate: Rate,
        #[serde(default = "ten_seconds")]
        window: PositiveDuration,
        #[serde(default)]
        scope: ScopeName,
        #[serde(default)]
        on_refusal: RefusalName,
    },
}

fn one_token() -> TokenAmount {
    TokenAmount(1.0)
}

/// The time to live of deposits in Finagle's and tower's budgets.
fn ten_seconds() -> PositiveDuration {
    PositiveDuration(Duration(Span::secs(10)))
}

/// A number of tokens, fractions allowed.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(try_from = "f64")]
pub struct TokenAmount(f64);

impl TryFrom<f64> for TokenAmount {
    type Error = String;
    fn try_from(amount: f64) -> Result<TokenAmount, String> {
        if (0.0..=Tokens::MOST).contains(&amount) {
            Ok(TokenAmount(amount))
        } else {
            Err(format!("must be between 0 and {} tokens", Tokens::MOST))
        }
    }
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DepositName {
    #[default]
    Success,
    FirstAttempt,
}

impl BudgetChoice {
    /// As the engine knows it.
    pub fn build(&self) -> GateConfig {
        match self {
            BudgetChoice::Tokens { capacity, cost, deposit, deposit_on, scope, on_refusal } => {
                let rule = GateRule::TokenBudget(TokenBudgetConfig {
                    capacity: Tokens::new(capacity.0),
                    cost: Tokens::new(cost.0),
                    deposit: Tokens::new(deposit.0),
                    deposit_on: match deposit_on {
                        DepositName::Success => DepositOn::Success,
                        DepositName::FirstAttempt => DepositOn::FirstAttempt,
                    },
                });
                gate(rule, *scope, *on_refusal)
            }
            BudgetChoice::Ratio { ratio, min_rate, window, scope, on_refusal } => {
                let rule = GateRule::RatioBudget(RatioBudgetConfig {
                    ratio: Tokens::new(ratio.0),
                    min_rate: min_rate.per_second,
                    window: window.span(),
                });
                gate(rule, *scope, *on_refusal)
            }
        }
    }
}

/// `throttle`. A new one is registered here.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ThrottleChoice {
    Adaptive {
        #[serde(default)]
        k: Multiplier,
        #[serde(default = "two_minutes")]
        window: PositiveDuration,
        #[serde(default)]
        scope: ScopeName,
        #[serde(default)]
        on_refusal: RefusalName,
    },
}

/// The multiplier of accepts: at least 1, or a server that accepts everything would be throttled.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(try_from = "f64")]
pub struct Multiplier(f64);

/// As the Google SRE book.
impl Default for Multiplier {
    fn default() -> Multiplier {
        Multiplier(2.0)
    }
}

impl TryFrom<f64> for Multiplier {
    type Error = String;
    fn try_from(k: f64) -> Result<Multiplier, String> {
        if k.is_finite() && k >= 1.0 {
            Ok(Multiplier(k))
        } else {
            Err(format!("{k} is not at least 1: requests would be refused although all are accepted"))
        }
    }
}

/// As the Google SRE book.
fn two_minutes() -> PositiveDuration {
    PositiveDuration(Duration(Span::secs(120)))
}

impl ThrottleChoice {
    /// As the engine knows it.
    pub fn build(&self) -> GateConfig {
        let ThrottleChoice::Adaptive { k, window, scope, on_refusal } = self;
        let rule = GateRule::AdaptiveThrottle(AdaptiveThrottleConfig { k: k.0, window: window.span() });
        gate(rule, *scope, *on_refusal)
    }
}

/// `limiter`. A new one is registered here.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LimiterChoice {
    Rate(RateLimiter),
}

/// `limiter.rate`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "RateLimiterKeys", into = "RateLimiterKeys")]
pub struct RateLimiter {
    keys: RateLimiterKeys,
    burst: f64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RateLimiterKeys {
    rate: PositiveRate,
    /// Default: one second's worth, at least 1.
    burst: Option<f64>,
    #[serde(default)]
    on_limit: LimitName,
    #[serde(default)]
    scope: ScopeName,
    /// Absent where nothing is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    on_refusal: Option<RefusalName>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum LimitName {
    #[default]
    Wait,
    Refuse,
}

impl TryFrom<RateLimiterKeys> for RateLimiter {
    type Error = String;
    fn try_from(mut keys: RateLimiterKeys) -> Result<RateLimiter, String> {
        let burst = *keys.burst.get_or_insert(keys.rate.0.per_second.max(1.0));
        if !(burst.is_finite() && burst >= 1.0) {
            return Err(format!("`burst` is {burst}, and must be at least 1 token"));
        }
        match keys.on_limit {
            LimitName::Refuse => {
                keys.on_refusal.get_or_insert_default();
            }
            LimitName::Wait if keys.on_refusal.is_some() => {
                return Err(
                    "`on_refusal` needs `on_limit = \"refuse\"`: a limiter that makes wait refuses nothing".into()
                );
            }
            LimitName::Wait => {}
        }
        Ok(RateLimiter { keys, burst })
    }
}

impl From<RateLimiter> for RateLimiterKeys {
    fn from(limiter: RateLimiter) -> RateLimiterKeys {
        limiter.keys
    }
}

impl LimiterChoice {
    /// As the engine knows it.
    pub fn build(&self) -> GateConfig {
        let LimiterChoice::Rate(RateLimiter { keys, burst }) = self;
        let rule = GateRule::RateLimiter(RateLimiterConfig {
            rate: keys.rate.0.per_second,
            burst: *burst,
            on_limit: match keys.on_limit {
                LimitName::Wait => OnLimit::Wait,
                LimitName::Refuse => OnLimit::Refuse,
            },
        });
        gate(rule, keys.scope, keys.on_refusal.unwrap_or_default())
    }
}

/// `concurrency`: retries at once.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConcurrencyTable {
    retries: AtLeastOne,
    #[serde(default)]
    scope: ScopeName,
    #[serde(default)]
    on_refusal: RefusalName,
}

impl ConcurrencyTable {
    /// As the engine knows it.
    pub fn build(&self) -> GateConfig {
        let rule = GateRule::Concurrency(ConcurrencyConfig { retries: self.retries.get() });
        gate(rule, self.scope, self.on_refusal)
    }
}
