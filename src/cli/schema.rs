//! `simlab schema`: the JSON Schema of scenario files, for editors and programs.

use super::{Exit, print};
use crate::scenario::file;

/// Prints the schema on stdout.
pub fn main() -> Exit {
    print(&text())
}

/// The schema as it is printed.
pub fn text() -> String {
    format!("{:#}\n", file::schema())
}
