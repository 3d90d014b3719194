//! All gates of one policy, for all of its clients.

use rand::Rng;

use super::breaker::{ConsecutiveBreaker, GrowingTime, RateBreaker};
use super::budget::{RatioBudget, TokenBudget, WithTime};
use super::concurrency::Concurrency;
use super::cubic::CubicLimiter;
use super::limiter::RateLimiter;
use super::pool::Pool;
use super::shared::{Shared, States};
use super::throttle::AdaptiveThrottle;
use super::{Answer, Around, Ask, Ended, Gate, GateConfig, GateRule, GateState, Hears, Kept, Moment, Permit, Scope};
use crate::units::SimTime;

/// Most gates one policy can have: a budget, a throttle, a limiter, a breaker, and a limit on retries at once.
pub const MOST_GATES: usize = 5;

/// What the gates of a chain gave an admitted attempt.
pub type Permits = [Permit; MOST_GATES];

/// What the gates of a chain have done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GateCounts {
    /// Changes into the open state.
    pub breaker_opened: u64,
    /// Breakers that are open now.
    pub breakers_open: u64,
}

impl GateCounts {
    /// A breaker has opened.
    fn opened(&mut self) {
        self.breaker_opened += 1;
        self.breakers_open += 1;
    }
}

/// What the gates of one moment say together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// All agree, and all are charged.
    Admitted,
    /// All agree, but one of them not before this instant. Nothing is charged: [`GateChain::reserve`], or go without.
    NotBefore(SimTime),
    /// All agree, but one of them only when a place becomes free. Nothing is charged: [`GateChain::join_line`], or go without.
    InLine,
    /// The gate with this number is the first that refuses. Nothing is charged.
    Refused(u8),
}

/// Every gate there is, with its state.
#[derive(Clone, Debug)]
#[repr(u8)]
enum Gates {
    TokenBudget(Shared<TokenBudget>),
    RefilledTokenBudget(Shared<TokenBudget<WithTime>>),
    RatioBudget(Shared<RatioBudget>),
    AdaptiveThrottle(Shared<AdaptiveThrottle>),
    RateLimiter(Shared<RateLimiter>),
    ConsecutiveBreaker(Shared<ConsecutiveBreaker>),
    RateBreaker(Shared<RateBreaker>),
    GrowingConsecutiveBreaker(Shared<ConsecutiveBreaker<GrowingTime>>),
    GrowingRateBreaker(Shared<RateBreaker<GrowingTime>>),
    Concurrency(Shared<Concurrency>),
    Pool(Shared<Pool>),
    CubicLimiter(Shared<CubicLimiter>),
}

impl Gates {
    fn new(rule: &GateRule, states: States) -> Gates {
        match rule {
            GateRule::TokenBudget(config) if config.refill.is_some() => {
                Gates::RefilledTokenBudget(Shared::new(config, states))
            }
            GateRule::TokenBudget(config) => Gates::TokenBudget(Shared::new(config, states)),
            GateRule::RatioBudget(config) => Gates::RatioBudget(Shared::new(config, states)),
            GateRule::AdaptiveThrottle(config) => Gates::AdaptiveThrottle(Shared::new(config, states)),
            GateRule::RateLimiter(config) => Gates::RateLimiter(Shared::new(config, states)),
            GateRule::ConsecutiveBreaker(config) if config.remembers() => {
                Gates::GrowingConsecutiveBreaker(Shared::new(config, states))
            }
            GateRule::RateBreaker(config) if config.remembers() => {
                Gates::GrowingRateBreaker(Shared::new(config, states))
            }
            GateRule::ConsecutiveBreaker(config) => Gates::ConsecutiveBreaker(Shared::new(config, states)),
            GateRule::RateBreaker(config) => Gates::RateBreaker(Shared::new(config, states)),
            GateRule::Concurrency(config) => Gates::Concurrency(Shared::new(config, states)),
            GateRule::Pool(config) => Gates::Pool(Shared::new(config, states)),
            GateRule::CubicLimiter(config) => Gates::CubicLimiter(Shared::new(config, states)),
        }
    }
}

/// Does something with a gate, whichever it is.
macro_rules! with {
    ($gates:expr, |$shared:ident| $body:expr) => {
        match $gates {
            Gates::TokenBudget($shared) => $body,
            Gates::RefilledTokenBudget($shared) => $body,
            Gates::RatioBudget($shared) => $body,
            Gates::AdaptiveThrottle($shared) => $body,
            Gates::RateLimiter($shared) => $body,
            Gates::ConsecutiveBreaker($shared) => $body,
            Gates::RateBreaker($shared) => $body,
            Gates::GrowingConsecutiveBreaker($shared) => $body,
            Gates::GrowingRateBreaker($shared) => $body,
            Gates::Concurrency($shared) => $body,
            Gates::Pool($shared) => $body,
            Gates::CubicLimiter($shared) => $body,
        }
    };
    ($gates:expr, $client:expr, |$gate:ident, $terms:ident| $body:expr) => {
        with!($gates, |shared| {
            let ($gate, $terms) = shared.of($client);
            $body
        })
    };
}

/// Numbers of gates, a bit for each. Goes through them in their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Numbers(u8);

const _: () = assert!(MOST_GATES < 8, "each gate has a bit, and one is left");

/// Set where some of the gates are not asked about all attempts: then they are never treated as the only one.
const SOME_ONCE: u8 = 1 << 7;

