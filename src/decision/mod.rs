//! Which of these policies should be shipped? A plain answer, made from a [`Comparison`], that terminal, Markdown, JSON and page put into words.
//!
//! The rules are those of the contract, section 6; nothing else may state a comparison. Policies are indices into [`Comparison::policies`].

mod case;
mod choice;
#[cfg(test)]
mod tests;
mod word;
mod worlds;

pub use case::{PART, SHARE, TIME};
pub use word::{Compared, Word};
pub use worlds::Split;

use crate::experiment::{Comparison, Estimate};
use crate::scenario::decide::Criterion;
use crate::scenario::expectation::Limit;
use crate::scenario::metric::Metric;
use crate::scenario::{Arrivals, Scenario};
use case::Case;
use choice::{Left, choose};

/// With fewer runs nothing is judged, unless nothing is left to chance.
pub const LEAST_RUNS: u32 = 5;
/// The level at which all intervals of a group hold together.
const LEVEL: f64 = 0.95;
/// Alternatives beside the choice.
const MOST_ALTERNATIVES: usize = 3;
/// And how many margins they lie from it at most.
const NEAR: f64 = 10.0;

/// What a comparison shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// False if there are too few runs to judge by.
    pub judged: bool,
    /// Rows that are decided among themselves, in the order of their first ones.
    pub groups: Vec<Group>,
    /// By policy, what went wrong; `None` if no operation was measured.
    pub wrong: Vec<Option<Wrong>>,
    /// By policy: the runs fall into two groups by what went wrong.
    pub splits: Vec<Option<Split>>,
}

/// What went wrong per operation, means over the runs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Wrong {
    /// All of it, by its weights.
    pub all: f64,
    /// The same with its 95% interval, by itself.
    pub estimate: Estimate,
    /// Without success, or not in time where that counts.
    pub unsuccessful: f64,
    /// Duplicate effects.
    pub duplicates: f64,
    /// Phantom successes.
    pub phantoms: f64,
    /// Lost updates.
    pub lost_updates: f64,
    /// Operations that were left half done.
    pub half_done: f64,
}

/// How sure all intervals are together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Family {
    /// What is compared: criteria and columns.
    pub measures: usize,
    /// Intervals in all.
    pub comparisons: usize,
    /// Of each single interval.
    pub confidence: f64,
}

/// Rows that are decided among themselves.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// In the file's order.
    pub policies: Vec<usize>,
    /// The one that others are compared with.
    pub baseline: usize,
    /// How sure its intervals are.
    pub family: Family,
    /// What was asked, in this order: criteria that are defined for at least one of them.
    pub criteria: Vec<Asked>,
    /// What comes of it.
    pub choice: Choice,
    /// Who missed an expectation, and was set aside.
    pub set_aside: Vec<usize>,
    /// Who met all, but with an interval that contains the limit of one.
    pub may_miss: Vec<usize>,
    /// Who went, in that order.
    pub gone: Vec<Gone>,
    /// Who is worse than one of the choice in something, and not better than it in anything.
    pub beaten: Vec<Beaten>,
    /// What else could be shipped.
    pub alternatives: Vec<Alternative>,
    /// Who sent every operation once, in every run.
    pub never_retry: Vec<usize>,
    /// Where the choice is not to retry: what is left of those that do.
    pub if_retrying: Vec<usize>,
    /// Measures and who is best and worst in them.
    pub ranks: Vec<Rank>,
    /// What is known of pairs: of each with the baseline, with the first of the choice, and with the leader of a criterion.
    pub pairs: Vec<Pair>,
}

/// A criterion, as it was asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// What it is.
    pub criterion: Criterion,
    /// Its name.
    pub name: String,
    /// Who led in it: the best mean of those near all earlier leaders; several if they tie.
    pub leaders: Vec<usize>,
}

/// What should be shipped.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// How it came out.
    pub kind: Kind,
    /// Who it is, in the file's order; of [`Kind::NoneMeets`] who it would be otherwise.
    pub policies: Vec<usize>,
    /// Of [`Kind::Undecided`]: runs that would tell, as far as one can say.
    pub runs_needed: Option<f64>,
}

