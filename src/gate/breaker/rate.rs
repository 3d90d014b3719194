//! A breaker that opens at a share of failures (`breaker.rate`): the rule of resilience4j, over the last calls or the last time.
//!
//! Every outcome is followed by a look at the window: with at least `min_calls` in it, a share of failures at or above `threshold` opens. As in
//! resilience4j the calls of a count window lie in a ring, thresholds compare with ≥, and slow calls can have a threshold of their own. A time
//! window has ten slots, as in Hystrix and Polly, where resilience4j has one for each second.
//!
//! Polly looks after failures only, and Hystrix every 500 ms. Nothing wakes a breaker at such a tick: the ticks that have
//! passed are made up for when the next attempt asks or ends, each with what was in the window at its instant.

use rand::Rng;

use super::{Circuit, CircuitRules, CircuitTerms, OpenTime, OpenTimes, SameTime, Standing, State, Verdict};
use crate::entry::Entry;
use crate::gate::slots::{Slot, Slots};
use crate::gate::{Answer, Ask, Ended, Gate, GateState, Hears, Kept, Permit};
use crate::units::{SimTime, Span};

/// What is said of it.
pub const ENTRY: Entry = Entry {
    name: "breaker.rate",
    summary: "opens at a share of failures among the last calls, or in the last time",
    rule: "Looks at its window after every outcome: the last `calls`, or the current tenth of `window` and the nine before. With at least \
           min_calls in it (default 20, or `calls` if that is less) it opens at a share of failures >= threshold, or at so many `failures`. With \
           judge it looks after a \"failure\" only, or at each \"tick\" (500 ms). Open and half-open as breaker.consecutive, or by verdict the \
           \"first\" outcome or the \"threshold\" decides; closing clears the window. Calls slower than slow_call are failures too, or, with slow_threshold, have that \
           threshold of their own; a slow probe has failed. With threshold 100% and min_calls = calls = k: k failures in a row.",
    source: "resilience4j's CircuitBreaker (count and time windows, slow calls, verdict = \"threshold\"); Polly (judge = \"failure\", verdict = \"first\") and \
           Hystrix (judge = \"tick\"), with ten slots; Failsafe (failures).",
    example: "breaker.rate = { threshold = \"50%\", calls = 100, min_calls = 20, open = \"30s\", probes = 5, slow_call = \"2s\", slow_threshold = \"80%\" }",
};

/// What a breaker remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateWindow {
    /// The last so many outcomes; at least 1.
    Calls(u32),
    /// The outcomes of the last so long, in so many slots.
    Time(Span, u32),
}

impl RateWindow {
    /// The outcomes of the last so long, in ten slots.
    pub fn time(window: Span) -> RateWindow {
        RateWindow::Time(window, TEN)
    }
}

/// The slots of most windows.
const TEN: u32 = 10;

/// Failures that open a breaker.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Threshold {
    /// This share of the outcomes, above 0.
    Share(f64),
    /// So many, at least 1.
    Count(u32),
}

/// When a breaker is judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Judge {
    /// After each outcome.
    #[default]
    Outcome,
    /// After each failure and each slow call.
    Failure,
    /// Each time so long has passed, counted from the start of the run; above 0.
    Tick(Span),
}

/// Calls that take too long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SlowCalls {
    /// One that took longer than this is slow.
    pub above: Span,
    /// The share of slow calls that opens, above 0. Without it a slow call is a failure as any other.
    pub threshold: Option<f64>,
}

/// `breaker.rate = { threshold or failures, calls or window, slots, min_calls, judge, tick, open, edge, probes, successes, verdict, stale,
/// failures_are, ignore, slow_call, slow_threshold }`.
#[derive(Clone, Debug, PartialEq)]
pub struct RateBreakerConfig {
    /// The failures that open it.
    pub threshold: Threshold,
    /// What is counted.
    pub window: RateWindow,
    /// Fewer outcomes than this open nothing; at least 1.
    pub min_calls: u32,
    /// When that is looked at.
    pub judge: Judge,
    /// How long it stays open.
    pub open: OpenTime,
    /// Attempts admitted while half-open; at least 1.
    pub probes: u32,
    /// What breakers share.
    pub rules: CircuitRules,
    /// Whether slow calls count, and how.
    pub slow: Option<SlowCalls>,
}

