//! A backoff is a pipeline: curve → cap → jitter → floor → cap. The names of scenario files are combinations of these.

use rand::Rng;

use super::curve::decorrelated::{Decorrelated, StepFrom};
use super::curve::{
    Curve, constant::Constant, exponential::Exponential, linear::Linear, power::Power, schedule::Schedule,
    telescoping::Telescoping,
};
use super::jitter::{Jitter, additive::Additive, proportional::Proportional};
use crate::rng::{KeyedRng, Purpose, unit};
use crate::units::Span;

/// Where the cap applies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(rename_all = "lowercase")
)]
pub enum CapAt {
    /// The window: the delay may exceed it by the jitter.
    #[default]
    Window,
    /// The delay after the jitter: long waits gather at exactly the cap.
    Delay,
    /// Both.
    Both,
}

/// How long to wait before a retry.
#[derive(Clone, Debug, PartialEq)]
pub struct Backoff {
    /// How the window grows.
    curve: Curve,
    /// What is added to the curve's index.
    offset: i32,
    /// The first delay, whatever the rest says.
    first: Option<Span>,
    /// The longest window or delay.
    cap: Option<Span>,
    /// Which of the two the cap bounds.
    cap_at: CapAt,
    /// What randomness does to the window.
    jitter: Jitter,
    /// No delay is shorter.
    floor: Span,
    /// Delays are whole multiples of this; zero: any.
    unit: Span,
    /// The largest multiple that jitter may reach is as likely as the others.
    inclusive: bool,
    /// Something is done to a delay after its jitter.
    trims: bool,
    /// The windows of the first retries, worked out once, since most calls go no further. None for a curve that walks, or with a first delay of its own.
    windows: Box<[f64]>,
}

/// What a call remembers for its backoff, in one number: how far a curve that walks has come, in ns, or after how many attempts curves began anew.
/// Packed, so that what a call remembers of other things fits beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(Rust, packed(4))]
pub struct Memory(u64);

/// The bit that says which.
const ANEW: u64 = 1 << 63;

impl Memory {
    /// The previous delay, or the sum of all; zero if there was none.
    fn walked(self) -> Span {
        Span(if self.0 & ANEW == 0 { self.0 } else { 0 })
    }

    /// So many attempts had been used up when curves began anew.
    #[inline(always)]
    fn anew(self) -> u32 {
        if self.0 & ANEW == 0 { 0 } else { self.0 as u32 }
    }

    fn walk_to(&mut self, walked: Span) {
        self.0 = walked.0.min(ANEW - 1);
    }

    /// Curves begin anew after so many attempts.
    pub fn begin_anew(&mut self, attempts: u32) {
        self.0 = ANEW | u64::from(attempts);
    }
}

/// So many windows are worked out beforehand.
const KNOWN: u32 = 16;

/// Smallest, mean and largest delay before one retry. In seconds; the largest may be infinite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DelayRow {
    /// Number of the retry, from 1.
    pub retry: u32,
    /// Smallest.
    pub min: f64,
    /// Mean.
    pub mean: f64,
    /// Largest.
    pub max: f64,
}

impl DelayRow {
    /// How far apart the smallest and the largest delay are, in units of the mean: what is left of the jitter once caps and floors have cut
    /// it. 0: everyone waits equally long.
    pub fn effective_jitter(&self) -> f64 {
        if self.min == self.max { 0.0 } else { (self.max - self.min) / self.mean }
    }
}

impl Backoff {
    /// True if delays are random.
    pub fn draws(&self) -> bool {
        self.curve.walks() || !matches!(self.jitter, Jitter::None)
    }

    /// Any combination: the window grows as `curve` says, `cap` bounds the window or the delay, and `jitter` makes the delay of the window.
    pub fn new(curve: Curve, cap: Option<Span>, cap_at: CapAt, jitter: Jitter) -> Backoff {
        let (offset, first, floor, unit, inclusive, trims) = (0, None, Span::ZERO, Span::ZERO, false, false);
        Backoff { curve, offset, first, cap, cap_at, jitter, floor, unit, inclusive, trims, windows: Box::default() }
            .ready()
    }

