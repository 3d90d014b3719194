//! A rate limit that a client finds by itself (`limiter.cubic`): the client-side rate limiter of the AWS SDKs' adaptive mode.
//!
//! It does nothing until the first answer that says that the client was throttled. From then on every attempt takes a token; each further
//! such answer lowers the rate to 0.7 of what it was, and every other outcome raises it along a cubic: fast at first, slowly near the rate at which
//! it was throttled, and faster again beyond (CUBIC, RFC 9438). It is never more than twice the rate at which answers come in, which is counted
//! over half seconds, the newest with a weight of 0.8. Facts from botocore 1.44 (`retries/adaptive.py`, `throttling.py`, `bucket.py`); there a
//! client that waits asks anew, while here it has taken the next token in advance, so that attempts are sent in the order of asking.

use rand::Rng;

use super::{Answer, Ask, Ended, Gate, Hears, Kept, Permit};
use crate::entry::Entry;
use crate::retry::{OutcomeClass, OutcomeSet};
use crate::units::{NANOS_PER_SECOND, SimTime, Span};

/// What is said of it.
pub const ENTRY: Entry = Entry {
    name: "limiter.cubic",
    summary: "finds its rate from throttling answers",
    rule: "No limit until the first outcome in `throttled` (default 429 and 503). Then a token bucket, asked at sending, for whose next token an \
           attempt waits; it holds one second's worth, at least 1. A throttling answer at rate w sets the rate to 0.7 w, any other outcome t seconds \
           later to 0.4 (t - K)^3 + w with K = cbrt(0.3 w / 0.4): at most twice the measured rate of outcomes, at least min_rate (0.5/s).",
    source: "The client rate limiter of the AWS SDKs' adaptive mode (botocore 1.44); CUBIC, RFC 9438.",
    example: "limiter.cubic = { throttled = [\"429\", \"503\"], min_rate = \"0.5/s\" }",
};

/// `limiter.cubic = { throttled, min_rate }`.
#[derive(Clone, Debug, PartialEq)]
pub struct CubicLimiterConfig {
    /// The outcomes that say that the client was throttled.
    pub throttled: OutcomeSet,
    /// Tokens per second at least, above 0.
    pub min_rate: f64,
}

impl Default for CubicLimiterConfig {
    /// 429 and 503, and no slower than an attempt in two seconds.
    fn default() -> CubicLimiterConfig {
        let throttled = OutcomeSet::new(vec![OutcomeClass::Status(429), OutcomeClass::Status(503)]);
        CubicLimiterConfig { throttled, min_rate: 0.5 }
    }
}

/// What is left of the rate after a throttling answer.
const BETA: f64 = 0.7;
/// How fast the rate grows.
const SCALE: f64 = 0.4;
/// The weight of the newest half second.
const NEWEST: f64 = 0.8;
/// The time over which answers are counted.
const HALF_SECOND: u64 = NANOS_PER_SECOND / 2;

/// The rate after a throttling answer.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Curve {
    /// The rate at which that came.
    throttled_at: f64,
    /// Seconds after which it is reached again.
    back_after: f64,
    since: SimTime,
}

impl Curve {
    fn new(throttled_at: f64, since: SimTime) -> Curve {
        Curve { throttled_at, back_after: libm::cbrt(throttled_at * (1.0 - BETA) / SCALE), since }
    }

    fn at(&self, now: SimTime) -> f64 {
        let ahead = now.since(self.since).seconds() - self.back_after;
        SCALE * ahead * ahead * ahead + self.throttled_at
    }
}

/// The bucket, once there has been a throttling answer.
#[derive(Clone, Copy, Debug)]
struct Limit {
    curve: Curve,
    rate: f64,
    /// Tokens at `at`; below 0 if some were taken in advance.
    tokens: f64,
    at: SimTime,
}

impl Limit {
    /// Tokens now.
    fn tokens(&self, now: SimTime) -> f64 {
        (self.tokens + now.since(self.at).seconds() * self.rate).min(self.rate.max(1.0))
    }

    fn take(&mut self, now: SimTime) {
        (self.tokens, self.at) = (self.tokens(now) - 1.0, now);
    }

