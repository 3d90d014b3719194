//! What was run, and what came out in words.

use super::{N, Page, with_code};
use crate::report::chart::axis::instant;
use crate::report::escape::escape;
use crate::report::expectations::{self, Line};
use crate::report::findings::{Finding, Topic};
use crate::report::name::{harmless, list};
use crate::scenario::Arrivals;
use crate::units::SimTime;

/// Faults named in the line of facts; of more only the number.
const MOST_FAULTS: usize = 3;

/// Most characters of a description that is shown as a whole.
const MOST_DESCRIPTION: usize = 240;

impl Page<'_> {
    /// Title, facts, description, verdict, findings.
    pub(super) fn head(&self) -> String {
        let (choices, lead): (Vec<&Finding>, Vec<&Finding>) =
            self.findings.lead.iter().partition(|finding| finding.topic == Topic::Choice);
        let verdict: String = choices
            .iter()
            .map(|choice| format!("<p class=\"verdict\">{}</p>\n", self.emphasised(&choice.text)))
            .collect();
        format!(
            "<header><h1>{}</h1>\n<p class=\"facts\">{}</p>\n{}</header>\n{verdict}{}",
            escape(&self.input.title()),
            escape(&self.facts()),
            self.description(),
            self.findings(&lead)
        )
    }

    /// What the scenario says of itself. Of a long text only the first sentence stands open.
    fn description(&self) -> String {
        let text = harmless(&self.input.scenario.frame.description);
        if text.chars().count() <= MOST_DESCRIPTION {
            return if text.is_empty() { text } else { format!("<p class=\"about\">{}</p>\n", with_code(&text)) };
        }
        let short = |(end, _): &(usize, &str)| text[..*end].chars().count() < MOST_DESCRIPTION;
        let (first, rest) = match text.match_indices(". ").find(short) {
            Some((end, _)) => text.split_at(end + 1),
            None => ("What is simulated", text.as_str()),
        };
        let (first, rest) = (with_code(first), with_code(rest.trim_start()));
        format!("<details class=\"about\"><summary>{first}</summary><p>{rest}</p></details>\n")
    }

    /// "9 policies · 10 replications, seed 7 · 20 min at 40 operations/s · outage 5:00–12:00 · baseline no-retry".
    fn facts(&self) -> String {
        let (comparison, scenario) = (self.input.comparison, self.input.scenario);
        let demand = demand(&scenario.world.arrivals);
        let mut facts = vec![
            self.input.facts().replacen(", ", " · ", 1),
            format!("{} {demand}", N.length(scenario.frame.duration.seconds())),
        ];
        let at = |time: SimTime| instant(time.seconds(), scenario.frame.duration.seconds());
        let named = scenario.world.faults.iter().take(MOST_FAULTS).map(|fault| {
            let (name, from) = (harmless(&fault.name), at(fault.from));
            let endless = fault.until == SimTime::NEVER;
            if endless { format!("{name} from {from}") } else { format!("{name} {from}–{}", at(fault.until)) }
        });
        match scenario.world.faults.len() {
            0 => facts.push("no fault".to_owned()),
            few if few <= MOST_FAULTS => facts.extend(named),
            many => facts.push(format!("{many} faults")),
        }
        facts.push(format!("baseline {}", self.findings.names[comparison.baseline]));
        facts.extend(self.own_worlds());
        let left_out = self.input.left_out();
        if !left_out.is_empty() {
            facts.push(format!("left out: {}", left_out.join(", ")));
        }
        facts.join(" · ")
    }

    /// "no-queue in a world of its own": demand and faults are not the same for every row then.
    pub(super) fn own_worlds(&self) -> Option<String> {
        let own: Vec<&str> =
            self.input.in_own_worlds().into_iter().map(|policy| self.findings.names[policy].as_str()).collect();
        match own[..] {
            [] => None,
            [one] => Some(format!("{one} in a world of its own")),
            _ => Some(format!("{} in worlds of their own", list(&own, "and"))),
        }
    }

    /// A choice, with who it is, up to the first colon, in bold.
    fn emphasised(&self, sentence: &str) -> String {
        match sentence.split_once(": ") {
            Some((who, why)) => format!("<b>{}</b>: {}", self.prose(who), self.prose(why)),
            None => self.prose(sentence),
        }
    }

    /// Findings as a list; nothing if there are none.
    fn items(&self, findings: &[&Finding]) -> String {
        if findings.is_empty() {
            return String::new();
        }
        let item = |finding: &&Finding| {
            let (topic, text) = (finding.topic.label(), self.prose(&finding.sentence()));
            let link = figure(finding.topic).map_or_else(String::new, |figure| {
                format!("&nbsp;<a href=\"#{figure}\" aria-label=\"{topic}: see the figure\">↓</a>")
            });
            format!("<li><b>{topic}.</b> {text}{link}</li>")
        };
        format!("<ul class=\"find\">{}</ul>\n", findings.iter().map(item).collect::<String>())
    }

    /// Beside the first findings and the others what was expected, if anything was.
    fn findings(&self, lead: &[&Finding]) -> String {
        let found = self.findings.found.iter();
        let side = self.expectations();
        if side.is_empty() {
            return self.items(&lead.iter().copied().chain(found).collect::<Vec<_>>());
        }
        let found = self.items(&found.collect::<Vec<_>>());
        format!("{}<div class=\"cols\"><div>{found}</div><div>{side}</div></div>", self.items(lead))
    }
}

