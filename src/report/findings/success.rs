//! Sentences about success: the verdict, who leads whom, who does worse than the baseline.

use std::cmp::Ordering;

use super::Facts;
use crate::metrics::ending::Ending;
use crate::report::column::Column;
use crate::report::name::list;
use crate::report::refusal::{REFUSALS, Refusal, operations};
use crate::scenario::metric::Metric;

impl Facts<'_> {
    pub(super) fn verdict(&self) -> Vec<String> {
        let Some(first) = self.contrasts.first(Column::Success, &self.all, Ordering::Greater) else {
            return vec!["No operation was measured.".to_owned()];
        };
        if let [only] = self.all[..] {
            return vec![format!(
                "{} succeeded in {} of operations.",
                self.name(only),
                self.cell(only, Column::Success)
            )];
        }
        if self.comparison.replications < 2 {
            return vec!["One replication: differences cannot be judged.".to_owned()];
        }
        let baseline = self.baseline();
        let with = self.with_replications();
        let rate = |policy: usize| self.cell(policy, Column::Success);
        let mut verdict = Vec::new();
        if self.top == [baseline] {
            verdict.push(format!("No policy succeeded more often than {} ({}).", self.name(baseline), rate(baseline)));
        } else if self.top.contains(&baseline) {
            // Some may differ when they alone are looked at; that is not enough to pick them out of many.
            let beats = |policy: &usize| self.versus(*policy) == Some(Ordering::Greater);
            let why = if self.all.iter().any(beats) {
                format!(", corrected for picking the best of {}", self.all.len())
            } else {
                String::new()
            };
            verdict.push(format!(
                "No policy succeeded more often than {}: no difference shown {with}{why}.",
                self.name(baseline)
            ));
        } else if let [winner] = self.top[..] {
            verdict.push(format!(
                "{} succeeded most often: {} of operations, against {} with {}.",
                self.name(winner),
                rate(first),
                rate(baseline),
                self.name(baseline)
            ));
        } else {
            verdict.push(self.top_group(first));
        }
        verdict.extend(self.cost_sentence());
        verdict.extend(self.without_duplicates());
        verdict
    }

    /// The verdict's first sentence if the highest mean, that of `first`, is not separated from all others.
    fn top_group(&self, first: usize) -> String {
        let with = self.with_replications();
        // Looked at alone some of these pairs may differ; that is not enough to pick the best out of many.
        let corrected = format!("{with}, corrected for picking the best of {}", self.all.len());
        let core = list(&self.named(&self.core), "and");
        let rates = self.span(&self.core, Column::Success, "%");
        if self.core.len() < self.top.len() {
            let strays: Vec<usize> = self.top.iter().copied().filter(|policy| !self.core.contains(policy)).collect();
            let (has, base) = (if self.core.len() == 1 { "has" } else { "have" }, self.baseline());
            return format!(
                "{core} {has} the highest mean success ({rates}), against {} with {}; no difference from {} ({}) shown {corrected}.",
                self.cell(base, Column::Success),
                self.name(base),
                list(&self.named(&strays), "and"),
                self.span(&strays, Column::Success, "%"),
            );
        }
        let differ = |a: &usize, b: &usize| a < b && self.contrasts.differs(*a, *b, Column::Success).is_some();
        if self.top.iter().any(|a| self.top.iter().any(|b| differ(a, b))) {
            let first = self.name(first);
            format!("{core} succeeded most often ({rates}); no difference from {first} shown {corrected}.")
        } else {
            format!("{core} succeeded most often ({rates}); no difference between them shown {with}.")
        }
    }

    /// Where a policy's success lies from the baseline's, if a difference is shown.
    pub(super) fn versus(&self, policy: usize) -> Option<Ordering> {
        self.contrasts.differs(policy, self.baseline(), Column::Success)
    }

    /// Whom the winner leads; without a single winner how many beat the baseline.
    pub(super) fn success(&self) -> Option<String> {
        let [winner] = self.top[..] else {
            // The verdict says so already if nobody does better than the baseline.
            let some_beat = self.all.iter().any(|policy| self.versus(*policy) == Some(Ordering::Greater));
            return some_beat.then(|| self.against_baseline() + ".");
        };
        let clean = self.mean(winner, Column::Duplicates) == Some(0.0);
        let others: Vec<usize> = self.all.iter().copied().filter(|policy| *policy != winner).collect();
        let (rival, which) = match self.best_without_duplicates {
            Some(best) if !clean && best != winner => (best, ", the best without duplicates,"),
            _ => (self.contrasts.first(Column::Success, &others, Ordering::Greater)?, ""),
        };
        let apart = self.apart(winner, rival);
        let by = if apart.visible { apart.text } else { format!("a difference {}", apart.text) };
        let (winner_name, rival_name, n) = (self.name(winner), self.name(rival), self.comparison.replications);
        let mut text = format!("{winner_name} leads {rival_name}{which} by {by}, paired over {n} replications.");
        text.extend(self.attempts_differ(winner, rival));
        Some(text)
    }

    /// Who succeeded within the `slo` more often than the baseline and than anybody else, if that is somebody.
    pub(super) fn in_time(&self) -> Option<String> {
        let slo = self.input.scenario.slo?;
        let (column, baseline) = (Column::InTime, self.baseline());
        let best = self.contrasts.extreme(column, &self.all, Ordering::Greater);
        if best.contains(&baseline) {
            return None;
        }
        // Whose mean is surpassed from outside has too wide an interval to be named.
        let core = self.contrasts.unsurpassed(column, &self.all, &best, Ordering::Greater);
        Some(format!(
            "{} succeeded within {} most often: {} of operations, against {} with {}.",
            list(&self.named(&core), "and"),
            self.notation.length(slo.seconds()),
            self.span(&core, column, "%"),
            self.cell(baseline, column),
            self.name(baseline)
        ))
    }

    /// Over success rates: whom the winner leads, or as much of the verdict.
    pub(super) fn success_heading(&self) -> Option<String> {
        let sentence = match self.top[..] {
            [_] => self.success()?,
            _ => self.verdict().into_iter().next()?,
        };
        // Of the finding only the first sentence, which has no full stop but its last and those between digits.
        let first = sentence.split(". ").next().unwrap_or(&sentence);
        Some(first.trim_end_matches('.').to_owned())
    }

    /// "Between 14.8% and 43.3% of operations never succeed".
    pub(super) fn never(&self) -> String {
        let write = |policy: &usize| {
            crate::report::chart::latency::percent(1.0 - self.mean(*policy, Column::Success).unwrap_or(0.0))
        };
        let measured: Vec<usize> =
            self.all.iter().copied().filter(|policy| self.mean(*policy, Column::Success).is_some()).collect();
        let rate = |policy: &usize| self.mean(*policy, Column::Success).unwrap_or(0.0);
        let most = measured.iter().min_by(|a, b| rate(a).total_cmp(&rate(b)));
        let least = measured.iter().max_by(|a, b| rate(a).total_cmp(&rate(b)));
        match least.zip(most).map(|(least, most)| (write(least), write(most))) {
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
    pub(super) fn failures_after_retries(&self) -> Option<String> {
        let most = |policy: &usize| {
            let endings = &self.comparison.policies[*policy].endings;
            let failed: f64 =
                [Ending::AfterRetries, Ending::AfterOne, Ending::Refused].iter().map(|ending| endings[*ending]).sum();
            failed > 0.0 && endings[Ending::AfterRetries] > failed / 2.0
        };
        let named: Vec<usize> = self.all.iter().copied().filter(most).collect();
        (!named.is_empty() && named.len() * 2 <= self.all.len())
            .then(|| format!("Most failures of {} come after retries", list(&self.named(&named), "and")))
    }

    /// The number of attempts that a policy may make, as in the resolved scenario.
    fn most_attempts(&self, policy: usize) -> Option<String> {
        match self.input.resolved_json.get("policy")?.get(&self.comparison.policies[policy].name)?.get("attempts")? {
            serde_json::Value::Number(number) => Some(number.to_string()),
            serde_json::Value::String(text) if text == "unlimited" => Some(text.clone()),
            _ => None,
        }
    }

    /// More attempts are another reason to succeed more often: the reader must see it.
    fn attempts_differ(&self, winner: usize, rival: usize) -> Option<String> {
        let own = self.most_attempts(winner)?;
        let its = self.most_attempts(rival)?;
        if own == its {
            return None;
        }
        let others: Option<Vec<String>> =
            self.all.iter().filter(|policy| **policy != winner).map(|policy| self.most_attempts(*policy)).collect();
        let retrying: Vec<String> = others?.into_iter().filter(|attempts| attempts != "1").collect();
        let noun = if own == "1" { "attempt" } else { "attempts" };
        Some(if retrying.len() > 1 && retrying.iter().all(|attempts| *attempts == its) {
            format!(" It has {own} {noun}; the others have {its}.")
        } else {
            format!(" It has {own} {noun}, {} has {its}.", self.name(rival))
        })
    }

    /// "5 policies beat no-retry, 1 loses, 2 are not separable".
    pub(super) fn against_baseline(&self) -> String {
        let baseline = self.baseline();
        let versus = |wanted: Option<Ordering>| {
            self.all.iter().filter(|policy| **policy != baseline && self.versus(**policy) == wanted).count()
        };
        let (beat, lose, open) = (versus(Some(Ordering::Greater)), versus(Some(Ordering::Less)), versus(None));
        let name = self.name(baseline);
        let mut parts = vec![match beat {
            0 => format!("No policy beats {name}"),
            1 => format!("1 policy beats {name}"),
            beat => format!("{beat} policies beat {name}"),
        }];
        match lose {
            0 => {}
            1 => parts.push("1 loses".to_owned()),
            lose => parts.push(format!("{lose} lose")),
        }
        match open {
            0 => {}
            1 => parts.push("1 is not separable".to_owned()),
            open => parts.push(format!("{open} are not separable")),
        }
        parts.join(", ")
    }

    /// Everyone who succeeded less often than the baseline: those with a cause in a sentence of their own.
    pub(super) fn worse(&self) -> Option<String> {
        let baseline = self.baseline();
        let base = self.name(baseline);
        let (mut plain, mut with_cause) = (String::new(), String::new());
        for policy in self.all.iter().copied().filter(|policy| self.versus(*policy) == Some(Ordering::Less)) {
            let (own, apart) = (self.name(policy), self.apart(policy, baseline));
            match self.refusals(policy) {
                // The hints tell of it.
                _ if !apart.visible => {}
                Some(cause) => {
                    with_cause.push_str(&format!(" {own} succeeded {} less often than {base}: {cause}.", apart.text));
                }
                None if plain.is_empty() => plain = format!("{own} succeeded {} less often than {base}", apart.text),
                None => plain.push_str(&format!(", {own} {}", apart.text)),
            }
        }
        if !plain.is_empty() {
            plain.push('.');
        }
        plain.push_str(&with_cause);
        let text = plain.trim_start();
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// Gates as a cause: only if at least as many operations failed with their refusals as successes are missing.
    fn refusals(&self, policy: usize) -> Option<String> {
        let baseline = self.baseline();
        let missing = self.metric(baseline, Metric::Succeeded) - self.metric(policy, Metric::Succeeded);
        let causes = REFUSALS.into_iter().filter_map(|Refusal { cost, gate, what: [one, _], .. }| {
            let failed = self.metric(policy, cost);
            let count = || operations(failed, self.notation);
            (failed >= missing.max(1.0))
                .then(|| format!("{} per run failed because its {gate} refused them {one}", count()))
        });
        let causes: Vec<String> = causes.collect();
        (!causes.is_empty()).then(|| list(&causes, "and"))
    }
}
