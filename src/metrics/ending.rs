//! How operations ended, and after how many attempts.

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Succeeded at its first attempt.
    First,
    /// Succeeded at its second attempt.
    Second,
    /// Succeeded at its third attempt.
    Third,
    /// Succeeded at its fourth attempt.
    Fourth,
    /// Succeeded at its fifth attempt or a later one.
    Later,
    /// Failed after two attempts or more.
    AfterRetries,
    /// Failed after one attempt.
    AfterOne,
    /// Failed without an attempt: a gate refused the first one, or made it wait for longer than there was time.
    Refused,
    /// In a dead-letter queue when the run ended.
    Parked,
    /// The run ended first.
    Unresolved,
}

impl Ending {
    /// Every ending; successes come first.
    pub const ALL: [Ending; 10] = [
        Ending::First,
        Ending::Second,
        Ending::Third,
        Ending::Fourth,
        Ending::Later,
        Ending::AfterRetries,
        Ending::AfterOne,
        Ending::Refused,
        Ending::Parked,
        Ending::Unresolved,
    ];

    /// Of an operation that ended after this many attempts.
    pub fn of(succeeded: bool, attempts: u32) -> Ending {
        match (succeeded, attempts) {
            (true, 0 | 1) => Ending::First,
            (true, 2) => Ending::Second,
            (true, 3) => Ending::Third,
            (true, 4) => Ending::Fourth,
            (true, _) => Ending::Later,
            (false, 0) => Ending::Refused,
            (false, 1) => Ending::AfterOne,
            (false, _) => Ending::AfterRetries,
        }
    }

    /// True if the operation succeeded.
    pub fn succeeded(self) -> bool {
        (self as usize) < Ending::AfterRetries as usize
    }
}

/// A number for each ending, in the order of [`Ending::ALL`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ByEnding<T>([T; Ending::ALL.len()]);

impl<T> std::ops::Index<Ending> for ByEnding<T> {
    type Output = T;

    fn index(&self, ending: Ending) -> &T {
        &self.0[ending as usize]
    }
}

impl<T> std::ops::IndexMut<Ending> for ByEnding<T> {
    fn index_mut(&mut self, ending: Ending) -> &mut T {
        &mut self.0[ending as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_decide_together_with_the_result() {
        for (index, ending) in Ending::ALL.into_iter().enumerate() {
            assert_eq!(ending as usize, index, "Ending::ALL is in the order of the declaration");
            assert_eq!(ending.succeeded(), index < 5);
        }
        let successes: Vec<Ending> = (1..8).map(|attempts| Ending::of(true, attempts)).collect();
        assert_eq!(successes[..5], Ending::ALL[..5]);
        assert_eq!(successes[5..], [Ending::Later; 2]);
        let failures = [2, 1, 0].map(|attempts| Ending::of(false, attempts));
        assert_eq!(failures, [Ending::AfterRetries, Ending::AfterOne, Ending::Refused]);
    }
}
