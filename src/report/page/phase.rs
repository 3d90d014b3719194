//! Load against goodput, one run each.

use super::{N, Page};
use crate::report::chart;
use crate::report::chart::phase::Phase;
use crate::report::escape::escape;

impl Page<'_> {
    /// The panels with most to tell, the others behind a button.
    pub(super) fn phase(&self) -> String {
        let Some(phase) = Phase::new(self.input) else { return String::new() };
        let figures = |policies: Vec<usize>| -> String {
            let figures: String = policies.into_iter().map(|policy| self.phase_figure(&phase, policy)).collect();
            format!("<div class=\"g3\">{figures}</div>\n")
        };
        let others = phase.others();
        let rest = match others.len() {
            0 => String::new(),
            1 => format!("<details><summary>The other policy</summary>{}</details>\n", figures(others)),
            n => format!("<details><summary>The other {n} policies</summary>{}</details>\n", figures(others)),
        };
        format!(
            "<section id=\"fig-phase\"><h2>{}</h2>\n<p class=\"cap\">{}</p>\n{}{rest}{}</section>",
            self.prose(&self.findings.headings.phase),
            self.prose(&phase.caption()),
            figures(phase.shown()),
            self.phase_data(&phase)
        )
    }

    fn phase_figure(&self, phase: &Phase, policy: usize) -> String {
        format!(
            "<figure><h3>{}{}<span class=\"r\">{}</span></h3>{}</figure>\n",
            self.key(policy),
            self.name(policy),
            escape(&phase.run(policy)),
            chart::element(&phase.panel(policy))
        )
    }

    fn phase_data(&self, phase: &Phase) -> String {
        let heads: Vec<String> = phase.table(0).into_iter().map(|(time, _, _)| time).collect();
        let row = |policy: usize| {
            let cell = |(_, load, goodput): (String, f64, f64)| format!("{} → {}", N.rate(load), N.rate(goodput));
            phase.table(policy).into_iter().map(cell).collect()
        };
        self.data_table("attempts per second → successes per second of these runs", &heads, &row)
    }
}
