//! Sentences that keep a reader from trusting a mean: who stayed down, and whose replications fall into two groups.

use super::Facts;
use crate::report::name::list;
use crate::report::recovery::after;
use crate::scenario::metric::Metric;

impl Facts<'_> {
    /// "exponential stayed down after outage in 4 of 10 runs, decorrelated in 5"; `None` if nobody did.
    pub(super) fn stayed_down(&self) -> Option<String> {
        let recovered = self.recovered.as_ref()?;
        let fault = after(self.input)?;
        let down: Vec<usize> = self.all.iter().copied().filter(|policy| recovered[*policy].down() > 0).collect();
        let share = |policy: &usize| (recovered[*policy].down(), recovered[*policy].of);
        let mut shares: Vec<(usize, usize)> = Vec::new();
        for own in down.iter().map(share) {
            if !shares.contains(&own) {
                shares.push(own);
            }
        }
        let mut text = String::new();
        for (count, of) in &shares {
            let same: Vec<usize> = down.iter().copied().filter(|policy| share(policy) == (*count, *of)).collect();
            let names = list(&self.named(&same), "and");
            if text.is_empty() {
                text = format!("{names} stayed down after {fault} in {count} of {}", runs(*of));
            } else if *of == shares[0].1 {
                text.push_str(&format!(", {names} in {count}"));
            } else {
                text.push_str(&format!(", {names} in {count} of {of}"));
            }
        }
        (!text.is_empty()).then_some(text)
    }

    /// The same as a heading: of many policies only how many they are.
    pub(super) fn stayed_down_in_short(&self) -> Option<String> {
        const MOST_NAMES: usize = 3;
        let down = self.recovered.as_ref()?.iter().filter(|recovered| recovered.down() > 0).count();
        if down <= MOST_NAMES {
            return self.stayed_down();
        }
        let (all, fault) = (self.all.len(), after(self.input)?);
        Some(format!("{down} of {all} policies stayed down after {fault}, in some runs or in all"))
    }

    /// "Every policy came back after outage"; `None` if that cannot be told or is not so.
    pub(super) fn came_back(&self) -> Option<String> {
        let recovered = self.recovered.as_ref()?;
        let fault = after(self.input)?;
        let back = recovered.iter().all(|of| of.of > 0 && of.down() == 0);
        let all = recovered.iter().all(|of| of.of == self.comparison.replications as usize);
        let runs = match self.comparison.replications {
            1 => "",
            _ if all => " in every run",
            _ => " in every run of which it can be told",
        };
        let who = match self.all[..] {
            [only] => format!("{} came", self.name(only)),
            _ => "Every policy came".to_owned(),
        };
        back.then(|| format!("{who} back after {fault}{runs}"))
    }

    /// Who stayed down after the last fault, and how long the others took.
    pub(super) fn recovery(&self) -> Option<String> {
        let recovered = self.recovered.as_ref()?;
        let told: Vec<usize> = self.all.iter().copied().filter(|policy| recovered[*policy].of > 0).collect();
        let (down, up): (Vec<usize>, Vec<usize>) = told.iter().partition(|policy| recovered[**policy].down() > 0);
        let mut text = self.stayed_down().unwrap_or_default();
        if !down.is_empty() {
            text.push_str(&self.cause_of_staying_down(&down).map(|cause| format!(": {cause}")).unwrap_or_default());
            text.push('.');
        }
        let slowest = up.iter().filter_map(|policy| recovered[*policy].slowest).reduce(f64::max);
        if let Some(slowest) = slowest {
            let who = match (down.is_empty(), &up[..]) {
                (_, [one]) => self.name(*one).to_owned(),
                (true, _) if told.len() == self.all.len() => "All policies".to_owned(),
                (false, _) if told.len() == self.all.len() => "All others".to_owned(),
                _ => list(&self.named(&up), "and"),
            };
            let space = if text.is_empty() { "" } else { " " };
            let when =
                if slowest > 0.0 { format!("within {}", self.notation.length(slowest)) } else { "at once".to_owned() };
            text.push_str(&format!("{space}{who} came back {when}."));
        }
        (!text.is_empty()).then_some(text)
    }

    /// What all runs that stayed down have in common, as far as metrics show it.
    fn cause_of_staying_down(&self, down: &[usize]) -> Option<String> {
        let scenario = self.input.scenario;
        let limit = scenario.servers[scenario.operation.server].queue.filter(|places| *places > 0).map(f64::from);
        let in_all = |metric: Metric, holds: &dyn Fn(f64) -> bool| {
            down.iter().all(|policy| {
                let policy = &self.comparison.policies[*policy];
                let (Some(times), Some(values)) = (policy.metric(Metric::Recovery), policy.metric(metric)) else {
                    return false;
                };
                let mut runs =
                    times.values.iter().zip(&values.values).filter(|(time, _)| time.is_some_and(f64::is_infinite));
                runs.all(|(_, value)| value.is_some_and(holds))
            })
        };
        let full = limit.is_some_and(|limit| in_all(Metric::QueueMax, &|longest| longest >= limit));
        let wasted = in_all(Metric::WastedWork, &|share| share > 0.5);
        match (full, wasted) {
            (true, true) => Some("the queue ran full, and more than half of the work reached nobody".to_owned()),
            (true, false) => Some("the queue ran full".to_owned()),
            (false, true) => Some("more than half of the work reached nobody".to_owned()),
            (false, false) => None,
        }
    }

    /// Whose success rates fall into two groups.
    pub(super) fn two_groups(&self) -> Option<String> {
        let n = &self.notation;
        let split = self.groups.iter().zip(&self.names).filter_map(|(groups, name)| {
            let g = (*groups)?;
            let (low, high) = (n.percent(g.low), n.percent(g.high));
            Some((name, format!("({} near {low}, {} near {high})", g.low_runs, g.high_runs)))
        });
        match &split.collect::<Vec<_>>()[..] {
            [] => None,
            [(name, groups)] => {
                Some(format!("The runs of {name} fall into two groups {groups}; the mean describes no single run."))
            }
            several => {
                let several: Vec<String> = several.iter().map(|(name, groups)| format!("{name} {groups}")).collect();
                let several = list(&several, "and");
                Some(format!("The runs of {several} fall into two groups each; their means describe no single run."))
            }
        }
    }
}

fn runs(n: usize) -> String {
    if n == 1 { "1 run".to_owned() } else { format!("{n} runs") }
}