impl RateBreakerConfig {
    /// True if it needs [`GrowingTime`](super::GrowingTime).
    pub(in crate::gate) fn remembers(&self) -> bool {
        super::remembers(&self.open, &self.rules)
    }

    /// At this share of failures among at least `min_calls`; all of so many probes close it.
    pub fn new(
        share: f64,
        window: RateWindow,
        min_calls: u32,
        open: impl Into<OpenTime>,
        probes: u32,
    ) -> RateBreakerConfig {
        RateBreakerConfig {
            threshold: Threshold::Share(share),
            window,
            min_calls,
            judge: Judge::Outcome,
            open: open.into(),
            probes,
            rules: CircuitRules::default(),
            slow: None,
        }
    }
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
    /// Of another number of slots than ten.
    Slots(Box<Slots<3, Vec<[u64; 3]>>>),
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

    /// Calls, failed and slow ones.
    fn sums(&self) -> [u64; 3] {
        [self.calls.len() as u64, u64::from(self.failed), u64::from(self.slow)]
    }

    fn clear(&mut self) {
        self.calls.clear();
        (self.oldest, self.failed, self.slow) = (0, 0, 0);
    }
}

/// One breaker. `O` is what it remembers about its open times.
#[derive(Clone, Debug)]
pub struct RateBreaker<O = SameTime> {
    circuit: Circuit<O>,
    window: Window,
}

/// When something has gone wrong too often: a share of calls or a count, and how many that are of a full ring.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Limit {
    threshold: Threshold,
    of_full_ring: u64,
}

impl Limit {
    /// At this threshold; with a ring of so many calls.
    fn new(threshold: Threshold, ring: u64) -> Limit {
        let mut limit = Limit { threshold, of_full_ring: u64::MAX };
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
        match self.threshold {
            Threshold::Share(threshold) => count as f64 / calls as f64 >= threshold,
            Threshold::Count(most) => count >= u64::from(most),
        }
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
    judge: Judge,
    /// Half-open: outcomes after which the thresholds decide, if they do.
    decides: Option<u64>,
    circuit: CircuitTerms,
}

#[derive(Clone, Copy, Debug)]
enum TermsOfWindow {
    Calls(u32),
    Time(Slot, u32),
}

impl RateBreakerTerms {
    /// True if a window with these sums opens the breaker.
    fn opens(&self, sums: [u64; 3]) -> bool {
        sums[CALL] >= self.min_calls && self.are_too_many(sums)
    }

    /// The same, however few there are.
    fn are_too_many(&self, [calls, failed, slow]: [u64; 3]) -> bool {
        self.failed.is_reached(failed, calls) || self.slow.is_some_and(|limit| limit.is_reached(slow, calls))
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
            TermsOfWindow::Time(_, TEN) => Window::Time(Box::new(Slots::new())),
            TermsOfWindow::Time(_, slots) => Window::Slots(Box::new(Slots::many(slots))),
        }
    }

    /// One more outcome. True if that opens the breaker, as soon as somebody judges.
    #[inline(always)]
    fn add(&mut self, now: SimTime, failed: bool, slow: bool, terms: &RateBreakerTerms) -> bool {
        match (self, terms.window) {
            (Window::Calls(ring), TermsOfWindow::Calls(most)) => {
                ring.add(failed, slow, most);
                if ring.calls.len() == most as usize && u64::from(most) >= terms.min_calls {
                    return terms.full_ring_opens(ring.failed, ring.slow);
                }
                terms.opens(ring.sums())
            }
            (slots, TermsOfWindow::Time(slot, _)) => terms.opens(slots.add_to_slot(now, slot, failed, slow)),
            _ => unreachable!("a window is built from its own configuration"),
        }
    }

