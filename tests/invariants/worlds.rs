//! Random scenarios: small, but with everything that a scenario can have.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use simlab::distribution::Distribution;
use simlab::endpoint::{Balance, EjectionConfig, EndpointRules, RetryHost};
use simlab::gate::breaker::{
    CircuitRules, ConsecutiveBreakerConfig, Judge, OpenTime, RateBreakerConfig, RateWindow, SlowCalls, Stale,
    Threshold, Verdict,
};
use simlab::gate::budget::{Charge, DepositOn, EarnOn, RatioBudgetConfig, Refill, Rounding, TokenBudgetConfig, Tokens};
use simlab::gate::concurrency::{ConcurrencyConfig, Hold, MostRetries};
use simlab::gate::cubic::CubicLimiterConfig;
use simlab::gate::limiter::{OnLimit, RateLimiterConfig};
use simlab::gate::pool::PoolConfig;
use simlab::gate::throttle::AdaptiveThrottleConfig;
use simlab::gate::{Around, GateConfig, GateRule, Moment, OnRefusal, Scope};
use simlab::hedge::{HedgeConfig, Losers, OnFailure, Trigger};
use simlab::protocol::{Method, Outcome};
use simlab::retry::jitter::additive::Additive;
use simlab::retry::{
    AtLimit, Backoff, Cause, Free, Hints, Jitter, KeyMode, Limits, OutcomeClass, OutcomeSet, RetryAfter, RetryFor,
    RetryPolicy,
};
use simlab::scenario::{
    AbandonedWork, Arrivals, Ban, CacheConfig, Discipline, Fates, Fault, Flapping, Frame, FreedBy, Idempotency,
    LockConfig, LockOnFailure, Operation, Per, ProfilePoint, RateLimit, Scenario, Scripted, ServerConfig, StoreScope,
    Stores, World,
};
use simlab::units::{SimTime, Span};

/// Demand is offered for this long, and then there is as much time again.
pub const SECONDS: u64 = 20;

/// A random scenario of one policy.
#[derive(Clone, Debug)]
pub struct Case {
    pub seed: u64,
    pub clients: u32,
    pub warmup: Span,
    pub drain: Span,
    pub arrivals: Arrivals,
    pub method: Method,
    pub server: ServerConfig,
    pub faults: Vec<Fault>,
    pub policy: RetryPolicy,
    pub gates: Vec<GateConfig>,
    pub hedge: Option<HedgeConfig>,
}

impl Case {
    /// The same without retries that do not count.
    pub fn all_counted(mut self) -> Case {
        if let Some(limits) = &mut self.policy.limits {
            limits.free = None;
        }
        self
    }

    /// Most attempts of a call, free ones included.
    pub fn most_attempts(&self) -> Option<u32> {
        let free = self.policy.limits.as_ref().and_then(|limits| limits.free.as_ref());
        self.policy.attempts.map(|attempts| attempts + free.map_or(0, |free| u32::from(free.retries)))
    }

    pub fn scenario(&self) -> Scenario {
        let mut scenario = Scenario::from_parts(
            Frame { seed: self.seed, warmup: self.warmup, drain: self.drain, ..Frame::lasting(Span::secs(SECONDS)) },
            World {
                clients: self.clients,
                operation: Operation {
                    server: 0,
                    method: self.method,
                    steps: Vec::new(),
                    row: Default::default(),
                    wanted: None,
                    journal: simlab::scenario::JournalConfig::default(),
                },
                faults: self.faults.clone(),
                ..World::new(self.arrivals.clone(), self.server.clone())
            },
        )
        .with_policy("p", self.policy.clone(), &self.gates);
        scenario.policies[0].rules_mut().hedge = self.hedge.clone();
        scenario
    }
}

