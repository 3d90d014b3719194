//! Hedging: another attempt beside one that is open, for the case that it is a slow one. Whichever answers first wins.
//!
//! Dean and Barroso, "The Tail at Scale" (CACM 2013), hedge at the 95th percentile and get rid of most of the tail for 5% more load;
//! gRPC's `hedgingPolicy` (proposal A6), Polly's hedging strategy, Finagle's backup requests and Envoy's `hedge_on_per_try_timeout` are
//! what is in production. They differ in what sets a hedge off, in what a failure does, and in whether somebody counts the cost.
//!
//! Here is what is configured, and what calls share: the latencies seen lately, and the budget. What happens in one call stands in
//! `call/tries.rs`.

mod latency;

use rand::Rng;

use crate::entry::Entry;
use crate::gate::budget::{RatioBudget, RatioBudgetConfig};
use crate::gate::{Answer, Ask, Gate, Kept, Scope};
use crate::units::{SimTime, Span};

use latency::Latencies;

/// What is said of them.
pub const ENTRIES: [Entry; 3] = [
    Entry {
        name: "hedge.fixed",
        summary: "another attempt beside one that is slow, after a time",
        rule: "While the attempts of a first try or a retry are open, the next hedge is sent `delay` after the last of them (\"none\": not by itself), up \
               to `extra` of them. A failure in retry_on sends the next at once, with on_failure = \"wait\" when it is due, and with \"end\" none unless \
               something is open; only when all have failed, and none is to come, is there a retry. The first success wins, and so does the first \
               failure that is not in retry_on; the others are cancelled, or run on with losers = \"run\". Hedges ask budget, throttle, limiter, \
               breaker and concurrency as retries do, and budget = { ratio, min_rate, window } of their own; a refusal means that there is no more hedge.",
        source: "Dean and Barroso, \"The Tail at Scale\" (CACM 2013); gRPC proposal A6 (hedgingPolicy); Polly's hedging strategy.",
        example: "hedge.fixed = { delay = \"50ms\", extra = 1, budget = { ratio = \"5%\" } }",
    },
    Entry {
        name: "hedge.percentile",
        summary: "the same, when most would have been answered",
        rule: "As hedge.fixed, with a delay that is the quantile `at` of what attempts took in the last three thirds of `window` (default 30 s) that are over, \
               and `min` (1 ms) at least; no hedge before the first third is over. Successes, time-outs and cancelled attempts are seen, other failures not.",
        source: "Finagle's backup requests (4feb34c): 1 - at is their maxExtraLoad, which is also the ratio of their budget.",
        example: "hedge.percentile = { at = \"99%\", budget = { ratio = \"1%\" }, scope = \"fleet\" }",
    },
    Entry {
        name: "hedge.timeout",
        summary: "leaves an attempt open when it times out",
        rule: "An attempt's time-out does not end it: the retry follows whatever retry_on says, within attempts, after the backoff and if gates allow, and the \
               first success wins. Gates hear of the time-out. A late failure is not retried again. If there is no retry left, what is open is waited \
               for until the deadline, which is needed.",
        source: "Envoy's hedge_on_per_try_timeout.",
        example: "hedge.timeout = {}",
    },
];

/// `hedge`: what a policy does beside an open attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct HedgeConfig {
    /// What sets it off.
    pub trigger: Trigger,
    /// Most hedges of one try, which is a first attempt or a retry. None where a time-out is the trigger: what is sent then is a retry.
    pub extra: u32,
    /// What a failure does while there are hedges left.
    pub on_failure: OnFailure,
    /// What becomes of those that do not win.
    pub losers: Losers,
    /// Hedges for each call, beyond which there are none.
    pub budget: Option<RatioBudgetConfig>,
    /// Whose latencies and whose budget.
    pub scope: Scope,
}

impl HedgeConfig {
    /// One hedge so long after an attempt was sent, or at once after a failure; losers are cancelled, and nobody counts the cost.
    pub fn after(delay: Span) -> HedgeConfig {
        HedgeConfig {
            trigger: Trigger::Fixed(Some(delay)),
            extra: 1,
            on_failure: OnFailure::Next,
            losers: Losers::Cancel,
            budget: None,
            scope: Scope::Client,
        }
    }

    /// No hedge, by no means.
    pub fn never() -> HedgeConfig {
        HedgeConfig {
            trigger: Trigger::Fixed(None),
            extra: 0,
            on_failure: OnFailure::End,
            ..HedgeConfig::after(Span::MAX)
        }
    }
}

