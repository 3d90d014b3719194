//! `allow`: warnings that are meant.

use toml::de::DeTable;

use crate::scenario::file::diagnostic::Diagnostic;
use crate::scenario::file::source::Place;
use crate::scenario::file::tree;
use crate::scenario::nearest::nearest;
use crate::scenario::warning::{self, BEFORE, UNUSED_ALLOW};

/// Codes that do not exist.
pub fn unknown(allow: &[String], root: &DeTable<'_>) -> Vec<Diagnostic> {
    let wrong = allow.iter().enumerate().filter(|(_, code)| warning::codes().all(|other| other != *code));
    let error = |(index, code): (usize, &String)| {
        let place = place(root, index);
        let title = format!("there is no warning `{code}`");
        let error = Diagnostic::error("unknown-warning", title, place.clone(), "not the code of a warning");
        match nearest(code, warning::codes()) {
            Some(near) => error.fix("a similar code exists", place, format!("\"{near}\"")),
            None => error.help(format!("the codes are {}", warning::codes().collect::<Vec<_>>().join(", "))),
        }
    };
    wrong.map(error).collect()
}

/// Where a code stands.
fn place(root: &DeTable<'_>, index: usize) -> Place {
    let list = tree::find(root, &["allow"]).and_then(|node| node.get_ref().as_array());
    let item = list.and_then(|items| items.get(index)).map(|item| item.span());
    item.unwrap_or_else(|| tree::value_place(root, &["allow"]))
}

/// What is said, and what is allowed.
pub fn sort(warnings: Vec<Diagnostic>, allow: &[String]) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
    warnings.into_iter().partition(|warning| allow.iter().all(|code| code != warning.code))
}

/// Codes of warnings that the file would tell, and does not. What only results tell is not known here.
pub fn unused(allow: &[String], allowed: &[Diagnostic], root: &DeTable<'_>) -> Vec<Diagnostic> {
    if allow.iter().any(|code| code == UNUSED_ALLOW) {
        return Vec::new();
    }
    let idle =
        |code: &str| BEFORE.iter().any(|(own, _)| *own == code) && allowed.iter().all(|warning| warning.code != code);
    let warning = |(index, code): (usize, &String)| {
        let title = format!("`{code}` is allowed, and there is no such warning");
        Diagnostic::warning(UNUSED_ALLOW, title, place(root, index), "nothing is silenced by it")
            .note("what is allowed beforehand is not said when it comes true one day")
            .help("take it out of `allow`")
    };
    allow.iter().enumerate().filter(|(_, code)| idle(code)).map(warning).collect()
}
