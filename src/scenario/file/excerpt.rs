//! What a message quotes of a text: the lines that it is about, cut to what somebody reads, with nothing in them that hides or steers. So a
//! message costs as much for a file of megabytes as for one of ten lines.

use std::ops::Range;

use super::source::Place;
use crate::text;

/// Bytes of a line that are quoted on either side of a place.
const SIDE: usize = 300;
/// A place that covers more lines than this is shown by its first.
const MOST_LINES: usize = 20;
/// Lines around those of a place that are quoted where they lie between two places.
const AROUND: usize = 2;
/// Places further apart than so many lines are quoted apart.
pub const FAR: usize = 1_000;

/// Lines of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// The lines. Those between places that are not needed are empty.
    pub text: String,
    /// The number of the first, from 1.
    pub line: usize,
    /// Where the places are in it.
    pub places: Vec<Place>,
}

/// The lines of `text` that `places` are about; there is at least one of them, and they are not [`FAR`] apart.
pub fn excerpt(text: &str, places: &[Place]) -> Excerpt {
    let places: Vec<Place> = places.iter().map(|place| shortened(text, place)).collect();
    let first = places.iter().map(|place| line_start(text, place.start)).min().unwrap_or(0);
    let last = places.iter().map(|place| place.end).max().unwrap_or(0);
    let end = line_end(text, last);
    let mut excerpt =
        Excerpt { text: String::new(), line: 1 + newlines(&text[..first]), places: vec![0..0; places.len()] };
    // The lines in which places begin or end, by their beginnings; others are needed only next to them.
    let mut at = first;
    let lines: Vec<Range<usize>> = std::iter::from_fn(|| {
        (at <= end).then(|| {
            let line = at..line_end(text, at);
            at = line.end + 1;
            line
        })
    })
    .collect();
    let touches = |line: &Range<usize>| {
        let within = |at: usize| line.start <= at && at <= line.end;
        places.iter().any(|place| within(place.start) || within(place.end))
    };
    let touched: Vec<bool> = lines.iter().map(touches).collect();
    for (index, line) in lines.iter().enumerate() {
        let near = index.saturating_sub(AROUND)..(index + AROUND + 1).min(lines.len());
        if touched[near].contains(&true) {
            excerpt.quote(text, line, &places);
        }
        if index + 1 < lines.len() {
            excerpt.text.push('\n');
        }
    }
    excerpt
}

impl Excerpt {
    /// Adds a line, or what of it lies around places, and finds the places in it.
    fn quote(&mut self, text: &str, line: &Range<usize>, places: &[Place]) {
        let within = |at: &usize| line.start <= *at && *at <= line.end;
        let marks = || places.iter().flat_map(|place| [place.start, place.end]).filter(within);
        let from = boundary(text, marks().min().unwrap_or(line.start).saturating_sub(SIDE).max(line.start));
        let to = boundary(text, marks().min().map_or(line.start + SIDE, |mark| mark + 2 * SIDE).min(line.end));
        let mut offset = |at: usize, here: usize| {
            for (place, quoted) in places.iter().zip(&mut self.places) {
                // What lies in a part that is left out is shown at the end of the one that is there.
                if within(&place.start) && (place.start == at || (at == to && place.start > to)) {
                    quoted.start = here;
                }
                if within(&place.end) && (place.end == at || (at == to && place.end > to)) {
                    quoted.end = here;
                }
            }
        };
        for (index, c) in text[from..to].char_indices() {
            offset(from + index, self.text.len());
            match c {
                // The renderer makes spaces of it; a line end of DOS is none of the line.
                '\t' => self.text.push(c),
                '\r' if from + index + 1 == line.end => {}
                c => text::show(c, &mut self.text),
            }
        }
        offset(to, self.text.len());
    }
}

/// A place of many lines is shown by its first.
fn shortened(text: &str, place: &Place) -> Place {
    let lines = text[place.clone()].bytes().filter(|byte| *byte == b'\n').take(MOST_LINES).count();
    if lines < MOST_LINES { place.clone() } else { place.start..line_end(text, place.start) }
}

fn boundary(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

fn line_end(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |newline| at + newline)
}

/// Lines between two places.
pub fn lines_between(text: &str, one: &Place, other: &Place) -> usize {
    newlines(&text[one.start.min(other.start)..one.start.max(other.start)])
}

fn newlines(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, places: &[&str], expected: &str, line: usize) {
        let at = |word: &&str| text.find(*word).map(|start| start..start + word.len()).expect("it is there");
        let excerpt = excerpt(text, &places.iter().map(at).collect::<Vec<_>>());
        assert_eq!((excerpt.text.as_str(), excerpt.line), (expected, line), "{places:?}");
    }

    #[test]
    fn lines_around_places() {
        let text = "a = 1\nb = 2\nc = 3\nd = 4\ne = 5\nf = 6\ng = 7\nh = 8\ni = 9\n";
        check(text, &["b"], "b = 2", 2);
        check(text, &["1\nb"], "a = 1\nb = 2", 1);
        check(text, &["h", "a"], "a = 1\nb = 2\nc = 3\n\n\nf = 6\ng = 7\nh = 8", 1);
        assert_eq!(excerpt(text, &[54..54]), Excerpt { text: String::new(), line: 10, places: vec![0..0] });
        assert_eq!(excerpt("", &[0..0]), Excerpt { text: String::new(), line: 1, places: vec![0..0] });
    }

    #[test]
    fn what_hides_is_written_out_and_places_move_with_it() {
        let text = "x = 1\r\ntitle = \"\u{202e}a\u{200b}\" # here";
        let at = text.find('#').unwrap();
        let excerpt = excerpt(text, &[at..at + 1, 0..1]);
        assert_eq!(excerpt.text, "x = 1\ntitle = \"\\u{202e}a\\u{200b}\" # here");
        assert_eq!(&excerpt.text[excerpt.places[0].clone()], "#");
        assert_eq!(&excerpt.text[excerpt.places[1].clone()], "x");
    }

    #[test]
    fn long_lines_and_long_places_are_cut() {
        let text = format!("{}ä = ß{}", "ü".repeat(100_000), "ü".repeat(100_000));
        let at = text.find('ß').unwrap();
        let cut = excerpt(&text, &[at..at + 2]);
        assert!(cut.text.len() < 1_000, "{}", cut.text.len());
        assert_eq!(&cut.text[cut.places[0].clone()], "ß");
        let whole = excerpt(&text, &[0..text.len()]);
        assert!(whole.text.len() < 1_000 && whole.places[0] == (0..whole.text.len()), "{:?}", whole.places);
        let lines = "x = 1\n".repeat(100_000);
        let first = excerpt(&lines, &[0..lines.len()]);
        assert_eq!((first.text.as_str(), first.places[0].clone()), ("x = 1", 0..5));
    }
}
