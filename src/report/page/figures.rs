//! The pictures with what is said around them.

use super::{N, Page, swatch};
use crate::report::chart::dots::{self, Plot};
use crate::report::chart::ink::Ink;
use crate::report::chart::storm::{self, Storm};
use crate::report::chart::{self};
use crate::report::column::Column;
use crate::report::escape::escape;
use crate::scenario::metric::Metric;

/// How to use the cross-hair; shown where there is one.
const KEYS: &str = "<p class=\"note\" id=\"storm-keys\" hidden>Point at a panel, touch it, or reach it by Tab and press ← → (with Shift \
                    by a minute), to read one instant in all of them; Esc ends.</p>\n";

impl Page<'_> {
    /// The storm: a panel for each policy.
    pub(super) fn storm(&self) -> String {
        let storm = Storm::new(self.input);
        let policies = self.input.comparison.policies.len();
        let figures: String = (0..policies).map(|policy| self.storm_figure(&storm, policy)).collect();
        format!(
            "<section id=\"fig-storm\"><h2>{}</h2>\n<p class=\"cap\">{}</p>\n<ul class=\"how\">{}</ul>\n\
             {KEYS}<div class=\"g3\">{figures}</div>\n{}{}</section>",
            self.prose(&self.findings.headings.load),
            self.prose(&storm.caption()),
            legend(&storm),
            self.storm_data(&storm),
            self.readings(&storm)
        )
    }

    fn storm_figure(&self, storm: &Storm, policy: usize) -> String {
        let rate = self.input.comparison.policies[policy].mean(Metric::SuccessRate);
        let rate = rate.map(|rate| format!("<span class=\"r\">{} succeeded</span>", escape(&N.percent(rate))));
        let recovered = self.findings.recovered.as_ref().map(|all| all[policy]);
        format!(
            "<figure class=\"{}\"><h3>{}<span class=\"name\">{}</span>{}</h3>{}<p class=\"read\">{}</p>{}</figure>\n",
            self.class(policy),
            self.key(policy),
            self.name(policy),
            rate.unwrap_or_default(),
            chart::element(&storm.panel(policy)),
            self.prose(&storm::words(self.input, policy, recovered)),
            self.profile(policy)
        )
    }

    /// The dot plots.
    pub(super) fn dots(&self) -> String {
        let comparison = self.input.comparison;
        let mut figures: String = dots::plots(comparison).into_iter().map(|plot| self.dots_figure(plot)).collect();
        if let Some(words) = dots::harmless_in_words(comparison) {
            let title = "Duplicates and phantom successes";
            figures.push_str(&format!(
                "<figure id=\"fig-duplicates\"><p class=\"fh\">{title}</p><p class=\"fs\">{words}</p></figure>\n"
            ));
        }
        format!(
            "<section id=\"fig-success\"><h2>{}</h2>\n<p class=\"cap\">{}</p>\n<div class=\"g3 rows\">{figures}</div>\n{}</section>",
            self.prose(&self.findings.headings.success),
            self.prose(&dots::caption(comparison)),
            self.dots_data()
        )
    }

    fn dots_figure(&self, plot: &Plot) -> String {
        let (headings, comparison) = (&self.findings.headings, self.input.comparison);
        let finding = match plot.column {
            Column::Attempts => &headings.attempts,
            Column::Duplicates => &headings.duplicates,
            // Over the section.
            _ => "",
        };
        // Where nothing is found the heading only says what is drawn, as the title does.
        let nothing = finding.is_empty() || finding == plot.title;
        let finding = if nothing { String::new() } else { format!("{}.", self.prose(finding)) };
        let note = escape(&dots::note(comparison, plot));
        let said = [note, finding].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
        // The section has the first plot's name.
        let id = if plot.column == Column::Success { String::new() } else { format!(" id=\"fig-{}\"", plot.file) };
        format!(
            "<figure{id}><p class=\"fh\">{}</p><p class=\"fs\">{said}</p>{}</figure>\n",
            plot.title,
            chart::element(&dots::plot(comparison, plot))
        )
    }
}

/// The legend of the storm.
fn legend(storm: &Storm) -> String {
    let item = |entry: &storm::Entry| {
        let class = Ink::from(entry.role).classes();
        let mark = if entry.area {
            format!("<rect x=\"1\" y=\"1\" width=\"24\" height=\"8\" class=\"{class}\"/>")
        } else {
            format!("<line x1=\"1\" y1=\"5\" x2=\"25\" y2=\"5\" class=\"{class}\"/>")
        };
        format!("<li>{}<span>{}</span></li>", swatch(&mark), escape(&entry.text))
    };
    storm::legend(storm).iter().map(item).collect()
}
