//! Time that stands still: more happens at one instant than can be simulated.
//!
//! One operation that retries at once for ever is stopped by its own count. Here are the crowds: many operations that retry
//! in turn, clients that neither think nor wait, demand without time between its operations.

use super::stop::{MOST_ATTEMPTS_AT_ONCE, Stop};
use crate::scenario::{Arrivals, World};
use crate::units::SimTime;

/// What a crowd may do at one instant.
struct Crowd {
    /// Each, on average.
    each: u64,
    /// All together: so much at least, and not much more than so much.
    together: (u64, u64),
}

/// Attempts of all operations that are open.
const ATTEMPTS: Crowd = Crowd { each: 1_000, together: (10_000_000, 100_000_000) };
/// Operations of all clients of a closed loop.
const OPERATIONS: Crowd = Crowd { each: 1_000, together: (1_000_000, 100_000_000) };

impl Crowd {
    fn most(&self, of: u64) -> u64 {
        // However many there are, a few times each is no standstill.
        (self.each * of).clamp(self.together.0, self.together.1).max(10 * of)
    }
}

/// So many attempts of all operations at one instant are not counted for each of them: it would cost every herd something.
const FEW: u64 = MOST_ATTEMPTS_AT_ONCE as u64;

/// How much has happened at the present instant.
#[derive(Clone, Debug, Default)]
pub struct AtOnce {
    at: SimTime,
    operations: u64,
    attempts: u64,
    /// Of these, the ones of the operation that made the last one, as long as it made all.
    alone: u64,
    last: u32,
    /// Attempts by the operation's place, beyond the first few of all.
    each: Vec<u32>,
    storm: bool,
}

impl AtOnce {
    /// An operation starts at `row`.
    #[inline]
    pub fn operation(&mut self, now: SimTime, row: u32) {
        self.begin(now);
        self.operations += 1;
        if self.last == row {
            // From here on the place is another one's.
            self.alone = 0;
        }
        if !self.each.is_empty()
            && let Some(attempts) = self.each.get_mut(row as usize)
        {
            // Of another one that ended at this instant.
            *attempts = 0;
        }
    }

    /// An attempt of the operation at `row` is sent, or refused and will be tried again.
    #[inline(always)]
    pub fn attempt(&mut self, now: SimTime, row: u32) {
        self.begin(now);
        self.alone = if self.last == row && self.alone == self.attempts {
            self.alone + 1
        } else {
            u64::from(self.attempts == 0)
        };
        self.last = row;
        self.attempts += 1;
        if self.attempts > FEW {
            self.count(row);
        }
    }

    #[inline]
    fn begin(&mut self, now: SimTime) {
        if self.at != now {
            (self.at, self.operations, self.attempts) = (now, 0, 0);
            if !self.each.is_empty() {
                self.each.clear();
            }
        }
    }

    fn count(&mut self, row: u32) {
        if self.each.len() <= row as usize {
            self.each.resize(row as usize + 1, 0);
        }
        let attempts = &mut self.each[row as usize];
        *attempts += 1;
        // One that is alone is counted from its first attempt on.
        self.storm |= *attempts > MOST_ATTEMPTS_AT_ONCE || self.alone > u64::from(MOST_ATTEMPTS_AT_ONCE);
    }

    /// Where the operation stands that made an attempt last.
    pub fn last(&self) -> u32 {
        self.last
    }

    /// True if one operation made more attempts at one instant than [`MOST_ATTEMPTS_AT_ONCE`].
    #[inline]
    pub fn storm(&self) -> bool {
        self.storm
    }

    /// Bytes taken.
    pub fn bytes(&self) -> usize {
        self.each.capacity() * size_of::<u32>()
    }

    /// Is it still possible that time moves on, with so many operations open?
    ///
    /// # Errors
    /// Says what makes it stand still.
    pub fn check(&self, world: &World, open: u64) -> Result<(), Stop> {
        let operations = match world.arrivals {
            // As many as were asked for; more come only from rounds without time between them.
            Arrivals::Burst { operations, .. } => operations,
            Arrivals::Trace(ref trace) => trace.at.len() as u64,
            Arrivals::Closed { .. } => OPERATIONS.most(u64::from(world.clients)),
            Arrivals::Poisson { .. } | Arrivals::Constant { .. } | Arrivals::Profile(_) => OPERATIONS.most(1),
        };
        if self.operations > operations {
            return Err(Stop::Standstill { at: self.at });
        }
        if self.attempts > ATTEMPTS.most(open) {
            return Err(Stop::RetryStorms { at: self.at, attempts: self.attempts });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: u64 = MOST_ATTEMPTS_AT_ONCE as u64;

    /// Attempts at places in turn, all at one instant: is it a storm?
    fn storms(attempts: u64, places: u64, ends: bool) -> bool {
        let mut at_once = AtOnce::default();
        for attempt in 0..attempts {
            let row = (attempt % places) as u32;
            if ends {
                // Another operation each time.
                at_once.operation(SimTime(5), row);
            }
            at_once.attempt(SimTime(5), row);
        }
        at_once.storm()
    }

    #[test]
    fn one_operation_is_a_storm_and_a_crowd_is_none() {
        assert!(storms(MOST + 1, 1, false));
        assert!(!storms(MOST, 1, false));
        assert!(!storms(FEW + MOST + 1, 2, false));
        assert!(storms(FEW + 2 * MOST + 1, 2, false));
        assert!(!storms(FEW + MOST + 1, 1, true), "many operations, one after the other at one place");
    }

    #[test]
    fn another_instant_begins_anew() {
        let mut at_once = AtOnce::default();
        for instant in 1..4 {
            (0..MOST).for_each(|_| at_once.attempt(SimTime(instant), 7));
        }
        assert!(!at_once.storm());
    }
}
