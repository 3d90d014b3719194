//! The idempotency store: what a server remembers of a key.
//!
//! A record stands where its operation stands and lives as long: retention and locks are comparisons of instants, never a sweep.

use crate::scenario::{FreedBy, Idempotency, LockConfig, LockOnFailure, StoreRules};
use crate::units::SimTime;

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
            Idempotency::Cache(_) => Admission::Work,
            Idempotency::Lock(lock) => self.lock(now, job, lock),
        }
    }

    /// Locks the key for `job`, unless another one holds it, whatever is stored.
    pub fn lock(&mut self, now: SimTime, job: u32, lock: &LockConfig) -> Admission {
        if now < self.locked_until {
            return Admission::Conflict(lock.conflict_status);
        }
        self.locked_until = lock.lock_ttl.map_or(SimTime::NEVER, |ttl| now + ttl);
        self.holder = job;
        Admission::Work
    }

    /// The status of the reply that is stored.
    pub fn stored(&self, now: SimTime) -> Option<u16> {
        (now < self.stored_until).then_some(self.status)
    }

    /// True if the key is locked, by whomever.
    pub fn is_held(&self, now: SimTime) -> bool {
        now < self.locked_until
    }

    /// True if anything is known of the key: that it is locked, or a reply.
    pub fn is_known(&self, now: SimTime) -> bool {
        now < self.stored_until || self.is_held(now)
    }

    /// The work of `job` has ended. `reply` is its status and whether it had an effect; `None` for a hang.
    pub fn end(&mut self, now: SimTime, job: u32, reply: Option<(u16, bool)>, store: &Idempotency) {
        let Some(StoreRules { retention, stores, .. }) = store.rules() else { return };
        let kept = reply.filter(|(status, executed)| stores.keeps(*status, *executed));
        if let Some((status, _)) = kept {
            self.status = status;
            self.stored_until = now + retention;
        }
        let Idempotency::Lock(lock) = store else { return };
        if kept.is_none() && lock.on_failure == LockOnFailure::Keep {
            self.orphan(job);
        } else if lock.freed_by == FreedBy::Anyone {
            self.free();
        } else {
            self.release(job);
        }
    }

    /// The work of `job` was cancelled, and has freed the lock.
    pub fn cancel(&mut self, job: u32, store: &Idempotency) {
        match store.has_lock() {
            Some(LockConfig { freed_by: FreedBy::Anyone, .. }) => self.free(),
            _ => self.release(job),
        }
    }

    /// `job` is done: its lock, if it still holds it, is gone.
    pub fn release(&mut self, job: u32) {
        if self.holder == job {
            self.free();
        }
    }

    fn free(&mut self) {
        self.holder = u32::MAX;
        self.locked_until = SimTime::ZERO;
    }

    /// The server crashed under `job`, or its handler threw: the lock stays until its time is up, but nobody holds it.
    pub fn orphan(&mut self, job: u32) {
        if self.holder == job {
            self.holder = u32::MAX;
        }
    }
}

/// What is known of the key of the operation at `row`.
#[inline(always)]
pub fn record(records: &mut Vec<Record>, row: u32) -> &mut Record {
    if records.len() <= row as usize {
        make_room(records, row);
    }
    &mut records[row as usize]
}