/// What sets a hedge off.
#[derive(Clone, Debug, PartialEq)]
pub enum Trigger {
    /// So long after the last attempt was sent; without a time only a failure does. gRPC: `hedgingDelay`; Polly: `Delay`.
    Fixed(Option<Span>),
    /// So long after the last attempt was sent as this share of the attempts of the recent past took at most (Finagle: 1 - `maxExtraLoad`).
    Percentile {
        /// The share.
        at: f64,
        /// How long the past is: three slots, of which those count that are over.
        window: Span,
        /// No sooner than this (Finagle: 1 ms).
        min: Span,
    },
    /// The attempt's time-out, which does not end it then: it stays open beside the retry that follows (Envoy).
    Timeout,
}

/// What a failure that would be retried does while there are hedges left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(rename_all = "lowercase")
)]
pub enum OnFailure {
    /// The next hedge is sent at once; two failures of one instant send two.
    #[default]
    Next,
    /// The next hedge is sent when it is due.
    Wait,
    /// If nothing else of the try is open, it ends: there are no more hedges, and a retry may follow.
    End,
}

/// What becomes of the attempts that do not win.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(rename_all = "lowercase")
)]
pub enum Losers {
    /// Their client says so, which the server hears as of any client that stops waiting (*cancelling*).
    #[default]
    Cancel,
    /// They run on, and their replies are thrown away.
    Run,
}

/// The hedging of one policy, for all of its clients.
#[derive(Clone, Debug)]
pub struct Hedger {
    config: HedgeConfig,
    /// What each client has seen, or the fleet; none where nobody looks.
    latencies: Vec<Latencies>,
    /// Bytes that they take beside their own size.
    heap: usize,
    terms: Option<<RatioBudget as Kept>::Terms>,
    budgets: Vec<RatioBudget>,
    refused: u64,
}

/// The place of a client's state: one state serves the whole fleet.
fn place(states: usize, client: u32) -> usize {
    if states == 1 { 0 } else { client as usize }
}

impl Hedger {
    /// Nothing has happened yet.
    pub fn new(config: &HedgeConfig, clients: u32) -> Hedger {
        let (seeing, counting) = states(config, clients);
        let terms = config.budget.as_ref().map(RatioBudget::terms);
        let budgets = terms.as_ref().map_or_else(Vec::new, |terms| vec![RatioBudget::new(terms); counting as usize]);
        let latencies = vec![Latencies::default(); seeing as usize];
        Hedger { config: config.clone(), latencies, heap: 0, terms, budgets, refused: 0 }
    }

    /// Bytes that it takes before anything has happened.
    pub fn initial_bytes(config: &HedgeConfig, clients: u32) -> u64 {
        let (seeing, counting) = states(config, clients);
        u64::from(seeing) * size_of::<Latencies>() as u64 + u64::from(counting) * size_of::<RatioBudget>() as u64
    }

    /// Bytes that it takes now.
    pub fn bytes(&self) -> usize {
        let (latencies, budgets) = (self.latencies.capacity(), self.budgets.capacity());
        latencies * size_of::<Latencies>() + self.heap + budgets * size_of::<RatioBudget>()
    }

    /// What is configured.
    pub fn config(&self) -> &HedgeConfig {
        &self.config
    }

    /// Hedges that the budget has refused so far.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// How long after an attempt that is sent now the next hedge is due; `None`: not by itself.
    pub fn delay(&mut self, now: SimTime, client: u32) -> Option<Span> {
        match self.config.trigger {
            Trigger::Fixed(delay) => delay,
            Trigger::Percentile { at, window, min } => {
                let quantile = self.watch(client, |latencies| latencies.quantile(now, window, at));
                quantile.map(|took| took.max(min))
            }
            Trigger::Timeout => None,
        }
    }

    /// The first attempt of a call is sent: that earns a share of a hedge.
    pub fn on_first_attempt(&mut self, now: SimTime, client: u32) {
        if let Some(terms) = &self.terms {
            let place = place(self.budgets.len(), client);
            self.budgets[place].on_first_attempt(now, terms);
        }
    }

    /// An attempt was answered well, has timed out or was cancelled, so long after it was sent. Failures are left out: they are mostly fast, and
    /// say nothing about how long an answer takes (Finagle, `BackupRequestFilter.shouldRecord`).
    pub fn saw(&mut self, now: SimTime, client: u32, took: Span) {
        if let Trigger::Percentile { window, .. } = self.config.trigger {
            self.watch(client, |latencies| latencies.saw(now, window, took));
        }
    }

