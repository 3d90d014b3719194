//! A token bucket in front of a server (`rate_limit`). It starts full.

use crate::bucket::Bucket;
use crate::scenario::{Ban, RateLimit};
use crate::units::{SimTime, Span};

/// The buckets of one server, or of one of its replicas.
#[derive(Clone, Debug)]
pub struct Limiter {
    bucket: Bucket,
    /// One per client, or one.
    full_at: Vec<SimTime>,
    /// Who is banned, for each bucket, and how; `None`: nobody ever is.
    bans: Option<Box<Bans>>,
}

/// Refusals that lead to more refusals.
#[derive(Clone, Debug)]
struct Bans {
    config: Ban,
    of: Vec<Banned>,
}

/// What is known of who has a bucket.
#[derive(Clone, Copy, Debug)]
struct Banned {
    until: SimTime,
    /// How long the next ban will be.
    next: Span,
    /// Refusals since the last ban, or since something passed.
    refused: u32,
}

impl Bans {
    fn new(config: &Ban, buckets: usize) -> Bans {
        let free = Banned { until: SimTime::ZERO, next: config.time, refused: 0 };
        Bans { config: config.clone(), of: vec![free; buckets] }
    }

    /// A request that has a token, or not, is refused until some time later if its sender is banned.
    fn ask(&mut self, now: SimTime, index: usize, wait: Option<Span>) -> Option<Span> {
        let banned = &mut self.of[index];
        if wait.is_none() && now >= banned.until {
            *banned = Banned { until: SimTime::ZERO, next: self.config.time, refused: 0 };
            return None;
        }
        banned.refused += 1;
        if banned.refused == self.config.after {
            banned.until = now + banned.next;
            banned.next = banned.next.scaled(self.config.grows);
            banned.refused = 0;
        }
        // Where the ban is over before there is a token, there is none yet.
        Some(banned.until.since(now).max(wait.unwrap_or(Span::ZERO)))
    }
}

impl Limiter {
    /// Full buckets.
    pub fn new(config: &RateLimit, clients: u32) -> Limiter {
        let buckets = config.buckets(clients, 1) as usize;
        let bans = config.ban.as_ref().map(|ban| Box::new(Bans::new(ban, buckets)));
        Limiter { bucket: Bucket::new(config.rate, config.burst), full_at: vec![SimTime::ZERO; buckets], bans }
    }

    /// Bytes that the buckets of a server with so many replicas will take.
    pub fn bytes_for(config: &RateLimit, clients: u32, replicas: u32) -> u64 {
        let ban = if config.ban.is_some() { size_of::<Banned>() } else { 0 };
        u64::from(config.buckets(clients, replicas)) * (size_of::<SimTime>() + ban) as u64
    }

    /// Bytes that the buckets take.
    pub fn bytes(&self) -> usize {
        let bans = self.bans.as_ref().map_or(0, |bans| bans.of.capacity() * size_of::<Banned>());
        self.full_at.capacity() * size_of::<SimTime>() + bans
    }

    /// Takes a token for a request of `client`.
    ///
    /// # Errors
    /// The time until there is one, and until the client is banned no more; nothing was taken.
    #[inline(always)]
    pub fn take(&mut self, now: SimTime, client: u32) -> Result<(), Span> {
        let index = if self.full_at.len() == 1 { 0 } else { client as usize };
        let full_at = &mut self.full_at[index];
        if let Some(bans) = &mut self.bans {
            let wait = (!self.bucket.has(*full_at, now)).then(|| self.bucket.wait(*full_at, now));
            bans.ask(now, index, wait).map_or(Ok(()), Err)?;
        } else if !self.bucket.has(*full_at, now) {
            return Err(self.bucket.wait(*full_at, now));
        }
        self.bucket.take(full_at, now);
        Ok(())
    }

    /// True if a request of `client` has no token, or is banned.
    pub fn refuses(&self, now: SimTime, client: u32) -> bool {
        let index = if self.full_at.len() == 1 { 0 } else { client as usize };
        let is_banned = self.bans.as_ref().is_some_and(|bans| now < bans.of[index].until);
        is_banned || !self.bucket.has(self.full_at[index], now)
    }

    /// Fills all buckets, and bans nobody.
    pub fn reset(&mut self) {
        self.full_at.fill(SimTime::ZERO);
        if let Some(bans) = &mut self.bans {
            **bans = Bans::new(&bans.config, bans.of.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Per;

    /// Requests at these instants (ms): `1` admitted, `0` refused.
    fn check(rate: f64, burst: f64, at: &[u64], expected: &str) {
        let config = RateLimit { rate, burst, per: Per::Server, status: 429, retry_after: true, ban: None };
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

    /// Requests at these instants (s) at 1/s with these bans: `None` admitted, or the wait in s.
    fn check_bans(ban: Ban, steps: &[(u64, Option<u64>)]) {
        let config =
            RateLimit { rate: 1.0, burst: 1.0, per: Per::Client, status: 429, retry_after: true, ban: Some(ban) };
        let mut limiter = Limiter::new(&config, 3);
        for (at, expected) in steps {
            let got = limiter.take(SimTime::ZERO + Span::secs(*at), 1).err();
            assert_eq!(got, expected.map(Span::secs), "at {at} s");
        }
        assert_eq!(limiter.take(SimTime::ZERO, 0), Ok(()), "another client");
        assert_eq!(limiter.bytes() as u64, Limiter::bytes_for(&config, 3, 1));
        limiter.reset();
        assert_eq!(limiter.take(SimTime::ZERO, 1), Ok(()), "after a crash");
    }

    #[test]
    fn bans_who_is_refused_again_and_again() {
        let ban = |after, grows| Ban { after, time: Span::secs(10), grows };
        // Two refusals in a row.
        check_bans(ban(2, 1.0), &[(0, None), (0, Some(1)), (0, Some(10)), (5, Some(5)), (10, None), (10, Some(1))]);
        // What passes in between begins anew.
        check_bans(ban(2, 1.0), &[(0, None), (0, Some(1)), (1, None), (1, Some(1)), (1, Some(10)), (11, None)]);
        // Who goes on while banned is banned for longer, and longer: 10 s from 0, 20 s from 3, 40 s from 4.
        check_bans(
            ban(2, 2.0),
            &[
                (0, None),
                (0, Some(1)),
                (0, Some(10)),
                (2, Some(8)),
                (3, Some(20)),
                (4, Some(19)),
                (4, Some(40)),
                (43, Some(1)),
                (44, None),
            ],
        );
        // After a quiet end the next ban is a first one.
        check_bans(ban(1, 2.0), &[(0, None), (0, Some(10)), (10, None), (10, Some(10)), (20, None)]);
    }

    #[test]
    fn says_when_the_next_token_comes() {
        let config = RateLimit { rate: 10.0, burst: 1.0, per: Per::Client, status: 429, retry_after: true, ban: None };
        let mut limiter = Limiter::new(&config, 2);
        let now = SimTime::ZERO + Span::millis(30);
        assert_eq!(limiter.take(SimTime::ZERO, 0), Ok(()));
        assert_eq!(limiter.take(now, 0), Err(Span::millis(70)));
        assert_eq!(limiter.take(now, 1), Ok(()));
        assert_eq!(limiter.bytes() as u64, Limiter::bytes_for(&config, 2, 1));
    }
}
