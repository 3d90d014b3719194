//! What calls share: gates, hedging, and counts.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use super::calling::Calling;
use crate::call::{Call, Rules};
use crate::gate::{GateChain, GateConfig};
use crate::hedge::{HedgeConfig, Hedger};
use crate::retry::Policy;
use crate::rng::{KeyedRng, Purpose};
use crate::units::{SimTime, Span};

/// What calls to one service share: the state of gates, what hedging goes by, and what has been counted. One for each service that is called, or for
/// each client of a service, as the scope of gates wants it; shared by reference or in an `Arc`.
#[derive(Debug)]
pub struct Gates {
    shared: Mutex<Shared>,
    origin: Instant,
    seed: u64,
    hedges: bool,
}

#[derive(Debug)]
struct Shared {
    chain: GateChain,
    hedger: Option<Hedger>,
    /// Calls so far: the number of the next.
    calls: u64,
    metrics: Metrics,
    /// Calls that stand in a line.
    line: BTreeMap<u32, Stands>,
}

/// A call that stands in a line.
#[derive(Debug)]
enum Stands {
    Waits(Waker),
    /// It is its turn.
    Called,
}

/// What has been counted so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Calls that have begun.
    pub calls: u64,
    /// Of these, those that have succeeded.
    pub succeeded: u64,
    /// Those that have failed.
    pub failed: u64,
    /// Those that were dropped before they were over.
    pub abandoned: u64,
    /// Attempts that were sent, hedges among them.
    pub attempts: u64,
    /// Attempts that were sent beside an open one.
    pub hedges: u64,
    /// Attempts that were given up, since nothing had come of them in time.
    pub timed_out: u64,
    /// Refusals of gates.
    pub refused: u64,
    /// Changes of breakers into the open state.
    pub breaker_opened: u64,
    /// Time between attempts, of all calls together.
    pub waited: Duration,
}

impl Gates {
    /// No gate, and no hedging.
    pub fn none() -> Gates {
        Gates::new(&[])
    }

    /// These gates, in their first state, at most one of each kind. Draws differ from one `Gates` to the next.
    pub fn new(gates: &[GateConfig]) -> Gates {
        Gates::seeded(gates, None, any_seed())
    }

    /// The same, and calls are hedged.
    pub fn hedging(gates: &[GateConfig], hedge: &HedgeConfig) -> Gates {
        Gates::seeded(gates, Some(hedge), any_seed())
    }

    /// The same with draws from this seed: the n-th call waits as the n-th operation of a simulator's run that is seeded so.
    pub fn seeded(gates: &[GateConfig], hedge: Option<&HedgeConfig>, seed: u64) -> Gates {
        let shared = Shared {
            chain: GateChain::new(gates, 1),
            hedger: hedge.map(|hedge| Hedger::new(hedge, 1)),
            calls: 0,
            metrics: Metrics::default(),
            line: BTreeMap::new(),
        };
        Gates { shared: Mutex::new(shared), origin: Instant::now(), seed, hedges: hedge.is_some() }
    }

    /// What has been counted so far.
    pub fn metrics(&self) -> Metrics {
        let shared = self.shared();
        Metrics { breaker_opened: shared.chain.counts().breaker_opened, ..shared.metrics }
    }

    /// True if calls are hedged.
    pub fn hedges(&self) -> bool {
        self.hedges
    }

    /// Nothing that is done with it leaves it half changed, unless a policy of one's own panics; then what is known is still the best there is.
    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> SimTime {
        SimTime(self.origin.elapsed().as_nanos() as u64)
    }

    /// An instant of the clock.
    pub(super) fn instant(&self, at: SimTime) -> Instant {
        self.origin + Duration::from_nanos(at.0)
    }

    /// One more call has begun: its number.
    pub(super) fn next_call(&self) -> u64 {
        let mut shared = self.shared();
        shared.metrics.calls += 1;
        shared.calls += 1;
        shared.calls - 1
    }

    pub(super) fn count(&self, count: impl FnOnce(&mut Metrics)) {
        count(&mut self.shared().metrics);
    }

    /// Lets a call take a step with what is shared. Nobody waits meanwhile.
    pub(super) fn step<R>(
        &self,
        policy: &dyn Policy,
        calling: &mut Calling,
        step: impl FnOnce(&mut Call, SimTime, &mut Rules, &mut (KeyedRng, KeyedRng)) -> R,
    ) -> R {
        let now = self.now();
        let mut shared = self.shared();
        let Shared { chain, hedger, metrics, line, .. } = &mut *shared;
        let Calling { number, call, held, tries, .. } = calling;
        let used = u64::from(call.used());
        let stream = |purpose, step| KeyedRng::new(self.seed, purpose, *number, step);
        let mut draws = (stream(Purpose::Jitter, used), stream(Purpose::Gate, u64::from(tries.asked()) << 32 | used));
        let mut rules = Rules::new(policy, chain, held, 0, Calling::place(*number));
        if let Some(hedger) = hedger {
            rules = rules.hedging(hedger, tries);
        }
        let result = step(call, now, &mut rules, &mut draws);
        metrics.refused += u64::from(chain.take_refusal().is_some()) + u64::from(tries.take_refused().is_some());
        let mut called = Vec::new();
        while let Some(place) = chain.take_turn() {
            if let Some(Stands::Waits(waker)) = line.insert(place, Stands::Called) {
                called.push(waker);
            }
        }
        // Whoever is woken may come at once.
        drop(shared);
        called.into_iter().for_each(Waker::wake);
        result
    }

    /// True if it is the turn of a call that stands in line, which leaves it with that; else it will be woken.
    pub(super) fn is_called(&self, place: u32, waker: &Waker) -> bool {
        let mut shared = self.shared();
        if let Some(Stands::Called) = shared.line.get(&place) {
            shared.line.remove(&place);
            return true;
        }
        shared.line.insert(place, Stands::Waits(waker.clone()));
        false
    }

    /// A call stands in line no more.
    pub(super) fn leaves_line(&self, place: u32) {
        self.shared().line.remove(&place);
    }
}

/// Where a system has no randomness to give, all its programs draw alike.
fn any_seed() -> u64 {
    getrandom::u64().unwrap_or_default()
}

/// A length of time as the clock knows it.
pub(super) fn duration(span: Span) -> Duration {
    Duration::from_nanos(span.0)
}
