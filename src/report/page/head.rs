//! What was run, and what came out in words.

use super::{N, Page, with_code};
use crate::report::chart::axis::instant;
use crate::report::escape::escape;
use crate::report::expectations::{self, Line};
use crate::report::findings::Topic;
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
        let verdict: Vec<String> = self.findings.verdict.iter().map(|sentence| self.emphasised(sentence)).collect();
        format!(
            "<header><h1>{}</h1>\n<p class=\"facts\">{}</p>\n{}</header>\n<p class=\"verdict\">{}</p>\n{}",
            escape(&self.input.title()),
            escape(&self.facts()),
            self.description(),
            verdict.join(" "),
            self.columns()
        )
    }

    /// What the scenario says of itself. Of a long text only the first sentence stands open.
    fn description(&self) -> String {
        let text = harmless(&self.input.scenario.description);
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
        let demand = demand(&scenario.arrivals);
        let mut facts = vec![
            self.input.facts().replacen(", ", " · ", 1),
            format!("{} {demand}", N.length(scenario.duration.seconds())),
        ];
        let at = |time: SimTime| instant(time.seconds(), scenario.duration.seconds());
        let named = scenario.faults.iter().take(MOST_FAULTS).map(|fault| {
            let (name, from) = (harmless(&fault.name), at(fault.from));
            let endless = fault.until == SimTime::NEVER;
            if endless { format!("{name} from {from}") } else { format!("{name} {from}–{}", at(fault.until)) }
        });
        match scenario.faults.len() {
            0 => facts.push("no fault".to_owned()),
            few if few <= MOST_FAULTS => facts.extend(named),
            many => facts.push(format!("{many} faults")),
        }
        facts.push(format!("baseline {}", self.findings.names[comparison.baseline]));
        facts.extend(self.own_worlds());
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

    /// A sentence whose first word, if it is a policy's name, is bold.
    fn emphasised(&self, sentence: &str) -> String {
        let (first, rest) = sentence.split_once(' ').unwrap_or((sentence, ""));
        let prose = self.prose(sentence);
        let known = self.findings.names.iter().any(|name| name == first);
        if known && !rest.is_empty() { format!("<b>{}</b> {}", self.prose(first), self.prose(rest)) } else { prose }
    }

    /// Findings at the left, what is not shown at the right.
    fn columns(&self) -> String {
        let findings = &self.findings;
        let item = |finding: &crate::report::findings::Finding| {
            let (topic, text) = (finding.topic.label(), self.prose(&finding.text));
            let figure = figure(finding.topic);
            format!(
                "<li><b>{topic}.</b> {text}&nbsp;<a href=\"#{figure}\" aria-label=\"{topic}: see the figure\">↓</a></li>"
            )
        };
        let items: String = findings.found.iter().map(item).collect();
        let mut side = self.expectations();
        if !findings.not_separable.is_empty() || !findings.hints.is_empty() {
            side.push_str("<div class=\"side\"><h2>No difference shown</h2>");
            if !findings.not_separable.is_empty() {
                let runs = self.input.comparison.replications;
                let pairs = findings.not_separable.join("; ");
                let text = format!("With {runs} replications, success rates do not separate {pairs}.");
                side.push_str(&format!("<p>{}</p>", self.prose(&text)));
            }
            let hints: String = findings.hints.iter().map(|hint| format!("<p>{}</p>", self.prose(hint))).collect();
            side.push_str(&format!("{hints}</div>"));
        }
        if items.is_empty() && side.is_empty() {
            return String::new();
        }
        format!("<div class=\"cols\"><div><ul class=\"find\">{items}</ul></div><div>{side}</div></div>")
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

/// The figure that shows what a finding says.
fn figure(topic: Topic) -> &'static str {
    match topic {
        Topic::Success | Topic::Groups | Topic::Worse => "fig-success",
        Topic::Duplicates => "fig-duplicates",
        Topic::InTime => "fig-latency",
        Topic::Recovery | Topic::Load | Topic::Wave => "fig-storm",
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
