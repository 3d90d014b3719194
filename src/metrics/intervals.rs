//! Intervals of shares, which never leave 0 to 1 and do not shrink to nothing where little was seen.
//!
//! Runs are the unit that is independent: what happens within one, as in an outage, hits many operations at once. So the spread of the runs' shares is
//! what an interval comes from, as Student's does for any other metric, but on the scale of log(m / (1 − m)), where there is no end to run
//! into: with the mean m, the standard deviation s of n runs, and Student's t with n − 1 degrees of freedom, its ends there are
//!
//! log(m / (1 − m)) ± t · s / (√n · m · (1 − m)),
//!
//! the delta method (Agresti, "Categorical Data Analysis", 3rd ed., 16.1; on this scale: Brown, Cai and DasGupta, "Interval estimation for a binomial
//! proportion", Statistical Science 16, 2001, 4.1.2).
//!
//! Few events have little spread to show, and none have none: ten runs without a failure say that failures are rare, not that there are none.
//! With fewer than [`FEW`] events on a side, over all runs, the interval is widened to the exact one of the pooled count (Clopper and Pearson, "The use of
//! confidence or fiducial limits", Biometrika 26, 1934), and so it is where two runs are all there is and agree. That one takes operations as
//! independent, and so is the least that can be unknown. It is wider than it need be already: what the runs' spread adds to it is reckoned
//! with the normal quantile in place of Student's, or both together would hold the truth too often.
//!
//! By simulation (`tests/coverage.rs` does a part of it with whole runs), intervals at 95% hold the truth in 93.6 to 97.2% of experiments of 3 runs or
//! more in which operations are independent and 10 events or more are to be expected on the rarer side, and in 92.6 to 95.7% of 5 runs or more whose
//! shares have the beta-binomial distribution with twice that variance; with fewer events of independent operations, or two runs, in more. What no interval
//! can know is a disaster that none of the runs has met.

use super::statistics::{incomplete_beta, incomplete_gamma, summarise};
use crate::distribution::normal_quantile;

/// With fewer events than this on a side, their spread over the runs is not trusted alone.
pub const FEW: u64 = 10;

/// A share as it was counted, over all runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pooled {
    /// How many of them.
    pub part: u64,
    /// Of how many.
    pub whole: u64,
}

impl Pooled {
    /// From the share of each run, and of how many it is one. Runs without a share do not count.
    pub fn of(shares: &[Option<f64>], wholes: impl Iterator<Item = u64>) -> Pooled {
        shares.iter().zip(wholes).fold(Pooled::default(), |sum, (share, whole)| match share {
            // A share is a quotient of whole numbers, and this gives back the upper one.
            Some(share) => Pooled { part: sum.part + (share * whole as f64).round() as u64, whole: sum.whole + whole },
            None => sum,
        })
    }

    /// The two-sided exact interval of the probability (0.95: 95%).
    pub fn exact(self, confidence: f64) -> (f64, f64) {
        let (tail, part, rest) = ((1.0 - confidence) / 2.0, self.part as f64, (self.whole - self.part) as f64);
        let low = if self.part == 0 { 0.0 } else { beta_quantile(tail, part, rest + 1.0) };
        let high = if self.part == self.whole { 1.0 } else { beta_quantile(1.0 - tail, part + 1.0, rest) };
        (low, high)
    }

    /// True if one side has so few events that their spread says little.
    fn is_few(self) -> bool {
        self.part.min(self.whole - self.part) < FEW
    }
}

/// The interval of the mean of shares of one run each; `None` for fewer than two. `pooled` is the same over all runs where it was counted, and
/// `None` where it was measured, as a share of time.
pub fn of_shares(shares: &[f64], pooled: Option<Pooled>, confidence: f64) -> Option<(f64, f64)> {
    let summary = summarise(shares);
    let half = summary.half_width(confidence)?;
    let mean = summary.mean.clamp(0.0, 1.0);
    let agree = shares.len() == 2 && half == 0.0;
    let Some(pooled) = pooled.filter(|pooled| pooled.is_few() || agree) else {
        return Some(on_logit_scale(mean, half));
    };
    let normal = normal_quantile(0.5 + confidence / 2.0);
    let ((low, high), exact) =
        (on_logit_scale(mean, normal * summary.sd / (shares.len() as f64).sqrt()), pooled.exact(confidence));
    Some((low.min(exact.0), high.max(exact.1)))
}

/// The two-sided exact interval of how many events are to be expected where `events` were counted that may come any number of times (Garwood, "Fiducial
/// limits for the Poisson distribution", Biometrika 28, 1936).
pub fn exact_count(events: u64, confidence: f64) -> (f64, f64) {
    let (tail, n) = ((1.0 - confidence) / 2.0, events as f64);
    // P(X >= n) with mean m is the incomplete gamma function at n and m; P(X <= n) is 1 less that at n + 1 and m.
    let low = if events == 0 { 0.0 } else { gamma_quantile(tail, n) };
    (low, gamma_quantile(1.0 - tail, n + 1.0))
}

