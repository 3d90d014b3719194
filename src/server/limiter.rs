//! A token bucket in front of a server (`rate_limit`). It starts full.

use crate::bucket::Bucket;
use crate::scenario::RateLimit;
use crate::units::{SimTime, Span};

/// The buckets of one server, or of one of its replicas.
#[derive(Clone, Debug)]
pub struct Limiter {
    bucket: Bucket,
    /// One per client, or one.
    full_at: Vec<SimTime>,
}

impl Limiter {
    /// Full buckets.
    pub fn new(config: &RateLimit, clients: u32) -> Limiter {
        let buckets = config.buckets(clients, 1) as usize;
        Limiter { bucket: Bucket::new(config.rate, config.burst), full_at: vec![SimTime::ZERO; buckets] }
    }

    /// Bytes that the buckets of a server with so many replicas will take.
    pub fn bytes_for(config: &RateLimit, clients: u32, replicas: u32) -> u64 {
        u64::from(config.buckets(clients, replicas)) * size_of::<SimTime>() as u64
    }

    /// Bytes that the buckets take.
    pub fn bytes(&self) -> usize {
        self.full_at.capacity() * size_of::<SimTime>()
    }

    /// Takes a token for a request of `client`.
    ///
    /// # Errors
    /// The time until there is one; nothing was taken.
    #[inline(always)]
    pub fn take(&mut self, now: SimTime, client: u32) -> Result<(), Span> {
        let index = if self.full_at.len() == 1 { 0 } else { client as usize };
        let full_at = &mut self.full_at[index];
        if !self.bucket.has(*full_at, now) {
            return Err(self.bucket.wait(*full_at, now));
        }
        self.bucket.take(full_at, now);
        Ok(())
    }

    /// Fills all buckets.
    pub fn reset(&mut self) {
        self.full_at.fill(SimTime::ZERO);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Per;

    /// Requests at these instants (ms): `1` admitted, `0` refused.
    fn check(rate: f64, burst: f64, at: &[u64], expected: &str) {
        let config = RateLimit { rate, burst, per: Per::Server, status: 429, retry_after: true };
        let mut limiter = Limiter::new(&config, 1);
        let got: String = at
            .iter()
            .map(|ms| if limiter.take(SimTime::ZERO + Span::millis(*ms), 0).is_ok() { '1' } else { '0' })
            .collect();
        assert_eq!(got, expected, "{rate}/s, burst {burst}, at {at:?}");
    }

    #[test]
    fn is_a_token_bucket() {
        check(10.0, 1.0, &[0, 0, 99, 100, 199, 200], "100101");
        check(10.0, 3.0, &[0, 0, 0, 0, 100, 100, 500, 500, 500, 500], "1110101110");
        // A refused request costs no token.
        check(1.0, 1.0, &[0, 100, 200, 300, 1_000, 1_100], "100010");
        check(10.0, 2.5, &[0, 0, 0, 50, 150, 160], "110110");
    }

    #[test]
    fn says_when_the_next_token_comes() {
        let config = RateLimit { rate: 10.0, burst: 1.0, per: Per::Client, status: 429, retry_after: true };
        let mut limiter = Limiter::new(&config, 2);
        let now = SimTime::ZERO + Span::millis(30);
        assert_eq!(limiter.take(SimTime::ZERO, 0), Ok(()));
        assert_eq!(limiter.take(now, 0), Err(Span::millis(70)));
        assert_eq!(limiter.take(now, 1), Ok(()));
        assert_eq!(limiter.bytes() as u64, Limiter::bytes_for(&config, 2, 1));
    }
}
