//! Statistics over replications: means, Student intervals, paired differences, quantiles.
//!
//! Replications are the only unit that is independent; requests within a run are not, and no error is ever taken from them.

use std::cell::Cell;

/// Mean, standard deviation and count of a few numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// How many.
    pub n: usize,
    /// Arithmetic mean; NaN of nothing.
    pub mean: f64,
    /// Sample standard deviation (n - 1); 0 for fewer than two.
    pub sd: f64,
}

/// Sums up `values` in their order.
pub fn summarise(values: &[f64]) -> Summary {
    let n = values.len();
    let mean = values.iter().sum::<f64>() / n as f64;
    let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
    let sd = if n < 2 { 0.0 } else { (squares / (n - 1) as f64).sqrt() };
    Summary { n, mean, sd }
}

impl Summary {
    /// Half the width of the two-sided Student interval at `confidence` (0.95: 95%); `None` for fewer than two values.
    pub fn half_width(&self, confidence: f64) -> Option<f64> {
        if self.n < 2 {
            return None;
        }
        Some(student_quantile(0.5 + confidence / 2.0, self.n - 1) * self.sd / (self.n as f64).sqrt())
    }
}

/// The `p` quantile (nearest rank) of sorted values; `None` of nothing.
pub fn nearest_rank(sorted: &[f64], p: f64) -> Option<f64> {
    let rank = (p * sorted.len() as f64).ceil().max(1.0) as usize;
    sorted.get(rank - 1).copied()
}

thread_local! {
    /// The last quantile that was asked for: a comparison asks for one and the same hundreds of times.
    static LAST: Cell<(f64, usize, f64)> = const { Cell::new((0.0, 0, 0.0)) };
}

/// The `p` quantile of Student's t with `freedom` degrees of freedom, for 0.5 <= p < 1, to 10 digits.
///
/// Found by bisection on the distribution function, which comes from the incomplete beta function
/// (Press et al., "Numerical Recipes", 3rd ed., 6.4 and 6.14.3), on `libm`: the same digits on every machine.
pub fn student_quantile(p: f64, freedom: usize) -> f64 {
    assert!((0.5..1.0).contains(&p) && freedom > 0, "quantile {p} of t with {freedom} degrees of freedom");
    let last = LAST.get();
    if (last.0, last.1) == (p, freedom) {
        return last.2;
    }
    let upper_tail = 1.0 - p;
    let (mut low, mut high) = (0.0, 1.0);
    while student_upper_tail(high, freedom) > upper_tail {
        high *= 2.0;
    }
    for _ in 0..100 {
        let middle = (low + high) / 2.0;
        if student_upper_tail(middle, freedom) > upper_tail { low = middle } else { high = middle }
    }
    let quantile = (low + high) / 2.0;
    LAST.set((p, freedom, quantile));
    quantile
}

/// P(T > t) for t >= 0.
fn student_upper_tail(t: f64, freedom: usize) -> f64 {
    let v = freedom as f64;
    0.5 * incomplete_beta(v / 2.0, 0.5, v / (v + t * t))
}

/// The regularised incomplete beta function I_x(a, b).
pub(super) fn incomplete_beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return x.clamp(0.0, 1.0);
    }
    let log_front = libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b) + a * libm::log(x) + b * libm::log1p(-x);
    let front = libm::exp(log_front);
    if x < (a + 1.0) / (a + b + 2.0) {
        front * beta_fraction(a, b, x) / a
    } else {
        1.0 - front * beta_fraction(b, a, 1.0 - x) / b
    }
}

/// The continued fraction of the incomplete beta function, by Lentz's method.
fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let keep = |value: f64| if value.abs() < TINY { TINY } else { value };
    let (mut c, mut d) = (1.0, 1.0 / keep(1.0 - (a + b) * x / (a + 1.0)));
    let mut fraction = d;
    // About as many as the root of the larger parameter are needed.
    for m in 1..100_000 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / keep(1.0 + even * d);
        c = keep(1.0 + even / c);
        fraction *= c * d;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / keep(1.0 + odd * d);
        c = keep(1.0 + odd / c);
        let step = c * d;
        fraction *= step;
        if (step - 1.0).abs() < 1e-15 {
            break;
        }
    }
    fraction
}

