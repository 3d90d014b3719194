//! Text from a scenario, made harmless for HTML and SVG.

use crate::text::deceives;

/// Text for HTML and SVG, between tags or in quotes: markup is escaped, what is invisible and could change what a reader sees
/// (control characters, escape sequences, marks of writing direction) becomes U+FFFD. Line ends and tabs stay.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\t' => escaped.push(c),
            c => escaped.push(if deceives(c) { '\u{fffd}' } else { c }),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(escape(text), expected, "{text:?}");
    }

    #[test]
    fn markup_controls_and_directions_are_harmless() {
        check("plain – text ×2", "plain – text ×2");
        check("<script>alert('1')</script>", "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;");
        check("a\" onload=\"x", "a&quot; onload=&quot;x");
        check("&amp;", "&amp;amp;");
        check("\u{1b}[31mred\u{7}", "\u{fffd}[31mred\u{fffd}");
        check("\u{202e}gnp.exe\u{2069}", "\u{fffd}gnp.exe\u{fffd}");
        check("two\nlines\r\n", "two\nlines\u{fffd}\n");
        // No XML allows these two, and HTML none of the kind.
        check("\u{fffe}\u{ffff}\u{1fffe}\u{fdd0}", "\u{fffd}\u{fffd}\u{fffd}\u{fffd}");
    }
}