pub fn case() -> impl Strategy<Value = Case> {
    let demand =
        (0u64..1_000, 1u32..5, prop_oneof![Just(0), Just(7_300)], prop_oneof![Just(0), Just(20_000)], arrivals());
    let named = |(place, fault): (usize, Fault)| Fault { name: format!("f{place}"), ..fault };
    let faults = vec(fault(), 0..3).prop_map(move |faults| faults.into_iter().enumerate().map(named).collect());
    let world = (proptest::sample::select(Method::ALL.to_vec()), server(), faults);
    let client = (policy(), gates(), option::weighted(0.4, hedge()));
    (demand, world, client).prop_map(|(demand, world, client)| {
        let (seed, clients, warmup, drain, arrivals) = demand;
        let (method, server, faults) = world;
        let (policy, gates, hedge) = client;
        // What lingers after its time-out has a deadline at which it ends.
        let ends = policy.timeout.is_some() && policy.deadline.is_some();
        let hedge = hedge.filter(|hedge: &HedgeConfig| hedge.trigger != Trigger::Timeout || ends);
        // What is asked at sending may stand around the call instead: here, of every other number of clients.
        let outside = clients % 2 == 0;
        let gates: Vec<GateConfig> =
            gates.into_iter().map(|gate| if outside { around_call(gate) } else { gate }).collect();
        let (warmup, drain) = (Span::millis(warmup), Span::millis(drain));
        Case { seed, clients, warmup, drain, arrivals, method, server, faults, policy, gates, hedge }
    })
}

fn arrivals() -> impl Strategy<Value = Arrivals> {
    let closed = |think| Arrivals::Closed { think };
    prop_oneof![
        4 => open_loop(),
        1 => (200u64..3_000).prop_map(move |ms| closed(Distribution::Exponential { mean: Span::millis(ms) })),
        1 => (200u64..3_000).prop_map(move |ms| closed(Distribution::Constant(Span::millis(ms)))),
    ]
}

pub fn open_loop() -> impl Strategy<Value = Arrivals> {
    let point = (0u64..SECONDS, 0.0f64..6.0).prop_map(|(at, rate)| ProfilePoint { at: Span::secs(at), rate });
    prop_oneof![
        (0.1f64..5.0).prop_map(|rate| Arrivals::Poisson { rate }),
        (0.1f64..5.0).prop_map(|rate| Arrivals::Constant { rate }),
        (1u64..30, 0u64..5_000, option::of(1_000u64..9_000)).prop_map(|(operations, at, every)| Arrivals::Burst {
            operations,
            at: Span::millis(at),
            every: every.map(Span::millis),
        }),
        vec(point, 1..4).prop_map(|mut points| {
            points.sort_by_key(|point| point.at);
            Arrivals::Profile(points)
        }),
    ]
}

fn distribution() -> impl Strategy<Value = Distribution> {
    let ms = || (0u64..600).prop_map(Span::millis);
    prop_oneof![
        3 => Just(Distribution::ZERO),
        3 => ms().prop_map(Distribution::Constant),
        2 => ms().prop_map(|mean| Distribution::Exponential { mean }),
        1 => ms().prop_map(|min| Distribution::Uniform { min, max: min + Span::millis(300) }),
        1 => ms().prop_map(|mean| Distribution::Normal { mean, sd: Span::millis(200) }),
        1 => (0.1f64..2.0).prop_map(|sigma| Distribution::lognormal_p50_sigma(Span::millis(100), sigma)),
        1 => (1.1f64..3.0).prop_map(|shape| Distribution::Pareto { min: Span::millis(40), shape }),
        1 => (0.3f64..3.0).prop_map(|shape| Distribution::Gamma { mean: Span::millis(150), shape }),
        1 => (0.5f64..3.0).prop_map(|shape| Distribution::Weibull { scale: Span::millis(150), shape }),
        1 => ms().prop_map(|mean| Distribution::Mixture(vec![
            (0.8, Distribution::ZERO),
            (0.2, Distribution::Exponential { mean }),
        ])),
    ]
}

fn share() -> impl Strategy<Value = f64> {
    prop_oneof![3 => Just(0.0), 1 => 0.0f64..0.06, 1 => Just(0.06)]
}

fn fates() -> impl Strategy<Value = Fates> {
    (vec(share(), 9), option::weighted(0.2, 0.0f64..0.3)).prop_map(|(shares, permanent)| Fates {
        refused: shares[0],
        lost_requests: shares[1],
        resets: shares[2],
        errors: vec![(500, shares[3])],
        failures: vec![(502, shares[4])],
        hangs: shares[5],
        late_errors: vec![(504, shares[6])],
        lost_replies: shares[7],
        late_resets: shares[8],
        permanent_errors: permanent.map(|share| (402, share)).into_iter().collect(),
    })
}