/// The regularised lower incomplete gamma function P(a, x) (Press et al., 6.2): by its series below its middle, else by its continued fraction.
pub(super) fn incomplete_gamma(a: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    // As many as the root of a are needed, in either.
    const MOST: u32 = 1_000_000;
    let front = libm::exp(a * libm::log(x) - x - libm::lgamma(a));
    if x < a + 1.0 {
        let (mut term, mut sum) = (1.0 / a, 1.0 / a);
        for n in 1..MOST {
            term *= x / (a + f64::from(n));
            sum += term;
            if term < sum * 1e-16 {
                break;
            }
        }
        return sum * front;
    }
    let mut b = x + 1.0 - a;
    let (mut c, mut d) = (1e300, 1.0 / b);
    let mut fraction = d;
    for n in 1..MOST {
        let n = f64::from(n);
        let numerator = -n * (n - a);
        b += 2.0;
        d = 1.0 / (numerator * d + b);
        c = b + numerator / c;
        fraction *= c * d;
        if (c * d - 1.0).abs() < 1e-15 {
            break;
        }
    }
    1.0 - front * fraction
}

/// Rounds to 9 significant digits, as every number in a file is, once. Integers below 2^53 stay exact.
pub fn nine_digits(value: f64) -> f64 {
    if !value.is_finite() || value == 0.0 || (value.fract() == 0.0 && value.abs() < 9.0e15) {
        return if value == 0.0 { 0.0 } else { value };
    }
    // Decimal rounding by the standard library's exact printer.
    format!("{value:.8e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Quantiles from standard tables.
    #[test]
    fn student_quantiles() {
        for (p, freedom, t) in [
            (0.975, 1, 12.706_204_7),
            (0.975, 2, 4.302_652_73),
            (0.975, 9, 2.262_157_16),
            (0.975, 29, 2.045_229_64),
            (0.975, 1_000, 1.962_339_08),
            (0.995, 9, 3.249_835_54),
            (0.996_875, 9, 3.547_0),
            (0.5, 4, 0.0),
        ] {
            let got = student_quantile(p, freedom);
            assert!(
                (got - t).abs() < 2e-3 * t.max(1e-6) && (p > 0.9959 || (got - t).abs() < 1e-6),
                "{p}, {freedom}: {got}, expected {t}"
            );
        }
    }

    #[test]
    fn summaries() {
        let summary = summarise(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]);
        assert_eq!(summary.mean, 5.0);
        assert!((summary.sd - 2.138_089_935).abs() < 1e-9);
        let half = summary.half_width(0.95).unwrap();
        assert!((half - 2.364_624_25 * 2.138_089_935 / 8.0f64.sqrt()).abs() < 1e-7, "{half}");
        assert_eq!(summarise(&[1.0]).half_width(0.95), None);
        assert_eq!(nearest_rank(&[1.0, 2.0, 3.0, 4.0], 0.5), Some(2.0));
        assert_eq!(nearest_rank(&[1.0, 2.0, 3.0, 4.0], 0.9), Some(4.0));
        assert_eq!(nearest_rank(&[], 0.9), None);
    }

    #[test]
    fn rounding() {
        for (value, expected) in [
            (1.0 / 3.0, 0.333_333_333),
            (123_456.789_012_345, 123_456.789),
            (9_876_543_210.0, 9_876_543_210.0),
            (-0.0, 0.0),
            (1e-12 / 3.0, 3.333_333_33e-13),
        ] {
            assert_eq!(nine_digits(value).to_bits(), f64::to_bits(expected), "{value}");
        }
    }
}
