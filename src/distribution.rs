//! Distributions of times: service, network, think.
//!
//! Every draw comes from one keyed stream through transforms on portable arithmetic (`libm`, no platform maths), so the
//! same key gives the same nanosecond on every machine and in every build graph. `rand_distr` is the reference
//! in the tests: its own logarithms change their last bits with the features of unrelated crates.

mod tail;
mod ziggurat;

use std::sync::Arc;

use crate::rng::KeyedRng;
use crate::units::Span;
pub use ziggurat::unit_exponential;

/// A distribution of durations. All parameters in nanoseconds unless said otherwise.
#[derive(Clone, Debug, PartialEq)]
pub enum Distribution {
    /// Always the same.
    Constant(Span),
    /// Exponential with this mean.
    Exponential {
        /// Mean.
        mean: Span,
    },
    /// Uniform in [min, max).
    Uniform {
        /// Shortest.
        min: Span,
        /// Longest.
        max: Span,
    },
    /// |x| of a normal distribution.
    Normal {
        /// Mean of x, before the absolute value.
        mean: Span,
        /// Standard deviation of x.
        sd: Span,
    },
    /// exp(mu + sigma·z), z standard normal; a value in ns.
    Lognormal {
        /// Mean of the logarithm of the value in ns.
        mu: f64,
        /// Standard deviation of the logarithm.
        sigma: f64,
    },
    /// Pareto of the first kind: min·u^(-1/shape).
    Pareto {
        /// Shortest.
        min: Span,
        /// Tail index, above 0; the mean is infinite up to 1.
        shape: f64,
    },
    /// Gamma with this mean; shape 4 is Erlang-4.
    Gamma {
        /// Mean.
        mean: Span,
        /// Shape, above 0.
        shape: f64,
    },
    /// Weibull: scale·(-ln u)^(1/shape).
    Weibull {
        /// Scale.
        scale: Span,
        /// Shape, above 0.
        shape: f64,
    },
    /// One of these recorded values, each as likely as the others.
    Empirical(Arc<Empirical>),
    /// One of several distributions, by weight.
    Mixture(Vec<(f64, Distribution)>),
}

/// Recorded values.
#[derive(Debug, PartialEq)]
pub struct Empirical {
    /// The file as the scenario names it, relative to the scenario.
    pub file: String,
    /// At least one value.
    pub values: Vec<Span>,
}

/// z(0.99), which turns a p50 and a p99 into sigma.
const Z99: f64 = 2.326_347_874_040_840_8;

impl Distribution {
    /// Always zero.
    pub const ZERO: Distribution = Distribution::Constant(Span::ZERO);

    /// Log-normal by its median and 99th percentile; `p99` is not below `p50`, both above 0.
    pub fn lognormal_p50_p99(p50: Span, p99: Span) -> Distribution {
        let mu = libm::log(p50.0 as f64);
        Distribution::Lognormal { mu, sigma: (libm::log(p99.0 as f64) - mu) / Z99 }
    }

    /// Log-normal by its median and the standard deviation of its logarithm.
    pub fn lognormal_p50_sigma(p50: Span, sigma: f64) -> Distribution {
        Distribution::Lognormal { mu: libm::log(p50.0 as f64), sigma }
    }

    /// Log-normal by its own mean and standard deviation; `mean` above 0.
    pub fn lognormal_mean_sd(mean: Span, sd: Span) -> Distribution {
        let ratio = sd.0 as f64 / mean.0 as f64;
        let variance = libm::log1p(ratio * ratio);
        Distribution::Lognormal { mu: libm::log(mean.0 as f64) - variance / 2.0, sigma: libm::sqrt(variance) }
    }

    /// Draws one duration.
    #[inline(always)]
    pub fn sample(&self, rng: &mut KeyedRng) -> Span {
        match self {
            Distribution::Constant(span) => *span,
            Distribution::Exponential { mean } => Span::from_nanos_f64(mean.0 as f64 * unit_exponential(rng)),
            other => other.sample_another(rng),
        }
    }

