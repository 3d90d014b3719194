//! The fonts that travel with simlab: pictures are the same on a machine without any.

use std::sync::Once;

use plotters::style::{FontDesc, FontFamily, FontStyle, register_font};

/// The family's name for plotters.
const FAMILY: &str = "simlab";

/// plotters' size of a font is the height from the lowest descender to the highest ascender; of DejaVu Sans that is
/// (1901 + 483) / 2048 of what everybody else calls the size.
const HEIGHT_PER_EM: f64 = (1901.0 + 483.0) / 2048.0;

static REGISTERED: Once = Once::new();

/// A face whose letters are as tall as `font-size: {size}` makes them.
pub fn face(size: f64, bold: bool) -> FontDesc<'static> {
    REGISTERED.call_once(|| {
        let normal = include_bytes!("../../../assets/fonts/DejaVuSans-subset.ttf");
        let bold = include_bytes!("../../../assets/fonts/DejaVuSans-Bold-subset.ttf");
        let registered = register_font(FAMILY, FontStyle::Normal, normal)
            .and_then(|()| register_font(FAMILY, FontStyle::Bold, bold));
        assert!(registered.is_ok(), "the bundled fonts are fonts");
    });
    let style = if bold { FontStyle::Bold } else { FontStyle::Normal };
    FontDesc::new(FontFamily::Name(FAMILY), size * HEIGHT_PER_EM, style)
}

/// How far below the point where plotters starts a line of text its baseline lies.
pub fn baseline_offset(size: f64) -> f64 {
    size * HEIGHT_PER_EM / 2.0
}

/// Width of a text in DejaVu Sans. Nearly all fonts a reader may have are narrower.
pub fn width(text: &str, size: f64, bold: bool) -> f64 {
    // plotters rounds to whole pixels; at this size that does not matter.
    const FINE: f64 = 200.0;
    let (width, _) = face(FINE, bold).box_size(text).expect("the bundled fonts are registered");
    f64::from(width) * size / FINE
}

/// `text`, with its middle cut out where it is wider than `room`.
pub fn shorten(text: &str, room: f64, size: f64, bold: bool) -> String {
    if width(text, size, bold) <= room {
        return text.to_owned();
    }
    let characters: Vec<char> = text.chars().collect();
    let cut = |kept: usize| -> String {
        let head = kept.div_ceil(2);
        let tail = characters.len() - (kept - head);
        characters[..head].iter().chain(&['…']).chain(&characters[tail..]).collect()
    };
    (1..characters.len())
        .rev()
        .map(cut)
        .find(|short| width(short, size, bold) <= room)
        .unwrap_or_else(|| "…".to_owned())
}

/// `text` in lines no wider than `room`, broken at spaces.
pub fn wrap(text: &str, room: f64, size: f64, bold: bool) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is a first line");
        let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
        if line.is_empty() || width(&longer, size, bold) <= room {
            *line = longer;
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_those_of_the_font() {
        // Advance of "0" in DejaVu Sans: 1303 of 2048.
        let ten = width("0000000000", 12.0, false);
        assert!((ten - 10.0 * 12.0 * 1303.0 / 2048.0).abs() < 0.1, "{ten}");
        assert!(width("wide", 12.0, true) > width("wide", 12.0, false));
        assert_eq!(width("", 12.0, false), 0.0);
    }

    #[test]
    fn long_names_lose_their_middle() {
        assert_eq!(shorten("short", 100.0, 12.0, false), "short");
        let long = shorten("a-very-long-name-of-a-policy-with-key", 100.0, 12.0, false);
        assert!(long.starts_with("a-very") && long.contains('…') && long.ends_with("key"), "{long}");
        assert!(width(&long, 12.0, false) <= 100.0);
        assert_eq!(shorten("xxxx", 1.0, 12.0, false), "…");
    }

    #[test]
    fn lines_break_at_spaces() {
        assert_eq!(wrap("one two three", 55.0, 12.0, false), ["one two", "three"]);
        assert_eq!(wrap("unbreakable", 5.0, 12.0, false), ["unbreakable"]);
    }
}
