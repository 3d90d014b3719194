//! The idempotency store: what a server remembers of a key.
//!
//! A record stands where its operation stands and lives as long: retention and locks are comparisons of instants, never a sweep.

use crate::scenario::Idempotency;
use crate::units::{SimTime, Span};

/// What is known of one key.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    /// Locked until then by `holder`.
    locked_until: SimTime,
    /// The attempt in flight that holds the lock.
    holder: u32,
    /// The stored reply's status; meaningless after `stored_until`.
    status: u16,
    stored_until: SimTime,
}

impl Default for Record {
    fn default() -> Record {
        Record { locked_until: SimTime::ZERO, holder: u32::MAX, status: 0, stored_until: SimTime::ZERO }
    }
}

/// What a store says when work is about to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Do the work.
    Work,
    /// The reply is known: this status.
    Replay(u16),
    /// Another try holds the key: this status.
    Conflict(u16),
}

impl Record {
    /// True if an attempt holds the lock.
    pub fn is_locked(&self) -> bool {
        self.holder != u32::MAX
    }

    /// Work for this key is about to start as `job`; locks the key if the store locks.
    pub fn begin(&mut self, now: SimTime, job: u32, store: &Idempotency) -> Admission {
        match store {
            Idempotency::None => Admission::Work,
            _ if now < self.stored_until => Admission::Replay(self.status),
            Idempotency::Cache { .. } => Admission::Work,
            Idempotency::Lock { conflict_status, lock_ttl, .. } => {
                if now < self.locked_until {
                    return Admission::Conflict(*conflict_status);
                }
                self.locked_until = lock_ttl.map_or(SimTime::NEVER, |ttl| now + ttl);
                self.holder = job;
                Admission::Work
            }
        }
    }

    /// The work of `job` has ended. `reply` is its status and whether that is a success; `None` for a hang.
    pub fn end(&mut self, now: SimTime, job: u32, reply: Option<(u16, bool)>, store: &Idempotency) {
        let (retention, store_errors): (Span, bool) = match store {
            Idempotency::None => return,
            Idempotency::Cache { retention, store_errors, .. } | Idempotency::Lock { retention, store_errors, .. } => {
                (*retention, *store_errors)
            }
        };
        if let Some((status, success)) = reply
            && (success || store_errors)
        {
            self.status = status;
            self.stored_until = now + retention;
        }
        self.release(job);
    }

    /// The work of `job` was cancelled: its lock, if it still holds it, is gone.
    pub fn release(&mut self, job: u32) {
        if self.holder == job {
            self.holder = u32::MAX;
            self.locked_until = SimTime::ZERO;
        }
    }

    /// The server crashed under `job`: the lock stays until its time is up, but nobody holds it.
    pub fn orphan(&mut self, job: u32) {
        if self.holder == job {
            self.holder = u32::MAX;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::StoreScope;

    const LOCK: Idempotency = Idempotency::Lock {
        retention: Span::secs(100),
        lock_ttl: Some(Span::secs(30)),
        conflict_status: 409,
        store_errors: false,
        scope: StoreScope::Server,
    };
    const CACHE: Idempotency =
        Idempotency::Cache { retention: Span::secs(100), store_errors: true, scope: StoreScope::Server };

    /// Steps: (seconds, job, Ok(expected admission) to begin | Err(reply) to end).
    #[allow(clippy::type_complexity)] // A script is easier to read as plain tuples.
    fn check(store: &Idempotency, steps: &[(u64, u32, Result<Admission, Option<(u16, bool)>>)]) {
        let mut record = Record::default();
        for (seconds, job, step) in steps {
            let now = SimTime::ZERO + Span::secs(*seconds);
            match step {
                Ok(expected) => assert_eq!(record.begin(now, *job, store), *expected, "job {job} at {seconds} s"),
                Err(reply) => record.end(now, *job, *reply, store),
            }
        }
    }

    #[test]
    fn stores() {
        use Admission::{Conflict, Replay, Work};
        let ok = Some((200, true));
        let error = Some((500, false));
        check(
            &LOCK,
            &[
                (0, 1, Ok(Work)),
                (1, 2, Ok(Conflict(409))),
                (2, 1, Err(ok)),
                (3, 3, Ok(Replay(200))),
                (102, 4, Ok(Work)),
            ],
        );
        check(&LOCK, &[(0, 1, Ok(Work)), (2, 1, Err(error)), (3, 3, Ok(Work))]);
        check(&LOCK, &[(0, 1, Ok(Work)), (2, 1, Err(None)), (3, 3, Ok(Work))]);
        // The lock ends before the work: a second try does the work again, and the first one's end does not unlock it.
        check(&LOCK, &[(0, 1, Ok(Work)), (30, 2, Ok(Work)), (31, 1, Err(error)), (32, 3, Ok(Conflict(409)))]);
        // A cache is not atomic, and this one stores errors.
        check(&CACHE, &[(0, 1, Ok(Work)), (1, 2, Ok(Work)), (2, 1, Err(error)), (3, 3, Ok(Replay(500)))]);
        check(&Idempotency::None, &[(0, 1, Ok(Work)), (2, 1, Err(ok)), (3, 3, Ok(Work))]);
    }

    #[test]
    fn a_crash_keeps_the_lock_and_a_cancel_frees_it() {
        for (crash, expected) in [(true, Admission::Conflict(409)), (false, Admission::Work)] {
            let mut record = Record::default();
            record.begin(SimTime::ZERO, 1, &LOCK);
            if crash {
                record.orphan(1)
            } else {
                record.release(1)
            }
            assert_eq!(record.begin(SimTime::ZERO + Span::secs(5), 2, &LOCK), expected);
        }
    }
}