    fn set_rate(&mut self, rate: f64, now: SimTime) {
        // What came in until now came in at the old rate; what the new one does not hold is cut when somebody looks.
        (self.tokens, self.at, self.rate) = (self.tokens(now), now, rate);
    }
}

/// One limiter.
#[derive(Clone, Debug)]
pub struct CubicLimiter {
    limit: Option<Limit>,
    /// Outcomes per second.
    measured: f64,
    /// Outcomes since the last half second that was measured.
    outcomes: u32,
    half_second: u64,
}

impl CubicLimiter {
    /// One more outcome; the rate of outcomes.
    fn measure(&mut self, now: SimTime) -> f64 {
        self.outcomes += 1;
        let half_second = now.0 / HALF_SECOND;
        if half_second > self.half_second {
            let seconds = (half_second - self.half_second) as f64 / 2.0;
            self.measured = f64::from(self.outcomes) / seconds * NEWEST + self.measured * (1.0 - NEWEST);
            (self.outcomes, self.half_second) = (0, half_second);
        }
        self.measured
    }
}

/// What a limiter works with.
#[derive(Clone, Debug)]
pub struct CubicLimiterTerms {
    throttled: Box<OutcomeSet>,
    min_rate: f64,
}

impl Kept for CubicLimiter {
    type Config = CubicLimiterConfig;
    type Terms = CubicLimiterTerms;

    fn terms(config: &CubicLimiterConfig) -> CubicLimiterTerms {
        CubicLimiterTerms { throttled: Box::new(config.throttled.clone()), min_rate: config.min_rate }
    }

    fn hears(_terms: &CubicLimiterTerms) -> Hears {
        Hears { ends: true, waits: true, ..Hears::NOTHING }
    }

    fn new(_terms: &CubicLimiterTerms) -> CubicLimiter {
        CubicLimiter { limit: None, measured: 0.0, outcomes: 0, half_second: 0 }
    }
}

impl Gate for CubicLimiter {
    fn check(&mut self, ask: Ask, _terms: &CubicLimiterTerms, _rng: &mut dyn Rng) -> Answer {
        let Some(limit) = self.limit.filter(|_| !ask.waited) else { return Answer::Admit };
        let missing = 1.0 - limit.tokens(ask.now);
        if missing <= 0.0 {
            return Answer::Admit;
        }
        Answer::NotBefore(ask.now + Span::from_nanos_f64(missing / limit.rate * NANOS_PER_SECOND as f64).max(Span(1)))
    }

    fn on_admit(&mut self, ask: Ask, terms: &CubicLimiterTerms) -> Permit {
        if !ask.waited {
            self.reserve(ask.now, terms);
        }
        Permit::default()
    }

    fn reserve(&mut self, now: SimTime, _terms: &CubicLimiterTerms) {
        if let Some(limit) = &mut self.limit {
            limit.take(now);
        }
    }

    fn give_back(&mut self, _terms: &CubicLimiterTerms) {
        if let Some(limit) = &mut self.limit {
            limit.tokens += 1.0;
        }
    }

