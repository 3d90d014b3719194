//! How long operations waited for success, and how they ended.

use super::{N, Page};
use crate::metrics::ending::Ending;
use crate::report::chart::ink::Ink;
use crate::report::chart::{self, Width, latency, results};
use crate::report::escape::escape;

impl Page<'_> {
    /// Latency and results, side by side.
    pub(super) fn endings(&self) -> String {
        let comparison = self.input.comparison;
        let axes = latency::Axes::new(comparison);
        let latency = both(|width| latency::picture(comparison, &axes, width));
        let quantiles = self.latency_quantiles();
        let results = both(|width| results::picture(comparison, width));
        let after_retries = self.findings.headings.results.as_str();
        let after_retries =
            if after_retries.is_empty() { String::new() } else { format!(" {}.", self.prose(after_retries)) };
        format!(
            "<section id=\"fig-latency\"><h2>{}</h2>\n<div class=\"g2\">\
             <figure><p class=\"fh\">{}</p><p class=\"fs\">{}</p>{latency}{quantiles}</figure>\n\
             <figure id=\"fig-results\"><p class=\"fh\">{}</p><p class=\"fs\">{}{after_retries}</p>{}{results}</figure></div>\n{}{}</section>",
            self.prose(&self.findings.headings.latency),
            latency::TITLE,
            escape(&latency::note(comparison)),
            results::TITLE,
            escape(&results::note(comparison)),
            self.results_legend(),
            self.latency_data(&axes),
            self.results_data()
        )
    }

    /// The endings in the order of the segments.
    fn results_legend(&self) -> String {
        let entry = |(_, role, text): &results::Entry| {
            let class = Ink::from(*role).classes();
            let mark = format!(
                "<svg class=\"key\" viewBox=\"0 0 12 12\" width=\"12\" height=\"12\" aria-hidden=\"true\"><rect width=\"12\" height=\"12\" class=\"{class}\"/></svg>"
            );
            format!("<li>{mark}<span>{text}</span></li>")
        };
        let group = |(heading, entries): &(&str, Vec<results::Entry>)| {
            format!("<ul class=\"leg\"><li>{heading}</li>{}</ul>", entries.iter().map(entry).collect::<String>())
        };
        results::legend(self.input.comparison).iter().map(group).collect()
    }

    /// The share of operations without a success after some times.
    fn latency_data(&self, axes: &latency::Axes) -> String {
        let times = axes.table_times();
        let mut heads: Vec<String> = times.iter().map(|(_, time)| latency::time_label(*time)).collect();
        heads.push("never".to_owned());
        let row = |policy: usize| {
            let policy = &self.input.comparison.policies[policy];
            let mut shares = latency::left(policy, &times);
            shares.push(latency::level(policy));
            shares.into_iter().map(latency::percent).collect()
        };
        self.data_table("share of operations without a success after …", &heads, &row)
    }

    /// All shares, also of endings that are too few to be seen.
    fn results_data(&self) -> String {
        let groups = results::legend(self.input.comparison);
        let shown: Vec<(&str, Ending, &str)> = groups
            .iter()
            .flat_map(|(heading, entries)| entries.iter().map(|(ending, _, text)| (*heading, *ending, *text)))
            .collect();
        let heads: Vec<String> = shown
            .iter()
            .map(|(heading, _, text)| match *heading {
                "failed" => format!("failed {text}"),
                "neither" => (*text).to_owned(),
                _ => format!("succeeded at {text}"),
            })
            .collect();
        let row = |policy: usize| {
            let endings = &self.input.comparison.policies[policy].endings;
            shown
                .iter()
                .map(|(_, ending, _)| if endings[*ending] > 0.0 { N.percent(endings[*ending]) } else { "0".to_owned() })
                .collect()
        };
        self.data_table("operations by attempts and result", &heads, &row)
    }
}

/// A picture for a wide page and for a phone; the style shows one of them.
fn both(picture: impl Fn(Width) -> chart::picture::Picture) -> String {
    let one = |class: &str, width: Width| format!("<div class=\"{class}\">{}</div>", chart::element(&picture(width)));
    one("wide", Width::Wide) + &one("narrow", Width::Narrow)
}
