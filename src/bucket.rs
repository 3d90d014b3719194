//! A token bucket, kept as one instant: when it will be full again.
//!
//! The generic cell rate algorithm (ITU-T I.371, annex A). It admits exactly what a bucket of `burst` tokens refilled at `rate` admits, in
//! whole nanoseconds. A bucket that is full has the instant 0.

use crate::units::{NANOS_PER_SECOND, SimTime, Span};

/// The shape of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Time in which one token comes back.
    interval: Span,
    /// How far the instant may lie ahead for a token to be there.
    tolerance: Span,
}

impl Bucket {
    /// A bucket of `burst` tokens (at least 1) into which `rate` come per second.
    pub fn new(rate: f64, burst: f64) -> Bucket {
        let interval = Span::from_nanos_f64(NANOS_PER_SECOND as f64 / rate).max(Span::nanos(1));
        Bucket { interval, tolerance: interval.scaled(burst - 1.0) }
    }

    /// True if a token is there: if [`Bucket::wait`] is nothing.
    #[inline]
    pub fn has(self, full_at: SimTime, now: SimTime) -> bool {
        full_at <= now + self.tolerance
    }

    /// How long it takes until a token is there.
    #[inline]
    pub fn wait(self, full_at: SimTime, now: SimTime) -> Span {
        full_at.since(now) - self.tolerance
    }

    /// Takes a token: one that is there, or the next one that nobody has taken in advance.
    #[inline]
    pub fn take(self, full_at: &mut SimTime, now: SimTime) {
        *full_at = (*full_at).max(now) + self.interval;
    }

    /// Puts a token back.
    pub fn give_back(self, full_at: &mut SimTime) {
        full_at.0 = full_at.0.saturating_sub(self.interval.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_there_if_nobody_has_to_wait() {
        let buckets = [Bucket::new(10.0, 1.0), Bucket::new(3.0, 2.5), Bucket::new(1e-9, 7.0), Bucket::new(1e9, 1.0)];
        let around = |at: u64| [at.saturating_sub(1), at, at.saturating_add(1)];
        for bucket in buckets {
            let Bucket { interval: Span(interval), tolerance: Span(tolerance) } = bucket;
            let instants =
                [0, 5, interval, tolerance, interval.saturating_add(tolerance), u64::MAX - tolerance, u64::MAX];
            for now in instants.into_iter().flat_map(around).map(SimTime) {
                let full = [now.0.saturating_add(tolerance), now.0.saturating_add(interval)];
                for full_at in instants.into_iter().chain(full).flat_map(around).map(SimTime) {
                    let there = bucket.wait(full_at, now) == Span::ZERO;
                    assert_eq!(bucket.has(full_at, now), there, "{bucket:?}: full at {full_at:?}, now {now:?}");
                }
            }
        }
    }
}