impl Numbers {
    /// The numbers of those gates of which something is true.
    fn of<'a>(gates: &'a [Gates], is_true: impl Fn(&'a Gates) -> bool) -> Numbers {
        Numbers(gates.iter().enumerate().map(|(number, gate)| u8::from(is_true(gate)) << number).sum())
    }

    /// Those that are not among `others`.
    fn without(self, others: Numbers) -> Numbers {
        Numbers(self.0 & !others.0)
    }

    /// True if there is exactly one.
    fn is_one(self) -> bool {
        self.0.is_power_of_two()
    }
}

impl Iterator for Numbers {
    type Item = usize;

    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        let number = (self.0 != 0).then(|| self.0.trailing_zeros() as usize)?;
        self.0 &= self.0 - 1;
        Some(number)
    }
}

/// The gates that are told of something, worked out once for all attempts.
#[derive(Clone, Copy, Debug)]
struct Listeners {
    first_attempts: Numbers,
    retries: Numbers,
    ends: Numbers,
    successes: Numbers,
    waits: Numbers,
}

impl Listeners {
    fn of(gates: &[Gates], hears: impl Fn(&Gates) -> Hears) -> Listeners {
        Listeners {
            first_attempts: Numbers::of(gates, |gate| hears(gate).first_attempts),
            retries: Numbers::of(gates, |gate| hears(gate).retries),
            ends: Numbers::of(gates, |gate| hears(gate).ends),
            successes: Numbers::of(gates, |gate| hears(gate).successes),
            waits: Numbers::of(gates, |gate| hears(gate).waits),
        }
    }
}

/// Asking a gate, with what follows for those who watch.
trait Watched: Gate {
    #[inline(always)]
    fn ask(&mut self, ask: Ask, terms: &Self::Terms, rng: &mut dyn Rng, counts: &mut GateCounts) -> Answer {
        let was_open = self.is_open();
        self.pass_time(ask.now, terms);
        let is_open = self.is_open();
        if is_open && !was_open {
            counts.opened();
        }
        let answer = self.check(ask, terms, rng);
        if is_open && !self.is_open() {
            counts.breakers_open -= 1;
        }
        if answer == Answer::Refuse {
            self.on_refuse(ask.now, terms);
        }
        answer
    }
}

impl<G: Gate> Watched for G {}

/// Most bytes of one state.
fn most_bytes(rule: &GateRule) -> u64 {
    fn of<G: Gate>(shared: &Shared<G>) -> u64 {
        size_of::<G>() as u64 + G::most_heap_bytes(&shared.terms)
    }
    with!(&Gates::new(rule, States { owners: 0, endpoints: 0 }), |shared| of(shared))
}

/// What a gate wants to be told.
fn hears(gates: &Gates) -> Hears {
    fn of<G: Gate>(shared: &Shared<G>) -> Hears {
        G::hears(&shared.terms)
    }
    with!(gates, |shared| of(shared))
}

/// The gates of a policy with their state: one per client, or one for the fleet.
#[derive(Clone, Debug)]
pub struct GateChain {
    gates: Vec<Gates>,
    configs: Vec<GateConfig>,
    /// Those asked when a retry is decided on, those asked when an attempt is sent, and both.
    asked: [Numbers; 3],
    /// Those around the call, which are asked about first attempts only.
    around: Numbers,
    listeners: Listeners,
    /// Those around the call that want to know how it ends.
    call_ends: Numbers,
    counts: GateCounts,
    /// Of breakers that opened, so many were asked about.
    told: u64,
    refusal: Option<u8>,
    /// The replica that the next attempt would go to.
    endpoint: u16,
    /// A step is being taken of a call of which several attempts may be open: ends of its parts are not its own.
    within: bool,
    /// Calls whose turn it is, which their driver has not been told yet.
    turns: Vec<u32>,
}

impl GateChain {
    /// Gates in their first state for `clients` clients. Those of one moment are asked in the order given.
    pub fn new(configs: &[GateConfig], clients: u32) -> GateChain {
        GateChain::of_endpoints(configs, clients, 1)
    }

    /// The same where attempts go to one of so many replicas, of which each may have gates of its own ([`Ask::endpoint`]).
    pub fn of_endpoints(configs: &[GateConfig], clients: u32, endpoints: u32) -> GateChain {
        assert!(configs.len() <= MOST_GATES, "a policy has at most {MOST_GATES} gates");
        let states = |scope| States::of(scope, clients, endpoints);
        let gates: Vec<Gates> = configs.iter().map(|config| Gates::new(&config.rule, states(config.scope))).collect();
        let at = |moment| {
            let number = |(number, config): (usize, &GateConfig)| u8::from(config.rule.moment() == moment) << number;
            Numbers(configs.iter().enumerate().map(number).sum())
        };
        let around = |(number, config): (usize, &GateConfig)| u8::from(config.around == Around::Call) << number;
        let around = Numbers(configs.iter().enumerate().map(around).sum());
        let mut asked = [at(Moment::Retry), at(Moment::Send), Numbers::of(&gates, |_| true).without(around)];
        asked[Moment::Send as usize].0 |= if around == Numbers(0) { 0 } else { SOME_ONCE };
        let mut listeners = Listeners::of(&gates, hears);
        let call_ends = Numbers(listeners.ends.0 & around.0);
        listeners.ends = listeners.ends.without(around);
        GateChain {
            asked,
            around,
            listeners,
            call_ends,
            gates,
            configs: configs.to_vec(),
            counts: GateCounts::default(),
            told: 0,
            refusal: None,
            endpoint: 0,
            within: false,
            turns: Vec::new(),
        }
    }

