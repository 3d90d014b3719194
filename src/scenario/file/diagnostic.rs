//! What is wrong with a scenario, shown the way rustc shows errors: file, line, caret, what was expected, and a fix to paste.

use annotate_snippets::{AnnotationKind, Group, Level, Patch, Renderer, Snippet};

use super::excerpt::{Excerpt, FAR, excerpt, lines_between};
use super::source::{Located, Place, Source};
use crate::text;

/// Diagnostics that are shown; of more only their number.
const MOST_SHOWN: usize = 20;
/// Places that one of them points at; the rest is left out.
const MOST_LABELS: usize = 10;
/// Characters of one sentence. Values in it are cut where it is made; what is longer all the same loses its middle.
const MOST_WORDS: usize = 800;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The scenario is invalid.
    Error,
    /// It runs, but may not mean what was meant.
    Warning,
}

/// Something to tell about a scenario.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// A stable name for this kind.
    pub code: &'static str,
    /// One line.
    pub title: String,
    /// Where, and what is there; the first is the main one.
    labels: Vec<(Place, String)>,
    notes: Vec<String>,
    /// Boxed: a diagnostic travels in results, most of which are none.
    help: Option<Box<Help>>,
}

/// What to do about it.
#[derive(Clone, Debug)]
struct Help {
    text: String,
    /// A place and what should stand there.
    fix: Option<(Place, String)>,
}

impl Diagnostic {
    /// An error at a place.
    pub fn error(code: &'static str, title: impl Into<String>, place: Place, label: impl Into<String>) -> Diagnostic {
        let (title, labels) = (title.into(), vec![(place, label.into())]);
        Diagnostic { severity: Severity::Error, code, title, labels, notes: Vec::new(), help: None }
    }

    /// A warning at a place.
    pub fn warning(code: &'static str, title: impl Into<String>, place: Place, label: impl Into<String>) -> Diagnostic {
        Diagnostic { severity: Severity::Warning, ..Diagnostic::error(code, title, place, label) }
    }

    /// A warning about results, which stand nowhere in a file.
    pub fn remark(code: &'static str, title: impl Into<String>) -> Diagnostic {
        let title = title.into();
        Diagnostic { severity: Severity::Warning, code, title, labels: Vec::new(), notes: Vec::new(), help: None }
    }

    /// Points at another place too.
    pub fn also(mut self, place: Place, label: impl Into<String>) -> Diagnostic {
        self.labels.push((place, label.into()));
        self
    }

    /// Adds a remark.
    pub fn note(mut self, note: impl Into<String>) -> Diagnostic {
        self.notes.push(note.into());
        self
    }

    /// Says what to do.
    pub fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(Box::new(Help { text: help.into(), fix: None }));
        self
    }

    /// Says what to do and shows the text changed.
    pub fn fix(mut self, help: impl Into<String>, place: Place, replacement: impl Into<String>) -> Diagnostic {
        self.help = Some(Box::new(Help { text: help.into(), fix: Some((place, replacement.into())) }));
        self
    }

    /// Its main place.
    pub fn place(&self) -> &Place {
        self.labels.first().map_or(&(0..0), |(place, _)| place)
    }

    /// The beginning of its main place, by which errors are sorted.
    pub fn start(&self) -> usize {
        self.place().start
    }

    /// On one line, for where there is no place to point at.
    pub fn in_words(&self) -> String {
        let mut words = format!("{}: {}", self.code, self.title);
        let help = self.help.as_ref().map(|help| &help.text);
        self.notes.iter().chain(help).for_each(|more| words.push_str(&format!("; {more}")));
        words
    }

    /// As text for people.
    pub fn render(&self, source: &Source, colour: bool) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = sentence(&self.title);
        let labels: Vec<(&Place, String)> =
            self.labels.iter().take(MOST_LABELS).map(|(place, label)| (place, sentence(label))).collect();
        let quotes = quotes(source, &labels);
        let mut group = level.primary_title(title.as_str()).id(self.code).elements(quotes.iter().map(Quote::snippet));
        let notes: Vec<String> = self.notes.iter().map(|note| sentence(note)).collect();
        for note in &notes {
            group = group.element(Level::NOTE.message(note.as_str()));
        }
        let help = self.help.as_ref().map(|help| {
            let fix = help.fix.as_ref().map(|(place, replacement)| {
                let located = source.locate(place);
                let excerpt = excerpt(located.text, std::slice::from_ref(&located.place));
                (text::printable(located.origin), excerpt, sentence(replacement))
            });
            (sentence(&help.text), fix)
        });
        let mut groups: Vec<Group> = Vec::new();
        match &help {
            Some((text, None)) => groups.push(group.element(Level::HELP.message(text.as_str()))),
            Some((text, Some((origin, excerpt, replacement)))) => {
                let patch = Patch::new(excerpt.places[0].clone(), replacement.as_str());
                let snippet =
                    Snippet::source(excerpt.text.as_str()).line_start(excerpt.line).path(origin.as_str()).patch(patch);
                groups.push(group);
                groups.push(Level::HELP.secondary_title(text.as_str()).element(snippet));
            }
            None => groups.push(group),
        }
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        renderer.render(&groups) + "\n"
    }
}