    /// Does something with what a client has seen, and keeps count of the memory that takes.
    fn watch<T>(&mut self, client: u32, what: impl FnOnce(&mut Latencies) -> T) -> T {
        let place = place(self.latencies.len(), client);
        let latencies = &mut self.latencies[place];
        let had = latencies.bytes();
        let result = what(latencies);
        self.heap = self.heap + latencies.bytes() - had;
        result
    }

    /// Is there a hedge left in the budget? Takes none.
    pub fn check(&mut self, ask: Ask, client: u32, rng: &mut dyn Rng) -> bool {
        let Some(terms) = &self.terms else { return true };
        let place = place(self.budgets.len(), client);
        let admits = self.budgets[place].check(ask, terms, rng) == Answer::Admit;
        self.refused += u64::from(!admits);
        admits
    }

    /// The hedge goes out.
    pub fn charge(&mut self, ask: Ask, client: u32) {
        if let Some(terms) = &self.terms {
            let place = place(self.budgets.len(), client);
            self.budgets[place].on_admit(ask, terms);
        }
    }
}

/// How many remember latencies, and how many budgets there are.
fn states(config: &HedgeConfig, clients: u32) -> (u32, u32) {
    let each = if config.scope == Scope::Fleet { 1 } else { clients };
    let sees = matches!(config.trigger, Trigger::Percentile { .. });
    (if sees { each } else { 0 }, if config.budget.is_some() { each } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::budget::Tokens;
    use crate::protocol::Outcome;
    use crate::rng::{KeyedRng, Purpose};

    /// Half of the attempts are hedged; a call earns a hedge.
    fn config(scope: Scope) -> HedgeConfig {
        let trigger = Trigger::Percentile { at: 0.5, window: Span::secs(30), min: Span::millis(5) };
        let budget = Some(RatioBudgetConfig::new(Tokens::new(1.0), 0.0, Span::secs(100)));
        HedgeConfig { trigger, budget, scope, ..HedgeConfig::after(Span::ZERO) }
    }

    const CLIENTS: u32 = 10;

    #[test]
    fn clients_share_or_do_not() {
        let at = |seconds| SimTime::ZERO + Span::secs(seconds);
        let mut rng = KeyedRng::new(1, Purpose::Gate, 0, 0);
        for (scope, shared) in [(Scope::Client, false), (Scope::Fleet, true)] {
            let mut hedger = Hedger::new(&config(scope), CLIENTS);
            for ms in [1, 1, 50, 70] {
                hedger.saw(at(1), if ms == 1 { 2 } else { 3 }, Span::millis(ms));
            }
            let delays = [2, 3].map(|client| hedger.delay(at(11), client).map(|delay| (delay.seconds() * 1e3).round()));
            // No sooner than the least.
            let expected = if shared { [5.0, 5.0] } else { [5.0, 50.0] };
            assert_eq!(delays, expected.map(Some), "{scope:?}");
            assert_eq!(hedger.delay(at(11), 4).is_some(), shared, "{scope:?}");
            hedger.on_first_attempt(at(11), 2);
            let ask = Ask::retry(at(12), Outcome::Open);
            assert_eq!(hedger.check(ask, 3, &mut rng), shared, "{scope:?}");
            assert!(hedger.check(ask, 2, &mut rng), "{scope:?}: asking takes nothing");
            hedger.charge(ask, 2);
            assert!(!hedger.check(ask, 2, &mut rng), "{scope:?}");
            assert_eq!(hedger.refused(), if shared { 1 } else { 2 }, "{scope:?}");
        }
    }

    #[test]
    fn memory_is_counted() {
        for (scope, states) in [(Scope::Client, CLIENTS), (Scope::Fleet, 1)] {
            let mut hedger = Hedger::new(&config(scope), CLIENTS);
            let own = states as usize * (size_of::<Latencies>() + size_of::<RatioBudget>());
            assert_eq!(
                (hedger.bytes(), Hedger::initial_bytes(&config(scope), CLIENTS)),
                (own, own as u64),
                "{scope:?}"
            );
            for ms in 0..1_000 {
                hedger.saw(SimTime::ZERO + Span::millis(37 * ms), ms as u32 % CLIENTS, Span::millis(ms));
            }
            let seen: usize = hedger.latencies.iter().map(Latencies::bytes).sum();
            assert!(seen > 1_000, "{scope:?}: {seen}");
            assert_eq!(hedger.bytes(), own + seen, "{scope:?}");
        }
    }
}