    /// Bytes of gate state that a chain needs at most.
    pub fn most_bytes(configs: &[GateConfig], clients: u32, endpoints: u32) -> u64 {
        let states = |scope| {
            let States { owners, endpoints } = States::of(scope, clients, endpoints);
            u64::from(owners) * u64::from(endpoints)
        };
        configs.iter().map(|config| states(config.scope).saturating_mul(most_bytes(&config.rule))).sum()
    }

    /// Bytes of gate state that it takes now.
    pub fn bytes(&self) -> usize {
        self.gates.iter().map(|gates| with!(gates, |shared| shared.bytes())).sum()
    }

    /// Looks at the state of a client, so that it is at hand when it is needed; what it returns means nothing.
    pub fn touch(&self, client: u32) -> bool {
        let touch = |gates: &Gates| with!(gates, |shared| shared.states.get(client as usize).is_some_and(Kept::touch));
        self.gates.iter().fold(false, |seen, gates| seen | touch(gates))
    }

    /// A client's process has died, and with it what it knew; what the fleet has in common stays. None of its calls is open.
    pub fn forget(&mut self, client: u32) {
        for (gates, config) in self.gates.iter_mut().zip(&self.configs) {
            if config.scope != Scope::Fleet {
                self.counts.breakers_open -= with!(gates, |shared| shared.forget(client));
            }
        }
    }

