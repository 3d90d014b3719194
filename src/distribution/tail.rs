//! How much of a distribution lies above a time.

use super::Distribution;
use crate::units::Span;

impl Distribution {
    /// The share of draws that are longer than `limit`, 0 to 1.
    pub fn share_above(&self, limit: Span) -> f64 {
        let t = limit.0 as f64;
        match self {
            Distribution::Constant(span) => f64::from(u8::from(*span > limit)),
            Distribution::Exponential { mean } => above_exponential(t / mean.0 as f64),
            Distribution::Uniform { min, max } if max == min => f64::from(u8::from(*max > limit)),
            Distribution::Uniform { min, max } => ((max.0 as f64 - t) / (max.0 - min.0) as f64).clamp(0.0, 1.0),
            Distribution::Normal { mean, sd } if sd.0 == 0 => f64::from(u8::from(*mean > limit)),
            Distribution::Normal { mean, sd } => {
                let (m, s) = (mean.0 as f64, sd.0 as f64);
                // Both tails of the normal one fold into this one.
                above_normal((t - m) / s) + above_normal((t + m) / s)
            }
            Distribution::Lognormal { mu, sigma } if *sigma == 0.0 => f64::from(u8::from(libm::exp(*mu) > t)),
            Distribution::Lognormal { mu, sigma } => above_normal((libm::log(t) - mu) / sigma),
            Distribution::Pareto { min, .. } if *min >= limit => 1.0,
            Distribution::Pareto { min, shape } => libm::pow(min.0 as f64 / t, *shape),
            Distribution::Gamma { mean, shape } => above_gamma(*shape, t / mean.0 as f64 * shape),
            Distribution::Weibull { scale, shape } => above_exponential(libm::pow(t / scale.0 as f64, *shape)),
            Distribution::Empirical(empirical) => {
                let longer = empirical.values.iter().filter(|value| **value > limit).count();
                longer as f64 / empirical.values.len() as f64
            }
            Distribution::Mixture(parts) => {
                let total: f64 = parts.iter().map(|(weight, _)| weight).sum();
                parts.iter().map(|(weight, part)| weight / total * part.share_above(limit)).sum()
            }
        }
    }
}

/// P(X > x) of an exponential X with mean 1; 0/0, the point mass of a mean of zero, is not above anything.
fn above_exponential(x: f64) -> f64 {
    if x.is_nan() { 0.0 } else { libm::exp(-x) }
}

/// P(Z > z) of a standard normal Z.
fn above_normal(z: f64) -> f64 {
    libm::erfc(z / std::f64::consts::SQRT_2) / 2.0
}

/// P(X > x) of a gamma X with this shape and scale 1, the regularised upper incomplete gamma function: by its series below the
/// mean, by its continued fraction (Lentz) above. Abramowitz and Stegun, 6.5.29 and 6.5.31.
fn above_gamma(shape: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    if !x.is_finite() {
        return 0.0;
    }
    let front = libm::exp(shape * libm::log(x) - x - libm::lgamma(shape));
    if x < shape + 1.0 {
        let (mut term, mut sum) = (1.0 / shape, 1.0 / shape);
        for n in 1..10_000 {
            term *= x / (shape + f64::from(n));
            sum += term;
            if term < sum * 1e-15 {
                break;
            }
        }
        return (1.0 - front * sum).clamp(0.0, 1.0);
    }
    const TINY: f64 = 1e-300;
    let mut b = x + 1.0 - shape;
    let (mut c, mut d) = (1.0 / TINY, 1.0 / b);
    let mut fraction = d;
    for n in 1..10_000 {
        let n = f64::from(n);
        let a = -n * (n - shape);
        b += 2.0;
        let apart_from_zero = |x: f64| if x.abs() < TINY { TINY } else { x };
        d = 1.0 / apart_from_zero(a * d + b);
        c = apart_from_zero(b + a / c);
        fraction *= c * d;
        if (c * d - 1.0).abs() < 1e-15 {
            break;
        }
    }
    (front * fraction).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::distribution::Empirical;
    use crate::rng::{KeyedRng, Purpose};

    /// Against the share of 100,000 draws: within 5 standard errors.
    fn check(distribution: &Distribution) {
        const DRAWS: u64 = 100_000;
        let mut draws: Vec<Span> =
            (0..DRAWS).map(|i| distribution.sample(&mut KeyedRng::new(7, Purpose::Service, i, 0))).collect();
        draws.sort();
        for p in [0.1, 0.5, 0.9, 0.99, 0.999] {
            let limit = draws[(DRAWS as f64 * p) as usize];
            let drawn = draws.iter().filter(|draw| **draw > limit).count() as f64 / DRAWS as f64;
            let bound = 5.0 * libm::sqrt(p * (1.0 - p) / DRAWS as f64);
            let share = distribution.share_above(limit);
            assert!((share - drawn).abs() <= bound, "{distribution:?} above {limit}: {share}, drawn {drawn} ± {bound}");
        }
        assert!(distribution.share_above(Span::MAX) < 1e-9, "{distribution:?}");
    }

    #[test]
    fn shares_are_those_of_draws() {
        let (ms, s) = (Span::millis, Span::secs);
        check(&Distribution::Constant(ms(5)));
        check(&Distribution::Exponential { mean: ms(100) });
        check(&Distribution::Exponential { mean: Span::ZERO });
        check(&Distribution::Uniform { min: ms(10), max: ms(50) });
        check(&Distribution::Uniform { min: ms(10), max: ms(10) });
        check(&Distribution::Normal { mean: ms(100), sd: ms(80) });
        check(&Distribution::Normal { mean: ms(100), sd: Span::ZERO });
        check(&Distribution::lognormal_p50_p99(ms(120), ms(900)));
        check(&Distribution::lognormal_p50_p99(ms(120), ms(120)));
        check(&Distribution::Pareto { min: ms(1), shape: 4.0 });
        for shape in [0.3, 1.0, 4.0, 50.0] {
            check(&Distribution::Gamma { mean: ms(100), shape });
            check(&Distribution::Weibull { scale: ms(100), shape });
        }
        let values = (1..=1_000).map(ms).collect();
        check(&Distribution::Empirical(Arc::new(Empirical { file: String::new(), values })));
        check(&Distribution::Mixture(vec![
            (0.95, Distribution::Exponential { mean: ms(5) }),
            (0.05, Distribution::Uniform { min: s(1), max: s(2) }),
        ]));
    }
}
