//! The fonts that travel with simlab: pictures are the same on a machine without any.

use std::sync::OnceLock;

use ab_glyph::{Font, FontRef, GlyphId, OutlinedGlyph, PxScale, ScaleFont, point};

/// A face of DejaVu Sans.
fn face(bold: bool) -> &'static FontRef<'static> {
    static FACES: OnceLock<[FontRef<'static>; 2]> = OnceLock::new();
    let parse = |bytes: &'static [u8]| FontRef::try_from_slice(bytes).expect("the bundled fonts are fonts");
    let faces = FACES.get_or_init(|| {
        [
            parse(include_bytes!("../../../assets/fonts/DejaVuSans-subset.ttf")),
            parse(include_bytes!("../../../assets/fonts/DejaVuSans-Bold-subset.ttf")),
        ]
    });
    &faces[usize::from(bold)]
}

/// Where each letter begins, and where the text ends.
fn layout(text: &str, scale: PxScale, bold: bool) -> (Vec<(GlyphId, f32)>, f32) {
    let font = face(bold).as_scaled(scale);
    let mut letters: Vec<(GlyphId, f32)> = Vec::new();
    let mut x = 0.0;
    for id in text.chars().map(|c| font.glyph_id(c)) {
        x += letters.last().map_or(0.0, |(previous, _)| font.kern(*previous, id));
        letters.push((id, x));
        x += font.h_advance(id);
    }
    (letters, x)
}

/// The scale at which letters are as tall as `font-size: {size}` makes them; ab_glyph counts from the lowest descender to the highest
/// ascender.
fn scale(size: f64, bold: bool) -> PxScale {
    let font = face(bold);
    PxScale::from(font.height_unscaled() / font.units_per_em().unwrap_or(2048.0) * size as f32)
}

/// The outlines of a line of text that begins at (`x`, `y`), its baseline, in pixels.
pub fn outlines(text: &str, (x, y): (f64, f64), size: f64, bold: bool) -> Vec<OutlinedGlyph> {
    let scale = scale(size, bold);
    let place = |(id, offset): (GlyphId, f32)| id.with_scale_and_position(scale, point(x as f32 + offset, y as f32));
    layout(text, scale, bold).0.into_iter().filter_map(|letter| face(bold).outline_glyph(place(letter))).collect()
}

/// Width of a text in DejaVu Sans. Nearly all fonts a reader may have are narrower.
pub fn width(text: &str, size: f64, bold: bool) -> f64 {
    f64::from(layout(text, scale(size, bold), bold).1)
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
