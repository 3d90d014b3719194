//! The choice, its price, and what is not shown.

use super::Facts;
use crate::decision::{Alternative, Group, Kind, LEAST_RUNS, PART, SHARE, TIME, Word};
use crate::report::name::list;
use crate::scenario::decide::{Criterion, Margin, Scale};
use crate::scenario::metric::Metric;

/// Terms of a price, or of a choice, that are told.
const MOST_TERMS: usize = 3;

impl Facts<'_> {
    /// The choice: "full-jitter-key: 2,162 go wrong per 10,000 operations (…), against 4,813 with no-retry and 3,248 with fixed, the next best."
    pub(super) fn headline(&self, group: &Group) -> String {
        let choice = &group.choice;
        let chosen = &choice.policies;
        match choice.kind {
            Kind::NothingSucceeds if group.policies.len() == 1 => {
                format!("{}: no operation succeeds.", self.name(group.policies[0]))
            }
            Kind::NothingSucceeds => "no operation succeeds under any of them.".to_owned(),
            Kind::Alone => {
                format!(
                    "{} alone: {}; there is nothing to compare.",
                    self.name(group.policies[0]),
                    self.gone_wrong(group.policies[0])
                )
            }
            Kind::Unjudged => {
                let runs = self.runs(self.comparison.replications as usize);
                let command = self.input.command;
                let more = if command.contains("--replications") {
                    format!("at least {LEAST_RUNS} replications would be")
                } else {
                    format!("{command} --replications 10 would be")
                };
                format!("{runs}: nothing is judged; {more}.")
            }
            Kind::One => format!("{}: {}.", self.name(chosen[0]), self.reasons(group)),
            Kind::AnyOf => format!("any of {}: {}.", self.all_of(chosen), self.any_of(group)),
            Kind::Undecided => format!("not decided between {}: {}.", self.all_of(chosen), self.undecided(group)),
            Kind::NoneMeets => format!(
                "none meets what is expected of it; otherwise it would be {}.",
                if chosen.len() > 1 { format!("any of {}", self.all_of(chosen)) } else { self.all_of(chosen) }
            ),
        }
    }

    /// Every name of a choice, as far as anybody would read.
    fn all_of(&self, policies: &[usize]) -> String {
        const MOST: usize = 24;
        if policies.len() > MOST {
            return format!("{} and {} more", self.named(&policies[..MOST]).join(", "), policies.len() - MOST);
        }
        list(&self.named(policies), "and")
    }

    /// By how much those that are left lie apart, and what would tell.
    fn undecided(&self, group: &Group) -> String {
        const FEW: usize = 4;
        let (chosen, first) = (&group.choice.policies, group.criteria[0].criterion);
        let with = |policy: usize| format!("{} with {}", self.value(first, policy), self.name(policy));
        let means = if chosen.len() <= FEW {
            list(&chosen.iter().map(|policy| with(*policy)).collect::<Vec<_>>(), "and")
        } else {
            let [best, worst] = self.best_and_worst(first, chosen).map(with);
            format!("from {best} to {worst}")
        };
        let means = match first {
            Criterion::Wrong => format!("{means} go wrong per 10,000 operations"),
            first => format!("{} is {means}", self.noun(first)),
        };
        let needed = group.choice.runs_needed.map(|runs| {
            // Nobody would run more.
            const MOST: f64 = 10_000.0;
            if runs > MOST {
                return format!("; more than {} replications would be needed to tell", self.notation.count(MOST));
            }
            let mut digit = 1.0;
            while runs / digit > 99.0 {
                digit *= 10.0;
            }
            format!("; about {} replications would tell", self.notation.count((runs / digit).ceil() * digit))
        });
        format!("{means}{}", needed.unwrap_or_default())
    }

    /// What one policy has over those that went, criterion by criterion.
    fn reasons(&self, group: &Group) -> String {
        let chosen = group.choice.policies[0];
        let mut parts = Vec::new();
        for (at, asked) in group.criteria.iter().enumerate() {
            let gone: Vec<usize> =
                group.gone.iter().filter(|gone| gone.criterion == at).map(|gone| gone.policy).collect();
            if parts.len() == MOST_TERMS || (gone.is_empty() && at > 0) {
                continue;
            }
            let own = match asked.criterion {
                Criterion::Wrong => self.gone_wrong(chosen),
                criterion => self.valued(criterion, chosen),
            };
            parts.push(format!("{own}{}", self.against(group, asked.criterion, &gone)));
            // What goes wrong is told with every choice.
            if at == 0 && asked.criterion != Criterion::Wrong && group.gone.iter().all(|gone| gone.criterion == 0) {
                parts.push(self.gone_wrong(chosen));
            }
        }
        parts.join("; ")
    }

    /// ", against 4,813 with no-retry and 3,248 with fixed, the next best": those of `gone` that matter most.
    fn against(&self, group: &Group, criterion: Criterion, gone: &[usize]) -> String {
        let mean = |policy: &usize| self.standing(criterion, *policy);
        let best = |policies: &mut dyn Iterator<Item = usize>| policies.min_by(|a, b| mean(a).total_cmp(&mean(b)));
        let Some(next) = best(&mut gone.iter().copied()) else { return String::new() };
        let value = |policy: usize| format!("{} with {}", self.value(criterion, policy), self.name(policy));
        // Somebody who went by something else may be better in this.
        let others = &mut group.policies.iter().copied().filter(|policy| !group.choice.policies.contains(policy));
        let is_next = gone.len() > 1 && best(others).is_some_and(|other| mean(&other) >= mean(&next));
        let which = if is_next { ", the next best" } else { "" };
        if gone.contains(&group.baseline) && next != group.baseline {
            format!(", against {} and {}{which}", value(group.baseline), value(next))
        } else {
            format!(", against {}{which}", value(next))
        }
    }

    /// By the mean, the lowest first.
    fn standing(&self, criterion: Criterion, policy: usize) -> f64 {
        let mean = match criterion {
            Criterion::Wrong => self.decision.wrong[policy].map(|wrong| wrong.all),
            Criterion::Of(measure) => self.comparison.policies[policy].mean(measure),
        };
        let sign = if criterion.more_is_better() { -1.0 } else { 1.0 };
        mean.map_or(f64::INFINITY, |mean| sign * mean)
    }

    /// Of some policies, by the means; the first of those that are equal is best, and the last of them worst.
    fn best_and_worst(&self, criterion: Criterion, policies: &[usize]) -> [usize; 2] {
        let mut sorted = policies.to_vec();
        sorted.sort_by(|a, b| self.standing(criterion, *a).total_cmp(&self.standing(criterion, *b)));
        [sorted[0], sorted[sorted.len() - 1]]
    }

    /// Why any of several will do.
    fn any_of(&self, group: &Group) -> String {
        let (chosen, criterion) = (&group.choice.policies, group.criteria[0].criterion);
        let [best, worst] = self.best_and_worst(criterion, chosen).map(|policy| self.value(criterion, policy));
        let values = if best == worst { best } else { format!("{best} to {worst}") };
        let means = match criterion {
            Criterion::Wrong => format!("{values} go wrong per 10,000 operations"),
            criterion => format!("{} {values}", self.noun(criterion)),
        };
        // Of pairs within the choice only those with its first one are known.
        let as_good = chosen[1..].iter().all(|policy| {
            let compared = group.pair(criterion, *policy, chosen[0]);
            compared.is_some_and(|compared| compared.is_as_good())
        });
        let between = if as_good {
            "in that they are as good as one another"
        } else {
            "in that no difference that matters is shown between them"
        };
        let gone: Vec<usize> = group.gone.iter().filter(|gone| gone.criterion == 0).map(|gone| gone.policy).collect();
        format!("{means}{}; {between}", self.against(group, criterion, &gone))
    }

    /// What the choice has more of than somebody else, and what each operation saved costs.
    pub(super) fn price(&self, group: &Group) -> Option<String> {
        let choice = &group.choice;
        if !matches!(choice.kind, Kind::One | Kind::AnyOf) {
            return None;
        }
        let chosen = choice.policies[0];
        let (mut terms, mut more) = (Vec::new(), 0);
        // In the first criterion only somebody who was set aside can be better.
        for asked in &group.criteria {
            let criterion = asked.criterion;
            let better = |other: &usize| {
                group.pair(criterion, *other, chosen).is_some_and(|compared| compared.is_better())
                    && !choice.policies.contains(other)
            };
            let better: Vec<usize> = group.policies.iter().copied().filter(better).collect();
            if better.is_empty() {
                continue;
            }
            if terms.len() == MOST_TERMS {
                more += 1;
                continue;
            }
            let own = self.valued(criterion, chosen);
            // The baseline, if it is one of them; else whoever has least.
            let other = if better.contains(&group.baseline) {
                group.baseline
            } else {
                self.best_and_worst(criterion, &better)[0]
            };
            let aside = if group.set_aside.contains(&other) { ", which was set aside" } else { "" };
            terms.push(format!("{own}, against {} with {}{aside}", self.value(criterion, other), self.name(other)));
        }
        let who = if choice.policies.len() > 1 { format!("with {}: ", self.name(chosen)) } else { String::new() };
        let more = match more {
            0 => String::new(),
            1 => "; and 1 criterion more".to_owned(),
            more => format!("; and {more} criteria more"),
        };
        let other = if choice.policies.len() > 1 { "policy beside these" } else { "other policy" };
        let saved = self.each_saved(group, chosen);
        let terms = match (terms.is_empty(), &saved) {
            (true, None) => format!("nothing: no {other} is shown to be better in anything that was asked."),
            (true, Some(_)) => format!("no {other} is shown to be better in anything that was asked."),
            (false, _) => format!("{who}{}{more}.", terms.join("; ")),
        };
        Some(terms + &saved.unwrap_or_default())
    }

    /// " 4.1 extra attempts per operation saved", where fewer go wrong than with the baseline and more is sent.
    fn each_saved(&self, group: &Group, chosen: usize) -> Option<String> {
        let baseline = group.baseline;
        let saved = group.pair(Criterion::Wrong, chosen, baseline)?.is_better();
        let wrong = |policy: usize| self.decision.wrong[policy].map(|wrong| wrong.all);
        let attempts = |policy: usize| self.mean(policy, Metric::AttemptsPerOperation);
        let (saves, extra) = (wrong(baseline)? - wrong(chosen)?, attempts(chosen)? - attempts(baseline)?);
        // Less would be written as 0.00.
        (saved && saves > 0.0 && extra / saves >= 0.005).then(|| {
            let name = self.name(baseline);
            format!(" {} extra attempts per operation saved, compared with {name}.", self.notation.ratio(extra / saves))
        })
    }

    /// "budget: attempts per operation 1.19 instead of 2.47; but what goes wrong 4,679 instead of 2,162."
    pub(super) fn alternatives(&self, group: &Group) -> Option<String> {
        let chosen = *group.choice.policies.first()?;
        let one = |alternative: &Alternative| {
            let policy = alternative.policy;
            let gains = group.criteria[alternative.gains].criterion;
            let instead = |criterion: Criterion| {
                let (own, other) = (self.value(criterion, policy), self.value(criterion, chosen));
                match criterion {
                    Criterion::Wrong => format!("gone wrong {own} instead of {other} per 10,000"),
                    criterion => format!("{} {own} instead of {other}", self.noun(criterion)),
                }
            };
            let worse = |criterion: &Criterion| {
                group.pair(*criterion, policy, chosen).is_some_and(|compared| compared.is_worse())
            };
            let costs: Vec<String> =
                group.criteria.iter().map(|asked| asked.criterion).filter(worse).map(instead).collect();
            let costs = match costs.len() {
                0 => String::new(),
                few => format!(", but {}", costs[..few.min(MOST_TERMS)].join(", ")),
            };
            format!("{}: {}{costs}", self.name(policy), instead(gains))
        };
        let all: Vec<String> = group.alternatives.iter().map(one).collect();
        (!all.is_empty()).then(|| format!("{}.", all.join("; ")))
    }

    /// Nobody who retries is better than somebody who does not: what that costs.
    pub(super) fn for_nothing(&self, group: &Group) -> Option<String> {
        let chosen = &group.choice.policies;
        let first = *group.never_retry.iter().find(|policy| chosen.contains(policy))?;
        let retrying: Vec<usize> =
            group.policies.iter().copied().filter(|policy| !group.never_retry.contains(policy)).collect();
        // In anything that is compared on the page.
        let gains = |policy: &usize| {
            group
                .ranks
                .iter()
                .any(|rank| group.pair(rank.criterion, *policy, first).is_some_and(|compared| compared.is_better()))
        };
        if retrying.is_empty() || retrying.iter().any(gains) {
            return None;
        }
        let mut text = format!(
            "no policy that retries is shown to be better than {} in anything by more than the margin",
            self.name(first)
        );
        let attempts = |policy: &usize| self.mean(*policy, Metric::AttemptsPerOperation).unwrap_or(0.0);
        let most = retrying.iter().copied().max_by(|a, b| attempts(a).total_cmp(&attempts(b)))?;
        // A gate may refuse more than is retried.
        if attempts(&most) >= 1.005 {
            let peak = self
                .mean(most, Metric::PeakOfDemand)
                .map(|times| format!(" and {} the highest demand at the peak", self.notation.times(times)));
            let sends = self.notation.ratio(attempts(&most));
            text.push_str(&format!(
                "; {} sends {sends} attempts per operation{}",
                self.name(most),
                peak.unwrap_or_default()
            ));
        }
        text.push('.');
        if let [least, ..] = group.if_retrying[..] {
            let peak = |policy: usize| self.mean(policy, Metric::PeakOfDemand).map(|times| self.notation.times(times));
            let peak = peak(least).map(|times| format!(": {times} the highest demand at the peak")).unwrap_or_default();
            text.push_str(&format!(" If you must retry: {}{peak}.", self.list(&group.if_retrying)));
        }
        Some(text)
    }

    /// Of whom no difference from the baseline is shown, in the first criterion.
    pub(super) fn not_shown(&self, group: &Group) -> Option<String> {
        if !self.decision.judged || group.criteria.is_empty() {
            return None;
        }
        let criterion = group.criteria[0].criterion;
        let open = |policy: &usize| {
            group.pair(criterion, *policy, group.baseline).is_some_and(|compared| {
                let words = [compared.word(), compared.reversed().word()];
                words.iter().all(|word| matches!(word, Word::NotShown | Word::NotWorse))
            })
        };
        let open: Vec<usize> = group.policies.iter().copied().filter(open).collect();
        // What did not happen may be rare.
        let nothing = |policy: usize| self.decision.wrong[policy].is_some_and(|wrong| wrong.all == 0.0);
        let none = open.iter().all(|policy| nothing(*policy)) && nothing(group.baseline);
        let none = if criterion == Criterion::Wrong && none {
            let operations = open.iter().map(|policy| self.operations(*policy)).fold(f64::INFINITY, f64::min);
            format!(" (0 in {} operations each)", self.notation.count(operations))
        } else {
            String::new()
        };
        (!open.is_empty()).then(|| {
            let (noun, baseline) = (self.noun(criterion), self.name(group.baseline));
            format!("by {noun}, no difference from {baseline}: {}{none}.", self.list(&open))
        })
    }

    /// "full-jitter-key beats immediate and fixed: better in one criterion or more, worse in none."
    pub(super) fn beaten(&self, group: &Group) -> Option<String> {
        let mut texts = Vec::new();
        for by in &group.choice.policies {
            let beaten: Vec<usize> = group.beaten.iter().filter(|one| one.by == *by).map(|one| one.policy).collect();
            if !beaten.is_empty() {
                texts.push(format!("{} beats {}", self.name(*by), self.list(&beaten)));
            }
        }
        (!texts.is_empty()).then(|| format!("{}: better in one criterion or more, worse in none.", texts.join("; ")))
    }

    /// Who misses an expectation, or may.
    pub(super) fn expected(&self) -> Option<String> {
        let groups = &self.decision.groups;
        // Where nobody meets what is expected the choice says so.
        let told = groups.iter().filter(|group| group.choice.kind != Kind::NoneMeets);
        let all = |of: fn(&Group) -> &Vec<usize>| told.clone().flat_map(of).copied().collect::<Vec<usize>>();
        let (missed, may) = (all(|group| &group.set_aside), all(|group| &group.may_miss));
        let mut texts = Vec::new();
        if !missed.is_empty() {
            texts.push(format!("set aside, since an expectation is not met: {}.", self.list(&missed)));
        }
        if !may.is_empty() {
            let may_miss = if texts.is_empty() { "may miss" } else { "May miss" };
            texts.push(format!("{may_miss} one, its interval containing the limit: {}.", self.list(&may)));
        }
        (!texts.is_empty()).then(|| texts.join(" "))
    }

    /// What margins there are, and how sure all intervals are together.
    pub(super) fn rules(&self) -> Vec<String> {
        let n = &self.notation;
        let decided: Vec<&Group> = self.decision.groups.iter().filter(|group| !group.pairs.is_empty()).collect();
        if decided.is_empty() {
            return Vec::new();
        }
        let margins = &self.input.scenario.decide.margins;
        let write = |criterion: Criterion, margin: &Margin| match (criterion.scale(), margin) {
            (Scale::Share, Margin::Absolute(share)) => format!("{} per 10,000", n.per_10_000(*share)),
            (_, Margin::Absolute(seconds)) => n.length(*seconds),
            (_, Margin::Relative(part)) => format!("{}%", n.rate(*part * 100.0)),
        };
        let part = n.rate(PART * 100.0);
        let mut parts = Vec::new();
        if margins.iter().all(|(criterion, _)| *criterion != Criterion::Wrong) {
            parts.push(format!("{} per 10,000 operations (at most a tenth of the better one's)", n.per_10_000(SHARE)));
        }
        parts.extend(
            margins
                .iter()
                .map(|(criterion, margin)| format!("{} {}", self.noun(*criterion), write(*criterion, margin))),
        );
        let by_default =
            |criterion: &Criterion| criterion.scale() == Scale::Time && margins.iter().all(|(own, _)| own != criterion);
        if decided.iter().any(|group| group.criteria.iter().any(|asked| by_default(&asked.criterion))) {
            parts.push(format!("{} or {part}% of times to recover or finish", n.length(TIME)));
        }
        parts.push(format!("{part}% of all else"));
        let mut families: Vec<String> = decided.iter().map(|group| n.count(group.family.comparisons as f64)).collect();
        families.dedup();
        let plus_minus = self.notation.plus_minus;
        vec![
            format!("Margins: {}", parts.join(", ")),
            format!(
                "Marks and sentences hold at 95% together ({} comparisons), {plus_minus} alone",
                list(&families, "and")
            ),
        ]
    }
}