/// The first of some diagnostics as text for people, and the number of the rest.
pub fn render_all(diagnostics: &[Diagnostic], source: &Source, colour: bool) -> String {
    let shown = diagnostics.iter().take(MOST_SHOWN);
    let mut text: String = shown.map(|diagnostic| diagnostic.render(source, colour) + "\n").collect();
    let left = diagnostics.len().saturating_sub(MOST_SHOWN);
    if left > 0 {
        let severity = diagnostics.first().map(|diagnostic| diagnostic.severity);
        let what = if severity == Some(Severity::Warning) { "warning" } else { "error" };
        let s = if left == 1 { "" } else { "s" };
        text.push_str(&format!("and {} more {what}{s}\n\n", grouped(left)));
    }
    text
}

/// A count with its thousands apart.
fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn sentence(words: &str) -> String {
    text::printable(&text::cut_to(words, MOST_WORDS))
}

/// Lines of one text with what is said about them.
struct Quote<'a> {
    origin: String,
    excerpt: Excerpt,
    labels: Vec<(AnnotationKind, &'a str)>,
}

impl<'a> Quote<'a> {
    fn snippet(&'a self) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
        let snippet =
            Snippet::source(self.excerpt.text.as_str()).line_start(self.excerpt.line).path(self.origin.as_str());
        let annotations = self.excerpt.places.iter().zip(&self.labels);
        annotations
            .fold(snippet, |snippet, (place, (kind, label))| snippet.annotation(kind.span(place.clone()).label(*label)))
    }
}

/// Labels that stand near each other in one text.
struct Together<'s, 'a> {
    text: Located<'s>,
    places: Vec<Place>,
    labels: Vec<(AnnotationKind, &'a str)>,
}

/// One quote for each text that labels point into, and more where they stand far apart.
fn quotes<'a>(source: &Source, labels: &'a [(&Place, String)]) -> Vec<Quote<'a>> {
    let mut groups: Vec<Together> = Vec::new();
    for (index, (place, label)) in labels.iter().enumerate() {
        let located = source.locate(place);
        let kind = if index == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
        let near = |group: &&mut Together| {
            std::ptr::eq(group.text.text, located.text)
                && lines_between(located.text, &group.text.place, &located.place) < FAR
        };
        match groups.iter_mut().find(near) {
            Some(group) => {
                group.places.push(located.place);
                group.labels.push((kind, label.as_str()));
            }
            None => {
                let places = vec![located.place.clone()];
                groups.push(Together { text: located, places, labels: vec![(kind, label.as_str())] });
            }
        }
    }
    let quote = |group: Together<'_, 'a>| Quote {
        origin: text::printable(group.text.origin),
        excerpt: excerpt(group.text.text, &group.places),
        labels: group.labels,
    };
    groups.into_iter().map(quote).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_are_shown_and_the_rest_is_counted() {
        let source = Source::new("a.toml", "x = 1\n".repeat(40_000));
        let all: Vec<Diagnostic> =
            (0..40_000).map(|line| Diagnostic::error("code", "wrong", 6 * line..6 * line + 1, "here")).collect();
        let text = render_all(&all, &source, false);
        assert_eq!(text.matches("error[code]: wrong").count(), 20);
        assert!(text.ends_with("\nand 39,980 more errors\n\n"), "{text}");
        assert!(render_all(&all[..21], &source, false).ends_with("\nand 1 more error\n\n"));
        assert!(!render_all(&all[..20], &source, false).contains("more"));
    }
}