    /// The two that are drawn most are compiled where they are drawn; the rest is kept out of their way.
    #[inline(never)]
    fn sample_another(&self, rng: &mut KeyedRng) -> Span {
        match self {
            Distribution::Constant(_) | Distribution::Exponential { .. } => self.sample(rng),
            Distribution::Uniform { min, max } => {
                Span::from_nanos_f64(min.0 as f64 + (max.0 as f64 - min.0 as f64) * rng.unit())
            }
            Distribution::Normal { mean, sd } => {
                Span::from_nanos_f64((mean.0 as f64 + sd.0 as f64 * normal_quantile(rng.open_unit())).abs())
            }
            Distribution::Lognormal { mu, sigma } => {
                Span::from_nanos_f64(libm::exp(mu + sigma * normal_quantile(rng.open_unit())))
            }
            Distribution::Pareto { min, shape } => {
                Span::from_nanos_f64(min.0 as f64 * libm::exp(unit_exponential(rng) / shape))
            }
            Distribution::Gamma { mean, shape } => Span::from_nanos_f64(mean.0 as f64 / shape * gamma(*shape, rng)),
            Distribution::Weibull { scale, shape } => {
                Span::from_nanos_f64(scale.0 as f64 * libm::pow(unit_exponential(rng), 1.0 / shape))
            }
            Distribution::Empirical(empirical) => empirical.values[rng.below(empirical.values.len() as u64) as usize],
            Distribution::Mixture(parts) => {
                let total: f64 = parts.iter().map(|(weight, _)| weight).sum();
                let mut left = rng.unit() * total;
                for (weight, part) in parts {
                    if left < *weight {
                        return part.sample(rng);
                    }
                    left -= weight;
                }
                // Only rounding leads here: the last part with a weight takes it.
                parts.iter().rev().find(|(weight, _)| *weight > 0.0).map_or(Span::ZERO, |(_, part)| part.sample(rng))
            }
        }
    }

    /// The mean in seconds; infinite where it does not exist.
    pub fn mean_seconds(&self) -> f64 {
        const NANO: f64 = 1e-9;
        match self {
            Distribution::Constant(span) => span.seconds(),
            Distribution::Exponential { mean } | Distribution::Gamma { mean, .. } => mean.seconds(),
            Distribution::Uniform { min, max } => (min.seconds() + max.seconds()) / 2.0,
            Distribution::Normal { mean, sd } => {
                let (m, s) = (mean.seconds(), sd.seconds());
                if s == 0.0 {
                    return m;
                }
                // Folded normal (Leone, Nelson, Nottingham 1961).
                s * libm::sqrt(2.0 / std::f64::consts::PI) * libm::exp(-m * m / (2.0 * s * s))
                    + m * libm::erf(m / (s * std::f64::consts::SQRT_2))
            }
            Distribution::Lognormal { mu, sigma } => libm::exp(mu + sigma * sigma / 2.0) * NANO,
            Distribution::Pareto { min, shape } if *shape > 1.0 => min.seconds() * shape / (shape - 1.0),
            Distribution::Pareto { .. } => f64::INFINITY,
            Distribution::Weibull { scale, shape } => scale.seconds() * libm::tgamma(1.0 + 1.0 / shape),
            Distribution::Empirical(empirical) => {
                empirical.values.iter().map(|v| v.seconds()).sum::<f64>() / empirical.values.len() as f64
            }
            Distribution::Mixture(parts) => {
                let total: f64 = parts.iter().map(|(weight, _)| weight).sum();
                parts.iter().map(|(weight, part)| weight / total * part.mean_seconds()).sum()
            }
        }
    }

    /// The recorded values that it draws from, those of its parts included.
    pub fn recorded(&self) -> Vec<&Arc<Empirical>> {
        match self {
            Distribution::Empirical(empirical) => vec![empirical],
            Distribution::Mixture(parts) => parts.iter().flat_map(|(_, part)| part.recorded()).collect(),
            _ => Vec::new(),
        }
    }

    /// True if every draw is zero.
    pub fn is_zero(&self) -> bool {
        *self == Distribution::ZERO
    }
}