    /// True if there is no gate.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.gates.is_empty()
    }

    /// What the gates have done so far.
    #[inline(always)]
    pub fn counts(&self) -> GateCounts {
        self.counts
    }

    /// The number of the gate that has refused since this was asked before. A step of a call meets at most one refusal.
    #[inline(always)]
    pub fn take_refusal(&mut self) -> Option<u8> {
        self.refusal.take()
    }

    /// Why the gate with this number refuses an attempt.
    pub fn state(&mut self, gate: u8, ask: Ask, client: u32) -> GateState {
        with!(&mut self.gates[usize::from(gate)], |shared| {
            let (gate, terms) = shared.at(client, ask.endpoint);
            gate.state(ask, terms)
        })
    }

    /// The configured gate with this number.
    pub fn config(&self, gate: u8) -> &GateConfig {
        &self.configs[gate as usize]
    }

    /// True if a gate is asked at this moment.
    #[inline(always)]
    pub fn asks(&self, moment: Moment) -> bool {
        self.asked[moment as usize] != Numbers(0)
    }

    /// True if a gate wants to know how attempts end.
    #[inline(always)]
    pub fn hears_ends(&self) -> bool {
        self.listeners.ends != Numbers(0)
    }

    /// Asks all gates of one moment; charges them only if all admit, now. `rng` is for gates that draw.
    #[inline(always)]
    pub fn admit(
        &mut self,
        moment: Moment,
        ask: Ask,
        client: u32,
        permits: &mut Permits,
        rng: &mut dyn Rng,
    ) -> Admission {
        let asked = self.asked[moment as usize];
        if asked.is_one() {
            self.ask_the_only(asked, ask, client, permits, rng)
        } else {
            self.ask_all(asked, ask, client, permits, rng)
        }
    }

    /// Who is alone has nobody to wait for, and is charged at once.
    #[inline(never)]
    fn ask_the_only(
        &mut self,
        Numbers(asked): Numbers,
        ask: Ask,
        client: u32,
        permits: &mut Permits,
        rng: &mut dyn Rng,
    ) -> Admission {
        let number = asked.trailing_zeros() as usize;
        let permit = &mut permits[number];
        let answer = with!(&mut self.gates[number], |shared| {
            let (gate, terms) = shared.at(client, ask.endpoint);
            let answer = gate.ask(ask, terms, rng, &mut self.counts);
            if answer == Answer::Admit {
                let given = gate.on_admit(ask, terms);
                *permit = shared.given_at(ask.endpoint, given);
            }
            answer
        });
        match answer {
            Answer::Admit => Admission::Admitted,
            Answer::NotBefore(at) => Admission::NotBefore(at),
            Answer::InLine => Admission::InLine,
            Answer::Refuse => self.refused(number, ask, client),
        }
    }

    #[inline(never)]
    fn ask_all(
        &mut self,
        asked: Numbers,
        ask: Ask,
        client: u32,
        permits: &mut Permits,
        rng: &mut dyn Rng,
    ) -> Admission {
        let asked = if asked.0 & SOME_ONCE == 0 {
            asked
        } else {
            let later = if ask.attempt > 1 { self.around } else { Numbers(0) };
            asked.without(Numbers(SOME_ONCE)).without(later)
        };
        let (mut not_before, mut in_line) = (None, false);
        for number in asked {
            match with!(&mut self.gates[number], |shared| {
                let (gate, terms) = shared.at(client, ask.endpoint);
                gate.ask(ask, terms, rng, &mut self.counts)
            }) {
                Answer::Admit => {}
                Answer::NotBefore(at) => not_before = not_before.max(Some(at)),
                Answer::InLine => in_line = true,
                Answer::Refuse => return self.refused(number, ask, client),
            }
        }
        if let Some(at) = not_before {
            return Admission::NotBefore(at);
        }
        if in_line {
            return Admission::InLine;
        }
        for number in asked {
            permits[number] = with!(&mut self.gates[number], |shared| {
                let (gate, terms) = shared.at(client, ask.endpoint);
                let given = gate.on_admit(ask, terms);
                shared.given_at(ask.endpoint, given)
            });
        }
        Admission::Admitted
    }

    /// The gate with this number has refused.
    fn refused(&mut self, number: usize, ask: Ask, client: u32) -> Admission {
        if ask.waited {
            self.give_back(client);
        }
        self.refusal = Some(number as u8);
        Admission::Refused(number as u8)
    }

    /// An attempt waits until the instant it was told: reserves what it waits for. It asks again then, as one that has waited.
    pub fn reserve(&mut self, now: SimTime, client: u32) {
        for number in self.listeners.waits {
            with!(&mut self.gates[number], client, |gate, terms| gate.reserve(now, terms));
        }
    }

    /// An attempt that waits is not sent after all.
    pub fn give_back(&mut self, client: u32) {
        for number in self.listeners.waits {
            with!(&mut self.gates[number], client, |gate, terms| gate.give_back(terms));
        }
    }

    /// The gate that has a line, with its number.
    fn pool(&mut self) -> (u8, &mut Shared<Pool>) {
        let mut numbered = self.gates.iter_mut().enumerate();
        let pool = numbered.find_map(|(number, gates)| match gates {
            Gates::Pool(shared) => Some((number as u8, shared)),
            _ => None,
        });
        pool.expect("only where a gate has a line does somebody stand in it")
    }

    /// An attempt joins the line for a place: `call` is how the driver knows its call. Returns when its patience ends, at the latest; what the gate gives it
    /// is its number in line. When it is its turn, [`GateChain::take_turn`] says so.
    pub fn join_line(&mut self, now: SimTime, client: u32, call: u32, permits: &mut Permits) -> SimTime {
        let (number, shared) = self.pool();
        let (pool, terms) = shared.of(client);
        let had = pool.heap_bytes();
        permits[number as usize] = pool.join(call);
        let (grown, until) = (pool.heap_bytes() - had, terms.max_wait.map_or(SimTime::NEVER, |most| now + most));
        shared.heap += grown;
        until
    }

    /// True if a call in line has no place yet.
    pub fn waits_in_line(&mut self, client: u32, permits: &Permits) -> bool {
        let (number, shared) = self.pool();
        shared.of(client).0.waits(permits[number as usize])
    }

    /// A call in line wants no place any more; one that is kept for it goes to the next.
    pub fn leave_line(&mut self, client: u32, permits: &Permits) {
        let mut turns = std::mem::take(&mut self.turns);
        let (number, shared) = self.pool();
        shared.of(client).0.leave(permits[number as usize]);
        shared.call_up(client, &mut turns);
        self.turns = turns;
    }

    /// A call has waited in line as long as it may: it is refused, by the gate with this number.
    pub fn refuse_in_line(&mut self, client: u32, permits: &Permits) -> u8 {
        self.leave_line(client, permits);
        let (number, _) = self.pool();
        self.refusal = Some(number);
        number
    }

    /// A call whose turn it is, in the order in which they were called up: it has a place, and is to be woken now.
    #[inline(always)]
    pub fn take_turn(&mut self) -> Option<u32> {
        if self.turns.is_empty() { None } else { Some(self.turns.remove(0)) }
    }

    /// The first attempt of a call is sent.
    #[inline]
    pub fn on_first_attempt(&mut self, now: SimTime, client: u32) {
        for number in self.listeners.first_attempts {
            self.tell_of_first_attempt(number, now, client);
        }
    }

    #[inline(never)]
    fn tell_of_first_attempt(&mut self, number: usize, now: SimTime, client: u32) {
        with!(&mut self.gates[number], client, |gate, terms| gate.on_first_attempt(now, terms));
    }

    /// An admitted attempt ended.
    #[inline]
    pub fn on_outcome(&mut self, client: u32, permits: &Permits, ended: Ended) {
        for number in self.listeners.ends {
            self.tell_of_end(number, client, permits[number], ended);
        }
    }

    #[inline(never)]
    fn tell_of_end(&mut self, number: usize, client: u32, permit: Permit, ended: Ended) {
        let opened = with!(&mut self.gates[number], |shared| {
            let opened = shared.on_outcome(client, permit, ended);
            shared.call_up(client, &mut self.turns);
            opened
        });
        if opened {
            self.counts.opened();
        }
    }

    /// A retry is sent.
    #[inline]
    pub fn on_retry_sent(&mut self, client: u32) {
        for number in self.listeners.retries {
            with!(&mut self.gates[number], client, |gate, terms| gate.on_retry_sent(terms));
        }
    }

    /// A retry that was decided on is not sent after all.
    pub fn on_unsent(&mut self, client: u32) {
        for number in self.listeners.retries {
            with!(&mut self.gates[number], client, |gate, terms| gate.on_unsent(terms));
        }
    }

    /// An admitted attempt, with this number in its call, was given up without an outcome.
    pub fn on_abandon(&mut self, client: u32, permits: &Permits, attempt: u32) {
        for number in self.listeners.ends {
            with!(&mut self.gates[number], |shared| {
                let (gate, _, permit) = shared.giver(client, permits[number]);
                gate.on_abandon(permit, attempt);
                shared.call_up(client, &mut self.turns);
            });
        }
    }

    /// True if a gate around calls wants to know how they end.
    #[inline(always)]
    pub fn hears_calls(&self) -> bool {
        self.call_ends != Numbers(0)
    }

    /// True if the step being taken is one of a call of which several attempts may be open.
    pub(crate) fn is_within(&self) -> bool {
        self.within
    }

    /// How often breakers have opened since this was asked before.
    pub fn take_opened(&mut self) -> u64 {
        let opened = self.counts.breaker_opened - self.told;
        self.told = self.counts.breaker_opened;
        opened
    }

    /// From now on a step is taken of a call of which several attempts may be open, or of one that is alone.
    pub(crate) fn set_within(&mut self, within: bool) {
        self.within = within;
    }

    /// The next attempt would go to this replica.
    pub(crate) fn set_endpoint(&mut self, endpoint: u16) {
        self.endpoint = endpoint;
    }

    /// The replica that the next attempt would go to.
    pub(crate) fn endpoint(&self) -> u16 {
        self.endpoint
    }

    /// A call ended of which an attempt was sent; `None`: nobody knows how.
    pub fn on_call_end(&mut self, client: u32, permits: &Permits, ended: Option<Ended>) {
        for number in self.call_ends {
            match ended {
                Some(ended) => self.tell_of_end(number, client, permits[number], ended),
                None => with!(&mut self.gates[number], |shared| {
                    let (gate, _, permit) = shared.giver(client, permits[number]);
                    gate.on_abandon(permit, 1);
                }),
            }
        }
    }

    /// A call succeeded, after so many attempts.
    #[inline]
    pub fn on_call_success(&mut self, client: u32, permits: &Permits, attempts: u32) {
        for number in self.listeners.successes {
            self.tell_of_success(number, client, permits[number], attempts);
        }
    }

    #[inline(never)]
    fn tell_of_success(&mut self, number: usize, client: u32, permit: Permit, attempts: u32) {
        with!(&mut self.gates[number], client, |gate, terms| gate.on_call_success(permit, attempts, terms));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::Scope;
    use crate::gate::breaker::{
        CircuitRules, ConsecutiveBreakerConfig, Judge, RateBreakerConfig, RateWindow, SlowCalls, Stale, Verdict,
    };
    use crate::gate::budget::{
        Charge, DepositOn, EarnOn, RatioBudgetConfig, Refill, Rounding, TokenBudgetConfig, Tokens,
    };
    use crate::gate::concurrency::{ConcurrencyConfig, Hold, MostRetries};
    use crate::gate::cubic::CubicLimiterConfig;
    use crate::gate::limiter::{OnLimit, RateLimiterConfig};
    use crate::gate::pool::PoolConfig;
    use crate::gate::throttle::AdaptiveThrottleConfig;
    use crate::gate::{GateOutcome, OnRefusal};
    use crate::protocol::Outcome;
    use crate::retry::{Backoff, OutcomeClass};
    use crate::rng::{KeyedRng, Purpose};
    use crate::units::Span;

    fn budget(cost: f64) -> GateRule {
        GateRule::TokenBudget(TokenBudgetConfig::new(Tokens::new(1.0), Tokens::new(cost), Tokens::new(1.0)))
    }

    fn breaker() -> GateRule {
        GateRule::ConsecutiveBreaker(ConsecutiveBreakerConfig::new(1, Span::secs(1), 1))
    }

    fn limiter(on_limit: OnLimit) -> GateRule {
        GateRule::RateLimiter(RateLimiterConfig { rate: 1.0, burst: 1.0, on_limit })
    }

    fn concurrency() -> GateRule {
        GateRule::Concurrency(ConcurrencyConfig::retries(1))
    }

    fn throttle() -> GateRule {
        GateRule::AdaptiveThrottle(AdaptiveThrottleConfig { k: 1e-9, window: Span::secs(10) })
    }

    fn ratio() -> GateRule {
        GateRule::RatioBudget(RatioBudgetConfig::new(Tokens::new(1.0), 0.0, Span::secs(10)))
    }

    fn earning(deposit_on: EarnOn) -> GateRule {
        let base = RatioBudgetConfig::new(Tokens::new(0.4), 0.1, Span::secs(10));
        GateRule::RatioBudget(RatioBudgetConfig { deposit_on, rounding: Rounding::Tower, ..base })
    }

    fn chain(rules: &[GateRule], scope: Scope) -> GateChain {
        let configs: Vec<GateConfig> = rules.iter().map(|rule| GateConfig::new(rule.clone(), scope)).collect();
        GateChain::new(&configs, 2)
    }

    const AT_ONCE: Ask = Ask::retry(SimTime::ZERO, Outcome::Timeout);

    fn admit(chain: &mut GateChain, moment: Moment, client: u32, permits: &mut Permits) -> Admission {
        chain.admit(moment, AT_ONCE, client, permits, &mut KeyedRng::new(1, Purpose::Gate, 0, 0))
    }

    fn ended(outcome: GateOutcome) -> Ended {
        Ended::at_once(SimTime::ZERO, outcome)
    }

    /// A gate that one attempt of client 0 exhausts: is client 1 refused too?
    #[test]
    fn scopes_separate_clients_or_join_them() {
        use Moment::{Retry, Send};
        let none = Ask { now: SimTime::ZERO + Span::secs(60), ..AT_ONCE };
        let cases = [
            (budget(1.0), Retry),
            (ratio(), Retry),
            (limiter(OnLimit::Refuse), Send),
            (breaker(), Send),
            (concurrency(), Send),
            (throttle(), Send),
        ];
        for (rule, moment) in cases {
            for (scope, expected) in [(Scope::Client, Admission::Admitted), (Scope::Fleet, Admission::Refused(0))] {
                let mut chain = chain(std::slice::from_ref(&rule), scope);
                let mut permits = Permits::default();
                chain.on_first_attempt(SimTime::ZERO, 0);
                if scope == Scope::Client {
                    chain.on_first_attempt(SimTime::ZERO, 1);
                }
                // A throttle that has seen a thousand requests and no accept hardly lets one pass.
                for _ in 0..if moment == Send { 1_000 } else { 1 } {
                    if admit(&mut chain, moment, 0, &mut permits) == Admission::Admitted
                        && !matches!(rule, GateRule::Concurrency(_))
                    {
                        chain.on_outcome(0, &permits, ended(GateOutcome::Failure));
                    }
                }
                assert_eq!(admit(&mut chain, moment, 0, &mut permits), Admission::Refused(0), "{rule:?}");
                assert_eq!(admit(&mut chain, moment, 1, &mut permits), expected, "{rule:?} {scope:?}");
            }
        }
        // Without gates everything passes.
        let mut open = chain(&[], Scope::Client);
        let rng = &mut KeyedRng::new(1, Purpose::Gate, 0, 0);
        assert_eq!(open.admit(Send, none, 1, &mut Permits::default(), rng), Admission::Admitted);
    }

    #[test]
    fn moments_are_apart() {
        let mut chain = chain(&[budget(1.0), breaker()], Scope::Fleet);
        let mut permits = Permits::default();
        assert_eq!(admit(&mut chain, Moment::Send, 0, &mut permits), Admission::Admitted);
        chain.on_outcome(0, &permits, ended(GateOutcome::Failure));
        assert_eq!(chain.counts(), GateCounts { breaker_opened: 1, breakers_open: 1 });
        assert_eq!(admit(&mut chain, Moment::Send, 0, &mut permits), Admission::Refused(1));
        assert_eq!(chain.take_refusal(), Some(1));
        assert_eq!(chain.take_refusal(), None);
        // The budget is another moment's gate and still has its token.
        assert_eq!(admit(&mut chain, Moment::Retry, 0, &mut permits), Admission::Admitted);
        assert_eq!(admit(&mut chain, Moment::Retry, 0, &mut permits), Admission::Refused(0));
        chain.on_call_success(0, &permits, 1);
        assert_eq!(admit(&mut chain, Moment::Retry, 0, &mut permits), Admission::Admitted);
    }

    /// A refusal by a later gate leaves the earlier ones as they were.
    #[test]
    fn all_agree_before_any_is_charged() {
        let rich = [budget(1.0), ratio(), limiter(OnLimit::Refuse), limiter(OnLimit::Wait), breaker(), concurrency()];
        for rule in rich {
            let moment = rule.moment();
            let poor = if moment == Moment::Retry { budget(2.0) } else { breaker() };
            let mut chain = chain(&[rule.clone(), poor], Scope::Fleet);
            chain.on_first_attempt(SimTime::ZERO, 0);
            if moment == Moment::Send {
                // Opens the second gate alone.
                let Gates::ConsecutiveBreaker(shared) = &mut chain.gates[1] else { panic!("a breaker") };
                let (gate, terms) = shared.of(0);
                let permit = gate.on_admit(AT_ONCE, terms);
                gate.on_outcome(permit, ended(GateOutcome::Failure), terms);
            }
            let before = format!("{:?}", chain.gates[0]);
            assert_eq!(admit(&mut chain, moment, 0, &mut Permits::default()), Admission::Refused(1), "{rule:?}");
            assert_eq!(format!("{:?}", chain.gates[0]), before, "a refused attempt was charged");
        }
    }

    /// An attempt that waits for a token and is then refused by another gate puts it back.
    #[test]
    fn a_token_that_was_waited_for_goes_back() {
        let mut chain = chain(&[limiter(OnLimit::Wait), breaker()], Scope::Fleet);
        let mut permits = Permits::default();
        let rng = &mut KeyedRng::new(1, Purpose::Gate, 0, 0);
        assert_eq!(admit(&mut chain, Moment::Send, 0, &mut permits), Admission::Admitted);
        let second = SimTime::ZERO + Span::secs(1);
        assert_eq!(admit(&mut chain, Moment::Send, 0, &mut permits), Admission::NotBefore(second));
        chain.reserve(SimTime::ZERO, 0);
        let late = Ended { took: Span::secs(1), ..Ended::at_once(second, GateOutcome::Failure) };
        chain.on_outcome(0, &permits, late);
        let waited = Ask { waited: true, ..Ask::first(second) };
        assert_eq!(chain.admit(Moment::Send, waited, 0, &mut permits, rng), Admission::Refused(1));
        let third = SimTime::ZERO + Span::secs(2);
        assert_eq!(
            chain.admit(Moment::Send, Ask { now: third, waited: false, ..waited }, 0, &mut permits, rng),
            Admission::Admitted,
        );
        assert_eq!(chain.config(0).on_refusal, OnRefusal::Fail);
    }

    /// Rules of every kind, and one of each window of a breaker.
    fn every_rule() -> Vec<GateRule> {
        let rate = |window| {
            let slow = Some(SlowCalls { above: Span::millis(500), threshold: Some(0.9) });
            GateRule::RateBreaker(RateBreakerConfig {
                slow,
                ..RateBreakerConfig::new(0.6, window, 3, Span::secs(1), 2)
            })
        };
        let first = GateRule::TokenBudget(TokenBudgetConfig {
            deposit_on: DepositOn::FirstAttempt,
            ..TokenBudgetConfig::new(Tokens::new(2.0), Tokens::new(1.0), Tokens::new(0.3))
        });
        let failures = GateRule::TokenBudget(TokenBudgetConfig {
            charge: Charge::Failure,
            above: 0.5,
            ..TokenBudgetConfig::new(Tokens::new(4.0), Tokens::new(1.0), Tokens::new(0.5))
        });
        let refunding = GateRule::TokenBudget(TokenBudgetConfig {
            cost_for: vec![(OutcomeClass::Status(429), Tokens::new(1.0))],
            deposit_on: DepositOn::FirstTrySuccess,
            refund: true,
            ..TokenBudgetConfig::new(Tokens::new(3.0), Tokens::new(2.0), Tokens::new(0.5))
        });
        let patient = GateRule::RateLimiter(RateLimiterConfig { rate: 1.0, burst: 2.0, on_limit: OnLimit::Wait });
        let throttle = GateRule::AdaptiveThrottle(AdaptiveThrottleConfig { k: 1.5, window: Span::secs(10) });
        let by_time = rate(RateWindow::time(Span::secs(5)));
        let share = GateRule::Concurrency(ConcurrencyConfig {
            most: MostRetries::Share { share: 0.2, min: 1 },
            hold: Hold::Attempt,
        });
        let held = GateRule::Concurrency(ConcurrencyConfig {
            most: MostRetries::Share { share: 0.2, min: 9 },
            hold: Hold::Retry,
        });
        let by_calls = rate(RateWindow::Calls(20));
        let ticking = GateRule::RateBreaker(RateBreakerConfig {
            judge: Judge::Tick(Span::millis(500)),
            rules: CircuitRules { verdict: Verdict::Threshold, stale: Stale::Apply, ..CircuitRules::default() },
            ..RateBreakerConfig::new(0.6, RateWindow::Time(Span::secs(3), 7), 3, Span::secs(1), 2)
        });
        let open = Backoff::decorrelated_jitter(Span::millis(300), Some(Span::secs(3)));
        let growing_rate = GateRule::RateBreaker(RateBreakerConfig {
            judge: Judge::Tick(Span::millis(300)),
            ..RateBreakerConfig::new(0.6, RateWindow::Calls(5), 3, open.clone(), 2)
        });
        let growing = GateRule::ConsecutiveBreaker(ConsecutiveBreakerConfig::new(2, open, 2));
        let limited = CircuitRules { half_open_for: Some(Span::millis(700)), ..CircuitRules::default() };
        let limited_row = GateRule::ConsecutiveBreaker(ConsecutiveBreakerConfig {
            rules: limited.clone(),
            ..ConsecutiveBreakerConfig::new(2, Span::millis(900), 2)
        });
        let limited_rate = GateRule::RateBreaker(RateBreakerConfig {
            rules: limited,
            ..RateBreakerConfig::new(0.6, RateWindow::Calls(5), 3, Span::millis(900), 2)
        });
        let refilled = GateRule::TokenBudget(TokenBudgetConfig {
            refill: Some(Refill { tokens: Tokens::new(7.0), per: Span::secs(60) }),
            ..TokenBudgetConfig::new(Tokens::new(3.0), Tokens::new(1.0), Tokens::new(0.1))
        });
        let pool = |on_limit| GateRule::Pool(PoolConfig { on_limit, ..PoolConfig::attempts(3) });
        vec![
            growing,
            growing_rate,
            limited_row,
            limited_rate,
            refilled,
            pool(OnLimit::Wait),
            pool(OnLimit::Refuse),
            budget(1.0),
            first,
            failures,
            refunding,
            ratio(),
            earning(EarnOn::Success),
            earning(EarnOn::NotRetried),
            limiter(OnLimit::Refuse),
            patient,
            by_calls,
            by_time,
            ticking,
            breaker(),
            concurrency(),
            share,
            held,
            GateRule::CubicLimiter(CubicLimiterConfig::default()),
            throttle,
        ]
    }

    /// Attempts of two clients that ask, wait, end and are given up at random. Returns what was answered.
    fn play(chain: &mut GateChain, seed: u64, mut look: impl FnMut(&GateChain)) -> Vec<Admission> {
        let mut dice = KeyedRng::new(seed, Purpose::Jitter, 0, 0);
        let (mut now, mut open, mut answers) = (SimTime::ZERO, Vec::new(), Vec::new());
        for number in 0..300 {
            now = now + Span::millis(dice.below(400));
            let client = dice.below(2) as u32;
            let moment = if dice.below(3) == 0 { Moment::Retry } else { Moment::Send };
            let outcome = if dice.below(2) == 0 { GateOutcome::Success } else { GateOutcome::Failure };
            let attempt = 1 + dice.below(2) as u32;
            let ended = Ended { attempt, took: Span::millis(dice.below(700)), ..Ended::at_once(now, outcome) };
            match dice.below(8) {
                0..5 => {
                    let mut permits = Permits::default();
                    let ask = Ask { attempt, waited: dice.below(4) == 0, ..Ask::retry(now, Outcome::Status(429)) };
                    let rng = &mut KeyedRng::new(seed, Purpose::Gate, number, 0);
                    let answer = chain.admit(moment, ask, client, &mut permits, rng);
                    match answer {
                        Admission::Admitted if moment == Moment::Send => {
                            chain.on_first_attempt(now, client);
                            open.push((client, permits, attempt));
                        }
                        Admission::NotBefore(_) => chain.reserve(now, client),
                        _ => {}
                    }
                    answers.push(answer);
                }
                5 if !open.is_empty() => {
                    let (client, permits, attempt) = open.remove(0);
                    chain.on_abandon(client, &permits, attempt);
                }
                _ if !open.is_empty() => {
                    let (client, permits, attempt) = open.remove(0);
                    let ended = Ended { attempt, ..ended };
                    chain.on_outcome(client, &permits, ended);
                    if ended.outcome == GateOutcome::Success {
                        chain.on_call_success(client, &permits, attempt);
                    }
                }
                _ => {}
            }
            look(chain);
        }
        answers
    }

    /// Chains of one gate and of three.
    fn chains() -> impl Iterator<Item = (GateChain, Vec<GateConfig>)> {
        let rules = every_rule();
        let all: Vec<usize> = (0..rules.len()).collect();
        let threes = all.clone().into_iter().map(move |at| vec![at, (at + 1) % all.len(), (at + 4) % all.len()]);
        let ones = (0..rules.len()).map(|at| vec![at]);
        ones.chain(threes).flat_map(move |numbers| {
            let rules: Vec<GateRule> = numbers.iter().map(|number| rules[*number].clone()).collect();
            [Scope::Client, Scope::Fleet].map(|scope| {
                let configs: Vec<GateConfig> = rules.iter().map(|rule| GateConfig::new(rule.clone(), scope)).collect();
                (GateChain::new(&configs, 2), configs)
            })
        })
    }

    /// Makes up for what was to happen by itself until after everything that is played.
    fn bring_up_to_date(chain: &mut GateChain) {
        let counts = &mut chain.counts;
        for gates in &mut chain.gates {
            for client in 0..2 {
                with!(gates, client, |gate, terms| {
                    let was_open = gate.is_open();
                    gate.pass_time(SimTime::ZERO + Span::secs(150), terms);
                    if gate.is_open() && !was_open {
                        counts.opened();
                    }
                });
            }
        }
    }

    /// What a gate does not hear of would have changed nothing.
    #[test]
    fn a_gate_misses_nothing() {
        for (mut chain, configs) in chains() {
            let mut told_all = chain.clone();
            told_all.listeners = Listeners::of(&told_all.gates, |_| Hears::ALL);
            for seed in 0..20 {
                assert_eq!(play(&mut chain, seed, |_| {}), play(&mut told_all, seed, |_| {}), "{configs:?}");
                // What happens by itself shows when somebody asks.
                [&mut chain, &mut told_all].into_iter().for_each(bring_up_to_date);
                assert_eq!(format!("{:?}", chain.gates), format!("{:?}", told_all.gates), "{configs:?}");
                assert_eq!(chain.counts(), told_all.counts(), "{configs:?}");
            }
        }
    }

    /// To be asked alone is the same as to be asked among all.
    #[test]
    fn the_only_gate_is_asked_as_all_are() {
        for (mut chain, configs) in chains() {
            let mut rng = KeyedRng::new(7, Purpose::Gate, 0, 0);
            for (seed, moment) in [(1, Moment::Retry), (2, Moment::Send), (3, Moment::Send), (4, Moment::Retry)] {
                play(&mut chain, seed, |_| {});
                let asked = chain.asked[moment as usize];
                let (mut alone, mut among) = (chain.clone(), chain.clone());
                let (mut permits, mut same) = (Permits::default(), Permits::default());
                for second in 0..30 {
                    let now = SimTime::ZERO + Span::secs(200 + second);
                    let ask = Ask { waited: second % 7 == 0, ..Ask::retry(now, Outcome::Timeout) };
                    let answer = alone.admit(moment, ask, 1, &mut permits, &mut rng.clone());
                    assert_eq!(answer, among.ask_all(asked, ask, 1, &mut same, &mut rng), "{configs:?}");
                    assert_eq!(format!("{:?} {permits:?}", alone.gates), format!("{:?} {same:?}", among.gates));
                    assert_eq!((alone.counts(), alone.take_refusal()), (among.counts(), among.take_refusal()));
                }
            }
        }
    }

    /// The books say what stands in memory, and never more than what was known beforehand.
    #[test]
    fn bytes_are_those_in_memory() {
        fn counted<G: Gate>(shared: &Shared<G>) -> usize {
            shared.states.iter().map(|gate| size_of::<G>() + gate.heap_bytes()).sum()
        }
        for (mut chain, configs) in chains() {
            let most = GateChain::most_bytes(&configs, 2, 1);
            for seed in 0..5 {
                play(&mut chain, seed, |chain| {
                    let all: usize = chain.gates.iter().map(|gates| with!(gates, |shared| counted(shared))).sum();
                    assert_eq!(chain.bytes(), all, "{configs:?}");
                    assert!(all as u64 <= most, "{all} of {most}: {configs:?}");
                });
            }
            let grown = configs.iter().any(|config| matches!(config.rule, GateRule::RateBreaker(_)));
            assert!(grown || chain.bytes() as u64 == most, "only what looks back at calls grows");
        }
    }
}
