//! The measured part of a run. What lies in it is added up in whole nanoseconds, exactly.

use crate::units::{SimTime, Span};

/// The part of a run in which something is measured: [from, until).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First instant.
    pub from: SimTime,
    /// First instant after it.
    pub until: SimTime,
}

impl Window {
    /// True if `t` lies in it.
    pub fn contains(self, t: SimTime) -> bool {
        self.from <= t && t < self.until
    }

    /// How much of [a, b) lies in it.
    pub fn overlap(self, a: SimTime, b: SimTime) -> Span {
        b.min(self.until).since(a.max(self.from))
    }

    /// Its length.
    pub fn length(self) -> Span {
        self.until.since(self.from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlaps() {
        let window = Window { from: SimTime(10), until: SimTime(20) };
        for (a, b, expected) in
            [(0, 10, 0), (5, 12, 2), (12, 15, 3), (15, 99, 5), (20, 30, 0), (0, 99, 10), (15, 12, 0)]
        {
            assert_eq!(window.overlap(SimTime(a), SimTime(b)), Span(expected), "{a} to {b}");
        }
    }
}
