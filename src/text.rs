//! How the text of a user is shown: nothing in it steers a terminal, turns a line around or hides, and no more of it than somebody reads.

/// Characters of a value that a message repeats.
const MOST_SHOWN: usize = 60;

/// A character that nobody sees, or that changes what is seen of others: controls, marks of writing direction, ends of lines, what has no
/// width, and what Unicode calls no character. XML and HTML do not allow some of them.
pub fn deceives(c: char) -> bool {
    c.is_control() || steers(c) || c as u32 & 0xfffe == 0xfffe || ('\u{fdd0}'..='\u{fdef}').contains(&c)
}

/// Zero-width characters and fillers, bidirectional controls (Unicode Standard Annex 9), separators of lines, tags, the byte-order mark.
/// Not the selectors of a variant, which emoji need.
fn steers(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// `c` as it is shown: itself, or written out, as `\n` and `\u{202e}`.
pub fn show(c: char, text: &mut String) {
    match c {
        '\n' => text.push_str("\\n"),
        '\r' => text.push_str("\\r"),
        '\t' => text.push_str("\\t"),
        c if deceives(c) => text.extend(c.escape_unicode()),
        c => text.push(c),
    }
}

/// `text` on one line, with what deceives written out.
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    text.chars().for_each(|c| show(c, &mut shown));
    shown
}

/// As much of a value as a message repeats: of a longer one the beginning and the end.
pub fn cut(text: &str) -> String {
    cut_to(text, MOST_SHOWN)
}

/// At most `most` characters of `text`, from its beginning and its end.
pub fn cut_to(text: &str, most: usize) -> String {
    // Most texts are short, and no more than needed is looked at of a long one.
    if text.len() <= most || text.chars().nth(most).is_none() {
        return text.to_owned();
    }
    let place = |(at, _): (usize, char)| at;
    let head = text.char_indices().nth(most.div_ceil(2)).map_or(text.len(), place);
    let tail = text.char_indices().rev().nth((most / 2).saturating_sub(2)).map_or(0, place);
    format!("{}…{}", &text[..head], &text[tail..])
}

/// `names` in words, the first of them if there are many: "`a`, `b` and 38 more".
pub fn some<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    /// As many as fit on two lines of a terminal.
    const MOST: usize = 20;
    let mut names = names.into_iter();
    let mut shown: Vec<String> = names.by_ref().take(MOST).map(|name| format!("`{}`", cut(name))).collect();
    match names.count() {
        0 => {}
        1 => shown.push("one more".to_owned()),
        more => shown.push(format!("{more} more")),
    }
    match &shown[..] {
        [] => "none".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// What there is instead of a name that does not exist: "there is only `a`", "there are `a` and `b`".
pub fn there_are<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    match names[..] {
        [one] => format!("there is only `{}`", cut(one)),
        _ => format!("there are {}", some(names)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_deceives_is_written_out() {
        for (text, expected) in [
            ("plain – text ×2 ❤\u{fe0f}", "plain – text ×2 ❤\u{fe0f}"),
            ("a\u{1b}[31mred", "a\\u{1b}[31mred"),
            ("two\nlines\tand\r", "two\\nlines\\tand\\r"),
            ("abc\u{202e}fed\u{200b}\u{9b}", "abc\\u{202e}fed\\u{200b}\\u{9b}"),
            (
                "\u{2028}\u{feff}\u{fffe}\u{ffff}\u{1ffff}\u{fdd0}\u{e0041}",
                "\\u{2028}\\u{feff}\\u{fffe}\\u{ffff}\\u{1ffff}\\u{fdd0}\\u{e0041}",
            ),
        ] {
            assert_eq!(printable(text), expected);
        }
    }

    #[test]
    fn long_values_keep_their_ends() {
        let long = "x".repeat(5_000_000) + "end";
        assert_eq!(cut(&long), format!("{}…{}end", "x".repeat(30), "x".repeat(26)));
        assert_eq!(cut_to("ääääääääää", 10), "ääääääääää");
        assert_eq!(cut_to("äääääääääää", 10), "äääää…ääää");
        assert_eq!(cut(&"y".repeat(60)), "y".repeat(60));
    }

    #[test]
    fn names_in_words() {
        let many: Vec<String> = (0..22).map(|n| n.to_string()).collect();
        assert_eq!(there_are(["p"]), "there is only `p`");
        assert_eq!(there_are(["p", "q"]), "there are `p` and `q`");
        assert!(there_are(many.iter().map(String::as_str)).ends_with(", `19` and 2 more"));
        assert!(some(many[..21].iter().map(String::as_str)).ends_with(", `19` and one more"));
    }
}
