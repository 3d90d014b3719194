//! A hash of what happened: two runs with one digest did the same, attempt by attempt.

use crate::key::CallKey;
use crate::mix::{GOLDEN, mix};
use crate::protocol::Outcome;
use crate::scenario::metric::OutcomeKey;
use crate::units::SimTime;

/// One number for an outcome: statuses have three digits, and the numbers 1 to 4 are free for what brought none.
#[inline]
pub fn code(outcome: Outcome) -> u16 {
    // Most attempts are answered. The numbers of the others are looked up, not jumped to.
    if let Outcome::Status(status) = outcome {
        return status;
    }
    match outcome {
        Outcome::Refused | Outcome::Reset => 2,
        Outcome::Open => 3,
        Outcome::Cancelled => 4,
        Outcome::Timeout | Outcome::Status(_) => 1,
    }
}

/// What a [`code`] stands for in metrics.
pub fn of_code(code: u16) -> OutcomeKey {
    match code {
        1 => OutcomeKey::Timeout,
        2 => OutcomeKey::Connection,
        3 => OutcomeKey::Open,
        4 => OutcomeKey::Cancelled,
        status => OutcomeKey::Status(status),
    }
}

/// Hashes, in order, every attempt's end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest(u64);

impl Digest {
    /// An attempt of a call ended, with the outcome of this [`code`].
    #[inline]
    pub fn attempt_ended(&mut self, at: SimTime, call: CallKey, attempt: u32, code: u16) {
        self.fold(at.0);
        self.fold(call.value());
        self.fold(u64::from(attempt) << 16 | u64::from(code));
    }

    /// Adds a number.
    #[inline]
    pub fn fold(&mut self, value: u64) {
        self.0 = mix(self.0.rotate_left(23) ^ value).wrapping_add(GOLDEN);
    }

    /// The hash so far.
    #[inline]
    pub fn value(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_have_numbers_of_their_own() {
        let outcomes = [Outcome::Timeout, Outcome::Refused, Outcome::Open, Outcome::Cancelled, Outcome::Status(100)];
        assert_eq!(outcomes.map(code), [1, 2, 3, 4, 100]);
        for outcome in outcomes {
            assert_eq!(of_code(code(outcome)), OutcomeKey::of(outcome));
        }
    }
}
