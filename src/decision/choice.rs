//! Who is left when one criterion after the other has been asked. It knows neither metrics nor policies, only what is known of pairs.

use super::word::Compared;

/// What is known of some candidates, numbered from 0, in some criteria, in their order.
pub(super) trait Evidence {
    /// How many there are.
    fn criteria(&self) -> usize;

    /// Where a candidate stands by the means, the lowest first; `None` if the criterion is not defined for it.
    fn standing(&self, criterion: usize, candidate: usize) -> Option<Standing>;

    /// The first against the second, both defined.
    fn compare(&self, criterion: usize, own: usize, other: usize) -> Compared;
}

/// A mean, such that the lower is the better one.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(super) struct Standing {
    /// Share of the runs in which it never came about.
    pub never: f64,
    /// Over the others; negative where more is better.
    pub mean: f64,
}

/// Somebody who went: in which criterion, and against whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gone {
    pub candidate: usize,
    pub criterion: usize,
    pub leader: usize,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Left {
    /// In the order in which they were given.
    pub kept: Vec<usize>,
    /// In the order in which they went.
    pub gone: Vec<Gone>,
    /// By criterion; none where it is defined for nobody who was left.
    pub leaders: Vec<Vec<usize>>,
    /// One of them lies further from the first leader in the first criterion than the margin, by the means.
    pub undecided: bool,
}

/// Asks one criterion after the other.
pub(super) fn choose(evidence: &impl Evidence, candidates: &[usize]) -> Left {
    let mut left = Left { kept: candidates.to_vec(), gone: Vec::new(), leaders: Vec::new(), undecided: false };
    for criterion in 0..evidence.criteria() {
        let leaders = leaders(evidence, &left, criterion);
        let (kept, gone): (Vec<usize>, Vec<usize>) = left.kept.iter().partition(|candidate| {
            let defined = evidence.standing(criterion, **candidate).is_some();
            !defined
                || leaders.is_empty()
                || leaders.iter().any(|leader| {
                    leader == *candidate || !evidence.compare(criterion, *leader, **candidate).is_better()
                })
        });
        left.gone.extend(gone.into_iter().map(|candidate| Gone { candidate, criterion, leader: leaders[0] }));
        left.kept = kept;
        left.leaders.push(leaders);
    }
    left.undecided = left.leaders.first().and_then(|leaders| leaders.first()).is_some_and(|leader| {
        left.kept.iter().any(|candidate| {
            let defined = candidate != leader && evidence.standing(0, *candidate).is_some();
            defined && !evidence.compare(0, *leader, *candidate).means_within(1.0)
        })
    });
    left
}

/// The best mean of those whose means in all earlier criteria lie within the margin of their leaders; several if they tie to the digit.
fn leaders(evidence: &impl Evidence, left: &Left, criterion: usize) -> Vec<usize> {
    let near = |candidate: &usize| {
        left.leaders.iter().enumerate().all(|(earlier, leaders)| {
            evidence.standing(earlier, *candidate).is_none()
                || leaders.is_empty()
                || leaders.iter().any(|leader| {
                    leader == candidate || evidence.compare(earlier, *leader, *candidate).means_within(1.0)
                })
        })
    };
    let standing = |candidate: usize| Some((candidate, evidence.standing(criterion, candidate)?));
    let standings: Vec<(usize, Standing)> = left.kept.iter().copied().filter(near).filter_map(standing).collect();
    let best = standings.iter().map(|(_, standing)| *standing).reduce(|a, b| if b < a { b } else { a });
    standings.into_iter().filter(|(_, standing)| Some(*standing) == best).map(|(candidate, _)| candidate).collect()
}
