//! The gates of `[policy.NAME]`: `breaker`, `budget`, `throttle`, `limiter`, `concurrency`.

use schemars::JsonSchema;
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

/// A circuit breaker.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("examples" = [{ "consecutive": { "failures": 5, "open": "30s" } }]))]
pub enum BreakerChoice {
    /// Opens after a number of failures in a row.
    Consecutive {
        /// Failures in a row that open it.
        failures: AtLeastOne,
        /// How long it refuses everything once it is open.
        open: PositiveDuration,
        /// Attempts that pass when it is half-open; that many successes close it. Default: 1.
        #[serde(default = "one_probe")]
        probes: AtLeastOne,
        /// One for each client (default) or one for the fleet.
        #[serde(default)]
        scope: ScopeName,
        /// What a refusal does to the call. Default: `"fail"`.
        #[serde(default)]
        on_refusal: RefusalName,
    },
    /// Opens at a share of failures among the last calls, or in the last time.
    Rate(RateBreaker),
}

/// As sony/gobreaker 2.4 (`MaxRequests` 0 means 1).
fn one_probe() -> AtLeastOne {
    Count(1)
}

/// Opens at a share of failures; `calls` or `window` says of which outcomes.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "RateBreakerKeys", into = "RateBreakerKeys")]
pub struct RateBreaker {
    keys: RateBreakerKeys,
    window: RateWindow,
    min_calls: AtLeastOne,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend(
    "anyOf" = [{ "required": ["calls"] }, { "required": ["window"] }],
    "not" = { "required": ["calls", "window"] },
    "dependentRequired" = { "slow_threshold": ["slow_call"] }
))]
struct RateBreakerKeys {
    /// Share of failures that opens it.
    threshold: PositiveProbability,
    /// The last so many outcomes count.
    #[serde(skip_serializing_if = "Option::is_none")]
    calls: Option<AtLeastOne>,
    /// The outcomes of the last so long count.
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<PositiveDuration>,
    /// Fewer outcomes than this open nothing. Default: 20, or `calls` if that is less.
    min_calls: Option<AtLeastOne>,
    /// How long it refuses everything once it is open.
    open: PositiveDuration,
    /// Attempts that pass when it is half-open; that many successes close it. Default: 1.
    #[serde(default = "one_probe")]
    probes: AtLeastOne,
    /// An attempt that takes longer is slow. Default: none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    slow_call: Option<PositiveDuration>,
    /// Share of slow calls that opens it. Default: a slow call is a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    slow_threshold: Option<PositiveProbability>,
    /// One for each client (default) or one for the fleet.
    #[serde(default)]
    scope: ScopeName,
    /// What a refusal does to the call. Default: `"fail"`.
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

/// A retry budget.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("examples" = [{ "tokens": { "capacity": 10, "deposit": 0.1, "deposit_on": "first-attempt" } }]))]
pub enum BudgetChoice {
    /// Retries take tokens, successes or first attempts bring them in.
    Tokens {
        /// Most tokens, with which it starts.
        capacity: TokenAmount,
        /// Tokens that a retry takes. Default: 1.
        #[serde(default = "one_token")]
        cost: TokenAmount,
        /// Tokens that come in.
        deposit: TokenAmount,
        /// What brings tokens in. Default: `"success"`.
        #[serde(default)]
        deposit_on: DepositName,
        /// One for each client (default) or one for the fleet.
        #[serde(default)]
        scope: ScopeName,
        /// What a refusal does to the call. Default: `"fail"`.
        #[serde(default)]
        on_refusal: RefusalName,
    },
    /// Retries in proportion to first attempts.
    Ratio {
        /// Retries for each first attempt.
        ratio: Ratio,
        /// Retries that are free. Default: `"0/s"`.
        #[serde(default)]
        min_rate: Rate,
        /// How much of the past counts. Default: `"10s"`.
        #[serde(default = "ten_seconds")]
        window: PositiveDuration,
        /// One for each client (default) or one for the fleet.
        #[serde(default)]
        scope: ScopeName,
        /// What a refusal does to the call. Default: `"fail"`.
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
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "f64")]
#[schemars(inline, extend("minimum" = 0, "maximum" = Tokens::MOST))]
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

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DepositName {
    /// Each call that succeeds.
    #[default]
    Success,
    /// Each first attempt that is sent.
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

/// A throttle.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("examples" = [{ "adaptive": { "k": 2.0, "window": "2m" } }]))]
pub enum ThrottleChoice {
    /// Sends about `k` attempts for each one that is accepted.
    Adaptive {
        /// Attempts that are sent for each one accepted. Default: 2.
        #[serde(default)]
        k: Multiplier,
        /// How much of the past counts. Default: `"2m"`.
        #[serde(default = "two_minutes")]
        window: PositiveDuration,
        /// One for each client (default) or one for the fleet.
        #[serde(default)]
        scope: ScopeName,
        /// What a refusal does to the call. Default: `"fail"`.
        #[serde(default)]
        on_refusal: RefusalName,
    },
}

/// The multiplier of accepts: at least 1, or a server that accepts everything would be throttled.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "f64")]
#[schemars(inline, extend("minimum" = 1))]
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

/// A limiter.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(extend("examples" = [{ "rate": { "rate": "10/s", "burst": 10 } }]))]
pub enum LimiterChoice {
    /// A token bucket.
    Rate(RateLimiter),
}

/// A token bucket that starts full; every attempt takes a token.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "RateLimiterKeys", into = "RateLimiterKeys")]
pub struct RateLimiter {
    keys: RateLimiterKeys,
    burst: f64,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RateLimiterKeys {
    /// Attempts per time that are sent.
    rate: PositiveRate,
    /// Attempts that are sent at once; at least 1. Default: one second's worth, at least 1.
    #[schemars(extend("minimum" = 1))]
    burst: Option<f64>,
    /// What an attempt without a token does. Default: `"wait"`.
    #[serde(default)]
    on_limit: LimitName,
    /// One for each client (default) or one for the fleet.
    #[serde(default)]
    scope: ScopeName,
    /// What a refusal does to the call; only with `on_limit = "refuse"`. Default: `"fail"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    on_refusal: Option<RefusalName>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum LimitName {
    /// It waits for the next one.
    #[default]
    Wait,
    /// It is refused.
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

/// A limit on retries in flight at once.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConcurrencyTable {
    /// Most retries in flight at once.
    retries: AtLeastOne,
    /// One for each client (default) or one for the fleet.
    #[serde(default)]
    scope: ScopeName,
    /// What a refusal does to the call. Default: `"fail"`.
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