    /// The curve begins so many retries later, or earlier if negative: stripe-node's first window is that before its base.
    pub fn with_offset(self, offset: i32) -> Backoff {
        Backoff { offset, ..self }.ready()
    }

    /// The first delay is this one, exactly. The curve does not wait for it: urllib3's second delay is twice its factor.
    pub fn with_first(self, first: Span) -> Backoff {
        Backoff { first: Some(first), ..self }.ready()
    }

    /// No delay is shorter than this: Stripe's clients wait for half a second at least.
    pub fn with_floor(self, floor: Span) -> Backoff {
        Backoff { floor, ..self }.ready()
    }

    /// Delays are cut to whole multiples of `unit`. `inclusive`: where a range is drawn from, its upper end is as likely as the multiples below it.
    pub fn with_unit(self, unit: Span, inclusive: bool) -> Backoff {
        Backoff { unit, inclusive, ..self }.ready()
    }

    fn ready(mut self) -> Backoff {
        self.trims = self.cap_at != CapAt::Window || self.floor > Span::ZERO || self.unit > Span::ZERO;
        self.windows = match self.first {
            None if !self.curve.walks() => (1..=KNOWN).map(|k| self.window(k, Memory(0), || 0.0).0).collect(),
            _ => Box::default(),
        };
        self
    }

    /// The same without jitter, and with the cap on the window.
    fn plain(curve: Curve, cap: Option<Span>) -> Backoff {
        Backoff::new(curve, cap, CapAt::Window, Jitter::None)
    }

    /// `"none"`: at once.
    pub fn none() -> Backoff {
        Backoff::fixed(Span::ZERO)
    }

    /// `fixed`: the same delay every time.
    pub fn fixed(delay: Span) -> Backoff {
        Backoff::plain(Curve::Constant(Constant { delay }), None)
    }

    /// `linear`: min(cap, base + step·(k-1)).
    pub fn linear(base: Span, step: Span, cap: Option<Span>) -> Backoff {
        Backoff::plain(Curve::Linear(Linear { base, step }), cap)
    }

    /// `exponential`: min(cap, base·factor^(k-1)).
    pub fn exponential(base: Span, factor: f64, cap: Option<Span>) -> Backoff {
        Backoff::plain(Curve::Exponential(Exponential { base, factor, whole: Span::ZERO }), cap)
    }

    /// `power`: min(cap, base + scale·(k-1)^exponent).
    pub fn power(base: Span, scale: Span, exponent: u32, cap: Option<Span>) -> Backoff {
        Backoff::plain(Curve::Power(Power { base, scale, exponent }), cap)
    }

    /// `full-jitter`: U(0, w), w as for `exponential`.
    pub fn full_jitter(base: Span, factor: f64, cap: Option<Span>) -> Backoff {
        Backoff { jitter: Jitter::FULL, ..Backoff::exponential(base, factor, cap) }
    }

    /// `equal-jitter`: w/2 + U(0, w/2).
    pub fn equal_jitter(base: Span, factor: f64, cap: Option<Span>) -> Backoff {
        Backoff { jitter: Jitter::EQUAL, ..Backoff::exponential(base, factor, cap) }
    }

    /// `decorrelated-jitter`: min(cap, U(base, 3·previous)).
    pub fn decorrelated_jitter(base: Span, cap: Option<Span>) -> Backoff {
        Backoff::plain(Curve::Decorrelated(Decorrelated { base, from: StepFrom::Base }), cap)
    }

    /// `telescoping-jitter`: min(cap, base/1.4·(g(k-1 + U) - g(before))), g(t) = 2^t·tanh(√(4t)).
    pub fn telescoping_jitter(base: Span, cap: Option<Span>) -> Backoff {
        Backoff::new(Curve::Telescoping(Telescoping { base }), cap, CapAt::Delay, Jitter::None)
    }

    /// `additive-jitter`: min(cap, w + U(0, jitter)); with `cap_before`, min(cap, w) + U(0, jitter).
    pub fn additive_jitter(base: Span, factor: f64, cap: Option<Span>, jitter: Span, cap_before: bool) -> Backoff {
        let curve = Curve::Exponential(Exponential { base, factor, whole: Span::ZERO });
        let cap_at = if cap_before { CapAt::Window } else { CapAt::Delay };
        Backoff::new(curve, cap, cap_at, Jitter::Additive(Additive { above: jitter, ..Additive::default() }))
    }