/// How a choice came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One policy.
    One,
    /// Several, of which any will do as far as is shown.
    AnyOf,
    /// Several, of which one may be worse in the first criterion.
    Undecided,
    /// Every policy misses an expectation about it.
    NoneMeets,
    /// No operation succeeds under any.
    NothingSucceeds,
    /// There is nothing to choose from.
    Alone,
    /// Too few runs.
    Unjudged,
}

impl Kind {
    /// Its name in `summary.json`.
    pub fn name(self) -> &'static str {
        match self {
            Kind::One => "one",
            Kind::AnyOf => "any of",
            Kind::Undecided => "not decided",
            Kind::NoneMeets => "none meets its expectations",
            Kind::NothingSucceeds => "nothing succeeds",
            Kind::Alone => "alone",
            Kind::Unjudged => "not judged",
        }
    }
}

/// Somebody who went.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gone {
    /// Who.
    pub policy: usize,
    /// By which criterion, of [`Group::criteria`].
    pub criterion: usize,
    /// Against whom.
    pub leader: usize,
    /// The leader against it.
    pub compared: Compared,
}

/// Somebody who is beaten.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Beaten {
    /// Who.
    pub policy: usize,
    /// By whom of the choice.
    pub by: usize,
    /// In the first criterion in which that one is better.
    pub criterion: usize,
}

/// What else could be shipped: better than the choice in something, and not much worse in anything that was asked before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alternative {
    /// Who.
    pub policy: usize,
    /// The first criterion in which it is better than all of the choice.
    pub gains: usize,
}

/// Who is best and worst in a measure; both are empty if nothing is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Rank {
    /// The measure.
    pub criterion: Criterion,
    /// The best mean and those as good as it.
    pub best: Vec<usize>,
    /// The worst one and those as good as it.
    pub worst: Vec<usize>,
}

/// A pair in one measure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// The measure.
    pub criterion: Criterion,
    /// The one of which is spoken.
    pub policy: usize,
    /// Against this one.
    pub other: usize,
    /// Seen from `policy`.
    pub compared: Compared,
}

impl Decision {
    /// Decides.
    pub fn new(scenario: &Scenario, comparison: &Comparison) -> Decision {
        let slots: Vec<usize> = comparison.policies.iter().map(|policy| policy.slot).collect();
        let by_chance = slots.iter().any(|slot| scenario.is_left_to_chance(*slot));
        let judged = comparison.replications >= LEAST_RUNS || !by_chance;
        let groups = worlds::groups(scenario, &slots);
        let groups: Vec<Group> =
            groups.into_iter().map(|policies| Group::new(scenario, comparison, policies, judged, by_chance)).collect();
        let all = Case::new(comparison, &scenario.decide, Vec::new(), LEVEL, by_chance);
        let wrong = |policy: usize| {
            let standing = all.standing(Criterion::Wrong, policy)?;
            let [unsuccessful, duplicates, phantoms, lost_updates, half_done] = all.part_means(policy);
            let estimate = Estimate::of(&all.values(Criterion::Wrong, policy), LEVEL);
            Some(Wrong { all: standing.mean, estimate, unsuccessful, duplicates, phantoms, lost_updates, half_done })
        };
        let split = |policy: usize| {
            let margin = all.compare(Criterion::Wrong, policy, policy).margin;
            worlds::split(&all.values(Criterion::Wrong, policy), margin)
        };
        let rows = 0..comparison.policies.len();
        Decision { judged, groups, wrong: rows.clone().map(wrong).collect(), splits: rows.map(split).collect() }
    }

    /// The group of a policy.
    pub fn group_of(&self, policy: usize) -> &Group {
        self.groups.iter().find(|group| group.policies.contains(&policy)).expect("every policy is in a group")
    }

    /// Who stands for the best and for the worst of the first group, where pictures show only some: the choice, or the best in what goes wrong, and the worst
    /// in that. `None` if nobody is shown to be worse.
    pub fn extremes(&self) -> Option<(usize, usize)> {
        let group = &self.groups[0];
        let rank = group.rank(Criterion::Wrong)?;
        let chosen = if group.choice.kind == Kind::One { group.choice.policies.first() } else { None };
        let (best, worst) = (*chosen.or(rank.best.first())?, *rank.worst.first()?);
        (best != worst).then_some((best, worst))
    }

