//! A histogram of durations: constant memory, constant time, relative error at most 0.4%.

use crate::size_class::{CLASSES, class, middle};
use crate::units::Span;

/// Classes that there is room for: with a power of two, a mask keeps every index within, and no check is needed.
const ROOM: usize = CLASSES.next_power_of_two();

/// Classes that are looked at together where a quantile is searched.
const CHUNK: usize = 64;

/// Counts of durations by size.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Box<[u64; ROOM]>,
    sum: u128,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        let counts = vec![0; ROOM].into_boxed_slice();
        Histogram { counts: counts.try_into().expect("it is as long as it was made"), sum: 0, max: 0 }
    }
}

impl Histogram {
    /// Counts one duration.
    #[inline]
    pub fn record(&mut self, span: Span) {
        self.counts[class(span.0) & (ROOM - 1)] += 1;
        self.sum += u128::from(span.0);
        self.max = self.max.max(span.0);
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// How many were of no length at all.
    pub fn zeroes(&self) -> u64 {
        self.counts[class(0)]
    }

    /// Exact mean in seconds; `None` of nothing.
    pub fn mean(&self) -> Option<f64> {
        let total = self.count();
        (total > 0).then(|| self.sum as f64 / total as f64 * 1e-9)
    }

    /// Exact maximum in seconds; `None` of nothing.
    pub fn max(&self) -> Option<f64> {
        (self.count() > 0).then_some(self.max as f64 * 1e-9)
    }

    /// How many are at most as long as each of `spans`, which ascend; exact but for what lies in the same class as one of them.
    pub fn within(&self, spans: impl Iterator<Item = Span>) -> Vec<u64> {
        let (mut next, mut seen) = (0, 0);
        spans
            .map(|span| {
                while next < CLASSES && middle(next) <= span.0 as f64 {
                    seen += self.counts[next];
                    next += 1;
                }
                seen
            })
            .collect()
    }

    /// What both have counted.
    pub fn plus(mut self, other: &Histogram) -> Histogram {
        self.counts.iter_mut().zip(other.counts.iter()).for_each(|(own, others)| *own += others);
        self.sum += other.sum;
        self.max = self.max.max(other.max);
        self
    }

    /// Exact mean in seconds of what either has counted; `None` of nothing.
    pub fn mean_with(&self, other: &Histogram) -> Option<f64> {
        let total = self.count() + other.count();
        (total > 0).then(|| (self.sum + other.sum) as f64 / total as f64 * 1e-9)
    }

    /// The `p` quantile in seconds, nearest rank; `None` of nothing.
    pub fn quantile(&self, p: f64) -> Option<f64> {
        self.quantile_among(p, self.count())
    }

    /// The same among so many, of which those that were not counted are longer than any that were: infinite if it is one of them.
    pub fn quantile_among(&self, p: f64, total: u64) -> Option<f64> {
        if total == 0 {
            return None;
        }
        let rank = ((p * total as f64).ceil() as u64).clamp(1, total);
        if rank > self.count() {
            return Some(f64::INFINITY);
        }
        let mut seen = 0;
        // Most classes are empty, and many of them at once are soon added up.
        for (many, counts) in self.counts.chunks_exact(CHUNK).enumerate() {
            let sum: u64 = counts.iter().sum();
            if seen + sum < rank {
                seen += sum;
                continue;
            }
            for (class, count) in (many * CHUNK..).zip(counts) {
                seen += count;
                if seen >= rank {
                    return Some(middle(class).min(self.max as f64) * 1e-9);
                }
            }
        }
        self.max()
    }
}

/// Times at which successes are counted for a picture on a logarithmic axis: twenty for each power of ten from 1 µs to 10⁷ s.
///
/// They are the preferred numbers R20 of ISO 3, with 3 in place of 3.15, so that 1, 2, 3 and 5 are among them.
pub fn grid() -> impl Iterator<Item = Span> {
    const HUNDREDTHS: [u64; 20] =
        [100, 112, 125, 140, 160, 180, 200, 224, 250, 280, 300, 355, 400, 450, 500, 560, 630, 710, 800, 900];
    let decades = (1..14).flat_map(|power| HUNDREDTHS.map(|hundredths| Span(hundredths * 10u64.pow(power))));
    decades.chain([Span(10u64.pow(16))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_within_a_time() {
        let mut histogram = Histogram::default();
        [0, 5, 5, 1_000_000].into_iter().for_each(|n| histogram.record(Span(n)));
        let within = |spans: &[u64]| histogram.within(spans.iter().map(|n| Span(*n)));
        assert_eq!(within(&[0, 4, 5, 900_000, 1_100_000, u64::MAX]), [1, 1, 3, 3, 4, 4]);
        let times: Vec<Span> = grid().collect();
        assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "ascending");
        assert_eq!(
            (times[0], times[60], times[66], times[260]),
            (Span(1_000), Span::millis(1), Span::millis(2), Span::secs(10_000_000))
        );
    }

    #[test]
    fn quantiles_are_nearest_rank() {
        let mut histogram = Histogram::default();
        assert_eq!((histogram.quantile(0.5), histogram.mean(), histogram.max()), (None, None, None));
        (1..=100).for_each(|n| histogram.record(Span(n)));
        assert_eq!(histogram.quantile(0.5), Some(50.0 * 1e-9));
        assert_eq!(histogram.quantile(0.99), Some(99.0 * 1e-9));
        assert_eq!(histogram.quantile(1.0), Some(100.0 * 1e-9));
        assert!((histogram.mean().unwrap() - 50.5e-9).abs() < 1e-20);
    }
}
