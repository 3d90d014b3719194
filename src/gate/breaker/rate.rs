//! A breaker that opens at a share of failures (`breaker.rate`): the rule of resilience4j, over the last calls or the last time.
//!
//! Every outcome is followed by a look at the window: with at least `min_calls` in it, a share of failures at or above `threshold` opens. As in
//! resilience4j the calls of a count window lie in a ring, thresholds compare with ≥, and slow calls can have a threshold of their own. A time
//! window has ten slots, as in Hystrix and Polly, where resilience4j has one for each second.

use rand::Rng;

use super::{Circuit, Standing};
use crate::gate::slots::{Slot, Slots};
use crate::gate::{Answer, Ask, Ended, Gate, GateOutcome, Hears, Permit};
use crate::units::{SimTime, Span};

/// What a breaker remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateWindow {
    /// The last so many outcomes; at least 1.
    Calls(u32),
    /// The outcomes of the last so long.
    Time(Span),
}

/// Calls that take too long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SlowCalls {
    /// One that took longer than this is slow.
    pub above: Span,
    /// The share of slow calls that opens, above 0. Without it a slow call is a failure as any other.
    pub threshold: Option<f64>,
}

/// `breaker.rate = { threshold, calls or window, min_calls, open, probes, slow_call, slow_threshold }`.
#[derive(Clone, Debug, PartialEq)]
pub struct RateBreakerConfig {
    /// The share of failures that opens it, above 0.
    pub threshold: f64,
    /// What is counted.
    pub window: RateWindow,
    /// Fewer outcomes than this open nothing; at least 1.
    pub min_calls: u32,
    /// How long it stays open.
    pub open: Span,
    /// Attempts admitted while half-open, and successes that close it; at least 1.
    pub probes: u32,
    /// Whether slow calls count, and how.
    pub slow: Option<SlowCalls>,
}

const CALL: usize = 0;
const FAILED: usize = 1;
const SLOW: usize = 2;

/// Outcomes of the recent past.
#[derive(Clone, Debug)]
enum Window {
    /// The last calls.
    Calls(Ring),
    /// In a box, since it is larger than everything else in a breaker.
    Time(Box<Slots<3>>),
}

/// A ring that grows until it is full, a byte for each call: bit 1 if it failed, bit 2 if it was slow.
#[derive(Clone, Debug, Default)]
struct Ring {
    calls: Vec<u8>,
    /// Where the oldest call stands, once the ring is full.
    oldest: u32,
    failed: u32,
    slow: u32,
}

/// The smallest ring that is made room for.
const FEW: usize = 8;

impl Ring {
    #[inline]
    fn add(&mut self, failed: bool, slow: bool, most: u32) {
        let new = u8::from(failed) << FAILED | u8::from(slow) << SLOW;
        if self.calls.len() < most as usize {
            if self.calls.len() == self.calls.capacity() {
                self.grow(most as usize);
            }
            self.calls.push(new);
        } else {
            let old = std::mem::replace(&mut self.calls[self.oldest as usize], new);
            self.failed -= u32::from(old >> FAILED & 1);
            self.slow -= u32::from(old >> SLOW & 1);
            self.oldest += 1;
            if self.oldest == most {
                self.oldest = 0;
            }
        }
        self.failed += u32::from(failed);
        self.slow += u32::from(slow);
    }

    /// Doubles, but takes no more than a full ring needs.
    #[cold]
    fn grow(&mut self, most: usize) {
        let calls = self.calls.len();
        self.calls.reserve_exact(calls.max(FEW).min(most - calls));
    }

    fn clear(&mut self) {
        self.calls.clear();
        (self.oldest, self.failed, self.slow) = (0, 0, 0);
    }
}

/// One breaker.
#[derive(Clone, Debug)]
pub struct RateBreaker {
    circuit: Circuit,
    window: Window,
}

/// When something has gone wrong too often: a share of calls, and how many that are of a full ring.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Limit {
    share: f64,
    of_full_ring: u64,
}