    /// True if it is of its group's choice.
    pub fn is_chosen(&self, policy: usize) -> bool {
        let choice = &self.group_of(policy).choice;
        matches!(choice.kind, Kind::One | Kind::AnyOf) && choice.policies.contains(&policy)
    }
}

impl Group {
    fn new(scenario: &Scenario, comparison: &Comparison, policies: Vec<usize>, judged: bool, by_chance: bool) -> Group {
        let baseline = if policies.contains(&comparison.baseline) { comparison.baseline } else { policies[0] };
        let (case, measures, family) = asked_of(scenario, comparison, &policies, by_chance);
        let missed = |policy: &usize| comparison.expectations.iter().any(|one| one.policy == *policy && !one.met);
        let (set_aside, met): (Vec<usize>, Vec<usize>) = (0..policies.len()).partition(|at| missed(&policies[*at]));
        let nobody_meets = met.is_empty();
        let candidates: Vec<usize> = if nobody_meets { set_aside.clone() } else { met };
        let left = choose(&case, &candidates);
        let choice = choice(comparison, &case, &left, judged, nobody_meets);
        let decided = judged && policies.len() > 1 && choice.kind != Kind::NothingSucceeds;
        let chosen = if decided { choice.policies.clone() } else { Vec::new() };
        // Beside what is not decided yet there is nothing to be an alternative to.
        let is_settled = matches!(choice.kind, Kind::One | Kind::AnyOf);
        let of = |at: &usize| policies[*at];
        let never_retry: Vec<usize> =
            policies.iter().copied().filter(|policy| never_retries(comparison, *policy)).collect();
        let may_miss = |policy: &usize| !missed(policy) && may_miss(comparison, *policy);
        let beaten = beaten(&case, &chosen);
        let judged_measures = if decided { &measures[..] } else { &[] };
        Group {
            baseline,
            family,
            criteria: asked(scenario, &case, &left),
            set_aside: set_aside.iter().map(of).collect(),
            may_miss: policies.iter().copied().filter(may_miss).collect(),
            gone: left.gone.iter().filter(|_| decided).map(|gone| went(&case, gone)).collect(),
            pairs: spoken_of(&case, judged_measures, baseline, &chosen, &left, &beaten),
            beaten,
            if_retrying: if_retrying(&case, &chosen, &candidates, &never_retry),
            alternatives: if is_settled { alternatives(&case, &chosen, &candidates) } else { Vec::new() },
            never_retry,
            ranks: judged_measures.iter().map(|measure| rank(&case, *measure)).collect(),
            choice,
            policies,
        }
    }

    /// What is known of a policy against another in a measure, if that is spoken of; seen from the first.
    pub fn pair(&self, criterion: Criterion, policy: usize, other: usize) -> Option<Compared> {
        let criterion = self.known_as(criterion);
        self.pairs.iter().filter(|pair| pair.criterion == criterion).find_map(|pair| match (pair.policy, pair.other) {
            (a, b) if (a, b) == (policy, other) => Some(pair.compared),
            (a, b) if (a, b) == (other, policy) => Some(pair.compared.reversed()),
            _ => None,
        })
    }

    /// A measure, or the criterion that says the same of every pair here.
    fn known_as(&self, criterion: Criterion) -> Criterion {
        if self.ranks.iter().any(|rank| rank.criterion == criterion) {
            return criterion;
        }
        same_as(criterion).unwrap_or(criterion)
    }

    /// Who is best and worst in a measure.
    pub fn rank(&self, criterion: Criterion) -> Option<&Rank> {
        let criterion = self.known_as(criterion);
        self.ranks.iter().find(|rank| rank.criterion == criterion)
    }
}

/// What is asked of a group, what is compared beside that, and how sure all of it is together.
fn asked_of<'a>(
    scenario: &'a Scenario,
    comparison: &'a Comparison,
    policies: &[usize],
    by_chance: bool,
) -> (Case<'a>, Vec<Criterion>, Family) {
    let mut case = Case::new(comparison, &scenario.decide, policies.to_vec(), LEVEL, by_chance);
    let criteria = criteria(scenario, comparison);
    case.criteria = criteria.into_iter().filter(|criterion| case.is_defined(*criterion)).collect();
    let columns = columns(scenario, comparison).into_iter();
    let columns = columns.filter(|column| case.is_defined(*column) && !case.criteria.contains(column));
    let measures: Vec<Criterion> = case.criteria.iter().copied().chain(columns).collect();
    let others = policies.len() - 1;
    let comparisons = measures.len() * (policies.len() * others / 2).min(4 * others);
    let confidence = 1.0 - (1.0 - LEVEL) / comparisons.max(1) as f64;
    case.confidence = confidence;
    let family = Family { measures: measures.len(), comparisons, confidence };
    (case, measures, family)
}

