//! The charts with what is said around them, in sections: one finding over each.

use super::{Page, swatch};
use crate::report::chart::ink::Ink;
use crate::report::chart::{self, CHARTS, Chart, Key, Panel, Table};
use crate::report::escape::escape;

/// How to use the cross-hair; shown where there is one.
const KEYS: &str = "<p class=\"note\" id=\"storm-keys\" hidden>Point at a panel, touch it, or reach it by Tab and press ← → (with Shift \
                    by a minute), to read one instant in all of them; Esc ends.</p>\n";

/// A chart and its name in the list.
type Named = (&'static str, Chart);

impl Page<'_> {
    /// All charts. Those that the list has beside each other share a section.
    pub(super) fn figures(&self) -> String {
        let mut sections: Vec<Vec<Named>> = Vec::new();
        for listed in &CHARTS {
            let Some(chart) = (listed.chart)(self.input) else { continue };
            match sections.last_mut().filter(|_| listed.beside) {
                Some(section) => section.push((listed.name, chart)),
                None => sections.push(vec![(listed.name, chart)]),
            }
        }
        sections.iter().map(|section| self.section(section)).collect::<Vec<_>>().join("\n")
    }

    /// What a chart shows, as a heading; empty if nothing is found in it.
    fn finding(&self, name: &str) -> &str {
        let headings = &self.findings.headings;
        match name {
            "storm" => &headings.load,
            "success" => &headings.success,
            "attempts" => &headings.attempts,
            "duplicates" => &headings.duplicates,
            "latency" => &headings.latency,
            "results" => &headings.results,
            "phase" => &headings.phase,
            "forest" => &headings.forest,
            _ => "",
        }
    }

    /// A finding, its charts, and the numbers behind them.
    fn section(&self, charts: &[Named]) -> String {
        let (name, first) = &charts[0];
        let caption = match first.caption.as_str() {
            "" => String::new(),
            caption => format!("<p class=\"cap\">{}</p>\n", self.prose(caption)),
        };
        let figures = match charts {
            [(_, chart)] => self.panels(chart),
            // Two halves of the page, or small ones in rows.
            _ => {
                let grid = if first.panels.iter().any(|panel| panel.narrow.is_some()) { "g2" } else { "g3 rows" };
                let figures: String = charts.iter().enumerate().map(|(i, chart)| self.figure(chart, i == 0)).collect();
                format!("<div class=\"{grid}\">{figures}</div>\n")
            }
        };
        let tables: Vec<&Table> = charts.iter().flat_map(|(_, chart)| &chart.tables).collect();
        format!(
            "<section id=\"fig-{name}\"><h2>{}</h2>\n{caption}{figures}{}</section>",
            self.prose(match self.finding(name) {
                "" => &first.title,
                finding => finding,
            }),
            self.data_tables(&tables)
        )
    }

    /// A chart that has its section for itself: its panels in rows.
    fn panels(&self, chart: &Chart) -> String {
        let grid = |panels: &[&Panel]| -> String {
            let figures: String = panels.iter().map(|panel| self.panel(panel)).collect();
            // Pictures that have too much in them for a third of the page.
            let class = if panels.iter().any(|panel| panel.narrow.is_some()) { "g2" } else { "g3" };
            format!("<div class=\"{class}\">{figures}</div>\n")
        };
        let (aside, shown): (Vec<&Panel>, Vec<&Panel>) = chart.panels.iter().partition(|panel| panel.aside);
        let rest = match aside.len() {
            0 => String::new(),
            1 => format!("<details><summary>The other policy</summary>{}</details>\n", grid(&aside)),
            n => format!("<details><summary>The other {n} policies</summary>{}</details>\n", grid(&aside)),
        };
        let (keys, readings) = match chart.readings.as_str() {
            "" => ("", String::new()),
            data => (KEYS, format!("<script type=\"application/json\" id=\"storm-data\">{data}</script>\n")),
        };
        format!("{}{keys}{}{rest}{readings}", legend(chart, "how"), grid(&shown))
    }

    fn panel(&self, panel: &Panel) -> String {
        let policies = &self.input.comparison.policies;
        let Some(policy) = policies.iter().position(|policy| Some(policy.slot) == panel.slot) else {
            let name = escape(&panel.name);
            return format!("<figure><p class=\"fh\">{name}</p>{}</figure>\n", chart::element(&panel.picture));
        };
        let right = match panel.right.as_str() {
            "" => String::new(),
            right => format!("<span class=\"r\">{}</span>", escape(right)),
        };
        // What happened stands in a line under the picture, and opened up in full.
        let words = match panel.words.as_str() {
            "" => String::new(),
            words => format!("<p class=\"read\">{}</p>{}", self.prose(words), self.profile(policy)),
        };
        format!(
            "<figure class=\"{}\"><h3>{}<span class=\"name\">{}</span>{right}</h3>{}{words}</figure>\n",
            self.class(policy),
            self.key(policy),
            self.name(policy),
            pictures(panel)
        )
    }

    /// A chart beside others: under its title what is special about it, and its finding. The first one's is over the section.
    fn figure(&self, (name, chart): &Named, is_first: bool) -> String {
        let finding = if is_first { "" } else { self.finding(name) };
        // Where nothing is found the heading only says what is drawn, as the title does.
        let finding = if finding.is_empty() || finding == chart.title { String::new() } else { format!("{finding}.") };
        let said = [self.prose(&chart.note), self.prose(&finding)];
        let said = said.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
        let id = if is_first { String::new() } else { format!(" id=\"fig-{name}\"") };
        format!(
            "<figure{id}><p class=\"fh\">{}</p><p class=\"fs\">{said}</p>{}{}{}</figure>\n",
            escape(&chart.title),
            legend(chart, "leg"),
            chart.panels.iter().map(pictures).collect::<String>(),
            chart.numbers.iter().map(|table| self.titled_table(table)).collect::<String>()
        )
    }
}

/// A panel's picture; of two for different widths the style shows one.
fn pictures(panel: &Panel) -> String {
    let wide = chart::element(&panel.picture);
    match &panel.narrow {
        None => wide,
        Some(narrow) => {
            format!("<div class=\"wide\">{wide}</div><div class=\"narrow\">{}</div>", chart::element(narrow))
        }
    }
}

/// What the colours of a chart mean, a list for each group.
fn legend(chart: &Chart, class: &str) -> String {
    let item = |key: &Key| {
        let ink = Ink::from(key.role).classes();
        let mark = if key.area {
            format!(
                "<svg class=\"key\" viewBox=\"0 0 12 12\" width=\"12\" height=\"12\" aria-hidden=\"true\"><rect width=\"12\" height=\"12\" class=\"{ink}\"/></svg>"
            )
        } else {
            swatch(&format!("<line x1=\"1\" y1=\"5\" x2=\"25\" y2=\"5\" class=\"{ink}\"/>"))
        };
        format!("<li>{mark}<span>{}</span></li>", escape(&key.text))
    };
    let group = |(heading, keys): &(&str, Vec<Key>)| {
        let heading = if heading.is_empty() { String::new() } else { format!("<li>{heading}</li>") };
        format!("<ul class=\"{class}\">{heading}{}</ul>\n", keys.iter().map(item).collect::<String>())
    };
    chart.legend.iter().map(group).collect()
}
