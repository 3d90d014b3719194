//! A server's queue: a doubly linked list through the attempts themselves, so that any of them can leave at once.

use super::job::Job;
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

    /// Joins at the end.
    pub fn push(&mut self, id: u32, jobs: &mut Slab<Job>) {
        jobs[id].ahead = self.last;
        jobs[id].behind = NONE;
        match self.last {
            NONE => self.first = id,
            last => jobs[last].behind = id,
        }
        self.last = id;
        self.len += 1;
    }

    /// Leaves from anywhere.
    pub fn remove(&mut self, id: u32, jobs: &mut Slab<Job>) {
        let (ahead, behind) = (jobs[id].ahead, jobs[id].behind);
        match ahead {
            NONE => self.first = behind,
            ahead => jobs[ahead].behind = behind,
        }
        match behind {
            NONE => self.last = ahead,
            behind => jobs[behind].ahead = ahead,
        }
        self.len -= 1;
        jobs[id].place = super::Place::Elsewhere;
    }

    /// Takes who has waited longest.
    pub fn take_first(&mut self, jobs: &mut Slab<Job>) -> Option<u32> {
        let id = self.first;
        (id != NONE).then(|| {
            self.remove(id, jobs);
            id
        })
    }

    /// Takes who came last.
    pub fn take_last(&mut self, jobs: &mut Slab<Job>) -> Option<u32> {
        let id = self.last;
        (id != NONE).then(|| {
            self.remove(id, jobs);
            id
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

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
                        let id = jobs.insert(Job::new(0, 1, 0, 0, false));
                        waiting.push(id, &mut jobs);
                        model.push_back(id);
                    }
                    1 => prop_assert_eq!(waiting.take_first(&mut jobs), model.pop_front()),
                    2 => prop_assert_eq!(waiting.take_last(&mut jobs), model.pop_back()),
                    _ => if let Some(id) = model.remove(which) {
                        waiting.remove(id, &mut jobs);
                    },
                }
                prop_assert_eq!(waiting.len() as usize, model.len());
            }
        }
    }
}
