//! A breaker that opens at a share of failures (`breaker.rate`): the rule of resilience4j, over the last calls or the last time.
//!
//! Every outcome is followed by a look at the window: with at least `min_calls` in it, a share of failures at or above `threshold` opens. As in
//! resilience4j the calls of a count window lie in a ring, thresholds compare with ≥, and slow calls can have a threshold of their own. A time
//! window has ten slots, as in Hystrix and Polly, where resilience4j has one for each second.

use rand::Rng;

use super::{Circuit, Standing};
use crate::gate::slots::Slots;
use crate::gate::{Answer, Ask, Ended, Gate, GateOutcome, Permit};
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
    /// A ring that grows until it is full, a byte for each call: bit 1 if it failed, bit 2 if it was slow.
    Calls { ring: Vec<u8>, next: usize, sums: [u64; 3] },
    /// In a box, since it is larger than everything else in a breaker.
    Time(Box<Slots<3>>),
}

impl Window {
    fn new(window: RateWindow) -> Window {
        match window {
            RateWindow::Calls(_) => Window::Calls { ring: Vec::new(), next: 0, sums: [0; 3] },
            RateWindow::Time(_) => Window::Time(Box::new(Slots::new())),
        }
    }

    fn add(&mut self, now: SimTime, failed: bool, slow: bool, window: RateWindow) {
        match (self, window) {
            (Window::Calls { ring, next, sums }, RateWindow::Calls(calls)) => {
                let new = u8::from(failed) << FAILED | u8::from(slow) << SLOW;
                if ring.len() < calls as usize {
                    ring.push(new);
                    sums[CALL] += 1;
                } else {
                    let old = std::mem::replace(&mut ring[*next], new);
                    *next = (*next + 1) % ring.len();
                    for kind in [FAILED, SLOW] {
                        sums[kind] -= u64::from(old >> kind & 1);
                    }
                }
                for kind in [FAILED, SLOW] {
                    sums[kind] += u64::from(new >> kind & 1);
                }
            }
            (Window::Time(slots), RateWindow::Time(window)) => {
                slots.advance(now, window);
                for (kind, counts) in [(CALL, true), (FAILED, failed), (SLOW, slow)] {
                    if counts {
                        slots.add(kind);
                    }
                }
            }
            _ => unreachable!("a window is built from its own configuration"),
        }
    }

    fn sums(&self) -> [u64; 3] {
        match self {
            Window::Calls { sums, .. } => *sums,
            Window::Time(slots) => slots.sums(),
        }
    }
}

/// One breaker.
#[derive(Clone, Debug)]
pub struct RateBreaker {
    circuit: Circuit,
    window: Window,
}

impl RateBreakerConfig {
    /// True if a window with these sums opens the breaker.
    fn opens(&self, sums: [u64; 3]) -> bool {
        let share = |kind: usize| sums[kind] as f64 / sums[CALL] as f64;
        let slow = self.slow.and_then(|slow| slow.threshold);
        sums[CALL] >= u64::from(self.min_calls)
            && (share(FAILED) >= self.threshold || slow.is_some_and(|threshold| share(SLOW) >= threshold))
    }
}

impl Gate for RateBreaker {
    type Config = RateBreakerConfig;

    fn new(config: &RateBreakerConfig) -> RateBreaker {
        RateBreaker { circuit: Circuit::default(), window: Window::new(config.window) }
    }

    fn heap_bytes(config: &RateBreakerConfig) -> u64 {
        match config.window {
            RateWindow::Calls(calls) => u64::from(calls),
            RateWindow::Time(_) => size_of::<Slots<3>>() as u64,
        }
    }

    fn check(&mut self, ask: Ask, config: &RateBreakerConfig, _rng: &mut dyn Rng) -> Answer {
        Answer::admit_if(self.circuit.check(ask.now, config.probes))
    }

    fn on_admit(&mut self, _ask: Ask, _config: &RateBreakerConfig) -> Permit {
        self.circuit.on_admit()
    }

    fn on_outcome(&mut self, permit: Permit, ended: Ended, config: &RateBreakerConfig) {
        let slow = config.slow.is_some_and(|slow| ended.took > slow.above);
        let failed = ended.outcome == GateOutcome::Failure;
        match self.circuit.standing(permit) {
            Standing::Stale => {}
            Standing::Regular => {
                let apart = config.slow.is_some_and(|slow| slow.threshold.is_some());
                self.window.add(ended.now, failed || (slow && !apart), slow, config.window);
                if config.opens(self.window.sums()) {
                    self.circuit.open(ended.now, config.open);
                }
            }
            Standing::Probe => {
                if self.circuit.on_probe(ended.now, failed || slow, config.open, config.probes) {
                    self.window = Window::new(config.window);
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
