//! Names and titles made fit to be shown: no control characters, no marks that turn text around, no longer than their column.

use std::collections::BTreeSet;

use super::number::Notation;
use crate::text::deceives;

/// `text` without anything that could steer a terminal or reorder a line: white space becomes a plain space, every other control or
/// invisible formatting character U+FFFD.
pub fn harmless(text: &str) -> String {
    let plain = text.chars().map(|c| match c {
        c if c.is_whitespace() && c != '\u{85}' => ' ',
        c if deceives(c) => '\u{fffd}',
        c => c,
    });
    plain.collect::<String>().trim().to_owned()
}

/// All names harmless and no longer than `notation.name_chars`; longer ones are cut in the middle so that they stay different.
pub fn fitted(names: &[&str], notation: &Notation) -> Vec<String> {
    let plain: Vec<String> = names.iter().map(|name| harmless(name)).collect();
    let fits = |name: &String| name.chars().count() <= notation.name_chars;
    let mut taken: BTreeSet<String> = plain.iter().filter(|name| fits(name)).cloned().collect();
    let fit = |(index, name): (usize, &String)| {
        if fits(name) {
            return name.clone();
        }
        let short = cut(name, index, notation, &taken);
        taken.insert(short.clone());
        short
    };
    plain.iter().enumerate().map(fit).collect()
}

/// Cuts where it keeps the name different from all that are taken, near the middle if possible.
fn cut(name: &str, index: usize, notation: &Notation, taken: &BTreeSet<String>) -> String {
    let chars: Vec<char> = name.chars().collect();
    let room = notation.name_chars - notation.ellipsis.chars().count();
    let at = |head: usize, tail: &str| {
        let from_end = room - head - tail.chars().count();
        let mut short: String = chars[..head].iter().collect();
        short.push_str(notation.ellipsis);
        short.extend(&chars[chars.len() - from_end..]);
        short.push_str(tail);
        short
    };
    let middle = room.div_ceil(2);
    let heads = (0..=room).map(|step| if step <= middle { middle - step } else { step });
    heads.map(|head| at(head, "")).find(|short| !taken.contains(short)).unwrap_or_else(|| {
        // They differ only in what is cut out: the place in the table tells them apart.
        at(middle.min(room / 2), &format!("#{}", index + 1))
    })
}

/// "a, b and c", with another last word for other lists.
pub fn list(items: &[impl AsRef<str>], last: &str) -> String {
    match items {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [first @ .., end] => {
            let first: Vec<&str> = first.iter().map(AsRef::as_ref).collect();
            format!("{} {last} {}", first.join(", "), end.as_ref())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_the_terminal() {
        for (text, expected) in [
            ("plain title", "plain title"),
            ("a\u{1b}[31mred", "a\u{fffd}[31mred"),
            ("two\nlines\tand\r", "two lines and"),
            ("abc\u{202e}fed", "abc\u{fffd}fed"),
            ("c1\u{9b}31m \u{85}", "c1\u{fffd}31m \u{fffd}"),
            ("zero\u{200b}width\u{feff}", "zero\u{fffd}width\u{fffd}"),
            ("Zahlung fällt aus — 支付", "Zahlung fällt aus — 支付"),
        ] {
            assert_eq!(harmless(text), expected);
        }
    }

    fn check(names: &[&str], expected: &[&str]) {
        assert_eq!(fitted(names, &Notation::TERMINAL), expected);
    }

    #[test]
    fn long_names_stay_different() {
        check(&["short", "exactly-twenty-four-char"], &["short", "exactly-twenty-four-char"]);
        check(&["decorrelated-jitter-with-key"], &["decorrelated…er-with-key"]);
        check(
            &["payments-full-jitter-europe-1", "payments-full-jitter-europe-2"],
            &["payments-ful…er-europe-1", "payments-ful…er-europe-2"],
        );
        check(
            &["payments-full-jitter-a-europe-1", "payments-full-jitter-b-europe-1"],
            &["payments-ful…-a-europe-1", "payments-ful…-b-europe-1"],
        );
        // The difference lies where the first cut would be.
        check(
            &["aaaaaaaaaaaa1aaaaaaaaaaaaaa", "aaaaaaaaaaaa2aaaaaaaaaaaaaa"],
            &["aaaaaaaaaaaa…aaaaaaaaaaa", "aaaaaaaaaaa…aaaaaaaaaaaa"],
        );
        let (a, b) = ("a".repeat(40) + "1" + &"a".repeat(40), "a".repeat(40) + "2" + &"a".repeat(40));
        let many = [a.as_str(), b.as_str()];
        let short = fitted(&many.repeat(15), &Notation::ASCII);
        let different: BTreeSet<&String> = short.iter().collect();
        assert_eq!(different.len(), 30, "{short:?}");
        assert!(short.iter().all(|name| name.chars().count() <= 24), "{short:?}");
    }

    #[test]
    fn lists() {
        assert_eq!(list(&["a"], "and"), "a");
        assert_eq!(list(&["a", "b", "c"], "or"), "a, b or c");
        assert_eq!(list(&[] as &[&str], "and"), "");
    }
}
