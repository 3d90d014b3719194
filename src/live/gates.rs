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
    /// Calls that stand in a line, and who is told when it is their turn.
    line: BTreeMap<u32, Waker>,
}

/// What has been counted so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Calls that have begun.
    pub calls: u64,
    /// Of these, those of which an attempt has succeeded.
    pub succeeded: u64,
    /// Those that have failed: the policy or a gate has given them up.
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
    /// Time in which calls had nothing open and were not over, of all of them together: waits before retries, for tokens and in lines.
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

    /// Lets a call take a step with what is shared. Nothing of anybody else runs meanwhile: no attempt is made or dropped in a step, and nobody is woken.
    pub(super) fn step<R>(
        &self,
        policy: &dyn Policy,
        calling: &mut Calling,
        step: impl FnOnce(&mut Call, SimTime, &mut Rules, &mut (KeyedRng, KeyedRng)) -> R,
    ) -> R {
        let mut shared = self.shared();
        // Whoever has the gates later is later.
        let now = self.now();
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
            called.extend(line.remove(&place));
        }
        // Whoever is woken may come at once.
        drop(shared);
        called.into_iter().for_each(Waker::wake);
        result
    }

    /// True if a call that stands in line has its place by now; else it will be woken when it has.
    pub(super) fn has_place(&self, policy: &dyn Policy, calling: &mut Calling, waker: &Waker) -> bool {
        let place = calling.own_place();
        // Told first, and asked then: a turn that comes in between is not missed.
        let before = self.shared().line.insert(place, waker.clone());
        drop(before);
        self.step(policy, calling, |_, _, rules, _| rules.has_place())
    }

    /// A call stands in line no more.
    pub(super) fn leaves_line(&self, place: u32) {
        let waker = self.shared().line.remove(&place);
        drop(waker);
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

#[cfg(test)]
mod tests {
    use tokio::time::{sleep, timeout};

    use super::*;
    use crate::gate::pool::PoolConfig;
    use crate::gate::{GateRule, Scope};
    use crate::live::retry;
    use crate::retry::RetryPolicy;

    /// Nothing is left of calls that stood in line, whatever became of them.
    #[tokio::test(start_paused = true)]
    async fn nobody_stands_in_line_for_ever() {
        let pool = PoolConfig { max_wait: Some(Span::millis(250)), ..PoolConfig::attempts(1) };
        let gates = Gates::new(&[GateConfig::new(GateRule::Pool(pool), Scope::Client)]);
        let policy = RetryPolicy::default();
        let slow = || async {
            sleep(Duration::from_millis(100)).await;
            Ok::<(), ()>(())
        };
        let call = || retry(&policy, &gates, slow);
        let dropped = timeout(Duration::from_millis(50), call());
        let (one, two, three, four, five) = tokio::join!(call(), call(), call(), call(), dropped);
        assert!(one.is_ok() && two.is_ok() && three.is_ok() && four.is_err() && five.is_err());
        assert!(gates.shared().line.is_empty(), "{:?}", gates.shared().line);
    }
}