    /// One more outcome in the current slot; what is in the window then.
    #[inline(never)]
    fn add_to_slot(&mut self, now: SimTime, slot: Slot, failed: bool, slow: bool) -> [u64; 3] {
        fn add<C: AsMut<[[u64; 3]]>>(slots: &mut Slots<3, C>, now: SimTime, slot: Slot, kinds: [bool; 3]) -> [u64; 3] {
            slots.advance(now, slot);
            for (kind, counts) in kinds.into_iter().enumerate() {
                if counts {
                    slots.add(kind);
                }
            }
            slots.sums()
        }
        let mut kinds = [false; 3];
        (kinds[CALL], kinds[FAILED], kinds[SLOW]) = (true, failed, slow);
        match self {
            Window::Time(slots) => add(slots, now, slot, kinds),
            Window::Slots(slots) => add(slots, now, slot, kinds),
            Window::Calls(_) => unreachable!("a window is built from its own configuration"),
        }
    }

    /// What is in it at an instant, and when that changes if nothing comes in.
    fn at(&mut self, now: SimTime, terms: TermsOfWindow) -> ([u64; 3], SimTime) {
        match (self, terms) {
            (Window::Calls(ring), _) => (ring.sums(), SimTime::NEVER),
            (Window::Time(slots), TermsOfWindow::Time(slot, _)) => {
                slots.advance(now, slot);
                (slots.sums(), slots.until())
            }
            (Window::Slots(slots), TermsOfWindow::Time(slot, _)) => {
                slots.advance(now, slot);
                (slots.sums(), slots.until())
            }
            _ => unreachable!("a window is built from its own configuration"),
        }
    }

    fn clear(&mut self, terms: TermsOfWindow) {
        match self {
            Window::Calls(ring) => ring.clear(),
            Window::Time(slots) => **slots = Slots::new(),
            Window::Slots(_) => *self = Window::new(terms),
        }
    }
}

/// The first tick that is not before an instant.
fn tick_from(from: SimTime, tick: Span) -> SimTime {
    SimTime(from.0.div_ceil(tick.0.max(1)).saturating_mul(tick.0.max(1)))
}

impl<O: OpenTimes> RateBreaker<O> {
    /// Judges at the ticks that have passed, as far as something has changed between them.
    #[inline(never)]
    fn judge_ticks(&mut self, now: SimTime, tick: Span, terms: &RateBreakerTerms) {
        while let State::Closed { judge_at } = &mut self.circuit.state
            && *judge_at <= now
            && *judge_at != SimTime::NEVER
        {
            let at = *judge_at;
            let (sums, changes) = self.window.at(at, terms.window);
            if terms.opens(sums) {
                self.circuit.open(at, &terms.circuit);
            } else {
                *judge_at = if sums[CALL] == 0 { SimTime::NEVER } else { tick_from(changes, tick) };
            }
        }
    }

    /// An outcome while closed.
    #[inline]
    fn watch(&mut self, now: SimTime, failed: bool, slow: bool, terms: &RateBreakerTerms) {
        let opens = self.window.add(now, failed || (slow && terms.slow.is_none()), slow, terms);
        match terms.judge {
            Judge::Outcome if opens => self.circuit.open(now, &terms.circuit),
            Judge::Failure if opens && (failed || slow) => self.circuit.open(now, &terms.circuit),
            Judge::Outcome | Judge::Failure => {}
            Judge::Tick(tick) => {
                self.circuit.state = State::Closed { judge_at: tick_from(SimTime(now.0.saturating_add(1)), tick) };
            }
        }
    }

