//! Findings as headings of figures: of what is shown in them, or what is drawn.

use super::Facts;
use crate::metrics::ending::Ending;
use crate::report::name::list;
use crate::report::recovery::after;
use crate::scenario::decide::Criterion;
use crate::scenario::metric::Metric;

/// Findings as headings of figures, without a full stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Headings {
    /// Over success rates.
    pub success: String,
    /// Over attempts per operation.
    pub attempts: String,
    /// Over the load in time.
    pub load: String,
    /// Over duplicates and phantom successes.
    pub duplicates: String,
    /// Over latency and results.
    pub latency: String,
    /// Beside results; empty if there is nothing to say.
    pub results: String,
    /// Over the phase pictures.
    pub phase: String,
    /// Over differences to the baseline.
    pub forest: String,
}

impl Facts<'_> {
    pub(super) fn headings(&self) -> Headings {
        let of = |metric: Metric, noun: &str, best: &str, worst: &str, otherwise: &str| {
            self.ranked(metric, noun, [best, worst]).unwrap_or_else(|| otherwise.to_owned())
        };
        // Where a wave decided, it is the load to look at.
        let wave = Criterion::of(Metric::Wave);
        let decided = self.decision.groups.iter().any(|group| {
            let at = group.criteria.iter().position(|asked| asked.criterion == wave);
            at.is_some_and(|at| group.gone.iter().any(|gone| gone.criterion == at))
        });
        let load = if decided { Metric::Wave } else { Metric::PeakLoad };
        let (peak, success) = (capitalised(&self.noun(Criterion::of(load))), "Success");
        Headings {
            success: of(Metric::SuccessRate, success, "highest", "lowest", "Success rate"),
            attempts: of(Metric::AttemptsPerOperation, "Attempts", "fewest", "most", "Attempts per operation"),
            load: of(load, peak.as_str(), "lowest", "highest", "Load over time"),
            duplicates: of(Metric::DuplicateRate, "Duplicates", "fewest", "most", "Duplicates and phantom successes"),
            latency: self.never(),
            results: self.failures_after_retries().unwrap_or_default(),
            phase: self.stayed_down().unwrap_or_else(|| "Load against goodput".to_owned()),
            forest: self.against_baseline().unwrap_or_default(),
        }
    }

    /// "Success: highest with a (79.8%), lowest with b (45.1%)": best and worst, where the decision ranks and there is one group.
    fn ranked(&self, metric: Metric, noun: &str, [best, worst]: [&str; 2]) -> Option<String> {
        let [group] = &self.decision.groups[..] else { return None };
        let criterion = Criterion::of(metric);
        let rank = group.rank(criterion)?;
        // A long list is no heading.
        const FEW: usize = 3;
        let side = |policies: &[usize], which: &str| match policies {
            [] => None,
            [one] => Some(format!("{which} with {} ({})", self.name(*one), self.value(criterion, *one))),
            few if few.len() <= FEW => Some(format!("{which} with {}", list(&self.named(few), "and"))),
            many => Some(format!("{which} with {} policies", many.len())),
        };
        let parts: Vec<String> = [side(&rank.best, best), side(&rank.worst, worst)].into_iter().flatten().collect();
        (!parts.is_empty()).then(|| format!("{noun}: {}", parts.join(", ")))
    }

    /// "Between 14.8% and 43.3% of operations never succeed".
    fn never(&self) -> String {
        let write = |share: f64| crate::report::chart::latency::percent(share);
        let missing = (0..self.comparison.policies.len()).filter_map(|policy| self.mean(policy, Metric::SuccessRate));
        let missing: Vec<f64> = missing.map(|rate| 1.0 - rate).collect();
        let ends = missing.iter().copied().reduce(f64::min).zip(missing.iter().copied().reduce(f64::max));
        match ends.map(|(least, most)| (write(least), write(most))) {
            None => "No operation was measured".to_owned(),
            Some((_, most)) if most == "0%" => "Every operation succeeds".to_owned(),
            Some((least, most)) if least == most => format!("{most} of operations never succeed"),
            Some((least, most)) if least.starts_with('<') || least == "0%" => {
                format!("Up to {most} of operations never succeed")
            }
            Some((least, most)) => format!("Between {least} and {most} of operations never succeed"),
        }
    }

    /// "Most failures of a and b come after retries": what was sent for nothing. Not said if it is so of most policies.
    fn failures_after_retries(&self) -> Option<String> {
        let most = |policy: &usize| {
            let endings = &self.comparison.policies[*policy].endings;
            let failed: f64 =
                [Ending::AfterRetries, Ending::AfterOne, Ending::Refused].iter().map(|ending| endings[*ending]).sum();
            failed > 0.0 && endings[Ending::AfterRetries] > failed / 2.0
        };
        let policies = self.comparison.policies.len();
        let named: Vec<usize> = (0..policies).filter(most).collect();
        (!named.is_empty() && named.len() * 2 <= policies)
            .then(|| format!("Most failures of {} come after retries", list(&self.named(&named), "and")))
    }

    /// "exponential stayed down after outage in 4 of 10 runs"; of many policies only how many they are.
    fn stayed_down(&self) -> Option<String> {
        const MOST_NAMES: usize = 3;
        let recovered = self.recovered.as_ref()?;
        let what = after(self.input)?;
        // Whoever came back after each of several is not down.
        let any = what.replacen("every fault", "some fault", 1).replacen("some fault and", "some fault or", 1);
        let down: Vec<usize> = (0..recovered.len()).filter(|policy| recovered[*policy].down() > 0).collect();
        match down.len() {
            0 => {
                let all = recovered.iter().all(|of| of.of == self.comparison.replications as usize);
                let runs = if all { "in every run" } else { "in every run of which it can be told" };
                recovered.iter().all(|of| of.of > 0).then(|| format!("Every policy came back after {what} {runs}"))
            }
            few if few <= MOST_NAMES => {
                let each = down.iter().map(|policy| {
                    let of = recovered[*policy];
                    format!("{} in {} of {}", self.name(*policy), of.down(), self.runs(of.of))
                });
                Some(format!("Stayed down after {any}: {}", each.collect::<Vec<_>>().join(", ")))
            }
            many => {
                Some(format!("{many} of {} policies stayed down after {any}, in some runs or in all", recovered.len()))
            }
        }
    }

    /// "Success against no-retry: 5 better, 1 worse, 2 as good, 1 not shown to be any of these".
    fn against_baseline(&self) -> Option<String> {
        const WORDS: [&str; 6] =
            ["better", "worse", "as good", "slightly better", "slightly worse", "not shown to be any of these"];
        let criterion = Criterion::of(Metric::SuccessRate);
        let mut counts = [0; WORDS.len()];
        let mut baselines = Vec::new();
        for group in &self.decision.groups {
            for policy in group.policies.iter().filter(|policy| **policy != group.baseline) {
                let compared = group.pair(criterion, *policy, group.baseline)?;
                let word = compared.in_words();
                counts[WORDS.iter().position(|one| *one == word).unwrap_or(WORDS.len() - 1)] += 1;
                baselines.push(group.baseline);
            }
        }
        baselines.dedup();
        let [baseline] = baselines[..] else { return None };
        let parts =
            counts.iter().zip(WORDS).filter(|(count, _)| **count > 0).map(|(count, word)| format!("{count} {word}"));
        Some(format!("Success against {}: {}", self.name(baseline), parts.collect::<Vec<_>>().join(", ")))
    }
}

/// With a capital first letter, and no article before it.
fn capitalised(noun: &str) -> String {
    let noun = noun.strip_prefix("the ").unwrap_or(noun);
    let mut chars = noun.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