fn stores() -> impl Strategy<Value = Stores> {
    prop_oneof![Just(Stores::Successes), Just(Stores::Effects), Just(Stores::Everything)]
}

fn missing_key() -> impl Strategy<Value = Option<u16>> {
    option::weighted(0.2, Just(400))
}

fn idempotency() -> impl Strategy<Value = Idempotency> {
    let retention = prop_oneof![Just(Span::secs(86_400)), (0u64..3_000).prop_map(Span::millis)];
    prop_oneof![
        Just(Idempotency::None),
        (retention, stores(), missing_key()).prop_map(|(retention, stores, missing_key)| {
            Idempotency::Cache(CacheConfig { retention, stores, missing_key, ..CacheConfig::default() })
        }),
        (option::of(0u64..2_000), stores(), any::<bool>(), option::weighted(0.2, Just(())), missing_key()).prop_map(
            |(ttl, stores, owner, keep, missing_key)| {
                Idempotency::Lock(LockConfig {
                    retention: Span::secs(86_400),
                    lock_ttl: ttl.map(Span::millis),
                    stores,
                    freed_by: if owner { FreedBy::Owner } else { FreedBy::Anyone },
                    on_failure: if keep.is_some() { LockOnFailure::Keep } else { LockOnFailure::Free },
                    missing_key,
                    ..LockConfig::default()
                })
            }
        ),
    ]
}

fn script() -> impl Strategy<Value = Vec<Scripted>> {
    use Scripted::{Hang, LateReset, LostReply, LostRequest, Ok, Refused, Reset, Status};
    let words = vec![Ok, Status(500), Refused, LostRequest, Reset, Hang, LostReply, LateReset];
    prop_oneof![3 => Just(Vec::new()), 1 => vec(proptest::sample::select(words), 1..4)]
}