    /// An outcome while half-open.
    fn probe(&mut self, now: SimTime, failed: bool, slow: bool, terms: &RateBreakerTerms) {
        let closes = match terms.decides {
            None => self.circuit.on_probe(now, failed || slow, &terms.circuit),
            Some(after) => {
                let sums = self.circuit.count_probe(failed || (slow && terms.slow.is_none()), slow);
                let decided = sums[CALL] >= after;
                let closes = decided && !terms.are_too_many(sums);
                if closes {
                    self.circuit.close();
                } else if decided {
                    self.circuit.open(now, &terms.circuit);
                }
                closes
            }
        };
        if closes {
            self.window.clear(terms.window);
        }
    }
}

impl<O: OpenTimes> Kept for RateBreaker<O> {
    type Config = RateBreakerConfig;
    type Terms = RateBreakerTerms;

    fn terms(config: &RateBreakerConfig) -> RateBreakerTerms {
        let (window, ring) = match config.window {
            RateWindow::Calls(calls) => (TermsOfWindow::Calls(calls), u64::from(calls)),
            RateWindow::Time(window, slots) => (TermsOfWindow::Time(Slot::one_of(window, slots), slots), 0),
        };
        // As resilience4j: no more than the probes are waited for. A count says itself how many there have to be.
        let decides = match config.threshold {
            Threshold::Count(_) => config.probes,
            Threshold::Share(_) => config.min_calls.min(config.probes),
        };
        let slow = config.slow.and_then(|slow| slow.threshold).map(Threshold::Share);
        RateBreakerTerms {
            window,
            min_calls: u64::from(config.min_calls),
            failed: Limit::new(config.threshold, ring),
            slow: slow.map(|threshold| Limit::new(threshold, ring)),
            slow_above: config.slow.map_or(Span(u64::MAX), |slow| slow.above),
            judge: config.judge,
            decides: (config.rules.verdict == Verdict::Threshold).then_some(u64::from(decides)),
            circuit: CircuitTerms::new(&config.open, config.probes, &config.rules),
        }
    }

    fn hears(_terms: &RateBreakerTerms) -> Hears {
        Hears { ends: true, ..Hears::NOTHING }
    }

    fn new(terms: &RateBreakerTerms) -> RateBreaker<O> {
        RateBreaker { circuit: Circuit::default(), window: Window::new(terms.window) }
    }

    fn most_heap_bytes(terms: &RateBreakerTerms) -> u64 {
        match terms.window {
            TermsOfWindow::Calls(calls) => u64::from(calls),
            TermsOfWindow::Time(_, TEN) => size_of::<Slots<3>>() as u64,
            TermsOfWindow::Time(_, slots) => Slots::<3, Vec<_>>::bytes_of(slots),
        }
    }

    fn heap_bytes(&self) -> usize {
        match &self.window {
            Window::Calls(ring) => ring.calls.capacity(),
            Window::Time(_) => size_of::<Slots<3>>(),
            Window::Slots(slots) => slots.bytes(),
        }
    }
}

impl<O: OpenTimes> Gate for RateBreaker<O> {
    const OF_REPLICAS: bool = true;

    #[inline(always)]
    fn pass_time(&mut self, now: SimTime, terms: &RateBreakerTerms) {
        if let Judge::Tick(tick) = terms.judge {
            self.judge_ticks(now, tick, terms);
        }
        self.circuit.pass_time(now, &terms.circuit);
    }

    fn check(&mut self, ask: Ask, terms: &RateBreakerTerms, rng: &mut dyn Rng) -> Answer {
        Answer::admit_if(self.circuit.check(ask.now, &terms.circuit, rng))
    }

    fn on_admit(&mut self, ask: Ask, terms: &RateBreakerTerms) -> Permit {
        self.circuit.on_admit(ask.now, &terms.circuit)
    }

    #[inline]
    fn on_outcome(&mut self, permit: Permit, ended: Ended, terms: &RateBreakerTerms) {
        let slow = ended.took > terms.slow_above;
        let Some(failed) = terms.circuit.failed(ended) else { return self.circuit.on_abandon(permit) };
        match self.circuit.standing(permit, terms.circuit.stale) {
            Standing::Stale => {}
            Standing::Regular => self.watch(ended.now, failed, slow, terms),
            Standing::Probe => self.probe(ended.now, failed, slow, terms),
        }
    }

