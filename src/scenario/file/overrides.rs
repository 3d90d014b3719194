//! `--set KEY=VALUE`: changes to a scenario before anything looks at it.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::schema::form;
use super::tree::{self, Node};
use crate::scenario::nearest::nearest;
use crate::text;

/// What the command line changes in a scenario, in this order.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// Dotted paths and TOML values; what is no TOML value is taken as a string.
    pub set: Vec<(String, String)>,
    /// Seed.
    pub seed: Option<u64>,
    /// Replications.
    pub replications: Option<u32>,
}

/// A path that cannot be set: a mistake on the command line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("--set {assignment}: {problem}")]
pub struct BadPath {
    /// What was asked for.
    pub assignment: String,
    /// What is wrong with it.
    pub problem: String,
}

/// The text of an assignment, as TOML; what is no TOML value is a string.
pub fn assignment(path: &str, value: &str) -> String {
    let is_value = DeValue::parse(value).is_ok();
    if is_value { format!("{path} = {value}") } else { format!("{path} = {}", quoted(value)) }
}

/// Carries out an assignment in the tree. `assignment` is what [`assignment`] made of it, and where places in it begin.
///
/// # Errors
/// If the path is not one, or names a server, fault or policy that does not exist.
pub fn apply<'s>(
    root: &mut DeTable<'s>,
    (place, assignment): (usize, &'s str),
    path: &str,
    value: &str,
) -> Result<(), BadPath> {
    let bad = |problem: String| BadPath { assignment: text::cut(&format!("{path}={value}")), problem };
    let no_path = || {
        let path = text::cut(path);
        bad(format!("`{path}` is not a path; write names with dots between them, as in policy.fixed.attempts"))
    };
    let depth = count_keys(path).ok_or_else(no_path)?;
    let table = DeTable::parse(assignment).ok().map(|table| tree::moved(table.into_inner(), place));
    let mut node = table.and_then(take_only).ok_or_else(no_path)?;
    let mut keys = Vec::new();
    // A value may be a table itself: only as many keys are taken apart as the path has.
    for _ in 1..depth {
        let (key, inner) = node;
        keys.push(key);
        let DeValue::Table(table) = inner.into_inner() else { return Err(no_path()) };
        node = take_only(table).ok_or_else(no_path)?;
    }
    let (last, new) = node;
    keys.push(last);
    let names: Vec<String> = keys.iter().map(|key| key.get_ref().to_string()).collect();
    check_name(root, &names).map_err(bad)?;
    if set(root, &keys, new) { Ok(()) } else { Err(no_path()) }
}

/// Puts `value` at the path of `keys`, with all tables on the way, in place of what was there and of other alternatives. False if that is no path.
pub fn set<'s>(root: &mut DeTable<'s>, keys: &[Key<'s>], value: Node<'s>) -> bool {
    let path: Vec<&str> = keys.iter().map(|key| key.get_ref().as_ref()).collect();
    let Some((last, above)) = keys.split_last() else { return false };
    let mut table = root;
    for (depth, key) in above.iter().enumerate() {
        clear_other_alternative(table, &path[..=depth]);
        let name = path[depth];
        if table.get(name).is_none_or(|node| !node.get_ref().is_table()) {
            table.insert(key.clone(), Spanned::new(key.span(), DeValue::Table(DeTable::new())));
        }
        let Some(DeValue::Table(inner)) = table.get_mut(name).map(Spanned::get_mut) else { return false };
        table = inner;
    }
    clear_other_alternative(table, &path);
    table.insert(last.clone(), value);
    true
}

/// A key with its place.
pub type Key<'s> = Spanned<std::borrow::Cow<'s, str>>;

type Entry<'s> = (Key<'s>, Node<'s>);

fn take_only(table: DeTable<'_>) -> Option<Entry<'_>> {
    let mut entries = table.into_iter();
    entries.next().filter(|_| entries.len() == 0)
}

/// Keys in a dotted path, quoted ones included.
fn count_keys(path: &str) -> Option<usize> {
    if path.contains(['=', '\n', '[', '#']) {
        return None;
    }
    let text = format!("{path} = 0");
    let (_, mut node) = DeTable::parse(&text).ok()?.into_inner().into_iter().next()?;
    let mut depth = 1;
    while let DeValue::Table(table) = node.into_inner() {
        depth += 1;
        (_, node) = table.into_iter().next()?;
    }
    Some(depth)
}

/// What the key at the end of `path` replaces, beside the value it had: the other alternatives of its choice, or the fault's other end.
fn clear_other_alternative(table: &mut DeTable<'_>, path: &[&str]) {
    let Some((own, above)) = path.split_last() else { return };
    let in_world = match path {
        ["policy", _, "with", world @ ..] => world,
        path => path,
    };
    let goes = |key: &str| match in_world {
        ["fault", _, "for"] => key == "until",
        ["fault", _, "until"] => key == "for",
        _ => form().is_choice(above) && key != *own,
    };
    let gone: Vec<String> = table.keys().map(|key| key.get_ref().to_string()).filter(|key| goes(key)).collect();
    for key in gone {
        table.remove(key.as_str());
    }
}

/// All names on the way are those of tables that there are: nothing is added.
fn check_name(root: &DeTable<'_>, names: &[String]) -> Result<(), String> {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for depth in (1..names.len()).filter(|depth| form().has_names_at(&names[..*depth])) {
        let (kind, name) = (names[depth - 1], names[depth]);
        // A row may have rules for any step that there is.
        let of: &[&str] =
            if let ["policy", _, "step"] = names[..depth] { &["operation", "step"] } else { &names[..depth] };
        let existing = tree::find(root, of).and_then(|node| node.get_ref().as_table());
        let known: Vec<&str> =
            existing.map(|table| table.keys().map(|key| key.get_ref().as_ref()).collect()).unwrap_or_default();
        if known.contains(&name) {
            continue;
        }
        let near = match nearest(name, known.iter().copied()) {
            Some(near) => format!("there is `{near}`"),
            None if known.is_empty() => format!("the scenario has no {kind}"),
            None => text::there_are(known.iter().copied()),
        };
        let kind = if depth > 2 || kind == "step" { names[..depth].join(".") } else { kind.to_owned() };
        return Err(format!("no {kind} `{}` in the scenario; {near}", text::cut(name)));
    }
    Ok(())
}

/// As a TOML string, in which nothing hides.
pub fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c if text::deceives(c) && c as u32 <= 0xffff => quoted.push_str(&format!("\\u{:04X}", c as u32)),
            c if text::deceives(c) => quoted.push_str(&format!("\\U{:08X}", c as u32)),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