/// The standard normal quantile of `p` in (0, 1).
///
/// Wichura, "Algorithm AS 241: The percentage points of the normal distribution", Applied Statistics 37 (1988),
/// routine PPND16; relative error about 1e-16. One uniform gives one normal, so a draw stays aligned with its key.
pub fn normal_quantile(p: f64) -> f64 {
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180_625 - q * q;
        let numerator = polynomial(
            r,
            &[
                2_509.080_928_730_122_6,
                33_430.575_583_588_13,
                67_265.770_927_008_7,
                45_921.953_931_549_87,
                13_731.693_765_509_46,
                1_971.590_950_306_551_3,
                133.141_667_891_784_38,
                3.387_132_872_796_366_5,
            ],
        );
        let denominator = polynomial(
            r,
            &[
                5_226.495_278_852_854,
                28_729.085_735_721_943,
                39_307.895_800_092_71,
                21_213.794_301_586_597,
                5_394.196_021_424_751,
                687.187_007_492_057_9,
                42.313_330_701_600_91,
                1.0,
            ],
        );
        return q * numerator / denominator;
    }
    let tail = if q < 0.0 { p } else { 1.0 - p };
    let r = libm::sqrt(-libm::log(tail));
    let magnitude = if r <= 5.0 {
        let r = r - 1.6;
        polynomial(
            r,
            &[
                7.745_450_142_783_414e-4,
                0.022_723_844_989_269_184,
                0.241_780_725_177_450_6,
                1.270_458_252_452_368_4,
                3.647_848_324_763_204_5,
                5.769_497_221_460_691,
                4.630_337_846_156_546,
                1.423_437_110_749_683_5,
            ],
        ) / polynomial(
            r,
            &[
                1.050_750_071_644_416_9e-9,
                5.475_938_084_995_345e-4,
                0.015_198_666_563_616_457,
                0.148_103_976_427_480_08,
                0.689_767_334_985_1,
                1.676_384_830_183_803_8,
                2.053_191_626_637_759,
                1.0,
            ],
        )
    } else {
        let r = r - 5.0;
        polynomial(
            r,
            &[
                2.010_334_399_292_288_1e-7,
                2.711_555_568_743_487_6e-5,
                0.001_242_660_947_388_078_4,
                0.026_532_189_526_576_124,
                0.296_560_571_828_504_87,
                1.784_826_539_917_291_3,
                5.463_784_911_164_114,
                6.657_904_643_501_103,
            ],
        ) / polynomial(
            r,
            &[
                2.044_263_103_389_939_8e-15,
                1.421_511_758_316_446e-7,
                1.846_318_317_510_054_8e-5,
                7.868_691_311_456_133e-4,
                0.014_875_361_290_850_615,
                0.136_929_880_922_735_8,
                0.599_832_206_555_888,
                1.0,
            ],
        )
    };
    if q < 0.0 { -magnitude } else { magnitude }
}

/// Horner's rule, highest power first.
fn polynomial(x: f64, coefficients: &[f64; 8]) -> f64 {
    coefficients.iter().fold(0.0, |sum, c| sum * x + c)
}