    fn on_abandon(&mut self, permit: Permit, _attempt: u32) {
        self.circuit.on_abandon(permit);
    }

    fn state(&self, _ask: Ask, _terms: &RateBreakerTerms) -> GateState {
        self.circuit.told()
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
    use crate::gate::GateOutcome;

    /// Half of four.
    fn calls() -> RateBreakerConfig {
        RateBreakerConfig::new(0.5, RateWindow::Calls(4), 4, Span::secs(10), 2)
    }

    fn check(config: &RateBreakerConfig, script: &str, admitted: &str) {
        assert_eq!(play::<RateBreaker>(config, script), admitted, "{script}");
    }

    #[test]
    fn the_last_calls() {
        // Too few to judge; exactly half opens; looked at after successes too.
        check(&calls(), "fffss", "11110");
        check(&calls(), "ffss(", "11110");
        check(&calls(), "sfss((", "111111");
        check(&calls(), "ffs(", "1111");
        // The ring forgets the oldest.
        check(&calls(), "fsssfs(", "1111111");
        check(&calls(), "fsssff(", "1111110");
        // Half-open as every breaker; closing clears the window.
        check(&calls(), "ffff..........ssfff(", "1111111111");
        check(&calls(), "ffff..........ssffff(", "11111111110");
        check(&calls(), "ffff..........f.........s.s", "1111101");
        check(&calls(), "ffff..........(((AA((", "111111011");
        check(&calls(), "(ffff..........ssFfff(", "11111111111");
    }

    #[test]
    fn the_last_time() {
        let time = RateBreakerConfig { window: RateWindow::time(Span::secs(10)), ..calls() };
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
        let config = RateBreakerConfig { window: RateWindow::Calls(100), min_calls: 100, ..calls() };
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
            RateBreakerConfig { slow: Some(slow), ..calls() }
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
        check(&RateBreakerConfig { slow: Some(exactly), ..calls() }, "wwww(", "11111");
    }

    /// A full ring is judged by a count: the one that the share makes of it, to the last bit.
    #[test]
    fn counts_of_a_full_ring_decide_as_shares_do() {
        let third = 1.0 / 3.0;
        for share in [1e-9, 0.01, 0.1, 0.3, third, 0.45, 0.5, 0.55, 0.7, 1.0 - third, 0.9, 0.999, 1.0, 1.5, f64::NAN] {
            for share in [share, share.next_up(), share.next_down()] {
                for ring in (1..=120).chain([999, 1_000, 2_000]) {
                    let limit = Limit::new(Threshold::Share(share), ring);
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
        assert_eq!(Limit::new(Threshold::Share(0.5), u64::from(u32::MAX)).of_full_ring, 1 << 31);
    }

    /// A ring takes what was said beforehand, and not a byte more.
    #[test]
    fn a_ring_is_no_larger_than_full() {
        for size in [1, 7, 8, 9, 100, 129] {
            let terms = <RateBreaker>::terms(&RateBreakerConfig {
                window: RateWindow::Calls(size),
                min_calls: 1_000,
                ..calls()
            });
            let mut breaker = <RateBreaker>::new(&terms);
            let ended = Ended::at_once(SimTime::ZERO, GateOutcome::Success);
            for _ in 0..2 * size {
                breaker.on_outcome(Permit::default(), ended, &terms);
                assert!(breaker.heap_bytes() as u64 <= <RateBreaker>::most_heap_bytes(&terms));
            }
            assert_eq!(breaker.heap_bytes() as u64, <RateBreaker>::most_heap_bytes(&terms), "{size} calls");
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
            let row = ConsecutiveBreakerConfig::new(k, open, probes);
            let rate = RateBreakerConfig::new(1.0, RateWindow::Calls(k), k, open, probes);
            prop_assert_eq!(play::<ConsecutiveBreaker>(&row, &script), play::<RateBreaker>(&rate, &script));
        }
    }
}
