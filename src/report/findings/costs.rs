//! Sentences about what success was bought with: load, duplicates, phantom successes.

use std::cmp::Ordering;

use super::{Facts, Headings};
use crate::report::column::{Column, has_effects};
use crate::report::marks::eligible;
use crate::report::name::list;
use crate::report::recovery::any_end;
use crate::scenario::metric::Metric;

impl Facts<'_> {
    /// Those with the most successes, if the baseline is not among them.
    fn winners(&self) -> Option<&[usize]> {
        (!self.top.is_empty() && !self.top.contains(&self.baseline())).then_some(&self.core)
    }

    /// Some winner has more of it than the baseline.
    fn costs_more(&self, winners: &[usize], column: Column) -> bool {
        let baseline = self.baseline();
        winners.iter().any(|policy| self.contrasts.differs(*policy, baseline, column) == Some(Ordering::Greater))
    }

    /// The verdict's second sentence.
    pub(super) fn cost_sentence(&self) -> Option<String> {
        let winners = self.winners()?;
        let who = if winners.len() == 1 { "It" } else { "They" };
        let mut parts = Vec::new();
        if self.costs_more(winners, Column::Peak) {
            parts.push(format!("peaked at {} demand", self.span(winners, Column::Peak, self.notation.times)));
        }
        if self.costs_more(winners, Column::Duplicates) {
            parts.push(format!("made {} duplicates per 10,000 operations", self.span(winners, Column::Duplicates, "")));
        }
        Some(if parts.is_empty() {
            format!("{who} did so without more load or duplicates.")
        } else {
            format!("{who} {}.", parts.join(" and "))
        })
    }

    /// The same as the end of a sentence that begins with "It costs".
    pub(super) fn costs(&self) -> Option<String> {
        let winners = self.winners()?;
        let mut parts = Vec::new();
        if self.costs_more(winners, Column::Peak) {
            let peak = self.span(winners, Column::Peak, self.notation.times);
            let capacity = match winners {
                [winner] => self.times_capacity(*winner).map(|times| format!(" ({times} capacity)")),
                _ => None,
            };
            let noun = if winners.len() == 1 { "a peak" } else { "peaks" };
            parts.push(format!("{noun} of {peak} demand{}", capacity.unwrap_or_default()));
        }
        if self.costs_more(winners, Column::Duplicates) {
            parts.push(format!("{} duplicates per 10,000 operations", self.span(winners, Column::Duplicates, "")));
        }
        Some(if parts.is_empty() { "no more load or duplicates".to_owned() } else { parts.join(", ") })
    }

    /// The verdict's third sentence: who did without duplicates.
    pub(super) fn without_duplicates(&self) -> Option<String> {
        let made = |policy: &usize| self.mean(*policy, Column::Duplicates).is_some_and(|mean| mean > 0.0);
        let clean: Vec<usize> = self.core.iter().copied().filter(|policy| !made(policy)).collect();
        if clean.is_empty() {
            let best = self.best_without_duplicates?;
            let rate = self.cell(best, Column::Success);
            return Some(format!("{} reached {rate} without duplicates.", self.name(best)));
        }
        let some_did = clean.len() < self.core.len() && !self.top.contains(&self.baseline());
        some_did.then(|| format!("Of these, {} made no duplicates.", list(&self.named(&clean), "and")))
    }

    /// The peak as a multiple of what the server can finish when nothing is wrong.
    fn times_capacity(&self, policy: usize) -> Option<String> {
        self.comparison.policies[policy].mean(Metric::PeakOfCapacity).map(|ratio| self.notation.times(ratio))
    }

    /// Who peaked highest, and who lowest among those that can be recommended.
    pub(super) fn load(&self) -> Option<String> {
        let highest = self.contrasts.extreme(Column::Peak, &self.all, Ordering::Greater);
        let mut sentences = Vec::new();
        if let [policy] = highest[..] {
            let estimate = Column::Peak.estimate(&self.comparison.policies[policy]);
            let write = |value: Option<f64>| value.map(|value| self.notation.multiple(value)).unwrap_or_default();
            let (mean, low, high) = (write(estimate.mean), write(estimate.ci_low), write(estimate.ci_high));
            let interval = self.notation.around(&mean, &low, &high);
            let capacity = self.times_capacity(policy).map(|times| format!(", {times} capacity"));
            sentences.push(format!(
                "{} peaked highest, at {} demand{}{}.",
                self.name(policy),
                self.cell(policy, Column::Peak),
                interval,
                capacity.unwrap_or_default()
            ));
        }
        let candidates: Vec<usize> = self
            .all
            .iter()
            .copied()
            .filter(|policy| eligible(self.comparison, &self.contrasts, self.recovered.as_deref(), *policy))
            .collect();
        let lowest = self.contrasts.extreme(Column::Peak, &candidates, Ordering::Less);
        if let [policy] = lowest[..]
            && candidates.len() > 1
        {
            let difference = self.contrasts.paired(policy, self.baseline(), Column::Success).mean.unwrap_or(0.0);
            let success = if policy == self.baseline() || self.versus(policy).is_none() {
                String::new()
            } else {
                format!(", for {} points of success", self.notation.signed_points(difference, 1))
            };
            let recovered = if self.recovered.is_some() { " and that recovered in every run" } else { "" };
            sentences.push(format!(
                "Of the policies that retry and do not lose to {}{recovered}, {} peaked lowest: {}{success}.",
                self.name(self.baseline()),
                self.name(policy),
                self.cell(policy, Column::Peak)
            ));
        }
        (!sentences.is_empty()).then(|| sentences.join(" "))
    }

    /// Who comes back as one wave after the fault, and who spreads it most; `None` where [`Column::Wave`] is not shown.
    pub(super) fn wave(&self) -> Option<String> {
        let fault = any_end(self.input).filter(|_| self.shows_wave())?;
        let side = |side| self.contrasts.extreme(Column::Wave, &self.all, side);
        let (highest, lowest) = (side(Ordering::Greater), side(Ordering::Less));
        if highest == lowest || highest.is_empty() {
            return None;
        }
        let per_second = |policies: &[usize]| self.span(policies, Column::Wave, "");
        Some(format!(
            "After {fault}, the load peaks at {} attempts/s with {}, and at {} with {}.",
            per_second(&highest),
            list(&self.named(&highest), "and"),
            per_second(&lowest),
            list(&self.named(&lowest), "and")
        ))
    }

    fn shows_wave(&self) -> bool {
        Column::shown(self.comparison, self.recovered.as_deref()).contains(&Column::Wave)
    }

    /// Who made no duplicates, and what a clean policy leaves behind all the same.
    pub(super) fn duplicates(&self) -> Option<String> {
        let mut text = self.duplicates_heading()? + ".";
        if let Some(best) = self.best_without_duplicates
            && self.mean(best, Column::Phantom).is_some_and(|mean| mean > 0.0)
        {
            text.push_str(&format!(
                " {} leaves {} phantom successes per 10,000 operations: done, but reported as failed.",
                self.name(best),
                self.cell(best, Column::Phantom)
            ));
        }
        Some(text)
    }

    /// `None` if nothing can have an effect or nothing was measured.
    fn duplicates_heading(&self) -> Option<String> {
        if !has_effects(self.comparison) {
            return None;
        }
        let (none, some): (Vec<usize>, Vec<usize>) =
            self.all.iter().partition(|policy| self.mean(**policy, Column::Duplicates).is_none_or(|mean| mean == 0.0));
        Some(match (&none[..], &some[..]) {
            (_, []) => "No policy made duplicates".to_owned(),
            ([], _) => "Every policy made duplicates".to_owned(),
            (none, some) if none.len() <= some.len() => {
                format!("Only {} made no duplicates", list(&self.named(none), "and"))
            }
            (_, some) => format!("Only {} made duplicates", list(&self.named(some), "and")),
        })
    }

    /// Headings of figures: findings where there is one, else what is drawn.
    pub(super) fn headings(&self, judged: bool) -> Headings {
        let highest = |column: Column, write: &dyn Fn(usize) -> String, otherwise: &str| {
            let group = self.contrasts.extreme(column, &self.all, Ordering::Greater);
            match group[..] {
                [policy] if judged => write(policy),
                _ => otherwise.to_owned(),
            }
        };
        let peak = |policy: usize| {
            let capacity = self.times_capacity(policy).map(|times| format!(", {times} capacity"));
            let peak = self.cell(policy, Column::Peak);
            format!("{} peaks at {peak} demand{}", self.name(policy), capacity.unwrap_or_default())
        };
        let most = |policy: usize| {
            format!("{} sends most: {} attempts per operation", self.name(policy), self.cell(policy, Column::Attempts))
        };
        Headings {
            success: self.success_heading().filter(|_| judged).unwrap_or_else(|| "Success rate".to_owned()),
            attempts: highest(Column::Attempts, &most, "Attempts per operation"),
            load: match self.wave().filter(|_| judged) {
                Some(wave) => wave.trim_end_matches('.').to_owned(),
                None if self.shows_wave() => "Load over time".to_owned(),
                None => highest(Column::Peak, &peak, "Load over time"),
            },
            duplicates: self
                .duplicates_heading()
                .filter(|_| judged)
                .unwrap_or_else(|| "Duplicates and phantom successes".to_owned()),
            latency: self.never(),
            results: self.failures_after_retries().unwrap_or_default(),
            phase: self
                .stayed_down_in_short()
                .or_else(|| self.came_back())
                .unwrap_or_else(|| "Load against goodput".to_owned()),
            forest: if judged { self.against_baseline() } else { String::new() },
        }
    }
}