impl Limit {
    /// At this share; with a ring of so many calls.
    fn new(share: f64, ring: u64) -> Limit {
        let mut limit = Limit { share, of_full_ring: u64::MAX };
        // The share grows with the count, so that the least count that reaches it is found by halving.
        let (mut too_few, mut enough) = (0, ring + 1);
        while too_few < enough {
            let middle = too_few + (enough - too_few) / 2;
            if limit.is_reached(middle, ring) {
                enough = middle;
            } else {
                too_few = middle + 1;
            }
        }
        limit.of_full_ring = enough;
        limit
    }

    /// True if so many of so many calls are too many.
    fn is_reached(&self, count: u64, calls: u64) -> bool {
        count as f64 / calls as f64 >= self.share
    }
}

/// What a breaker works with.
#[derive(Clone, Debug)]
pub struct RateBreakerTerms {
    window: TermsOfWindow,
    min_calls: u64,
    failed: Limit,
    /// Of slow calls, if they are counted apart. If not, a slow call is a failure as any other.
    slow: Option<Limit>,
    /// One that took longer than this is slow.
    slow_above: Span,
    open: Span,
    probes: u32,
}

#[derive(Clone, Copy, Debug)]
enum TermsOfWindow {
    Calls(u32),
    Time(Slot),
}

impl RateBreakerTerms {
    /// True if a window with these sums opens the breaker.
    fn opens(&self, sums: [u64; 3]) -> bool {
        let [calls, failed, slow] = sums;
        calls >= self.min_calls
            && (self.failed.is_reached(failed, calls) || self.slow.is_some_and(|limit| limit.is_reached(slow, calls)))
    }

    /// The same for a full ring.
    fn full_ring_opens(&self, failed: u32, slow: u32) -> bool {
        u64::from(failed) >= self.failed.of_full_ring
            || self.slow.is_some_and(|limit| u64::from(slow) >= limit.of_full_ring)
    }
}

impl Window {
    fn new(terms: TermsOfWindow) -> Window {
        match terms {
            TermsOfWindow::Calls(_) => Window::Calls(Ring::default()),
            TermsOfWindow::Time(_) => Window::Time(Box::new(Slots::new())),
        }
    }

    /// One more outcome. True if that opens the breaker.
    #[inline]
    fn add(&mut self, now: SimTime, failed: bool, slow: bool, terms: &RateBreakerTerms) -> bool {
        match (self, terms.window) {
            (Window::Calls(ring), TermsOfWindow::Calls(most)) => {
                ring.add(failed, slow, most);
                if ring.calls.len() == most as usize && u64::from(most) >= terms.min_calls {
                    return terms.full_ring_opens(ring.failed, ring.slow);
                }
                terms.opens([ring.calls.len() as u64, u64::from(ring.failed), u64::from(ring.slow)])
            }
            (Window::Time(slots), TermsOfWindow::Time(slot)) => {
                slots.advance(now, slot);
                for (kind, counts) in [(CALL, true), (FAILED, failed), (SLOW, slow)] {
                    if counts {
                        slots.add(kind);
                    }
                }
                terms.opens(slots.sums())
            }
            _ => unreachable!("a window is built from its own configuration"),
        }
    }

    fn clear(&mut self) {
        match self {
            Window::Calls(ring) => ring.clear(),
            Window::Time(slots) => **slots = Slots::new(),
        }
    }
}

impl Gate for RateBreaker {
    type Config = RateBreakerConfig;
    type Terms = RateBreakerTerms;

    fn terms(config: &RateBreakerConfig) -> RateBreakerTerms {
        let (window, ring) = match config.window {
            RateWindow::Calls(calls) => (TermsOfWindow::Calls(calls), u64::from(calls)),
            RateWindow::Time(window) => (TermsOfWindow::Time(Slot::of(window)), 0),
        };
        let slow = config.slow.and_then(|slow| slow.threshold);
        RateBreakerTerms {
            window,
            min_calls: u64::from(config.min_calls),
            failed: Limit::new(config.threshold, ring),
            slow: slow.map(|threshold| Limit::new(threshold, ring)),
            slow_above: config.slow.map_or(Span(u64::MAX), |slow| slow.above),
            open: config.open,
            probes: config.probes,
        }
    }