    /// `proportional-jitter`: w·U(1-spread, 1+spread).
    pub fn proportional_jitter(base: Span, factor: f64, cap: Option<Span>, spread: f64) -> Backoff {
        Backoff { jitter: Jitter::Proportional(Proportional { spread }), ..Backoff::exponential(base, factor, cap) }
    }

    /// `memoryless`: exponentially distributed.
    pub fn memoryless(mean: Span) -> Backoff {
        Backoff { jitter: Jitter::Memoryless, ..Backoff::fixed(mean) }
    }

    /// `schedule`: the delays in turn, the last one repeating, each times U(1-spread, 1+spread). At least one delay.
    pub fn schedule(delays: Vec<Span>, spread: f64) -> Backoff {
        let jitter = Jitter::Proportional(Proportional { spread });
        Backoff::new(Curve::Schedule(Schedule { delays }), None, CapAt::Window, jitter)
    }

    /// The delay before retry `k` (from 1) of a call that remembers `memory`.
    #[inline(always)]
    pub fn delay(&self, k: u32, memory: &mut Memory, rng: &mut dyn Rng) -> Span {
        match self.windows.get((k - 1).wrapping_sub(memory.anew()) as usize) {
            Some(window) => self.jittered(*window, k, rng),
            None => self.late_delay(k, memory, rng),
        }
    }

    /// The same where the window is not known beforehand.
    #[inline(never)]
    fn late_delay(&self, k: u32, memory: &mut Memory, rng: &mut dyn Rng) -> Span {
        if let Some(first) = self.first
            && self.retry_of_curve(k, *memory) == 1
        {
            return first;
        }
        let (window, walked) = self.window(k, *memory, || unit(rng));
        let delay = self.jittered(window, k, rng);
        if self.curve.walks() {
            memory.walk_to(walked.unwrap_or(delay));
        }
        delay
    }

    /// Another delay was waited for than this backoff's: a walk on the previous delay goes on from it.
    pub fn replaced(&self, delay: Span, memory: &mut Memory) {
        if matches!(self.curve, Curve::Decorrelated(_) | Curve::Feedback(_)) {
            memory.walk_to(delay);
        }
    }

    #[inline(always)]
    fn jittered(&self, window: f64, k: u32, rng: &mut dyn Rng) -> Span {
        // Nearly no backoff has a unit, and one that has trims.
        let more = if self.trims { self.more() } else { 0.0 };
        let delay = self.jitter.delay(window, k, more, || unit(rng));
        Span::from_nanos_f64(if self.trims { self.trimmed(delay) } else { delay })
    }

    /// What becomes of a delay after the jitter: whole units, the floor, the cap.
    fn trimmed(&self, delay: f64) -> f64 {
        let unit = self.unit.0 as f64;
        let whole = if unit > 0.0 { (delay / unit).floor() * unit } else { delay };
        whole.max(self.floor.0 as f64).min(self.delay_cap())
    }

    /// By how much a range that is drawn from is wider than its ends say.
    #[inline(always)]
    fn more(&self) -> f64 {
        if self.inclusive { self.unit.0 as f64 } else { 0.0 }
    }

    /// Which retry of the curve's own count the `k`-th is, from 1.
    fn retry_of_curve(&self, k: u32, memory: Memory) -> u32 {
        k - memory.anew().min(k - 1)
    }

    /// The window of retry `k` in ns, capped if the cap is the window's, and what is to be remembered of it if the delay does not say it.
    fn window(&self, k: u32, memory: Memory, uniform: impl FnOnce() -> f64) -> (f64, Option<Span>) {
        let cap = self.cap_nanos();
        let n = i64::from(self.retry_of_curve(k, memory)) - 1 + i64::from(self.offset);
        let (window, walked) = self.curve.window(n, memory.walked(), cap, uniform);
        (window.min(if self.cap_at == CapAt::Delay { Span::MAX.0 as f64 } else { cap }), walked)
    }

