//! A server's queue: a doubly linked list through the attempts themselves, so that any of them can leave at once.

use super::job::{Job, Place};
use crate::slab::Slab;

const NONE: u32 = u32::MAX;

/// Attempts waiting, in order of arrival.
#[derive(Debug)]
pub struct Waiting {
    first: u32,
    last: u32,
    len: u32,
}

impl Default for Waiting {
    fn default() -> Waiting {
        Waiting { first: NONE, last: NONE, len: 0 }
    }
}

impl Waiting {
    /// How many wait.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Who has waited longest.
    pub fn first(&self) -> Option<u32> {
        (self.first != NONE).then_some(self.first)
    }

    /// Who came last.
    pub fn last(&self) -> Option<u32> {
        (self.last != NONE).then_some(self.last)
    }

    /// Joins at the end.
    #[inline]
    pub fn push(&mut self, id: u32, jobs: &mut Slab<Job>) {
        let job = &mut jobs[id];
        job.place = Place::Waiting;
        job.ahead = self.last;
        job.behind = NONE;
        match self.last {
            NONE => self.first = id,
            last => jobs[last].behind = id,
        }
        self.last = id;
        self.len += 1;
    }

    /// Leaves from anywhere.
    #[inline]
    pub fn remove(&mut self, id: u32, jobs: &mut Slab<Job>) {
        let job = &mut jobs[id];
        job.place = Place::Elsewhere;
        let (ahead, behind) = (job.ahead, job.behind);
        match ahead {
            NONE => self.first = behind,
            ahead => jobs[ahead].behind = behind,
        }
        match behind {
            NONE => self.last = ahead,
            behind => jobs[behind].ahead = ahead,
        }
        self.len -= 1;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::super::job::Keyed;
    use super::*;
    use crate::key::CallKey;

    proptest! {
        /// Behaves as a deque from whose middle one can leave.
        #[test]
        fn is_a_deque(steps in proptest::collection::vec((0u8..4, 0usize..8), 0..60)) {
            let mut jobs = Slab::default();
            let mut waiting = Waiting::default();
            let mut model: VecDeque<u32> = VecDeque::new();
            for (step, which) in steps {
                match step {
                    0 => {
                        let id = jobs.insert(Job::new(CallKey::operation(0), 1, 0, 0, Keyed::Passes));
                        waiting.push(id, &mut jobs);
                        model.push_back(id);
                    }
                    1 => if let Some(id) = model.pop_front() {
                        waiting.remove(id, &mut jobs);
                    },
                    2 => if let Some(id) = model.pop_back() {
                        waiting.remove(id, &mut jobs);
                    },
                    _ => if let Some(id) = model.remove(which) {
                        waiting.remove(id, &mut jobs);
                    },
                }
                prop_assert_eq!(waiting.first(), model.front().copied());
                prop_assert_eq!(waiting.last(), model.back().copied());
                prop_assert_eq!(waiting.len() as usize, model.len());
            }
        }
    }
}