#[inline(never)]
fn make_room(records: &mut Vec<Record>, row: u32) {
    records.resize(row as usize + 1, Record::default());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{CacheConfig, Stores};
    use crate::units::Span;

    fn lock() -> LockConfig {
        LockConfig { retention: Span::secs(100), ..LockConfig::default() }
    }

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
        let locked = Idempotency::Lock(lock());
        check(
            &locked,
            &[
                (0, 1, Ok(Work)),
                (1, 2, Ok(Conflict(409))),
                (2, 1, Err(ok)),
                (3, 3, Ok(Replay(200))),
                (102, 4, Ok(Work)),
            ],
        );
        check(&locked, &[(0, 1, Ok(Work)), (2, 1, Err(error)), (3, 3, Ok(Work))]);
        check(&locked, &[(0, 1, Ok(Work)), (2, 1, Err(None)), (3, 3, Ok(Work))]);
        // The lock ends before the work: a second try does the work again, and the first one's end does not unlock it.
        let overtaken = |third| [(0, 1, Ok(Work)), (30, 2, Ok(Work)), (31, 1, Err(error)), (32, 3, Ok(third))];
        check(&locked, &overtaken(Conflict(409)));
        // Unless whoever ends frees it.
        check(&Idempotency::Lock(LockConfig { freed_by: FreedBy::Anyone, ..lock() }), &overtaken(Work));
        // A cache is not atomic, and this one stores errors.
        let cache =
            |stores| Idempotency::Cache(CacheConfig { retention: Span::secs(100), stores, ..Default::default() });
        let twice = |third| [(0, 1, Ok(Work)), (1, 2, Ok(Work)), (2, 1, Err(error)), (3, 3, Ok(third))];
        check(&cache(Stores::Everything), &twice(Replay(500)));
        check(&cache(Stores::Successes), &twice(Work));
        check(&Idempotency::None, &[(0, 1, Ok(Work)), (2, 1, Err(ok)), (3, 3, Ok(Work))]);
    }

    #[test]
    fn what_is_stored() {
        use Admission::{Replay, Work};
        // Success, late error, failure.
        let ends = [(200, true), (500, true), (500, false)];
        for (stores, kept) in [
            (Stores::Successes, [Replay(200), Work, Work]),
            (Stores::Effects, [Replay(200), Replay(500), Work]),
            (Stores::Everything, [Replay(200), Replay(500), Replay(500)]),
        ] {
            for (end, expected) in ends.into_iter().zip(kept) {
                check(
                    &Idempotency::Lock(LockConfig { stores, ..lock() }),
                    &[(0, 1, Ok(Work)), (1, 1, Err(Some(end))), (2, 2, Ok(expected))],
                );
            }
        }
    }

    #[test]
    fn a_handler_that_throws_leaves_its_lock() {
        use Admission::{Conflict, Replay, Work};
        let store = Idempotency::Lock(LockConfig { on_failure: LockOnFailure::Keep, ..lock() });
        for failed in [Some((500, false)), Some((500, true)), None] {
            check(&store, &[(0, 1, Ok(Work)), (1, 1, Err(failed)), (29, 2, Ok(Conflict(409))), (30, 3, Ok(Work))]);
        }
        check(&store, &[(0, 1, Ok(Work)), (1, 1, Err(Some((200, true)))), (2, 2, Ok(Replay(200)))]);
        // What is stored has no lock any more, when it is forgotten.
        let for_ever = Idempotency::Lock(LockConfig { lock_ttl: None, on_failure: LockOnFailure::Keep, ..lock() });
        check(&for_ever, &[(0, 1, Ok(Work)), (1, 1, Err(Some((200, true)))), (101, 2, Ok(Work))]);
        // The lock of another one is not its own to keep.
        check(
            &store,
            &[
                (0, 1, Ok(Work)),
                (30, 2, Ok(Work)),
                (31, 1, Err(None)),
                (32, 2, Err(Some((200, true)))),
                (33, 3, Ok(Replay(200))),
            ],
        );
    }

    #[test]
    fn a_crash_keeps_the_lock_and_a_cancel_frees_it() {
        let store = Idempotency::Lock(lock());
        for (crash, expected) in [(true, Admission::Conflict(409)), (false, Admission::Work)] {
            let mut record = Record::default();
            record.begin(SimTime::ZERO, 1, &store);
            if crash {
                record.orphan(1)
            } else {
                record.release(1)
            }
            assert_eq!(record.begin(SimTime::ZERO + Span::secs(5), 2, &store), expected);
        }
    }
}