/// The `p` quantile of the gamma distribution with this shape, by bisection on the distribution function.
fn gamma_quantile(p: f64, shape: f64) -> f64 {
    let (mut low, mut high) = (0.0, shape + 1.0);
    while incomplete_gamma(shape, high) < p {
        high *= 2.0;
    }
    for _ in 0..200 {
        let middle = (low + high) / 2.0;
        if middle <= low || middle >= high {
            break;
        }
        if incomplete_gamma(shape, middle) < p { low = middle } else { high = middle }
    }
    (low + high) / 2.0
}

/// From `mean` ± `half` to an interval of the same width around the logit of the mean, and back.
fn on_logit_scale(mean: f64, half: f64) -> (f64, f64) {
    let variance = mean * (1.0 - mean);
    if half == 0.0 || variance == 0.0 {
        return (mean, mean);
    }
    let (odds, factor) = (mean / (1.0 - mean), libm::exp(half / variance));
    let share = |odds: f64| if odds.is_finite() { odds / (1.0 + odds) } else { 1.0 };
    (share(odds / factor).min(mean), share(odds * factor).max(mean))
}

/// The `p` quantile of the beta distribution, by bisection on the distribution function.
fn beta_quantile(p: f64, a: f64, b: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    // Halving leaves one number or two: small quantiles have all their digits.
    for _ in 0..1_100 {
        let middle = (low + high) / 2.0;
        if middle <= low || middle >= high {
            break;
        }
        if incomplete_beta(a, b, middle) < p { low = middle } else { high = middle }
    }
    (low + high) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P(X ≤ k) for a binomial X, term by term: what the limits are defined by.
    fn at_most(k: u64, of: u64, p: f64) -> f64 {
        let mut term = libm::exp(of as f64 * libm::log1p(-p));
        let mut sum = term;
        for i in 1..=k {
            term *= (of - i + 1) as f64 / i as f64 * p / (1.0 - p);
            sum += term;
        }
        sum
    }

    #[test]
    fn exact_intervals_leave_a_tail_on_each_side() {
        for (part, whole) in [(1, 2), (1, 10), (5, 10), (9, 10), (3, 1_500), (9, 1_000_000), (40, 90)] {
            let (low, high) = Pooled { part, whole }.exact(0.95);
            let above = 1.0 - at_most(part - 1, whole, low);
            let below = at_most(part, whole, high);
            assert!(
                (above - 0.025).abs() < 1e-9 && (below - 0.025).abs() < 1e-9,
                "{part} of {whole}: {above}, {below}"
            );
            let (other_low, other_high) = Pooled { part: whole - part, whole }.exact(0.95);
            assert!(
                (low + other_high - 1.0).abs() < 1e-12 && (high + other_low - 1.0).abs() < 1e-12,
                "{part}, {whole}"
            );
        }
    }

    /// What has a closed form, a table, or a limit: the normal one of a great many.
    #[test]
    fn exact_intervals() {
        let check = |part, whole, confidence, expected: (f64, f64), within: f64| {
            let (low, high) = Pooled { part, whole }.exact(confidence);
            let off = |got: f64, expected: f64| (got - expected).abs() > within * expected.max(1e-300);
            assert!(!off(low, expected.0) && !off(high, expected.1), "{part} of {whole}: {low}, {high}");
        };
        let none = |whole: f64| 1.0 - libm::pow(0.025, 1.0 / whole);
        check(0, 1_500, 0.95, (0.0, none(1_500.0)), 1e-12);
        check(1_500, 1_500, 0.95, (1.0 - none(1_500.0), 1.0), 1e-12);
        check(0, 100_000_000, 0.95, (0.0, 3.688_879_454e-8), 1e-6);
        check(0, 1, 0.95, (0.0, 0.975), 1e-12);
        check(0, 0, 0.95, (0.0, 1.0), 0.0);
        // From sums of binomial terms in exact integers.
        check(5, 10, 0.95, (0.187_086_028, 0.812_913_972), 1e-8);
        check(7, 100, 0.95, (0.028_605_288_9, 0.138_919_728), 1e-8);
        check(4, 20, 0.99, (0.035_756_168_3, 0.506_608_849), 1e-8);
        let half = 1.959_963_985 * (0.25f64 / 1e7).sqrt();
        check(5_000_000, 10_000_000, 0.95, (0.5 - half, 0.5 + half), 1e-6);
    }

    /// From the table of Garwood's limits, and by their definition.
    #[test]
    fn exact_intervals_of_counts() {
        for (events, expected) in [
            (0, (0.0, 3.688_879)),
            (1, (0.025_318, 5.571_643)),
            (10, (4.795_389, 18.390_356)),
            (100, (81.364_0, 121.626_8)),
        ] {
            let (low, high) = exact_count(events, 0.95);
            assert!((low - expected.0).abs() < 5e-5 && (high - expected.1).abs() < 5e-5, "{events}: {low}, {high}");
        }
        let (low, high) = exact_count(3, 0.99);
        let at_most = |k: i32, mean: f64| {
            (0..=k).map(|i| libm::pow(mean, f64::from(i)) / libm::tgamma(f64::from(i) + 1.0)).sum::<f64>()
                * libm::exp(-mean)
        };
        assert!(
            (1.0 - at_most(2, low) - 0.005).abs() < 1e-9 && (at_most(3, high) - 0.005).abs() < 1e-9,
            "{low}, {high}"
        );
        // Of very many the normal one.
        let (low, high) = exact_count(1_000_000, 0.95);
        assert!((low - 998_040.0).abs() < 3.0 && (high - 1_001_961.0).abs() < 3.0, "{low}, {high}");
    }

    #[test]
    fn pooled_counts_come_back() {
        let shares = [Some(1.0 / 3.0), None, Some(0.999_999_9), Some(0.0)];
        let pooled = Pooled::of(&shares, [300, 0, 10_000_000, 7].into_iter());
        assert_eq!(pooled, Pooled { part: 100 + 9_999_999, whole: 10_000_307 });
    }

    /// By hand: shares 0.2, 0.4, 0.6 have mean 0.4, deviation 0.2; t is 4.302653; 4.302653 · 0.2 / √3 / 0.24 = 2.070115.
    #[test]
    fn the_logit_scale() {
        let shares = [0.2, 0.4, 0.6];
        let (low, high) = of_shares(&shares, Some(Pooled { part: 120, whole: 300 }), 0.95).unwrap();
        let at = |logit: f64| 1.0 / (1.0 + libm::exp(-logit));
        let middle = libm::log(0.4 / 0.6);
        assert!(
            (low - at(middle - 2.070_115)).abs() < 1e-6 && (high - at(middle + 2.070_115)).abs() < 1e-6,
            "{low}, {high}"
        );
        // Measured, not counted; counted on the other side.
        assert_eq!(of_shares(&shares, None, 0.95), Some((low, high)));
        let mirrored = of_shares(&[0.8, 0.6, 0.4], None, 0.95).unwrap();
        assert!((mirrored.0 + high - 1.0).abs() < 1e-12 && (mirrored.1 + low - 1.0).abs() < 1e-12, "{mirrored:?}");
    }

    /// By hand: shares 0.01, 0.05 and 0 have mean 0.02 and deviation √0.0007; 1.959964 · √(0.0007 / 3) / 0.0196 = 1.527497. The exact interval of 6 in
    /// 300 ends at 0.0430, which is less.
    #[test]
    fn few_events_and_much_spread() {
        let (low, high) = of_shares(&[0.01, 0.05, 0.0], Some(Pooled { part: 6, whole: 300 }), 0.95).unwrap();
        let odds = 0.02 / 0.98;
        let (least, most) = (odds * libm::exp(-1.527_497), odds * libm::exp(1.527_497));
        assert!(
            (low - least / (1.0 + least)).abs() < 1e-7 && (high - most / (1.0 + most)).abs() < 1e-7,
            "{low}, {high}"
        );
    }

    /// Within 0 and 1, around the mean, and never narrower than the exact one where little was seen.
    #[test]
    fn edges() {
        let check = |shares: &[f64], whole: u64, wide: bool| {
            let all: Vec<Option<f64>> = shares.iter().copied().map(Some).collect();
            let pooled = Pooled::of(&all, std::iter::repeat(whole));
            let (low, high) = of_shares(shares, Some(pooled), 0.95).unwrap();
            let (exact, mean) = (pooled.exact(0.95), summarise(shares).mean);
            assert!(0.0 <= low && low <= mean && mean <= high && high <= 1.0, "{shares:?}: {low}, {high}");
            assert_eq!(low <= exact.0 && exact.1 <= high, wide, "{shares:?} of {whole}: {low}, {high}, {exact:?}");
        };
        check(&[1.0; 10], 150, true);
        check(&[0.0; 10], 150, true);
        check(&[1.0, 1.0, 0.999, 1.0], 1_000, true);
        check(&[0.0, 1.0, 1.0, 0.0, 1.0], 1_000, true);
        check(&[0.5, 0.5], 1_000, true);
        check(&[1e-9, 1.0], 1_000_000_000, true);
        // A thousand events a run, and no spread: that is no chance.
        check(&[0.5; 10], 2_000, false);
        check(&[0.009; 10], 1_000, false);
        // Nine events in all, with no spread at all.
        check(&[0.009; 1].repeat(9), 111, true);
        assert_eq!(of_shares(&[0.5], Some(Pooled { part: 1, whole: 2 }), 0.95), None);
        assert_eq!(of_shares(&[0.25; 5], None, 0.95), Some((0.25, 0.25)));
    }
}
