//! The parsed file as a tree of values with their places.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::source::Place;

/// A value with its place.
pub type Node<'s> = Spanned<DeValue<'s>>;

/// The value at a path, if there is one.
pub fn find<'a, 's>(root: &'a DeTable<'s>, path: &[&str]) -> Option<&'a Node<'s>> {
    entry(root, path).map(|(_, node)| node)
}

/// The place of a path's key; of the nearest key above it, if it does not exist; the beginning of the file, if none does.
pub fn key_place(root: &DeTable<'_>, path: &[&str]) -> Place {
    (1..=path.len()).rev().find_map(|length| entry(root, &path[..length])).map_or(0..0, |(key, _)| key)
}

/// The place of a path's value, or of the nearest key above it.
pub fn value_place(root: &DeTable<'_>, path: &[&str]) -> Place {
    find(root, path).map_or_else(|| key_place(root, path), |node| node.span())
}

fn entry<'a, 's>(root: &'a DeTable<'s>, path: &[&str]) -> Option<(Place, &'a Node<'s>)> {
    let (last, above) = path.split_last()?;
    let mut table = root;
    for key in above {
        table = table.get(*key)?.get_ref().as_table()?;
    }
    table.get_key_value(*last).map(|(key, node)| (key.span(), node))
}

/// The dotted path of the value or key that lies at `place`; the innermost that contains it.
pub fn path_at(root: &DeTable<'_>, place: &Place) -> Vec<String> {
    let inside = |node: &Node| {
        let span = node.span();
        span.start <= place.start && place.end <= span.end && !place.is_empty() && !node.get_ref().is_table()
    };
    for (key, node) in root {
        let inner = match node.get_ref() {
            DeValue::Table(table) => path_at(table, place),
            DeValue::Array(items) => {
                let tables = items.iter().filter_map(|item| item.get_ref().as_table());
                tables.map(|table| path_at(table, place)).max_by_key(Vec::len).unwrap_or_default()
            }
            _ => Vec::new(),
        };
        if node.span() == *place || key.span() == *place || inside(node) || !inner.is_empty() {
            let mut path = vec![key.get_ref().to_string()];
            path.extend(inner);
            return path;
        }
    }
    Vec::new()
}

/// A table whose places all lie further on.
pub fn moved<'s>(table: DeTable<'s>, by: usize) -> DeTable<'s> {
    let place = |span: Place| span.start + by..span.end + by;
    let entry = |(key, node): (Spanned<_>, Node<'s>)| {
        (Spanned::new(place(key.span()), key.into_inner()), moved_value(node, by))
    };
    table.into_iter().map(entry).collect()
}

fn moved_value(node: Node<'_>, by: usize) -> Node<'_> {
    let span = node.span();
    let value = match node.into_inner() {
        DeValue::Table(table) => DeValue::Table(moved(table, by)),
        DeValue::Array(items) => DeValue::Array(items.into_iter().map(|item| moved_value(item, by)).collect()),
        other => other,
    };
    Spanned::new(span.start + by..span.end + by, value)
}

/// The names in the table at `path`, in the order of the file; none if there is no such table.
pub fn names<'a>(root: &'a DeTable<'_>, path: &[&str]) -> Vec<&'a str> {
    let table = find(root, path).and_then(|node| node.get_ref().as_table());
    table.map(|table| table.keys().map(|key| key.get_ref().as_ref()).collect()).unwrap_or_default()
}
