//! What is known of one group of rows: criteria, margins, and paired differences at the group's level.

use super::choice::{Evidence, Standing};
use super::word::Compared;
use crate::experiment::{Comparison, PolicyResult};
use crate::metrics::intervals::{Pooled, exact_count};
use crate::metrics::statistics::{nine_digits, summarise};
use crate::scenario::decide::{Criterion, Decide, Margin, Scale};
use crate::scenario::metric::{Measure, Metric, Of, Unit};

/// Differences that do not matter, where nobody says otherwise (chosen here). Of shares of operations 50 per 10,000, but no more than a tenth of the better
/// one's, and at least 1; of times 5 s or a tenth, whichever is more; of all others a tenth.
pub const SHARE: f64 = 0.005;
const LEAST_SHARE: f64 = 0.000_1;
/// See [`SHARE`]; seconds.
pub const TIME: f64 = 5.0;
/// See [`SHARE`].
pub const PART: f64 = 0.1;
/// With fewer events than this on both sides together, their spread over the runs is not trusted alone.
const FEW: f64 = 20.0;
/// So many operations lie beyond a quantile that is compared.
const BEYOND: f64 = 20.0;
/// The rule of three: what did not happen in n tries happens, at 95%, in fewer than 3/n of them.
const NONE_IN: f64 = 3.0;

/// Rows that are compared with each other.
pub(super) struct Case<'a> {
    comparison: &'a Comparison,
    decide: &'a Decide,
    /// Indices into the comparison.
    pub policies: Vec<usize>,
    /// In the order in which they are asked.
    pub criteria: Vec<Criterion>,
    /// Of each single interval.
    pub confidence: f64,
    /// False if one run says all.
    by_chance: bool,
    /// By policy of the comparison: operations of each run.
    operations: Vec<Vec<f64>>,
}

