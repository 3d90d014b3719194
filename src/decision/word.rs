//! The five words for a pair, and what is known of it.

/// What is shown of two policies in one criterion. Used in this sense only (contract, section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Word {
    /// By more than the margin.
    Better,
    /// By more than nothing.
    SlightlyBetter,
    /// Neither is better by more than the margin.
    AsGood,
    /// Not worse by more than the margin.
    NotWorse,
    /// None of these.
    NotShown,
}

impl Word {
    /// As it is said.
    pub fn name(self) -> &'static str {
        match self {
            Word::Better => "better",
            Word::SlightlyBetter => "slightly better",
            Word::AsGood => "as good",
            Word::NotWorse => "not worse",
            Word::NotShown => "not shown",
        }
    }
}

/// One policy against another in one criterion: differences with the good side positive, on the criterion's scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Compared {
    /// Lower end of the interval; −∞ if nothing is known.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Mean of the paired differences; infinite where one of the two never comes to an end.
    pub mean: f64,
    /// What does not matter.
    pub margin: f64,
}

impl Compared {
    /// Nothing is known but the means.
    pub(super) fn unknown(mean: f64, margin: f64) -> Compared {
        Compared { low: f64::NEG_INFINITY, high: f64::INFINITY, mean, margin }
    }

    /// Known for sure.
    pub(super) fn exactly(difference: f64, margin: f64) -> Compared {
        Compared { low: difference, high: difference, mean: difference, margin }
    }

    /// The first that holds.
    pub fn word(&self) -> Word {
        let m = self.margin;
        match (self.low, self.high) {
            (low, _) if low > m => Word::Better,
            (low, _) if low > 0.0 => Word::SlightlyBetter,
            (low, high) if low >= -m && high <= m => Word::AsGood,
            (low, _) if low >= -m => Word::NotWorse,
            _ => Word::NotShown,
        }
    }

    /// The word, or from the other side what is worse: what is said of one policy beside another.
    pub fn in_words(&self) -> &'static str {
        match self.reversed().word() {
            Word::Better => "worse",
            Word::SlightlyBetter => "slightly worse",
            _ => self.word().name(),
        }
    }

    /// Shown to be better by more than the margin.
    pub fn is_better(&self) -> bool {
        self.low > self.margin
    }

    /// Shown to be worse by more than the margin.
    pub fn is_worse(&self) -> bool {
        self.high < -self.margin
    }

    /// Shown to be no further apart than the margin, on whatever side.
    pub fn is_as_good(&self) -> bool {
        self.low >= -self.margin && self.high <= self.margin
    }

    /// Shown not to be worse by more than the margin.
    pub fn is_not_worse(&self) -> bool {
        self.low >= -self.margin
    }

    /// Some difference is shown, of whatever size.
    pub fn differs(&self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }

    /// The means lie within so many margins.
    pub fn means_within(&self, margins: f64) -> bool {
        self.mean.abs() <= margins * self.margin
    }

    /// The same, seen from the other one.
    pub fn reversed(&self) -> Compared {
        Compared { low: -self.high, high: -self.low, mean: -self.mean, margin: self.margin }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_five_words() {
        let check = |low: f64, high: f64, expected: Word, back: Word| {
            let compared = Compared { low, high, mean: f64::midpoint(low, high), margin: 1.0 };
            assert_eq!((compared.word(), compared.reversed().word()), (expected, back), "[{low}, {high}]");
        };
        check(1.5, 2.0, Word::Better, Word::NotShown);
        check(1.0, 2.0, Word::SlightlyBetter, Word::NotShown);
        check(0.1, 0.9, Word::SlightlyBetter, Word::AsGood);
        check(0.0, 0.9, Word::AsGood, Word::AsGood);
        check(-1.0, 1.0, Word::AsGood, Word::AsGood);
        check(-1.0, 1.1, Word::NotWorse, Word::NotShown);
        check(-1.1, 1.1, Word::NotShown, Word::NotShown);
        let sure = Compared::exactly(f64::INFINITY, 1.0);
        assert!(sure.is_better() && sure.reversed().is_worse() && !sure.means_within(10.0));
    }
}
