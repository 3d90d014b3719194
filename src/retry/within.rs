//! A policy under a deadline that comes from outside: of a call that is made while somebody else waits.

use rand::Rng;

use super::{AtLimit, AttemptPlan, Decision, History, KeyMode, Policy};
use crate::protocol::{Failure, Outcome};
use crate::units::Span;

/// The same policy, and the call is over this long after its start, whatever the policy's own deadline says. Of two the earlier one counts.
#[derive(Debug)]
pub struct Within<'a> {
    /// The policy.
    pub policy: &'a dyn Policy,
    /// From the start of the call; [`Span::MAX`]: for ever.
    pub left: Span,
}

impl Within<'_> {
    /// True if the deadline from outside is the earlier one.
    fn counts(&self) -> bool {
        self.left < Span::MAX && self.policy.deadline().is_none_or(|own| self.left <= own)
    }

    /// So long after the policy's own limit an attempt may be open.
    fn beyond(&self, own: Span) -> Span {
        match self.policy.deadline() {
            _ if self.counts() => Span::ZERO,
            Some(limit) if self.left < Span::MAX => own.min(self.left - limit),
            _ => own,
        }
    }
}

impl Policy for Within<'_> {
    fn attempt(&self, history: &History) -> AttemptPlan {
        let plan = self.policy.attempt(history);
        AttemptPlan { beyond: self.beyond(plan.beyond), ..plan }
    }

    fn on_failure(&self, failure: &Failure, history: &mut History, rng: &mut dyn Rng) -> Decision {
        self.policy.on_failure(failure, history, rng)
    }

    fn on_refusal(&self, history: &mut History, rng: &mut dyn Rng) -> Decision {
        self.policy.on_refusal(history, rng)
    }

    fn is_retried(&self, failure: &Failure) -> bool {
        self.policy.is_retried(failure)
    }

    fn hint(&self, failure: &Failure) -> Option<Span> {
        self.policy.hint(failure)
    }

    fn is_failure(&self, outcome: Outcome) -> bool {
        self.policy.is_failure(outcome)
    }

    fn is_free(&self, outcome: Outcome, history: &History) -> bool {
        self.policy.is_free(outcome, history)
    }

    fn deadline(&self) -> Option<Span> {
        if self.counts() { Some(self.left) } else { self.policy.deadline() }
    }

    fn at_deadline(&self) -> (AtLimit, Span) {
        if self.counts() {
            return (AtLimit::Deadline, Span::ZERO);
        }
        let (rule, own) = self.policy.at_deadline();
        (rule, self.beyond(own))
    }

    fn key(&self) -> KeyMode {
        self.policy.key()
    }

    fn key_lost(&self) -> f64 {
        self.policy.key_lost()
    }

    fn draws(&self) -> bool {
        self.policy.draws()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retry::{RetryFor, RetryPolicy};

    /// Until when there are retries, by which rule, and how much longer an attempt may be open.
    fn check(policy: &RetryPolicy, left: Span, expected: (Option<Span>, AtLimit, Span)) {
        let within = Within { policy, left };
        let (rule, beyond) = within.at_deadline();
        assert_eq!((within.deadline(), rule, beyond), expected, "{policy:?} within {left}");
        assert_eq!(within.attempt(&History::default()).beyond, beyond, "plans say the same");
    }

    #[test]
    fn the_earlier_deadline_counts() {
        let secs = Span::secs;
        let none = RetryPolicy::default();
        let own = RetryPolicy { attempts: Some(3), deadline: Some(secs(5)), ..RetryPolicy::default() };
        check(&none, Span::MAX, (None, AtLimit::Deadline, Span::ZERO));
        check(&none, secs(3), (Some(secs(3)), AtLimit::Deadline, Span::ZERO));
        check(&own, secs(3), (Some(secs(3)), AtLimit::Deadline, Span::ZERO));
        check(&own, secs(7), (Some(secs(5)), AtLimit::Deadline, Span::ZERO));
        // A limit on retries ends no attempt, and the deadline from outside does.
        let retry_for = Some(RetryFor { limit: secs(5), rule: AtLimit::Elapsed });
        let limited = RetryPolicy { deadline: None, retry_for, ..own.clone() };
        check(&limited, Span::MAX, (Some(secs(5)), AtLimit::Elapsed, Span::MAX));
        check(&limited, secs(7), (Some(secs(5)), AtLimit::Elapsed, secs(2)));
        check(&limited, secs(3), (Some(secs(3)), AtLimit::Deadline, Span::ZERO));
        let both = RetryPolicy { deadline: Some(secs(6)), retry_for, ..own };
        check(&both, secs(7), (Some(secs(5)), AtLimit::Elapsed, secs(1)));
        check(&both, Span::MAX, (Some(secs(5)), AtLimit::Elapsed, secs(1)));
    }
}