    fn on_outcome(&mut self, _permit: Permit, ended: Ended, terms: &CubicLimiterTerms) {
        let measured = self.measure(ended.now);
        let wanted = if terms.throttled.contains(ended.reply) {
            let throttled_at = self.limit.map_or(measured, |limit| limit.rate.min(measured));
            let curve = Curve::new(throttled_at, ended.now);
            // The bucket is empty when it is put up.
            let empty = Limit { curve, rate: 0.0, tokens: 0.0, at: ended.now };
            self.limit.get_or_insert(empty).curve = curve;
            BETA * throttled_at
        } else {
            let Some(limit) = &self.limit else { return };
            limit.curve.at(ended.now)
        };
        let rate = wanted.min(2.0 * measured).max(terms.min_rate);
        if let Some(limit) = &mut self.limit {
            limit.set_rate(rate, ended.now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::GateOutcome;
    use crate::protocol::Outcome;
    use crate::rng::{KeyedRng, Purpose};

    const THROTTLED: Outcome = Outcome::Status(429);

    fn at(ms: u64) -> SimTime {
        SimTime::ZERO + Span::millis(ms)
    }

    struct Play {
        limiter: CubicLimiter,
        terms: CubicLimiterTerms,
    }

    impl Play {
        fn new() -> Play {
            let terms = CubicLimiter::terms(&CubicLimiterConfig::default());
            Play { limiter: CubicLimiter::new(&terms), terms }
        }

        fn ends(&mut self, now: SimTime, reply: Outcome) {
            let ended = Ended { reply, ..Ended::at_once(now, GateOutcome::Failure) };
            self.limiter.on_outcome(Permit::default(), ended, &self.terms);
        }

        /// An attempt asks; when it is sent, in milliseconds.
        fn sent(&mut self, ms: u64) -> u64 {
            let ask = Ask::first(at(ms));
            match self.limiter.check(ask, &self.terms, &mut KeyedRng::new(1, Purpose::Gate, 0, 0)) {
                Answer::Admit => {
                    self.limiter.on_admit(ask, &self.terms);
                    ms
                }
                Answer::NotBefore(later) => {
                    self.limiter.reserve(ask.now, &self.terms);
                    later.0.div_ceil(1_000_000)
                }
                other => panic!("a limiter that makes wait says {other:?}"),
            }
        }

        fn rate(&self) -> f64 {
            self.limiter.limit.expect("a limit").rate
        }

        /// Ten outcomes a second, for so many seconds.
        fn ten_a_second(seconds: u64) -> Play {
            let mut play = Play::new();
            (1..=10 * seconds).for_each(|number| play.ends(at(number * 100), Outcome::OK));
            play
        }
    }

    /// The rate after a throttling answer, of botocore 1.44.5, executed.
    #[test]
    fn published_vectors() {
        for (throttled_at, back_after, rates) in [
            (10.0, 1.9574, [9.6489, 10.0, 10.4533, 21.2663, 98.2519]),
            (100.0, 4.2172, [86.681, 95.640, 99.279, 100.192, 121.653]),
        ] {
            let curve = Curve::new(throttled_at, at(500));
            assert!((curve.back_after - back_after).abs() < 5e-5, "{}", curve.back_after);
            assert!((curve.at(at(500)) - 0.7 * throttled_at).abs() < 1e-9, "it begins at 0.7");
            for (seconds, rate) in [1, 2, 3, 5, 8].into_iter().zip(rates) {
                let got = curve.at(at(500 + seconds * 1_000));
                assert!((got - rate).abs() < 5e-4, "{throttled_at} after {seconds} s: {got}, expected {rate}");
            }
        }
    }

    /// The newest half second weighs 0.8: 10, 12.8 and so on, from nothing.
    #[test]
    fn outcomes_are_measured() {
        let mut play = Play::new();
        // The outcome that opens a half second is counted with those of the one before.
        (1..=5).for_each(|number| play.ends(at(number * 100), Outcome::OK));
        assert!((play.limiter.measured - 8.0).abs() < 1e-12);
        (6..=10).for_each(|number| play.ends(at(number * 100), Outcome::OK));
        assert!((play.limiter.measured - 9.6).abs() < 1e-12);
        assert!((Play::ten_a_second(20).limiter.measured - 10.0).abs() < 1e-9);
    }

    #[test]
    fn it_sleeps_until_it_is_throttled() {
        let mut play = Play::ten_a_second(20);
        assert!((0..1_000).all(|_| play.sent(20_000) == 20_000));
        play.ends(at(20_000), THROTTLED);
        assert!((play.rate() - 7.0).abs() < 1e-6, "{}", play.rate());
        // Empty at first; then in the order of asking, a seventh of a second apart.
        assert_eq!([1, 2, 3].map(|_| play.sent(20_000)), [20_143, 20_286, 20_429]);
        // One that waits and is not sent after all puts its token back.
        play.limiter.give_back(&play.terms);
        assert_eq!(play.sent(20_000), 20_429);
        // What comes in while nobody asks is a second's worth.
        assert_eq!((0..9).filter(|_| play.sent(90_000) == 90_000).count(), 7);
    }

    /// It follows the cubic, but for twice what comes in, and a floor.
    #[test]
    fn rates_are_bounded() {
        let mut play = Play::ten_a_second(20);
        play.ends(at(20_000), THROTTLED);
        for (seconds, expected) in [(2, 10.0), (3, 10.4533)] {
            let mut later = Play { limiter: play.limiter.clone(), terms: play.terms.clone() };
            (1..=10 * seconds).for_each(|number| later.ends(at(20_000 + number * 100), Outcome::Timeout));
            assert!((later.rate() - expected).abs() < 5e-3, "{} after {seconds} s", later.rate());
        }
        (1..=80).for_each(|number| play.ends(at(20_000 + number * 100), Outcome::OK));
        assert!((play.rate() - 20.0).abs() < 0.5, "{}: twice ten", play.rate());
        // A client that sends less than it may was throttled at what it sends: ten, not twenty.
        play.ends(at(28_000), Outcome::Status(503));
        assert!((play.rate() - 7.0).abs() < 0.05, "{}", play.rate());
        (1..=40).for_each(|_| play.ends(at(28_000), Outcome::Status(503)));
        assert!((play.rate() - 0.5).abs() < 1e-12, "{}", play.rate());
        // A slow bucket holds one token still.
        assert_eq!([1, 2].map(|_| play.sent(90_000)), [90_000, 92_000]);
    }

    /// Tokens come in at the rate of their time: 2.1 in 0.3 s at seven a second, whatever the rate is then.
    #[test]
    fn a_new_rate_is_not_for_the_past() {
        let mut play = Play::ten_a_second(20);
        play.ends(at(20_000), THROTTLED);
        play.ends(at(20_300), THROTTLED);
        assert!((play.rate() - 4.9).abs() < 1e-6, "{}", play.rate());
        assert_eq!([1, 2, 3].map(|_| play.sent(20_300)), [20_300, 20_300, 20_484]);
    }

    /// Who has waited holds the token already: asks no more, and pays no more.
    #[test]
    fn who_has_waited_goes_out() {
        let mut play = Play::ten_a_second(20);
        play.ends(at(20_000), THROTTLED);
        assert_eq!([1, 2, 3].map(|_| play.sent(20_000)), [20_143, 20_286, 20_429]);
        let ask = Ask { waited: true, ..Ask::first(at(20_143)) };
        let rng = &mut KeyedRng::new(1, Purpose::Gate, 0, 0);
        assert_eq!(play.limiter.check(ask, &play.terms, rng), Answer::Admit);
        play.limiter.on_admit(ask, &play.terms);
        assert_eq!(play.sent(20_143), 20_572);
    }

    /// A second throttling answer begins a second cubic: back to where it came, and as fast as from there.
    #[test]
    fn each_throttling_begins_a_curve() {
        let mut play = Play::ten_a_second(20);
        play.ends(at(20_000), THROTTLED);
        play.ends(at(20_100), THROTTLED);
        let curve = play.limiter.limit.expect("a limit").curve;
        assert!((curve.throttled_at - 7.0).abs() < 1e-6 && curve.since == at(20_100), "{curve:?}");
    }

    /// What comes in after a pause is spread over the pause.
    #[test]
    fn a_pause_is_measured() {
        let mut play = Play::ten_a_second(20);
        play.ends(at(25_000), Outcome::OK);
        assert!((play.limiter.measured - (0.8 / 5.0 + 0.2 * 10.0)).abs() < 1e-6, "{}", play.limiter.measured);
    }

    /// A bucket that is made smaller is no fuller when it grows again.
    #[test]
    fn what_does_not_fit_is_lost() {
        let mut limit = Limit { curve: Curve::new(1.0, at(0)), rate: 8.0, tokens: 8.0, at: at(0) };
        limit.set_rate(3.0, at(0));
        assert_eq!(limit.tokens(at(0)), 3.0);
        limit.set_rate(9.0, at(0));
        assert_eq!(limit.tokens(at(0)), 3.0);
    }
}