fn server() -> impl Strategy<Value = ServerConfig> {
    let capacity =
        (option::of(1u32..4), option::of(0u32..5), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let ban = option::weighted(0.3, (1u32..5, 1u64..5_000, 1.0f64..3.0))
        .prop_map(|ban| ban.map(|(after, ms, grows)| Ban { after, time: Span::millis(ms), grows }));
    let limit = option::weighted(0.3, (0.2f64..6.0, 1.0f64..5.0, any::<bool>(), any::<bool>(), ban));
    let max_wait = option::weighted(0.4, distribution());
    let hints = option::weighted(0.3, distribution());
    (capacity, (distribution(), distribution(), max_wait), fates(), hints, limit, (script(), idempotency())).prop_map(
        |(
            (workers, queue, refuse, lifo, drop_expired, cancel),
            (service_time, network, max_wait),
            fates,
            hint,
            limit,
            (script, idempotency),
        )| {
            ServerConfig {
                workers,
                queue,
                when_full: if refuse { Outcome::Refused } else { Outcome::Status(503) },
                max_wait,
                discipline: if lifo { Discipline::Lifo } else { Discipline::Fifo },
                drop_expired,
                abandoned_work: if cancel { AbandonedWork::Cancel } else { AbandonedWork::Finish },
                service_time,
                network,
                fates,
                retry_after: hint.map(|hint| (503, hint)).into_iter().collect(),
                rate_limit: limit.map(|(rate, burst, per_client, retry_after, ban)| RateLimit {
                    rate,
                    burst,
                    per: if per_client { Per::Client } else { Per::Server },
                    status: 429,
                    retry_after,
                    ban,
                }),
                script,
                idempotency,
                ..ServerConfig::named("s")
            }
        },
    )
}

fn fault() -> impl Strategy<Value = Fault> {
    let window = (0u64..25_000, option::of(1u64..15_000));
    let scale = || prop_oneof![3 => Just(1.0), 1 => Just(0.0), 1 => Just(0.5), 1 => Just(3.0)];
    let flapping = option::weighted(0.2, (1u64..4_000, 1u64..4_000));
    let rare = || proptest::bool::weighted(0.2);
    (window, fates(), distribution(), scale(), scale(), rare(), rare(), flapping).prop_map(
        |((from, length), fates, added_latency, slowdown, capacity, freeze, crash, flapping)| {
            let until = length.map_or(SimTime::NEVER, |length| SimTime::ZERO + Span::millis(from + length));
            Fault {
                fates,
                added_latency,
                slowdown,
                capacity,
                freeze,
                crash,
                flapping: flapping.map(|(on, off)| Flapping { mean_on: Span::millis(on), mean_off: Span::millis(off) }),
                ..Fault::named("f", 0, SimTime::ZERO + Span::millis(from), until)
            }
        },
    )
}

fn backoff() -> impl Strategy<Value = Backoff> {
    let cap = Some(Span::secs(4));
    (50u64..1_500).prop_map(Span::millis).prop_flat_map(move |base| {
        proptest::sample::select(vec![
            Backoff::fixed(base),
            Backoff::linear(base, base, cap),
            Backoff::exponential(base, 2.0, cap),
            Backoff::equal_jitter(base, 2.0, cap),
            Backoff::decorrelated_jitter(base, cap),
            Backoff::additive_jitter(base, 2.0, cap, base, false),
            Backoff::proportional_jitter(base, 1.5, cap, 0.3),
            Backoff::schedule(vec![base, Span::secs(3)], 0.1),
            // These may wait no time at all.
            Backoff::none(),
            Backoff::full_jitter(base, 2.0, cap),
            Backoff::memoryless(base),
        ])
    })
}

/// Limits beside the number of attempts.
fn beside_attempts() -> impl Strategy<Value = (Option<Box<Limits>>, Option<RetryFor>)> {
    let causes = [OutcomeClass::ServerErrors, OutcomeClass::Refused, OutcomeClass::Any];
    let cause = (proptest::sample::select(causes.to_vec()), 0u8..4)
        .prop_map(|(class, retries)| Cause { on: OutcomeSet::new(vec![class]), retries });
    let free = (0u8..4, any::<bool>()).prop_map(|(retries, first_only)| Free {
        on: OutcomeSet::default(),
        retries,
        first_only,
    });
    let limits = (proptest::collection::vec(cause, 0..4), option::weighted(0.5, free))
        .prop_map(|(causes, free)| Box::new(Limits { causes, free }));
    let rule = proptest::sample::select(vec![AtLimit::Fits, AtLimit::Elapsed, AtLimit::Cut]);
    let retry_for = (1u64..9_000, rule).prop_map(|(ms, rule)| RetryFor { limit: Span::millis(ms), rule });
    (option::weighted(0.2, limits), option::weighted(0.2, retry_for))
}

pub fn policy() -> impl Strategy<Value = RetryPolicy> {
    let limits =
        (option::weighted(0.8, 1u32..6), option::weighted(0.8, 1u64..2_000), option::weighted(0.3, 1u64..9_000));
    let any_outcome = OutcomeSet::new(vec![OutcomeClass::Any]);
    let retry_on = proptest::sample::select(vec![OutcomeSet::default(), any_outcome]);
    let spread = Additive { below: Span::millis(100), above: Span::millis(900), growth: Span::millis(50) };
    let retry_after = proptest::sample::select(vec![
        RetryAfter::Ignore,
        RetryAfter::up_to(None),
        RetryAfter::up_to(Some(Span::millis(700))),
        RetryAfter::Honour(Box::new(Hints { jitter: Jitter::Additive(spread), ..Hints::default() })),
        RetryAfter::Honour(Box::new(Hints {
            triggers: OutcomeSet::any(),
            at_least_backoff: true,
            times_backoff: Some(2.0),
            begins_anew: true,
            ..Hints::default()
        })),
    ]);
    let key = proptest::sample::select(vec![KeyMode::None, KeyMode::PerOperation, KeyMode::PerAttempt]);
    (limits, backoff(), option::weighted(0.2, backoff()), retry_on, retry_after, key, beside_attempts()).prop_map(
        |((attempts, timeout, deadline), backoff, special, retry_on, retry_after, key, (limits, retry_for))| {
            RetryPolicy {
                // Without a limit, a wait that is always some time keeps the run finite.
                backoff: if attempts.is_none() { Backoff::fixed(Span::millis(300)) } else { backoff },
                backoff_for: special
                    .filter(|_| attempts.is_some())
                    .map(|backoff| (OutcomeClass::Timeout, backoff))
                    .into_iter()
                    .collect(),
                retry_after: if attempts.is_none() { RetryAfter::Ignore } else { retry_after },
                attempts,
                timeout: timeout.map(Span::millis),
                deadline: deadline.map(Span::millis),
                heeds_should_retry: true,
                limits,
                timeout_factor: 1.0,
                timeout_cap: None,
                retry_for,
                retry_on,
                key,
                key_lost: 0.0,
            }
        },
    )
}

pub fn scope() -> impl Strategy<Value = Scope> {
    prop_oneof![Just(Scope::Client), Just(Scope::Fleet)]
}

/// The gate around the call, if it can be there.
fn around_call(gate: GateConfig) -> GateConfig {
    let may = gate.on_refusal == OnRefusal::Fail
        && !matches!(gate.rule, GateRule::Concurrency(_) | GateRule::Pool(_) | GateRule::CubicLimiter(_))
        && gate.rule.moment() == Moment::Send;
    if may { GateConfig { around: Around::Call, ..gate } } else { gate }
}

/// Hedging of any kind.
pub fn hedge() -> impl Strategy<Value = HedgeConfig> {
    let percentile = (0.01f64..0.99, 100u64..20_000).prop_map(|(at, ms)| Trigger::Percentile {
        at,
        window: Span::millis(ms),
        min: Span::millis(1),
    });
    let trigger = prop_oneof![
        4 => option::weighted(0.8, 0u64..1_500).prop_map(|ms| Trigger::Fixed(ms.map(Span::millis))),
        2 => percentile,
        1 => Just(Trigger::Timeout),
    ];
    let on_failure = proptest::sample::select(vec![OnFailure::Next, OnFailure::Wait, OnFailure::End]);
    let losers = proptest::sample::select(vec![Losers::Cancel, Losers::Run]);
    (trigger, 1u32..4, on_failure, losers, option::weighted(0.3, ratio()), scope()).prop_map(
        |(trigger, extra, on_failure, losers, budget, scope)| {
            let extra = if trigger == Trigger::Timeout { 0 } else { extra };
            // Nobody earns by an outcome.
            let budget = budget.map(|budget| RatioBudgetConfig { deposit_on: EarnOn::FirstAttempt, ..budget });
            HedgeConfig { trigger, extra, on_failure, losers, budget, scope }
        },
    )
}

/// At most one of each kind, in the order of scenario files.
pub fn gates() -> impl Strategy<Value = Vec<GateConfig>> {
    let rare = |rule: BoxedStrategy<GateRule>| option::weighted(0.2, rule);
    let tokens = budget().prop_map(GateRule::TokenBudget);
    let budgets = prop_oneof![tokens, ratio().prop_map(GateRule::RatioBudget)];
    let throttle = (1.0f64..3.0, 100u64..20_000)
        .prop_map(|(k, ms)| GateRule::AdaptiveThrottle(AdaptiveThrottleConfig { k, window: Span::millis(ms) }));
    let limiter = (0.2f64..6.0, 1.0f64..5.0, any::<bool>()).prop_map(|(rate, burst, wait)| {
        let on_limit = if wait { OnLimit::Wait } else { OnLimit::Refuse };
        GateRule::RateLimiter(RateLimiterConfig { rate, burst, on_limit })
    });
    let cubic = (0.2f64..2.0)
        .prop_map(|min_rate| GateRule::CubicLimiter(CubicLimiterConfig { min_rate, ..CubicLimiterConfig::default() }));
    let limiter = prop_oneof![limiter, cubic];
    let consecutive = (1u32..6, 1u64..8_000, 1u32..4)
        .prop_map(|(failures, open, probes)| breaker(failures, Span::millis(open), probes, Scope::Client).rule);
    let breakers = prop_oneof![consecutive, rate_breaker().prop_map(GateRule::RateBreaker)];
    let concurrency = (most_retries(), any::<bool>()).prop_map(|(most, whole)| {
        let hold = if whole { Hold::Retry } else { Hold::Attempt };
        GateRule::Concurrency(ConcurrencyConfig { most, hold })
    });
    let pool = (1u32..6, any::<bool>(), option::of(1u64..3_000)).prop_map(|(attempts, refuse, patience)| {
        let on_limit = if refuse { OnLimit::Refuse } else { OnLimit::Wait };
        GateRule::Pool(PoolConfig { attempts, on_limit, max_wait: patience.map(Span::millis) })
    });
    let concurrency = prop_oneof![concurrency, pool];
    let rules = (
        rare(budgets.boxed()),
        rare(throttle.boxed()),
        rare(limiter.boxed()),
        rare(breakers.boxed()),
        rare(concurrency.boxed()),
    );
    (rules, scope(), any::<bool>()).prop_map(|((budget, throttle, limiter, breaker, concurrency), scope, retry)| {
        let on_refusal = if retry { OnRefusal::Retry } else { OnRefusal::Fail };
        let rules = [budget, throttle, limiter, breaker, concurrency];
        rules.into_iter().flatten().map(|rule| GateConfig { on_refusal, ..GateConfig::new(rule, scope) }).collect()
    })
}

pub fn most_retries() -> impl Strategy<Value = MostRetries> {
    prop_oneof![
        (1u32..4).prop_map(MostRetries::Number),
        (0.0f64..1.0, 0u32..3).prop_map(|(share, min)| MostRetries::Share { share, min }),
    ]
}

pub fn ratio() -> impl Strategy<Value = RatioBudgetConfig> {
    let deposit_on = proptest::sample::select(vec![EarnOn::FirstAttempt, EarnOn::Success, EarnOn::NotRetried]);
    let rounding = proptest::sample::select(vec![Rounding::None, Rounding::Finagle, Rounding::Tower]);
    let rates = (0.0f64..1.5, prop_oneof![Just(0.0), 0.0f64..2.0], 100u64..20_000);
    (rates, deposit_on, rounding).prop_map(|((ratio, min_rate, ms), deposit_on, rounding)| RatioBudgetConfig {
        deposit_on,
        rounding,
        ..RatioBudgetConfig::new(Tokens::new(ratio), min_rate, Span::millis(ms))
    })
}

/// What breakers share, with at most so many probes.
pub fn rules() -> impl Strategy<Value = CircuitRules> {
    let verdict = prop_oneof![
        2 => Just(Verdict::All),
        1 => (1u32..4).prop_map(Verdict::Successes),
        1 => Just(Verdict::First),
        1 => Just(Verdict::Threshold),
    ];
    let failures = option::weighted(0.2, Just(OutcomeSet::new(vec![OutcomeClass::Timeout])));
    let ignored = option::weighted(0.2, Just(OutcomeSet::new(vec![OutcomeClass::Status(503)])));
    let outcomes = (failures, ignored);
    let limit = option::weighted(0.3, (1u64..4_000).prop_map(Span::millis));
    (verdict, any::<bool>(), any::<bool>(), outcomes, limit).prop_map(
        |(verdict, apply, strictly_after, outcomes, half_open_for)| {
            let stale = if apply { Stale::Apply } else { Stale::Drop };
            let (failures, ignored) = outcomes;
            CircuitRules { verdict, stale, half_open_for, strictly_after, failures, ignored }
        },
    )
}

/// How long a breaker stays open.
pub fn open_time() -> impl Strategy<Value = OpenTime> {
    let ms = || (1u64..8_000).prop_map(Span::millis);
    let cap = |base: Span| Some(Span(base.0 * 4));
    prop_oneof![
        4 => ms().prop_map(OpenTime::from),
        1 => ms().prop_map(move |base| Backoff::exponential(base, 2.0, cap(base)).into()),
        1 => ms().prop_map(move |base| Backoff::equal_jitter(base, 2.0, cap(base)).into()),
        1 => ms().prop_map(move |base| Backoff::decorrelated_jitter(base, cap(base)).into()),
    ]
}

pub fn rate_breaker() -> impl Strategy<Value = RateBreakerConfig> {
    let window = prop_oneof![
        (1u32..9).prop_map(RateWindow::Calls),
        (100u64..20_000, prop_oneof![Just(10), 1u32..30])
            .prop_map(|(ms, slots)| RateWindow::Time(Span::millis(ms), slots)),
    ];
    let slow = option::of((1u64..900, option::of(0.1f64..1.0)));
    let threshold =
        prop_oneof![3 => (0.1f64..1.0).prop_map(Threshold::Share), 1 => (1u32..5).prop_map(Threshold::Count)];
    let judge = prop_oneof![
        2 => Just(Judge::Outcome),
        1 => Just(Judge::Failure),
        1 => (1u64..3_000).prop_map(|ms| Judge::Tick(Span::millis(ms))),
    ];
    (window, threshold, 1u32..6, judge, open_time(), 1u32..4, rules(), slow).prop_map(
        |(window, threshold, min_calls, judge, open, probes, rules, slow)| RateBreakerConfig {
            threshold,
            judge,
            rules,
            slow: slow.map(|(above, threshold)| SlowCalls { above: Span::millis(above), threshold }),
            ..RateBreakerConfig::new(1.0, window, min_calls, open, probes)
        },
    )
}

pub fn budget() -> impl Strategy<Value = TokenBudgetConfig> {
    let deposit_on =
        proptest::sample::select(vec![DepositOn::Success, DepositOn::FirstAttempt, DepositOn::FirstTrySuccess]);
    let classes = [OutcomeClass::ServerErrors, OutcomeClass::Status(503), OutcomeClass::Timeout];
    let special = vec((proptest::sample::select(classes.to_vec()), 0.0f64..4.0), 0..3);
    let quirks = (special, any::<bool>(), prop_oneof![Just(0.0), 0.0f64..0.9], any::<bool>(), option::of(0.0f64..1.0));
    let refill = option::weighted(
        0.3,
        (0.0f64..30.0).prop_map(|tokens| Refill { tokens: Tokens::new(tokens), per: Span::secs(60) }),
    );
    (0.0f64..12.0, 0.1f64..3.0, 0.0f64..1.5, deposit_on, (quirks, refill)).prop_map(
        |(capacity, cost, deposit, deposit_on, ((special, on_failure, above, refund, initial), refill))| {
            TokenBudgetConfig {
                refill,
                initial: Tokens::new(capacity * initial.unwrap_or(1.0)),
                cost_for: special.into_iter().map(|(class, cost)| (class, Tokens::new(cost))).collect(),
                charge: if on_failure { Charge::Failure } else { Charge::Retry },
                above,
                deposit_on,
                refund: refund && !on_failure,
                ..TokenBudgetConfig::new(Tokens::new(capacity), Tokens::new(cost), Tokens::new(deposit))
            }
        },
    )
}

pub fn breaker(failures: u32, open: Span, probes: u32, scope: Scope) -> GateConfig {
    let config = ConsecutiveBreakerConfig::new(failures, open, probes);
    GateConfig::new(GateRule::ConsecutiveBreaker(config), scope)
}

/// What is said of replicas.
#[derive(Clone, Debug)]
pub struct Replicas {
    pub count: u32,
    pub balance: Balance,
    pub rules: EndpointRules,
    /// Breakers, rate limit and store are each replica's own.
    pub own: [bool; 3],
    /// Which one each fault is about; beyond the last: all.
    pub at: u32,
}

pub fn replicas() -> impl Strategy<Value = Replicas> {
    let balances = [Balance::Random, Balance::RoundRobin, Balance::LeastInFlight, Balance::TwoChoices];
    let host = proptest::sample::select(vec![RetryHost::Any, RetryHost::Other]);
    let view = option::weighted(0.3, Just(OutcomeSet::new(vec![OutcomeClass::Timeout])));
    let ejection = (1u32..4, view, 1u64..20_000, 0.0f64..1.0).prop_map(|(failures, failures_are, ms, most)| {
        EjectionConfig { failures, failures_are, time: Span::millis(ms), most }
    });
    let rules = (host, option::weighted(0.5, ejection))
        .prop_map(|(retry_host, ejection)| EndpointRules { retry_host, ejection });
    (2u32..5, proptest::sample::select(balances.to_vec()), rules, any::<[bool; 3]>(), 0u32..5)
        .prop_map(|(count, balance, rules, own, at)| Replicas { count, balance, rules, own, at })
}

impl Replicas {
    /// The same, and there is only one.
    pub fn alone(self) -> Replicas {
        Replicas { count: 1, at: 0, ..self }
    }

    /// The server with these replicas.
    pub fn server(&self, server: ServerConfig) -> ServerConfig {
        let [_, limit, store] = self.own;
        let per_replica = |limit: RateLimit| RateLimit { per: Per::Replica, ..limit };
        let mut idempotency = server.idempotency.clone();
        if let Idempotency::Cache(CacheConfig { scope, .. }) | Idempotency::Lock(LockConfig { scope, .. }) =
            &mut idempotency
            && store
        {
            *scope = StoreScope::Replica;
        }
        ServerConfig {
            replicas: self.count,
            balance: self.balance,
            rate_limit: server.rate_limit.map(|own| if limit { per_replica(own) } else { own }),
            idempotency,
            ..server
        }
    }

    /// The gates of who calls them.
    pub fn gates(&self, gates: &[GateConfig]) -> Vec<GateConfig> {
        let breaks =
            |gate: &GateConfig| matches!(gate.rule, GateRule::ConsecutiveBreaker(_) | GateRule::RateBreaker(_));
        let own = |gate: &GateConfig| match self.own[0] && breaks(gate) {
            true => GateConfig { scope: Scope::Replica, ..gate.clone() },
            false => gate.clone(),
        };
        gates.iter().map(own).collect()
    }

    /// A case whose server has them.
    pub fn of(&self, case: &Case) -> Scenario {
        let at = (self.at < self.count).then_some(self.at);
        let faults = case.faults.iter().map(|fault| Fault { replica: at, ..fault.clone() }).collect();
        let server = self.server(case.server.clone());
        let case = Case { server, faults, gates: self.gates(&case.gates), ..case.clone() };
        let mut scenario = case.scenario();
        scenario.policies[0].rules_mut().endpoints = self.rules.clone();
        scenario
    }
}

/// Times in units of 100 ms: service, network, time-out, wait, longest time in the queue, the demand's interval; and workers, and attempts.
pub type Grid = [u64; 8];

pub fn grid() -> impl Strategy<Value = Grid> {
    [0..4u64, 0..2u64, 1..6u64, 0..5u64, 0..5u64, 1..4u64, 1..4u64, 2..6u64]
}

/// The same case with all of these times constant.
pub fn on_a_grid(case: Case, grid: Grid) -> Case {
    let units = |units: u64| Span::millis(100 * units);
    let [service, network, timeout, wait, max_wait, interval, workers, attempts] = grid;
    let constant = |time| Distribution::Constant(units(time));
    let server = ServerConfig {
        service_time: constant(service),
        network: constant(network),
        max_wait: (max_wait > 0).then(|| constant(max_wait)),
        workers: Some(workers as u32),
        ..case.server
    };
    let policy = RetryPolicy {
        attempts: Some(attempts as u32),
        timeout: Some(units(timeout)),
        timeout_factor: 1.0,
        backoff: Backoff::fixed(units(wait)),
        backoff_for: Vec::new(),
        deadline: case.policy.deadline.map(|deadline| deadline.up_to_whole(units(1))),
        ..case.policy
    };
    let faults = case.faults.into_iter().map(|fault| Fault {
        added_latency: Distribution::ZERO,
        slowdown: 1.0,
        from: SimTime(Span(fault.from.0).up_to_whole(units(1)).0),
        ..fault
    });
    let arrivals = Arrivals::Burst { operations: 3, at: Span::ZERO, every: Some(units(interval)) };
    Case { server, policy, faults: faults.collect(), arrivals, ..case }
}