/// Gamma with mean `shape`: Marsaglia and Tsang, "A simple method for generating gamma variables", ACM TOMS 26 (2000).
fn gamma(shape: f64, rng: &mut KeyedRng) -> f64 {
    if shape < 1.0 {
        // Their section 6: gamma(shape) = gamma(shape + 1)·u^(1/shape).
        return gamma(shape + 1.0, rng) * libm::exp(-unit_exponential(rng) / shape);
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / libm::sqrt(9.0 * d);
    loop {
        let x = normal_quantile(rng.open_unit());
        let v = 1.0 + c * x;
        if v <= 0.0 {
            continue;
        }
        let v = v * v * v;
        if libm::log(rng.open_unit()) < 0.5 * x * x + d - d * v + d * libm::log(v) {
            return d * v;
        }
    }
}

#[cfg(test)]
mod tests {
    use rand_distr::Distribution as _;

    use super::*;
    use crate::rng::Purpose;

    const DRAWS: usize = 40_000;

    fn ours(distribution: &Distribution) -> Vec<f64> {
        let mut draws: Vec<f64> = (0..DRAWS)
            .map(|i| distribution.sample(&mut KeyedRng::new(11, Purpose::Service, i as u64, 1)).seconds())
            .collect();
        draws.sort_by(f64::total_cmp);
        draws
    }

    /// Two-sample Kolmogorov–Smirnov distance against an independent implementation; 1.95·sqrt(2/n) is the 0.1% point.
    fn check(name: &str, distribution: &Distribution, reference: impl Fn(&mut KeyedRng) -> f64) {
        let draws = ours(distribution);
        let mut rng = KeyedRng::new(12, Purpose::Think, 0, 0);
        let mut other: Vec<f64> = (0..DRAWS).map(|_| reference(&mut rng)).collect();
        other.sort_by(f64::total_cmp);
        let (mut i, mut j, mut distance) = (0, 0, 0.0f64);
        while i < DRAWS && j < DRAWS {
            if draws[i] <= other[j] {
                i += 1
            } else {
                j += 1
            }
            distance = distance.max((i as f64 - j as f64).abs() / DRAWS as f64);
        }
        let bound = 1.95 * (2.0 / DRAWS as f64).sqrt();
        assert!(distance < bound, "{name}: KS distance {distance}, bound {bound}");
        let mean = distribution.mean_seconds();
        if mean.is_finite() {
            let sample_mean = draws.iter().sum::<f64>() / DRAWS as f64;
            let variance = draws.iter().map(|x| (x - sample_mean).powi(2)).sum::<f64>() / DRAWS as f64;
            let z = (sample_mean - mean) / (variance / DRAWS as f64).sqrt();
            assert!(z.abs() < 4.0, "{name}: mean {sample_mean} is {z} standard errors from {mean}");
        }
    }

    #[test]
    fn agrees_with_an_independent_implementation() {
        let second = Span::secs(1);
        check("exponential", &Distribution::Exponential { mean: second }, |r| rand_distr::Exp1.sample(r));
        check("normal", &Distribution::Normal { mean: second, sd: second }, |r| {
            let x: f64 = rand_distr::Normal::new(1.0, 1.0).unwrap().sample(r);
            x.abs()
        });
        check("lognormal", &Distribution::lognormal_p50_sigma(second, 0.8), |r| {
            rand_distr::LogNormal::new(0.0, 0.8).unwrap().sample(r)
        });
        check("pareto", &Distribution::Pareto { min: second, shape: 3.5 }, |r| {
            rand_distr::Pareto::new(1.0, 3.5).unwrap().sample(r)
        });
        for shape in [0.4, 1.0, 4.0] {
            check("gamma", &Distribution::Gamma { mean: second, shape }, move |r| {
                rand_distr::Gamma::new(shape, 1.0 / shape).unwrap().sample(r)
            });
        }
        check("weibull", &Distribution::Weibull { scale: second, shape: 0.7 }, |r| {
            rand_distr::Weibull::new(1.0, 0.7).unwrap().sample(r)
        });
        check("uniform", &Distribution::Uniform { min: second, max: Span::secs(3) }, |r| {
            rand_distr::Uniform::new(1.0, 3.0).unwrap().sample(r)
        });
        let mixture = Distribution::Mixture(vec![
            (0.9, Distribution::Exponential { mean: Span::millis(100) }),
            (0.1, Distribution::Exponential { mean: second }),
        ]);
        check("mixture", &mixture, |r| {
            let scale = if r.unit() < 0.9 { 0.1 } else { 1.0 };
            let x: f64 = rand_distr::Exp1.sample(r);
            scale * x
        });
    }

    /// Quantiles from standard tables, 15 digits.
    #[test]
    fn normal_quantiles() {
        for (p, z) in [
            (0.5, 0.0),
            (0.975, 1.959_963_984_540_054),
            (0.99, Z99),
            (0.999_9, 3.719_016_485_455_709),
            (1e-10, -6.361_340_902_404_056),
            (1e-15, -7.941_345_326_170_997),
        ] {
            let got = normal_quantile(p);
            assert!((got - z).abs() < 1e-12 * z.abs().max(1.0), "{p}: {got}, expected {z}");
        }
    }

    #[test]
    fn lognormal_is_given_by_its_percentiles() {
        let by_percentiles = ours(&Distribution::lognormal_p50_p99(Span::millis(120), Span::millis(900)));
        let p50 = by_percentiles[DRAWS / 2];
        let p99 = by_percentiles[DRAWS * 99 / 100];
        assert!((p50 - 0.120).abs() < 0.003, "{p50}");
        assert!((p99 - 0.900).abs() < 0.06, "{p99}");
        let mean = Distribution::lognormal_mean_sd(Span::millis(10), Span::millis(20)).mean_seconds();
        assert!((mean - 0.010).abs() < 1e-12, "{mean}");
    }
}