    fn hears(_terms: &RateBreakerTerms) -> Hears {
        Hears { ends: true, ..Hears::NOTHING }
    }

    fn new(terms: &RateBreakerTerms) -> RateBreaker {
        RateBreaker { circuit: Circuit::default(), window: Window::new(terms.window) }
    }

    fn most_heap_bytes(terms: &RateBreakerTerms) -> u64 {
        match terms.window {
            TermsOfWindow::Calls(calls) => u64::from(calls),
            TermsOfWindow::Time(_) => size_of::<Slots<3>>() as u64,
        }
    }

    fn heap_bytes(&self) -> usize {
        match &self.window {
            Window::Calls(ring) => ring.calls.capacity(),
            Window::Time(_) => size_of::<Slots<3>>(),
        }
    }

    fn check(&mut self, ask: Ask, terms: &RateBreakerTerms, _rng: &mut dyn Rng) -> Answer {
        Answer::admit_if(self.circuit.check(ask.now, terms.probes))
    }

    fn on_admit(&mut self, _ask: Ask, _terms: &RateBreakerTerms) -> Permit {
        self.circuit.on_admit()
    }

    #[inline]
    fn on_outcome(&mut self, permit: Permit, ended: Ended, terms: &RateBreakerTerms) {
        let slow = ended.took > terms.slow_above;
        let failed = ended.outcome == GateOutcome::Failure;
        match self.circuit.standing(permit) {
            Standing::Stale => {}
            Standing::Regular => {
                if self.window.add(ended.now, failed || (slow && terms.slow.is_none()), slow, terms) {
                    self.circuit.open(ended.now, terms.open);
                }
            }
            Standing::Probe => {
                if self.circuit.on_probe(ended.now, failed || slow, terms.open, terms.probes) {
                    self.window.clear();
                }
            }
        }
    }

    fn on_abandon(&mut self, permit: Permit) {
        self.circuit.on_abandon(permit);
    }

