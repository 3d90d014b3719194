//! What is wrong with a scenario, shown the way rustc shows errors: file, line, caret, what was expected, and a fix to paste.

use annotate_snippets::{AnnotationKind, Group, Level, Patch, Renderer, Snippet};

use super::source::{Place, Source};

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
        let title = printable(&self.title);
        let labels: Vec<(Place, String)> =
            self.labels.iter().map(|(place, label)| (place.clone(), printable(label))).collect();
        let mut group = level.primary_title(title.as_str()).id(self.code).elements(snippets(source, &labels));
        let notes: Vec<String> = self.notes.iter().map(|note| printable(note)).collect();
        for note in &notes {
            group = group.element(Level::NOTE.message(note.as_str()));
        }
        let help = self.help.as_ref().map(|help| (printable(&help.text), &help.fix));
        let mut groups: Vec<Group> = Vec::new();
        match &help {
            Some((text, None)) => groups.push(group.element(Level::HELP.message(text.as_str()))),
            Some((text, Some((place, replacement)))) => {
                let located = source.locate(place);
                let patch = Patch::new(located.place.clone(), replacement.as_str());
                let snippet = Snippet::source(located.text).path(located.origin).patch(patch);
                groups.push(group);
                groups.push(Level::HELP.secondary_title(text.as_str()).element(snippet));
            }
            None => groups.push(group),
        }
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        renderer.render(&groups) + "\n"
    }
}

/// One snippet for each text that labels point into.
fn snippets<'a>(
    source: &'a Source,
    labels: &'a [(Place, String)],
) -> Vec<Snippet<'a, annotate_snippets::Annotation<'a>>> {
    let mut snippets: Vec<(&str, Snippet<annotate_snippets::Annotation>)> = Vec::new();
    for (index, (place, label)) in labels.iter().enumerate() {
        let located = source.locate(place);
        let kind = if index == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
        let annotation = kind.span(located.place.clone()).label(label.as_str());
        match snippets.iter().position(|(text, _)| std::ptr::eq(*text, located.text)) {
            Some(at) => {
                let (text, snippet) = snippets.remove(at);
                snippets.insert(at, (text, snippet.annotation(annotation)));
            }
            None => {
                let snippet = Snippet::source(located.text).path(located.origin).annotation(annotation);
                snippets.push((located.text, snippet));
            }
        }
    }
    snippets.into_iter().map(|(_, snippet)| snippet).collect()
}

/// Text of a user's file that is about to be printed: nothing in it may steer a terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || is_direction_mark(c) { '\u{fffd}' } else { c }).collect()
}

/// Marks that turn the direction of text around.
fn is_direction_mark(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