/// The criteria as they were asked.
fn asked(scenario: &Scenario, case: &Case, left: &Left) -> Vec<Asked> {
    let asked = case.criteria.iter().zip(&left.leaders).map(|(criterion, leaders)| Asked {
        criterion: *criterion,
        name: criterion.name(&scenario.names()),
        leaders: leaders.iter().map(|at| case.policies[*at]).collect(),
    });
    asked.collect()
}

/// Somebody who went, by index into the comparison.
fn went(case: &Case, gone: &choice::Gone) -> Gone {
    Gone {
        policy: case.policies[gone.candidate],
        criterion: gone.criterion,
        leader: case.policies[gone.leader],
        compared: choice::Evidence::compare(case, gone.criterion, gone.leader, gone.candidate),
    }
}

/// The criteria, in the order in which they are asked, whether they are defined for anybody or not.
fn criteria(scenario: &Scenario, comparison: &Comparison) -> Vec<Criterion> {
    let mut order = scenario.decide.order.clone();
    let goodput = is_closed(scenario, comparison).then(|| Criterion::of(Metric::Goodput));
    let load = [Metric::Wave, Metric::PeakLoad, Metric::AttemptsPerOperation];
    let waiting = [Metric::FinishP99, Metric::LatencyAllP99, Metric::LatencyAllP50];
    let usual = load.into_iter().chain([Metric::Recovery]).chain(waiting).map(Criterion::of);
    order.extend(goodput.into_iter().chain([Criterion::Wrong]).chain(usual));
    let mut criteria: Vec<Criterion> = Vec::new();
    for criterion in order {
        if !criteria.contains(&criterion) {
            criteria.push(criterion);
        }
    }
    criteria
}

/// The criterion that a column repeats: success is what does not go wrong, and where demand is the same for all, so are peaks and their multiples of it.
fn same_as(column: Criterion) -> Option<Criterion> {
    let of = |metric: Metric| Criterion::of(metric);
    if column == of(Metric::SuccessRate) {
        Some(Criterion::Wrong)
    } else {
        (column == of(Metric::PeakOfDemand)).then(|| of(Metric::PeakLoad))
    }
}

/// What columns of tables show, beside criteria and what these say already.
fn columns(scenario: &Scenario, comparison: &Comparison) -> Vec<Criterion> {
    let any =
        |metric: Metric| comparison.policies.iter().any(|policy| policy.mean(metric).is_some_and(|mean| mean > 0.0));
    let effects = any(Metric::Effects);
    let mut columns = vec![Metric::InTimeRate];
    if effects || scenario.frame.slo.is_some() {
        columns.push(Metric::SuccessRate);
    }
    if is_closed(scenario, comparison) {
        columns.push(Metric::PeakOfDemand);
    }
    // What cannot happen is no measure.
    if effects {
        columns.extend([Metric::DuplicateRate, Metric::PhantomRate]);
    }
    if any(Metric::LostUpdates) {
        columns.push(Metric::LostUpdateRate);
    }
    if any(Metric::HalfDone) {
        columns.push(Metric::HalfDoneRate);
    }
    columns.into_iter().map(Criterion::of).collect()
}

/// True if some row's clients wait for the end of an operation before the next.
fn is_closed(scenario: &Scenario, comparison: &Comparison) -> bool {
    let closed = |slot: usize| matches!(scenario.of(slot).world.arrivals, Arrivals::Closed { .. });
    comparison.policies.iter().any(|policy| closed(policy.slot))
}

