//! A hash of what happened: two runs with one digest did the same, attempt by attempt.

use crate::protocol::Outcome;
use crate::rng::mix;
use crate::units::SimTime;

/// Hashes, in order, every attempt's end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest(u64);

impl Digest {
    /// An attempt of an operation's only step ended.
    #[inline]
    pub fn attempt_ended(&mut self, at: SimTime, operation: u64, attempt: u32, outcome: Outcome) {
        let code = match outcome {
            Outcome::Status(status) => u64::from(status),
            Outcome::Timeout => 1,
            Outcome::Connection => 2,
            Outcome::Open => 3,
        };
        self.fold(at.0);
        self.fold(operation);
        self.fold(u64::from(attempt) << 16 | code);
    }

    /// Adds a number.
    #[inline]
    pub fn fold(&mut self, value: u64) {
        self.0 = mix(self.0.rotate_left(23) ^ value).wrapping_add(0x9e37_79b9_7f4a_7c15);
    }

    /// The hash so far.
    #[inline]
    pub fn value(self) -> u64 {
        self.0
    }
}
