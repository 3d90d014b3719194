//! The text that a scenario comes from: the file, and what `--set` adds to it. Positions of both live in one range of numbers, so that an error
//! points at whichever it stands in.

use std::ops::Range;

/// A place in a [`Source`].
pub type Place = Range<usize>;

/// The file's text, and the assignments of the command line behind it.
#[derive(Clone, Debug)]
pub struct Source {
    /// As the user named the file.
    pub path: String,
    /// Its content.
    pub text: String,
    /// What `--set` said, each behind the other.
    assignments: Vec<(usize, String)>,
    end: usize,
}

/// Where a place is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located<'a> {
    /// The file, or `--set`.
    pub origin: &'a str,
    /// The whole text there.
    pub text: &'a str,
    /// The place within that text.
    pub place: Place,
}

impl Source {
    /// A file's text.
    pub fn new(path: &str, text: String) -> Source {
        let end = text.len() + 1;
        Source { path: path.to_owned(), text, assignments: Vec::new(), end }
    }

    /// Adds an assignment of the command line; returns where places in it begin.
    pub fn add_assignment(&mut self, assignment: &str) -> usize {
        let start = self.end;
        self.assignments.push((start, assignment.to_owned()));
        self.end = start + assignment.len() + 1;
        start
    }

    /// Where `place` is. A place that reaches beyond its text is cut.
    pub fn locate(&self, place: &Place) -> Located<'_> {
        let (start, origin, text) = self
            .assignments
            .iter()
            .rev()
            .find(|(start, _)| place.start >= *start)
            .map_or((0, self.path.as_str(), self.text.as_str()), |(start, text)| (*start, "--set", text.as_str()));
        let within = |at: usize| {
            let mut at = at.saturating_sub(start).min(text.len());
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        Located { origin, text, place: within(place.start)..within(place.end.max(place.start)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_in_their_text() {
        let mut source = Source::new("a.toml", "seed = 1\n".to_owned());
        let start = source.add_assignment("seed = 2") + 7;
        let other = source.add_assignment("seed = 33") + 7;
        let check = |place: Place, origin, shown| {
            let located = source.locate(&place);
            assert_eq!((located.origin, &located.text[located.place.clone()]), (origin, shown), "{place:?}");
        };
        check(7..8, "a.toml", "1");
        check(7..99, "a.toml", "1\n");
        check(start..start + 1, "--set", "2");
        check(other..other + 2, "--set", "33");
    }
}
