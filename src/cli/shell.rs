//! Words of a command line that can be given to a shell again.

use std::ffi::OsStr;

use crate::text::deceives;

/// A word as sh reads it: as it is, in quotes, or, if there is something in it that is not seen, by its bytes (`$'…'`, as bash, zsh and
/// POSIX of 2024 read it).
pub fn quoted(word: &OsStr) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./,:=@%+".contains(c);
    match word.to_str() {
        Some(text) if !text.is_empty() && text.chars().all(plain) => text.to_owned(),
        Some(text) if !hides(text) => format!("'{}'", text.replace('\'', "'\\''")),
        _ => format!("$'{}'", word.as_encoded_bytes().iter().map(|byte| octal(*byte)).collect::<String>()),
    }
}

/// True if what is seen of a text is not all there is: pages and chats make one space of several.
fn hides(text: &str) -> bool {
    text.contains("  ") || text.chars().any(|c| deceives(c) || (c.is_whitespace() && c != ' '))
}

/// The name of a file: one that begins like an option has its folder before it.
pub fn file(name: &OsStr) -> String {
    if !name.as_encoded_bytes().starts_with(b"-") {
        return quoted(name);
    }
    let mut path = OsStr::new("./").to_owned();
    path.push(name);
    quoted(&path)
}

fn octal(byte: u8) -> String {
    match byte {
        b'\'' | b'\\' => format!("\\{}", char::from(byte)),
        b'!'..=b'~' => char::from(byte).to_string(),
        byte => format!("\\{byte:03o}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_a_shell() {
        for (word, expected) in [
            ("stripe-outage.toml", "stripe-outage.toml"),
            ("policy.p.attempts=3", "policy.p.attempts=3"),
            ("", "''"),
            ("two words.toml", "'two words.toml'"),
            ("it's.toml", "'it'\\''s.toml'"),
            ("$(rm -rf ~).toml", "'$(rm -rf ~).toml'"),
            ("Zahlung fällt aus.toml", "'Zahlung fällt aus.toml'"),
            ("a  b\u{a0}", "$'a\\040\\040b\\302\\240'"),
            ("a\u{1b}'\\\nb\u{202e}.toml", "$'a\\033\\'\\\\\\012b\\342\\200\\256.toml'"),
        ] {
            assert_eq!(quoted(OsStr::new(word)), expected);
        }
        assert_eq!(file(OsStr::new("-rf.toml")), "./-rf.toml");
    }

    /// A shell gives the word back, whatever is in it.
    #[cfg(unix)]
    #[test]
    fn a_shell_reads_it() {
        use std::os::unix::ffi::{OsStrExt, OsStringExt};
        let all: Vec<u8> = (1..=255).collect();
        for word in [b"two words".to_vec(), b"it's \"$HOME\" `ls` \\ !".to_vec(), "ä\u{200b}".into(), all] {
            let word = std::ffi::OsString::from_vec(word);
            let command = format!("printf %s {}", quoted(&word));
            let Ok(output) = std::process::Command::new("bash").args(["-c", &command]).output() else { return };
            assert_eq!(output.stdout, word.as_bytes(), "{command}");
        }
    }
}
