//! `report.html`: one file that opens from disk, asks no network and is complete without its script.
//!
//! From top to bottom: what was run, the verdict in words, all numbers in one table, the pictures with the finding as each heading, and
//! what is needed to run it again. Every text from the scenario goes through `escape`, and none gets into a script.

mod data;
mod figures;
mod head;
mod profile;
mod repeat;
mod table;
#[cfg(test)]
mod tests;
mod warnings;
mod whisker;

use super::ReportInput;
use super::chart::{ink, tokens};
use super::escape::escape;
use super::findings::Findings;
use super::number::Notation;

/// The notation of the page.
const N: Notation = Notation::PAGE;

/// What a browser may do with the page: nothing but show it and run what stands in it.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// What the parts of the page are made from.
struct Page<'a> {
    input: &'a ReportInput<'a>,
    findings: Findings,
}

/// The whole page.
pub fn html(input: &ReportInput) -> String {
    let page = Page { input, findings: Findings::new(input, N) };
    let title = escape(&input.title());
    let style = format!("{}{}{}", tokens::css(), ink::css(), include_str!("style.css"));
    let chips = "<div id=\"chips\" role=\"group\" aria-label=\"Policies shown\" hidden></div>".to_owned();
    let parts = [page.head(), page.warnings(), chips, page.table(), page.figures(), page.repeat()];
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>{title} · simlab report</title>\n\
         <style>\n{style}</style></head><body><main>\n{}\n</main>\n<script>\n{}</script></body></html>\n",
        parts.join("\n"),
        include_str!("script.js")
    )
}

impl Page<'_> {
    /// A policy's name.
    fn name(&self, policy: usize) -> String {
        escape(&self.findings.names[policy])
    }

    /// The class of all that belongs to a policy.
    fn class(&self, policy: usize) -> String {
        ink::policy_class(self.input.comparison.policies[policy].slot)
    }

    fn baseline(&self) -> String {
        self.name(self.input.comparison.baseline)
    }

    /// A sentence, escaped, in which policies' names are not broken at their hyphens.
    fn prose(&self, sentence: &str) -> String {
        let word = |word: &str| {
            let name = word.trim_end_matches([',', '.', ':', ';', ')']);
            let known = name.contains('-') && self.findings.names.iter().any(|own| own == name);
            let after = escape(&word[name.len()..]);
            // A very long name has to break somewhere on a phone.
            if known && name.len() <= 32 {
                format!("<span class=\"pn\">{}</span>{after}", escape(name))
            } else {
                escape(word)
            }
        };
        sentence.split(' ').map(word).collect::<Vec<_>>().join(" ")
    }

    /// The policy's line as in all figures.
    fn key(&self, policy: usize) -> String {
        let slot = self.input.comparison.policies[policy].slot;
        let class = ink::Role::Key.of(slot).classes();
        swatch(&format!("<line x1=\"1\" y1=\"5\" x2=\"25\" y2=\"5\" class=\"{class}\"/>"))
    }
}

/// A text in which what stands between backticks is code, escaped.
fn with_code(text: &str) -> String {
    let text = escape(text);
    let parts: Vec<&str> = text.split('`').collect();
    // An even number of parts has a backtick without its second.
    if parts.len().is_multiple_of(2) {
        return text;
    }
    let part = |(index, part): (usize, &&str)| {
        if index.is_multiple_of(2) { (*part).to_owned() } else { format!("<code>{part}</code>") }
    };
    parts.iter().enumerate().map(part).collect()
}

/// A piece of a legend.
fn swatch(mark: &str) -> String {
    format!("<svg class=\"key\" viewBox=\"0 0 26 10\" width=\"26\" height=\"10\" aria-hidden=\"true\">{mark}</svg>")
}
