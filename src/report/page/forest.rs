//! How far each policy lies from the baseline.

use super::{N, Page};
use crate::report::chart;
use crate::report::chart::forest;
use crate::report::escape::escape;

impl Page<'_> {
    /// A panel for each quantity; nothing where differences cannot be judged.
    pub(super) fn forest(&self) -> String {
        let panels = forest::panels(self.input.comparison);
        if panels.is_empty() {
            return String::new();
        }
        let figure = |panel: &forest::Panel| {
            format!(
                "<figure><p class=\"fh\">{}</p>{}</figure>\n",
                escape(&panel.title()),
                chart::element(&panel.picture())
            )
        };
        let heads: Vec<String> = panels.iter().map(forest::Panel::title).collect();
        let row = |policy: usize| {
            let slot = self.input.comparison.policies[policy].slot;
            let cell = |panel: &forest::Panel| {
                let none = if policy == self.input.comparison.baseline { "baseline" } else { N.null };
                panel.cell(slot).unwrap_or_else(|| none.to_owned())
            };
            panels.iter().map(cell).collect()
        };
        let title = format!("paired differences to {}", self.findings.names[self.input.comparison.baseline]);
        format!(
            "<section id=\"fig-forest\"><h2>{}</h2>\n<p class=\"cap\">{} The count in the title is of success rates.</p>\n<div class=\"g3\">{}</div>\n{}</section>",
            self.prose(&self.findings.headings.forest),
            self.prose(&forest::caption(self.input.comparison)),
            panels.iter().map(figure).collect::<String>(),
            self.data_table(&title, &heads, &row)
        )
    }
}