impl<'a> Case<'a> {
    pub fn new(
        comparison: &'a Comparison,
        decide: &'a Decide,
        policies: Vec<usize>,
        confidence: f64,
        by_chance: bool,
    ) -> Case<'a> {
        let operations = comparison.policies.iter().map(|policy| {
            let values = policy.metric(Metric::Operations).map(|metric| metric.values.as_slice()).unwrap_or_default();
            values.iter().map(|value| value.unwrap_or(0.0)).collect()
        });
        let (criteria, operations) = (Vec::new(), operations.collect());
        Case { comparison, decide, policies, criteria, confidence, by_chance, operations }
    }

    /// True if a criterion has a value for somebody.
    pub fn is_defined(&self, criterion: Criterion) -> bool {
        self.policies.iter().any(|policy| self.standing(criterion, *policy).is_some())
    }

    /// Value of each run; none of any if it is not to be compared.
    pub fn values(&self, criterion: Criterion, policy: usize) -> Vec<Option<f64>> {
        let (result, operations) = (&self.comparison.policies[policy], &self.operations[policy]);
        let nothing = || vec![None; operations.len()];
        let Criterion::Of(measure) = criterion else { return wrong(result, operations, self.decide) };
        if beyond(measure).is_some_and(|share| operations.iter().any(|count| count * share + 1e-9 < BEYOND)) {
            return nothing();
        }
        match result.metric(measure) {
            Some(metric) => metric.values.clone(),
            // An outcome that occurred nowhere.
            None if matches!(measure.of, Of::Outcome(_)) => vec![Some(0.0); operations.len()],
            None => nothing(),
        }
    }

    /// What can go wrong, without its weights, per operation: means over the runs.
    pub fn part_means(&self, policy: usize) -> [f64; PARTS] {
        parts(&self.comparison.policies[policy]).map(|values| {
            let rates = values.iter().zip(&self.operations[policy]).filter(|(_, operations)| **operations > 0.0);
            let rates: Vec<f64> = rates.map(|(value, operations)| value.unwrap_or(0.0) / operations).collect();
            if rates.is_empty() { 0.0 } else { summarise(&rates).mean }
        })
    }

    /// Where a policy stands by the means; `None` if the criterion is not defined for it.
    pub fn standing(&self, criterion: Criterion, policy: usize) -> Option<Standing> {
        let values: Vec<f64> = self.values(criterion, policy).into_iter().flatten().collect();
        let finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
        let never = (values.len() - finite.len()) as f64 / values.len() as f64;
        let mean = if finite.is_empty() { 0.0 } else { nine_digits(summarise(&finite).mean) };
        let sign = if criterion.more_is_better() { -1.0 } else { 1.0 };
        (!values.is_empty()).then_some(Standing { never, mean: sign * mean })
    }

    /// The first against the second.
    pub fn compare(&self, criterion: Criterion, own: usize, other: usize) -> Compared {
        let (a, b) = (self.values(criterion, own), self.values(criterion, other));
        let pairs: Vec<(f64, f64)> = a.iter().zip(&b).filter_map(|(a, b)| Some(((*a)?, (*b)?))).collect();
        let margin = self.margin(criterion, own, other);
        // Of shares of operations equal runs prove less: see below.
        if criterion.scale() != Scale::Share && !pairs.is_empty() && pairs.iter().all(|(a, b)| a == b) {
            return Compared::exactly(0.0, margin);
        }
        let never = |pick: fn(&(f64, f64)) -> f64| pairs.iter().filter(|pair| pick(pair).is_infinite()).count();
        let (a_never, b_never) = (never(|pair| pair.0), never(|pair| pair.1));
        if a_never + b_never > 0 {
            return self.of_what_may_never_be(criterion, [a_never, b_never], pairs.len(), margin);
        }
        let sign = if criterion.more_is_better() { 1.0 } else { -1.0 };
        let differences: Option<Vec<f64>> = match criterion.scale() {
            Scale::Share | Scale::Time => Some(pairs.iter().map(|(a, b)| sign * (a - b)).collect()),
            Scale::Ratio => {
                let none = |pick: fn(&(f64, f64)) -> f64| pairs.iter().filter(|pair| pick(pair) <= 0.0).count();
                let (own_none, others_none) = (none(|pair| pair.0), none(|pair| pair.1));
                match (own_none, others_none) {
                    (0, 0) => Some(pairs.iter().map(|(a, b)| sign * libm::log(a / b)).collect()),
                    (a, 0) if a == pairs.len() => return Compared::exactly(-sign * f64::INFINITY, margin),
                    (0, b) if b == pairs.len() => return Compared::exactly(sign * f64::INFINITY, margin),
                    _ => None,
                }
            }
        };
        let Some(differences) = differences.filter(|all| !all.is_empty()) else {
            return Compared::unknown(f64::NAN, margin);
        };
        let summary = summarise(&differences);
        let mean = nine_digits(summary.mean);
        if !self.by_chance {
            return Compared::exactly(mean, margin);
        }
        let Some(half) = summary.half_width(self.confidence) else { return Compared::unknown(mean, margin) };
        let mut compared = Compared { low: mean - half, high: mean + half, mean, margin };
        if matches!(criterion, Criterion::Of(measure) if measure.metric.unit() == Unit::Share) {
            (compared.low, compared.high) = (compared.low.max(-1.0), compared.high.min(1.0));
        }
        if criterion.scale() == Scale::Share {
            // What is left of a spread where all are the same is rounding.
            self.trust_few(&mut compared, criterion, [own, other], summary.sd <= 1e-9 * summary.mean.abs());
        }
        compared
    }

    /// The margin of a pair: of shares and times it depends on the better one.
    fn margin(&self, criterion: Criterion, own: usize, other: usize) -> f64 {
        let scale = criterion.scale();
        let of = |wanted: Criterion| self.decide.margins.iter().find(|(own, _)| *own == wanted).map(|(_, m)| *m);
        // Shares of operations have the margin of what goes wrong.
        let own_margin = of(criterion).or_else(|| of(Criterion::Wrong).filter(|_| scale == Scale::Share));
        // Of what more is better of, what is missing is what is better the less there is of it.
        let less = |standing: Standing| if criterion.more_is_better() { 1.0 + standing.mean } else { standing.mean };
        let better = || {
            let standings = [own, other].into_iter().filter_map(|policy| self.standing(criterion, policy));
            standings.filter(|standing| standing.never < 1.0).map(less).fold(f64::INFINITY, f64::min)
        };
        match (scale, own_margin) {
            (Scale::Ratio, Some(Margin::Relative(part) | Margin::Absolute(part))) => libm::log1p(part),
            (Scale::Ratio, None) => libm::log1p(PART),
            (_, Some(Margin::Absolute(margin))) => margin,
            (_, Some(Margin::Relative(part))) => finite(part * better(), 0.0),
            // Rounded, so that a mean of exactly a tenth is within a tenth.
            (Scale::Share, None) => nine_digits((PART * better()).clamp(LEAST_SHARE, SHARE)),
            (Scale::Time, None) => nine_digits(finite(PART * better(), TIME).max(TIME)),
        }
    }

    /// Where something never came about in some runs: of one of the two in `never[0]` of `runs`, of the other in `never[1]`.
    fn of_what_may_never_be(&self, criterion: Criterion, never: [usize; 2], runs: usize, margin: f64) -> Compared {
        match never {
            [a, 0] if a == runs => Compared::exactly(f64::NEG_INFINITY, margin),
            [0, b] if b == runs => Compared::exactly(f64::INFINITY, margin),
            [a, b] => {
                let mean = match a.cmp(&b) {
                    std::cmp::Ordering::Less => f64::INFINITY,
                    std::cmp::Ordering::Equal => f64::NAN,
                    std::cmp::Ordering::Greater => f64::NEG_INFINITY,
                };
                if criterion.scale() == Scale::Time {
                    let exact = |never: usize| Pooled { part: never as u64, whole: runs as u64 }.exact(self.confidence);
                    let ((a_low, a_high), (b_low, b_high)) = (exact(a), exact(b));
                    if a_high < b_low || b_high < a_low {
                        return Compared::exactly(mean, margin);
                    }
                }
                Compared::unknown(mean, margin)
            }
        }
    }

    /// Ten zeros have the interval [0, 0] and prove nothing: where few events are behind a difference, or it is the same in every run, more is asked for.
    fn trust_few(&self, compared: &mut Compared, criterion: Criterion, pair: [usize; 2], no_spread: bool) {
        let whole = pair.map(|policy| self.operations[policy].iter().sum::<f64>());
        if no_spread && compared.mean == 0.0 {
            let heaviest = match criterion {
                Criterion::Wrong => weights(self.decide).into_iter().fold(0.0, f64::max),
                Criterion::Of(_) => 1.0,
            };
            if heaviest * NONE_IN / whole[0].min(whole[1]) > compared.margin {
                *compared = Compared::unknown(0.0, compared.margin);
            }
            return;
        }
        let events = pair.map(|policy| self.events(criterion, policy));
        let (all, operations) = (effective(events.as_flattened()), whole[0] + whole[1]);
        if all.min((operations - all).abs()) >= FEW && !no_spread {
            return;
        }
        let [(a_low, a_high), (b_low, b_high)] = [0, 1].map(|side| self.exact(criterion, &events[side], whole[side]));
        if a_low <= b_high && b_low <= a_high {
            compared.low = compared.low.min(0.0);
            compared.high = compared.high.max(0.0);
        }
    }

    /// What happened in all runs: how often, and what it weighs.
    fn events(&self, criterion: Criterion, policy: usize) -> [(f64, f64); PARTS] {
        match criterion {
            Criterion::Wrong => {
                let weights = weights(self.decide);
                let counts = parts(&self.comparison.policies[policy]).map(|runs| runs.into_iter().flatten().sum());
                std::array::from_fn(|part| (counts[part], weights[part]))
            }
            criterion => {
                let values = self.values(criterion, policy);
                let runs = values.iter().zip(&self.operations[policy]);
                let mut events = [(0.0, 1.0); PARTS];
                events[0].0 = runs.map(|(value, n)| value.unwrap_or(0.0) * n).sum();
                events
            }
        }
    }

    /// The exact interval of what happened so often in so many operations, per operation.
    fn exact(&self, criterion: Criterion, events: &[(f64, f64)], whole: f64) -> (f64, f64) {
        let of_count = |count: f64| {
            let (low, high) = exact_count(count.round() as u64, self.confidence);
            (low / whole, high / whole)
        };
        let all = events.iter().map(|(count, _)| count).sum::<f64>();
        match criterion {
            Criterion::Of(Measure { metric, .. }) if metric != Metric::DuplicateRate => {
                Pooled { part: all.round().clamp(0.0, whole) as u64, whole: whole as u64 }.exact(self.confidence)
            }
            _ if events.iter().all(|(_, weight)| *weight == 1.0) => of_count(all),
            // Sums of ends: wider than need be.
            _ => events.iter().fold((0.0, 0.0), |(low, high), (count, weight)| {
                let ends = of_count(*count);
                (low + weight * ends.0, high + weight * ends.1)
            }),
        }
    }
}

