//! The limit on a call's time: its deadline, or that of its retries.

use crate::retry::{AtLimit, Policy};
use crate::units::{SimTime, Span};

/// Until when there are retries, and until when an attempt may be open.
#[derive(Clone, Copy, Debug)]
pub(super) struct TimeLimit {
    /// [`SimTime::NEVER`]: there is none.
    at: SimTime,
    /// What becomes of a wait that reaches it.
    rule: AtLimit,
    /// So long after it an open attempt is ended.
    beyond: Span,
}

impl TimeLimit {
    /// That of a call that may be retried until `at`.
    pub(super) fn new(at: SimTime, policy: &dyn Policy) -> TimeLimit {
        let (rule, beyond) = policy.at_deadline();
        TimeLimit { at, rule, beyond }
    }

    /// When a wait ends that would end at `until`, at the limit or after it; `None`: it is not begun.
    pub(super) fn allows(self, until: SimTime) -> Option<SimTime> {
        let until = match self.rule {
            AtLimit::Deadline => None,
            AtLimit::Fits => (until <= self.at).then_some(until),
            AtLimit::Elapsed => Some(until),
            AtLimit::Cut => Some(self.at),
        };
        until.filter(|until| !self.is_end(*until))
    }

    /// True if there are no more retries now, when the limit has come.
    pub(super) fn is_over(self, now: SimTime) -> bool {
        let is_over = match self.rule {
            AtLimit::Deadline | AtLimit::Elapsed | AtLimit::Cut => true,
            AtLimit::Fits => now > self.at,
        };
        is_over || self.is_end(now)
    }

    /// True if no attempt may be open any more at this instant.
    pub(super) fn is_end(self, at: SimTime) -> bool {
        at >= self.end() && self.end() != SimTime::NEVER
    }

    /// When an attempt that is open is ended.
    pub(super) fn end(self) -> SimTime {
        self.at + self.beyond
    }
}
