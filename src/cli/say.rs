//! What is said on stderr. Whatever becomes of it there, the program goes on: what cannot be said is dropped, and no exit code depends on it.
//! A line is one line, and the text of a user in it steers no terminal.

use std::fmt::Display;
use std::io::Write;

use crate::text::printable;

/// "error: …".
pub fn error(message: impl Display) {
    line(format_args!("error: {message}"));
}

/// "help: …".
pub fn help(message: impl Display) {
    line(format_args!("help: {message}"));
}

/// A line.
pub fn line(message: impl Display) {
    text(&(printable(&message.to_string()) + "\n"));
}

/// Text that has been made fit to be shown.
pub fn text(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}
