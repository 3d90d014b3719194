//! Limits beside the number of attempts: most retries after some outcomes, retries that do not count, and the time in which there are retries.

use super::classify::OutcomeSet;
use super::policy::History;
use crate::protocol::Outcome;
use crate::units::Span;

/// Most causes that can have a limit of their own: what a call remembers of them is in its cache line.
pub const MOST_CAUSES: usize = 3;

/// What a policy limits, or lets pass, beside the number of attempts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Most retries after some outcomes; an outcome counts for all that name it. The first [`MOST_CAUSES`] apply.
    pub causes: Vec<Cause>,
    /// Retries that do not count.
    pub free: Option<Free>,
}

/// Outcomes after which there are no more than so many retries (urllib3's `connect`, `read` and `status`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The outcomes.
    pub on: OutcomeSet,
    /// Most retries of a call after them, all together.
    pub retries: u8,
}

/// Retries that do not count: sent at once, no attempts of the policy's, and the same attempt for gates (gRPC's transparent retries).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Free {
    /// The outcomes they follow, whether these are retried otherwise or not.
    pub on: OutcomeSet,
    /// Most of them in a call.
    pub retries: u8,
    /// Only while no retry that counts has been sent.
    pub first_only: bool,
}

/// A limit on the time in which a call is retried. It ends no attempt that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryFor {
    /// From the start of the call.
    pub limit: Span,
    /// What becomes of a wait that would last longer.
    pub rule: AtLimit,
}

/// What a limit on time does to waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AtLimit {
    /// A deadline: none is begun that would end then or later.
    Deadline,
    /// None is begun that would end later (google-api-core, cenkalti/backoff).
    #[default]
    Fits,
    /// One that begins before lasts as long as it lasts; none begins then or later (tenacity).
    Elapsed,
    /// One that would end later ends then; none begins then or later (Failsafe, p-retry).
    Cut,
}

/// What a call has used of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    by_cause: [u8; MOST_CAUSES],
    free: u8,
}

impl Used {
    /// Retries that did not count.
    #[inline(always)]
    pub fn free(self) -> u32 {
        self.free.into()
    }

    /// Another retry that does not count is sent.
    pub fn take_free(&mut self) {
        self.free = self.free.saturating_add(1);
    }
}

impl Limits {
    /// True if an attempt that ended with `outcome` is sent again without counting.
    pub fn is_free(&self, outcome: Outcome, history: &History) -> bool {
        self.free.as_ref().is_some_and(|free| {
            free.on.contains(outcome)
                && history.used.free < free.retries
                && (!free.first_only || history.counted() - history.refused == 1)
        })
    }

    /// Most retries that causes leave a call, if each outcome of `retried` is of one.
    pub fn most_retries(&self, retried: &OutcomeSet) -> Option<u32> {
        let others = [Outcome::Timeout, Outcome::Refused, Outcome::Reset];
        let mut outcomes = (300..600).map(Outcome::Status).chain(others).filter(|outcome| retried.contains(*outcome));
        let all = outcomes.all(|outcome| self.causes.iter().any(|cause| cause.on.contains(outcome)));
        all.then(|| self.causes.iter().map(|cause| u32::from(cause.retries)).sum())
    }

    /// Another retry after `outcome`, for all causes that it is of. False if one of them has had all it may have; then nothing is counted.
    pub fn take(&self, outcome: Outcome, used: &mut Used) -> bool {
        let is_mine = |cause: &Cause| cause.on.contains(outcome);
        let mut causes = self.causes.iter().zip(used.by_cause);
        if causes.any(|(cause, had)| is_mine(cause) && had >= cause.retries) {
            return false;
        }
        for (cause, had) in self.causes.iter().zip(&mut used.by_cause) {
            *had = had.saturating_add(is_mine(cause).into());
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retry::OutcomeClass;

    fn on(words: &str) -> OutcomeSet {
        OutcomeSet::new(words.split(' ').map(|word| OutcomeClass::parse(word).expect("an outcome")).collect())
    }

    #[test]
    fn causes_count_apart_and_together() {
        let cause = |words, retries| Cause { on: on(words), retries };
        let limits =
            Limits { causes: vec![cause("refused", 1), cause("reset timeout", 2), cause("any", 3)], free: None };
        let mut used = Used::default();
        let mut take = |outcome| limits.take(outcome, &mut used);
        assert_eq!([take(Outcome::Refused), take(Outcome::Refused)], [true, false], "once after it was refused");
        assert_eq!([take(Outcome::Reset), take(Outcome::Timeout)], [true, true], "what was denied did not count");
        assert_eq!([take(Outcome::Reset), take(Outcome::Status(503))], [false, false], "three in all");
        assert_eq!(limits.most_retries(&OutcomeSet::any()), Some(6));
        let some = Limits { causes: vec![cause("refused", 1), cause("4xx", 2)], free: None };
        assert_eq!(some.most_retries(&on("refused 429")), Some(3));
        assert_eq!(some.most_retries(&on("refused 503")), None);
        let most = Limits { causes: vec![cause("any", u8::MAX)], free: None };
        let mut used = Used::default();
        assert_eq!((0..1_000).filter(|_| most.take(Outcome::Reset, &mut used)).count(), 255);
    }

    #[test]
    fn free_retries_are_few() {
        let free =
            |first_only| Limits { causes: Vec::new(), free: Some(Free { on: on("refused"), retries: 1, first_only }) };
        let mut history = History { attempts: 1, ..History::default() };
        assert!(free(true).is_free(Outcome::Refused, &history) && !free(true).is_free(Outcome::Reset, &history));
        history.attempts = 2;
        assert!(free(false).is_free(Outcome::Refused, &history) && !free(true).is_free(Outcome::Refused, &history));
        // The second attempt that was sent, after one that a gate refused, is still the first.
        history.refused = 1;
        assert!(free(true).is_free(Outcome::Refused, &history));
        history.used.take_free();
        assert!(!free(false).is_free(Outcome::Refused, &history), "it has had its one");
    }
}