/// So many events as tell as much, if all weigh the same, as these counts with these weights: (Σ w n)² ÷ Σ w² n (Kish, Survey Sampling, 1965).
fn effective(events: &[(f64, f64)]) -> f64 {
    let sum = |of: fn(f64) -> f64| events.iter().map(|(count, weight)| count * of(*weight)).sum::<f64>();
    let (weighed, squares) = (sum(|weight| weight), sum(|weight| weight * weight));
    if squares > 0.0 { weighed * weighed / squares } else { 0.0 }
}

fn finite(value: f64, otherwise: f64) -> f64 {
    if value.is_finite() { value } else { otherwise }
}

/// The share of operations beyond a quantile of all.
fn beyond(measure: Measure) -> Option<f64> {
    match measure.metric {
        Metric::LatencyP50 | Metric::LatencyAllP50 => Some(0.5),
        Metric::LatencyP90 => Some(0.1),
        Metric::LatencyP99 | Metric::LatencyAllP99 => Some(0.01),
        Metric::LatencyP999 | Metric::LatencyAllP999 => Some(0.001),
        _ => None,
    }
}

/// How many things can go wrong.
const PARTS: usize = 5;

/// What can go wrong, counted run by run.
fn parts(result: &PolicyResult) -> [Vec<Option<f64>>; PARTS] {
    [Metric::Unsuccessful, Metric::Duplicates, Metric::PhantomSuccesses, Metric::LostUpdates, Metric::HalfDone]
        .map(|metric| result.metric(metric).map(|metric| metric.values.clone()).unwrap_or_default())
}

/// What each of the parts weighs.
fn weights(decide: &Decide) -> [f64; PARTS] {
    [1.0, decide.duplicate, decide.phantom, decide.lost_update, decide.half_done]
}

/// What went wrong, per operation, run by run; none where there was no operation.
fn wrong(result: &PolicyResult, operations: &[f64], decide: &Decide) -> Vec<Option<f64>> {
    let (parts, weights) = (parts(result), weights(decide));
    let of = |values: &[Option<f64>], run: usize| values.get(run).copied().flatten().unwrap_or(0.0);
    let run = |(run, count): (usize, &f64)| {
        let sum = parts.iter().zip(weights).map(|(values, weight)| weight * of(values, run)).sum::<f64>();
        (*count > 0.0).then(|| sum / count)
    };
    operations.iter().enumerate().map(run).collect()
}

impl Evidence for Case<'_> {
    fn criteria(&self) -> usize {
        self.criteria.len()
    }

    fn standing(&self, criterion: usize, candidate: usize) -> Option<Standing> {
        self.standing(self.criteria[criterion], self.policies[candidate])
    }

    fn compare(&self, criterion: usize, own: usize, other: usize) -> Compared {
        self.compare(self.criteria[criterion], self.policies[own], self.policies[other])
    }
}