    /// Without a cap, the longest time there is: a window is never infinite, since no multiple of that could be told.
    fn cap_nanos(&self) -> f64 {
        self.cap.unwrap_or(Span::MAX).0 as f64
    }

    fn delay_cap(&self) -> f64 {
        if self.cap_at == CapAt::Window { f64::INFINITY } else { self.cap_nanos() }
    }

    /// Smallest and largest delay before retry `k`, in seconds.
    pub fn bounds(&self, k: u32) -> (f64, f64) {
        if let (Some(first), 1) = (self.first, k) {
            return (first.seconds(), first.seconds());
        }
        let window_cap = if self.cap_at == CapAt::Delay { Span::MAX.0 as f64 } else { self.cap_nanos() };
        // What is remembered of a walk is a delay: the cap of either bounds it.
        let walk_cap = if self.curve.walks() { self.cap_nanos() } else { window_cap };
        let (low, high) = self.curve.bounds(k, i64::from(k) - 1 + i64::from(self.offset), walk_cap);
        let (min, max) = self.jitter.bounds(low, high, k, self.more());
        // A draw never reaches its upper end, and the unit that would begin there is not drawn.
        let unit = self.unit.0 as f64;
        let open_end = unit > 0.0 && max > min && max % unit == 0.0;
        let max = if open_end { self.trimmed(max - unit) } else { self.trimmed(max) };
        (self.trimmed(min) * 1e-9, max * 1e-9)
    }

    /// The longest delay before retry `k`, in seconds; where there is none, one that is exceeded once in a thousand times.
    pub fn longest(&self, k: u32) -> f64 {
        /// ln 1000, for an exponential distribution of mean 1.
        const ONCE_IN_A_THOUSAND: f64 = 6.907_755;
        let (_, longest) = self.bounds(k);
        let rare = || self.exact_mean(k).map(|mean| mean * ONCE_IN_A_THOUSAND);
        if longest.is_finite() { longest } else { rare().unwrap_or(longest) }
    }

    /// The mean delay before retry `k`, in seconds, where a formula gives it.
    fn exact_mean(&self, k: u32) -> Option<f64> {
        if self.curve.walks() || self.trims {
            return None;
        }
        let (window, _) = self.window(k, Memory::default(), || 0.0);
        Some(self.jitter.mean(window, k, self.more())? * 1e-9)
    }

    /// The delays before the first `retries` retries of a call. Bounds are exact, and so are means of a window with a linear jitter; others are taken
    /// over 20,000 calls with stratified draws, good to about 0.1%.
    pub fn table(&self, retries: u32) -> Vec<DelayRow> {
        const CALLS: u32 = 20_000;
        let mut sums = vec![0.0; retries as usize];
        for call in 0..CALLS {
            let mut memory = Memory::default();
            for k in 1..=retries {
                let mut rng = Stratified::new(call, CALLS, k);
                sums[k as usize - 1] += self.delay(k, &mut memory, &mut rng).seconds();
            }
        }
        (1..=retries)
            .map(|k| {
                let (min, max) = self.bounds(k);
                let mean = self.exact_mean(k).unwrap_or(sums[k as usize - 1] / f64::from(CALLS));
                // A constant needs no rounding of means; elsewhere the mean cannot leave the bounds.
                DelayRow { retry: k, min, mean: if min == max { min } else { mean.clamp(min, max) }, max }
            })
            .collect()
    }
}

/// Uniform draws of which the `n` calls of one retry share each stratum once: the mean of a linear function is exact.
struct Stratified {
    low: f64,
    width: f64,
    rng: KeyedRng,
}

impl Stratified {
    fn new(call: u32, calls: u32, retry: u32) -> Stratified {
        // A different permutation of the strata per retry, so that retries stay independent of each other.
        const STRIDES: [u64; 8] = [1, 7_919, 10_007, 3_571, 17_389, 12_289, 6_007, 14_519];
        let stride = STRIDES[retry as usize % STRIDES.len()];
        let stratum = (u64::from(call) * stride + u64::from(retry) * 7_717) % u64::from(calls);
        Stratified {
            low: stratum as f64 / f64::from(calls),
            width: 1.0 / f64::from(calls),
            rng: KeyedRng::new(0, Purpose::Jitter, u64::from(call), u64::from(retry)),
        }
    }
}