fn choice(comparison: &Comparison, case: &Case, left: &Left, judged: bool, nobody_meets: bool) -> Choice {
    let succeeds =
        |policy: &&usize| comparison.policies[**policy].mean(Metric::Succeeded).is_some_and(|mean| mean > 0.0);
    let kind = if case.policies.iter().find(succeeds).is_none() {
        Kind::NothingSucceeds
    } else if case.policies.len() == 1 {
        Kind::Alone
    } else if !judged {
        Kind::Unjudged
    } else if nobody_meets {
        Kind::NoneMeets
    } else if left.undecided {
        Kind::Undecided
    } else if left.kept.len() > 1 {
        Kind::AnyOf
    } else {
        Kind::One
    };
    let policies: Vec<usize> = match kind {
        Kind::NothingSucceeds | Kind::Alone | Kind::Unjudged => Vec::new(),
        _ => left.kept.iter().map(|at| case.policies[*at]).collect(),
    };
    let runs_needed = (kind == Kind::Undecided).then(|| runs_needed(comparison.replications, case, left)).flatten();
    Choice { kind, policies, runs_needed }
}

/// Runs with which the widest interval that left it undecided would no longer reach the margin, if means and spread stay as they are.
fn runs_needed(runs: u32, case: &Case, left: &Left) -> Option<f64> {
    let leader = *left.leaders.first()?.first()?;
    let needed = left.kept.iter().filter(|candidate| **candidate != leader).filter_map(|candidate| {
        let compared = choice::Evidence::compare(case, 0, leader, *candidate);
        let half = (compared.high - compared.low) / 2.0;
        let target = (compared.mean.abs() - compared.margin).abs();
        let needed = f64::from(runs) * (half / target) * (half / target);
        (needed.is_finite() && needed > f64::from(runs)).then_some(needed)
    });
    needed.reduce(f64::max)
}

fn may_miss(comparison: &Comparison, policy: usize) -> bool {
    comparison.expectations.iter().filter(|one| one.policy == policy).any(|one| {
        let ends = one.observed.ci_low.zip(one.observed.ci_high);
        ends.is_some_and(|(low, high)| match one.limit {
            Limit::AtLeast(least) => low < least && least <= high,
            Limit::AtMost(most) => low <= most && most < high,
        })
    })
}

fn beaten(case: &Case, chosen: &[usize]) -> Vec<Beaten> {
    let mut beaten = Vec::new();
    for policy in case.policies.iter().copied().filter(|policy| !chosen.contains(policy)) {
        let by = |by: &usize| {
            let compared: Vec<(usize, Compared)> = (case.criteria.iter().enumerate())
                .filter(|(_, criterion)| [*by, policy].iter().all(|p| case.standing(**criterion, *p).is_some()))
                .map(|(at, criterion)| (at, case.compare(*criterion, *by, policy)))
                .collect();
            let better = compared.iter().find(|(_, compared)| compared.is_better())?;
            let none_worse = compared.iter().all(|(_, compared)| compared.is_not_worse());
            none_worse.then_some(Beaten { policy, by: *by, criterion: better.0 })
        };
        beaten.extend(chosen.iter().find_map(by));
    }
    beaten
}

/// True if it sent every operation once, in every run.
fn never_retries(comparison: &Comparison, policy: usize) -> bool {
    let sent = [Metric::Retries, Metric::Hedges].map(|metric| comparison.policies[policy].mean(metric));
    sent.iter().all(|mean| mean.is_none_or(|mean| mean == 0.0))
}

/// What is left of those that retry, where nobody of the choice does; `candidates` are places in the case.
fn if_retrying(case: &Case, chosen: &[usize], candidates: &[usize], never_retry: &[usize]) -> Vec<usize> {
    if chosen.is_empty() || !chosen.iter().all(|policy| never_retry.contains(policy)) {
        return Vec::new();
    }
    let retry = |at: &usize| !never_retry.contains(&case.policies[*at]);
    let retrying: Vec<usize> = candidates.iter().copied().filter(retry).collect();
    choose(case, &retrying).kept.into_iter().map(|at| case.policies[at]).collect()
}

