//! The books of effects: how often the work of an operation was carried out, and what came of it for its user.

use crate::call::Verdict;

/// Operations with fewer executions than this are only counted until the end.
pub(super) const FEW: usize = 4;

/// Executions of operations and what came of them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Books {
    pub operations: u64,
    pub executions: u64,
    pub effects: u64,
    /// Of these, wanted ones: the first of an operation, and of each place where it has any; or as many as are wanted of its thing.
    pub firsts: u64,
    /// Operations that have done everything that they were to do.
    pub effective: u64,
    /// Operations that are over and were left half done.
    pub half_done: u64,
    /// Operations with more than that at one place.
    pub duplicated: u64,
}

impl Books {
    /// Enters so many operations of so many executions each.
    pub fn enter(&mut self, operations: u64, executions: u32, most_effects: u32) {
        let effects = executions.min(most_effects);
        self.operations += operations;
        self.executions += operations * u64::from(executions);
        self.effects += operations * u64::from(effects);
        self.effective += if effects > 0 { operations } else { 0 };
        self.firsts += if effects > 0 { operations } else { 0 };
        self.duplicated += if effects > 1 { operations } else { 0 };
    }

    /// Enters an operation with what it has done at each of its places.
    pub fn enter_places(&mut self, places: impl Iterator<Item = Done>, standing: Standing) {
        let mut duplicated = false;
        for Done { executions, effects, firsts } in places {
            self.executions += u64::from(executions);
            self.effects += u64::from(effects);
            self.firsts += u64::from(firsts);
            duplicated |= effects > firsts;
        }
        self.operations += 1;
        self.effective += u64::from(standing == Standing::All);
        self.half_done += u64::from(standing == Standing::Partly);
        self.duplicated += u64::from(duplicated);
    }
}

/// What is in force of what an operation was to do: effects that were not undone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// Nothing.
    #[default]
    Nothing,
    /// Some of it: it was left half done.
    Partly,
    /// All of it.
    All,
}

/// What has become of the steps of an operation, where it goes on after failures and crashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftBehind {
    /// What is in force.
    pub standing: Standing,
    /// Steps whose effect is missing: of an operation that has succeeded, or was left half done.
    pub missing: u32,
    /// It has undone all that it had done.
    pub is_undone: bool,
    /// An undo has failed: that is left for a person.
    pub is_left: bool,
    /// Calls of steps that it had made before.
    pub repeated: u32,
    /// It is in a dead-letter queue.
    pub is_parked: bool,
}

/// What an operation has done at one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    /// Executions.
    pub executions: u32,
    /// What came of them.
    pub effects: u32,
    /// Of these, wanted ones. The others are duplicates.
    pub firsts: u32,
}

impl Done {
    /// So many executions, where one effect is wanted and there are so many at most.
    pub fn new(executions: u32, most_effects: u32) -> Done {
        let effects = executions.min(most_effects);
        Done { executions, effects, firsts: effects.min(1) }
    }
}

/// The books of operations in a dead-letter queue; [`book_of`] says which the others are.
pub(super) const PARKED: usize = 3;

/// Which books an operation is in: 0 unresolved, 1 succeeded, 2 failed.
#[inline]
pub(super) fn book_of(verdict: Option<Verdict>) -> usize {
    match verdict {
        None => 0,
        Some(Verdict::Succeeded) => 1,
        Some(Verdict::Failed(_)) => 2,
    }
}