    fn is_open(&self) -> bool {
        self.circuit.is_open()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::super::script::play;
    use super::super::{ConsecutiveBreaker, ConsecutiveBreakerConfig};
    use super::*;

    const CALLS: RateBreakerConfig = RateBreakerConfig {
        threshold: 0.5,
        window: RateWindow::Calls(4),
        min_calls: 4,
        open: Span::secs(10),
        probes: 2,
        slow: None,
    };

    fn check(config: &RateBreakerConfig, script: &str, admitted: &str) {
        assert_eq!(play::<RateBreaker>(config, script), admitted, "{script}");
    }

    #[test]
    fn the_last_calls() {
        // Too few to judge; exactly half opens; looked at after successes too.
        check(&CALLS, "fffss", "11110");
        check(&CALLS, "ffss(", "11110");
        check(&CALLS, "sfss((", "111111");
        check(&CALLS, "ffs(", "1111");
        // The ring forgets the oldest.
        check(&CALLS, "fsssfs(", "1111111");
        check(&CALLS, "fsssff(", "1111110");
        // Half-open as every breaker; closing clears the window.
        check(&CALLS, "ffff..........ssfff(", "1111111111");
        check(&CALLS, "ffff..........ssffff(", "11111111110");
        check(&CALLS, "ffff..........f.........s.s", "1111101");
        check(&CALLS, "ffff..........(((AA((", "111111011");
        check(&CALLS, "(ffff..........ssFfff(", "11111111111");
    }

    #[test]
    fn the_last_time() {
        let time = RateBreakerConfig { window: RateWindow::Time(Span::secs(10)), ..CALLS };
        check(&time, "fff.f(", "11110");
        check(&time, "f..........fff(", "11111");
        check(&time, "f.........fff(", "11110");
        check(&time, "ssss.ffff(", "111111110");
        // What has grown old does not count, on either side.
        check(&time, "ssss..........ffff(", "111111110");
        check(&time, "ffff..........ssffff(", "11111111110");
    }

    /// resilience4j with its defaults: 100 calls, at least 100, half of them.
    #[test]
    fn published_vectors() {
        let config = RateBreakerConfig { window: RateWindow::Calls(100), min_calls: 100, ..CALLS };
        for (script, last) in [
            ("f".repeat(99) + "(", '1'),
            ("f".repeat(100) + "(", '0'),
            ("sf".repeat(50) + "(", '0'),
            ("s".repeat(51) + &"f".repeat(49) + "(", '1'),
        ] {
            assert_eq!(play::<RateBreaker>(&config, &script).chars().last(), Some(last), "{script}");
        }
    }

    #[test]
    fn slow_calls() {
        let slow = |threshold| {
            let slow = SlowCalls { above: Span::secs(2), threshold };
            RateBreakerConfig { slow: Some(slow), ..CALLS }
        };
        // Without a threshold of their own they are failures.
        check(&slow(None), "wssf(", "11110");
        check(&slow(None), "wsss(", "11111");
        // With one, they are counted apart: half failed or three quarters slow.
        check(&slow(Some(0.75)), "wwsf(", "11111");
        check(&slow(Some(0.75)), "wwwf(", "11110");
        check(&slow(Some(0.75)), "wwls(", "11110");
        check(&slow(Some(0.75)), "sfsl(", "11110");
        // A slow probe has failed either way.
        for threshold in [None, Some(0.75)] {
            check(&slow(threshold), "ffff..........w.........s.s", "1111101");
        }
        // Exactly as long is not longer.
        let exactly = SlowCalls { above: Span::secs(3), threshold: None };
        check(&RateBreakerConfig { slow: Some(exactly), ..CALLS }, "wwww(", "11111");
    }

    /// A full ring is judged by a count: the one that the share makes of it, to the last bit.
    #[test]
    fn counts_of_a_full_ring_decide_as_shares_do() {
        let third = 1.0 / 3.0;
        for share in [1e-9, 0.01, 0.1, 0.3, third, 0.45, 0.5, 0.55, 0.7, 1.0 - third, 0.9, 0.999, 1.0, 1.5, f64::NAN] {
            for share in [share, share.next_up(), share.next_down()] {
                for ring in (1..=120).chain([999, 1_000, 2_000]) {
                    let limit = Limit::new(share, ring);
                    for count in 0..=ring {
                        assert_eq!(
                            count >= limit.of_full_ring,
                            limit.is_reached(count, ring),
                            "{count} of {ring}: {share}"
                        );
                    }
                }
            }
        }
        assert_eq!(Limit::new(0.5, u64::from(u32::MAX)).of_full_ring, 1 << 31);
    }

    /// A ring takes what was said beforehand, and not a byte more.
    #[test]
    fn a_ring_is_no_larger_than_full() {
        for calls in [1, 7, 8, 9, 100, 129] {
            let terms =
                RateBreaker::terms(&RateBreakerConfig { window: RateWindow::Calls(calls), min_calls: 1_000, ..CALLS });
            let mut breaker = RateBreaker::new(&terms);
            let ended = Ended::at_once(SimTime::ZERO, GateOutcome::Success);
            for _ in 0..2 * calls {
                breaker.on_outcome(Permit::default(), ended, &terms);
                assert!(breaker.heap_bytes() as u64 <= RateBreaker::most_heap_bytes(&terms));
            }
            assert_eq!(breaker.heap_bytes() as u64, RateBreaker::most_heap_bytes(&terms), "{calls} calls");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            rng_seed: RngSeed::Fixed(20_261_126),
            ..ProptestConfig::default()
        })]

        /// All of the last k calls is k in a row.
        #[test]
        fn a_full_share_is_failures_in_a_row(script in "[fsFSA(.]{0,200}", k in 1u32..6, probes in 1u32..4) {
            let open = Span::secs(5);
            let row = ConsecutiveBreakerConfig { failures: k, open, probes };
            let rate = RateBreakerConfig {
                threshold: 1.0, window: RateWindow::Calls(k), min_calls: k, open, probes, slow: None,
            };
            prop_assert_eq!(play::<ConsecutiveBreaker>(&row, &script), play::<RateBreaker>(&rate, &script));
        }
    }
}