/// `candidates` are places in the case: who meets what is expected.
fn alternatives(case: &Case, chosen: &[usize], candidates: &[usize]) -> Vec<Alternative> {
    let [first, ..] = chosen else { return Vec::new() };
    let mut near: Vec<usize> =
        candidates.iter().map(|at| case.policies[*at]).filter(|policy| !chosen.contains(policy)).collect();
    let mut alternatives: Vec<Alternative> = Vec::new();
    for (at, criterion) in case.criteria.iter().enumerate() {
        let defined = |policy: usize| case.standing(*criterion, policy).is_some();
        let better = |policy: &usize| {
            let all = chosen.iter().all(|own| defined(*own) && case.compare(*criterion, *policy, *own).is_better());
            defined(*policy) && all && alternatives.iter().all(|one| one.policy != *policy)
        };
        let mut better: Vec<usize> = near.iter().copied().filter(better).collect();
        // The best of them first; those that stand equal in the file's order.
        better.sort_by(|a, b| {
            case.standing(*criterion, *a)
                .partial_cmp(&case.standing(*criterion, *b))
                .unwrap_or(std::cmp::Ordering::Equal)
        });
        if at > 0 {
            alternatives.extend(better.first().map(|policy| Alternative { policy: *policy, gains: at }));
        }
        // What is gained later is no alternative to what was lost here.
        near.retain(|policy| {
            let both = defined(*first) && defined(*policy);
            if both { case.compare(*criterion, *first, *policy).means_within(NEAR) } else { at > 0 }
        });
    }
    alternatives.truncate(MOST_ALTERNATIVES);
    alternatives
}

/// The best mean and those as good as it, if at least one other is shown to be worse; the worst likewise. Nobody is both.
fn rank(case: &Case, criterion: Criterion) -> Rank {
    let mut standings: Vec<(usize, choice::Standing)> = Vec::new();
    for policy in &case.policies {
        standings.extend(case.standing(criterion, *policy).map(|standing| (*policy, standing)));
    }
    let extreme = |better: fn(choice::Standing, choice::Standing) -> bool| {
        standings.iter().copied().reduce(|a, b| if better(b.1, a.1) { b } else { a })
    };
    let group = |first: usize, apart: &dyn Fn(&Compared) -> bool| -> Vec<usize> {
        let compared = |policy: usize| case.compare(criterion, first, policy);
        if !standings.iter().any(|(policy, _)| *policy != first && apart(&compared(*policy))) {
            return Vec::new();
        }
        // Whose mean is the same to the digit is as good as it can be said to be.
        let own = case.standing(criterion, first);
        let belongs = |policy: usize| case.standing(criterion, policy) == own || compared(policy).is_as_good();
        standings.iter().map(|(policy, _)| *policy).filter(|policy| belongs(*policy)).collect()
    };
    let best = extreme(|a, b| a < b).map(|(first, _)| group(first, &Compared::is_better)).unwrap_or_default();
    let worst = extreme(|a, b| a > b).map(|(first, _)| group(first, &Compared::is_worse)).unwrap_or_default();
    let only = |own: &[usize], other: &[usize]| own.iter().copied().filter(|policy| !other.contains(policy)).collect();
    Rank { criterion, best: only(&best, &worst), worst: only(&worst, &best) }
}

/// Each pair that may be spoken of, once: with the baseline, with the first of the choice, with the first leader of each criterion, and who beats whom.
fn spoken_of(
    case: &Case,
    measures: &[Criterion],
    baseline: usize,
    chosen: &[usize],
    left: &Left,
    beaten: &[Beaten],
) -> Vec<Pair> {
    let mut pairs: Vec<Pair> = Vec::new();
    for measure in measures {
        let leader = case.criteria.iter().position(|own| own == measure).and_then(|at| left.leaders.get(at)?.first());
        let leader = leader.map(|at| case.policies[*at]);
        let mut others: Vec<usize> = vec![baseline];
        others.extend(leader);
        others.extend(chosen.first());
        let with = |other: usize| case.policies.iter().map(move |policy| (*policy, other));
        let all = others.into_iter().flat_map(with).filter(|(policy, other)| policy != other);
        let beating = beaten.iter().filter(|_| case.criteria.contains(measure)).map(|one| (one.policy, one.by));
        let mut seen: Vec<(usize, usize)> = Vec::new();
        for (policy, other) in all.chain(beating) {
            let both = [policy, other].iter().all(|policy| case.standing(*measure, *policy).is_some());
            if both && !seen.contains(&(policy, other)) && !seen.contains(&(other, policy)) {
                seen.push((policy, other));
                let compared = case.compare(*measure, policy, other);
                pairs.push(Pair { criterion: *measure, policy, other, compared });
            }
        }
    }
    pairs
}