/// What was expected and what came of it; nothing if nothing was.
impl Page<'_> {
    fn expectations(&self) -> String {
        let lines = expectations::lines(self.input, &self.findings.names, N);
        if lines.is_empty() {
            return String::new();
        }
        let item = |line: &Line| {
            let status = if line.met { "<b class=\"ok\">met</b>" } else { "<b class=\"missed\">not met</b>" };
            let what = format!("{} of {} {}", line.metric, line.policy, line.limit);
            let margin = match line.margin_in_words() {
                none if none.is_empty() => none,
                margin => format!(", margin {margin}"),
            };
            let result = escape(&(line.result() + &margin));
            format!("<li>{status} {}<br><span class=\"mut\">{result}</span></li>", self.prose(&what))
        };
        let items: String = lines.iter().map(item).collect();
        let tally = expectations::tally(&lines);
        format!("<div class=\"side expected\"><h2>Expectations: {tally}</h2><ul>{items}</ul></div>")
    }
}

/// The figure that shows what a finding says, if one does.
fn figure(topic: Topic) -> Option<&'static str> {
    match topic {
        Topic::Groups => Some("fig-success"),
        Topic::Duplicates => Some("fig-duplicates"),
        Topic::Recovery | Topic::Load => Some("fig-storm"),
        _ => None,
    }
}

/// The demand in a few words.
fn demand(arrivals: &Arrivals) -> String {
    match arrivals {
        Arrivals::Poisson { rate } | Arrivals::Constant { rate } => format!("at {} operations/s", N.rate(*rate)),
        Arrivals::Closed { .. } => "of clients that think, then act".to_owned(),
        Arrivals::Burst { operations, every, .. } => {
            let again = every.map_or_else(String::new, |every| format!(" every {}", N.length(every.seconds())));
            let noun = if *operations == 1 { "operation" } else { "operations" };
            format!("with {} {noun} at once{again}", N.count(*operations as f64))
        }
        Arrivals::Profile(points) => {
            let rates = || points.iter().map(|point| point.rate);
            let (low, high) = (rates().fold(f64::INFINITY, f64::min), rates().fold(0.0, f64::max));
            format!("at {} operations/s", N.interval(&N.rate(low), &N.rate(high)))
        }
        Arrivals::Trace(trace) => format!("with operations as recorded in {}", harmless(&trace.file)),
    }
}