impl rand::TryRng for Stratified {
    type Error = std::convert::Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        self.try_next_u64().map(|bits| (bits >> 32) as u32)
    }
    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let value = self.low + self.width * self.rng.unit();
        Ok(((value * (1u64 << 53) as f64) as u64).min((1 << 53) - 1) << 11)
    }
    fn try_fill_bytes(&mut self, destination: &mut [u8]) -> Result<(), Self::Error> {
        self.rng.try_fill_bytes(destination)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Span = Span::millis;

    /// (min, mean, max) in ms of the first retries; the mean within 0.5%.
    fn check(backoff: &Backoff, expected: &[(f64, f64, f64)]) {
        for (row, (min, mean, max)) in backoff.table(expected.len() as u32).iter().zip(expected) {
            let k = row.retry;
            assert!((row.min * 1e3 - min).abs() < 1e-6, "{backoff:?} retry {k}: min {}", row.min);
            assert!((row.mean * 1e3 - mean).abs() <= 5e-3 * mean, "{backoff:?} retry {k}: mean {}", row.mean);
            assert!((row.max * 1e3 - max).abs() < 1e-6 || row.max == *max, "{backoff:?} retry {k}: max {}", row.max);
        }
        // Every draw stays within the bounds.
        let mut rng = KeyedRng::new(5, Purpose::Jitter, 0, 0);
        for _ in 0..2_000 {
            let mut memory = Memory::default();
            for k in 1..=expected.len() as u32 {
                let d = backoff.delay(k, &mut memory, &mut rng).seconds();
                let (min, max) = backoff.bounds(k);
                assert!(d >= min - 1e-9 && d <= max + 1e-9, "{backoff:?} retry {k}: {d} outside {min} to {max}");
            }
        }
    }

    #[test]
    fn combinations() {
        check(&Backoff::none(), &[(0.0, 0.0, 0.0); 2]);
        check(&Backoff::fixed(MS(100)), &[(100.0, 100.0, 100.0); 3]);
        check(
            &Backoff::linear(MS(100), MS(50), Some(MS(180))),
            &[(100.0, 100.0, 100.0), (150.0, 150.0, 150.0), (180.0, 180.0, 180.0)],
        );
        check(
            &Backoff::exponential(MS(100), 2.0, Some(MS(300))),
            &[(100.0, 100.0, 100.0), (200.0, 200.0, 200.0), (300.0, 300.0, 300.0)],
        );
        check(&Backoff::full_jitter(MS(500), 2.0, Some(MS(800))), &[(0.0, 250.0, 500.0), (0.0, 400.0, 800.0)]);
        check(&Backoff::equal_jitter(MS(100), 2.0, None), &[(50.0, 75.0, 100.0), (100.0, 150.0, 200.0)]);
        check(
            &Backoff::additive_jitter(MS(1_000), 2.0, Some(MS(2_500)), MS(1_000), false),
            &[(1_000.0, 1_500.0, 2_000.0), (2_000.0, 2_375.0, 2_500.0), (2_500.0, 2_500.0, 2_500.0)],
        );
        check(
            &Backoff::additive_jitter(MS(1_000), 2.0, Some(MS(2_500)), MS(1_000), true),
            &[(1_000.0, 1_500.0, 2_000.0), (2_000.0, 2_500.0, 3_000.0), (2_500.0, 3_000.0, 3_500.0)],
        );
        check(&Backoff::proportional_jitter(MS(100), 1.5, None, 0.2), &[(80.0, 100.0, 120.0), (120.0, 150.0, 180.0)]);
        check(&Backoff::memoryless(MS(100)), &[(0.0, 100.0, f64::INFINITY); 2]);
        check(
            &Backoff::schedule(vec![MS(10), MS(40)], 0.5),
            &[(5.0, 10.0, 15.0), (20.0, 40.0, 60.0), (20.0, 40.0, 60.0)],
        );
    }

    #[test]
    fn jitter_is_what_is_left_of_it() {
        let of = |backoff: &Backoff, k: usize| backoff.table(k as u32)[k - 1].effective_jitter();
        let full = Backoff::full_jitter(MS(500), 2.0, Some(MS(800)));
        assert!((of(&full, 1) - 2.0).abs() < 1e-3 && (of(&full, 2) - 2.0).abs() < 1e-3);
        assert_eq!(of(&Backoff::none(), 1), 0.0);
        assert_eq!(of(&Backoff::memoryless(MS(100)), 1), f64::INFINITY);
        // The cap after the jitter leaves nothing of it.
        let capped = Backoff::additive_jitter(MS(1_000), 2.0, Some(MS(2_000)), MS(500), false);
        assert_eq!([of(&capped, 1) > 0.3, of(&capped, 2) > 0.0], [true, false]);
    }

    /// Known windows or not, a delay is what curve, cap and jitter make of it, to the last nanosecond and with the same draws.
    #[test]
    fn delays_are_those_of_the_rule() {
        let (base, cap) = (MS(100), Some(MS(2_500)));
        let long = Some(Span::secs(1 << 33));
        let walk = Curve::Decorrelated(Decorrelated { base, from: StepFrom::Base });
        for backoff in [
            Backoff::none(),
            Backoff::linear(base, MS(7), cap),
            Backoff::power(base, MS(7), 3, cap),
            Backoff::exponential(Span::nanos(1), 1.7, None),
            Backoff::full_jitter(base, 2.0, cap),
            Backoff::full_jitter(base, 3.0, None).with_offset(-2),
            Backoff::equal_jitter(base, 1.1, long),
            Backoff::decorrelated_jitter(base, cap),
            Backoff::additive_jitter(base, 2.0, cap, MS(900), false),
            Backoff::additive_jitter(base, 2.0, cap, MS(900), true),
            Backoff::proportional_jitter(base, 1.5, long, 0.2),
            Backoff::memoryless(base),
            Backoff::schedule((0..30).map(MS).collect(), 0.5),
            Backoff::new(walk, cap, CapAt::Delay, Jitter::EQUAL),
        ] {
            let mut draws = KeyedRng::new(7, Purpose::Jitter, 1, 1);
            let mut same_draws = draws.clone();
            let (mut memory, mut previous) = (Memory::default(), Span::ZERO);
            for k in (1..=200).chain([5_000, u32::MAX]) {
                let cap = backoff.cap.unwrap_or(Span::MAX).0 as f64;
                let (window_cap, delay_cap) =
                    if backoff.cap_at == CapAt::Window { (cap, f64::INFINITY) } else { (Span::MAX.0 as f64, cap) };
                let n = i64::from(k) - 1 + i64::from(backoff.offset);
                let (window, _) = backoff.curve.window(n, previous, cap, || unit(&mut same_draws));
                let delay = backoff.jitter.delay(window.min(window_cap), k, 0.0, || unit(&mut same_draws));
                previous = backoff.delay(k, &mut memory, &mut draws);
                assert_eq!(previous.0, (delay.min(delay_cap) + 0.5) as u64, "{backoff:?} retry {k}");
            }
            assert_eq!(draws.bits(), same_draws.bits(), "{backoff:?}");
        }
    }

    /// Means from numerical integration, published with their first eight retries: base 100 ms, cap 10 s; and base 50 ms, cap 1 s.
    #[test]
    fn decorrelated_means() {
        let far = [200.0, 350.0, 575.0, 912.5, 1_410.98, 2_023.77, 2_626.33, 3_153.94];
        let near = [100.0, 175.0, 286.97, 410.15, 500.3, 559.1, 596.3];
        for (base, cap, means) in [(100, 10_000, &far[..]), (50, 1_000, &near[..])] {
            let rows = Backoff::decorrelated_jitter(MS(base), Some(MS(cap))).table(means.len() as u32);
            for (row, mean) in rows.iter().zip(means) {
                assert!(
                    (row.mean * 1e3 - mean).abs() < 0.015 * mean,
                    "retry {}: {}, expected {mean}",
                    row.retry,
                    row.mean
                );
            }
        }
    }
}
