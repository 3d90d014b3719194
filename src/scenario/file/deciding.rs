//! What `[decide]` says, held against the policies, the faults and the criteria there are.

use toml::de::{DeTable, DeValue};

use super::diagnostic::Diagnostic;
use super::expectations;
use super::shape::decide::{DecideTable, margin};
use super::source::Place;
use super::{mixes, tree};
use crate::scenario::decide::Criterion;
use crate::scenario::metric::Metric;
use crate::scenario::nearest::nearest;
use crate::text::{cut, there_are};

/// No weight is larger: beyond, what weighs 1 is lost in rounding.
const MOST_WEIGHT: f64 = 1e6;

/// All errors of the table.
pub fn check(table: &DecideTable, root: &DeTable<'_>) -> Vec<Diagnostic> {
    let (policies, all) = (mixes::rows(root), expectations::names(root));
    let mut errors = Vec::new();
    let mut seen: Vec<Criterion> = Vec::new();
    for (index, name) in table.order.iter().enumerate() {
        let place = item_place(root, &["decide", "order"], &[index]);
        match Criterion::parse(name, &all) {
            None => errors.push(unknown_criterion(name, place)),
            Some(criterion) if seen.contains(&criterion) => {
                let title = format!("`{}` is a criterion twice", cut(name));
                errors.push(Diagnostic::error("named-twice", title, place, "stands in this list already"));
            }
            Some(criterion) => seen.push(criterion),
        }
    }
    seen.clear();
    for (name, written) in &table.margin {
        match Criterion::parse(name, &all) {
            Some(criterion) if seen.contains(&criterion) => {
                let title = format!("`{}` has two margins", cut(name));
                let place = tree::key_place(root, &["decide", "margin", name]);
                errors.push(Diagnostic::error("named-twice", title, place, "is a criterion that has a margin already"));
            }
            None => errors.push(unknown_criterion(name, tree::key_place(root, &["decide", "margin", name]))),
            Some(criterion) => {
                seen.push(criterion);
                if let Err(problem) = margin(criterion.scale(), written) {
                    let title = format!("this is no margin of `{}`", cut(name));
                    let place = tree::value_place(root, &["decide", "margin", name]);
                    errors.push(Diagnostic::error("limit-unit", title, place, problem));
                }
            }
        }
    }
    let weights = &table.weigh;
    let weights = [
        ("duplicate", weights.duplicate),
        ("phantom", weights.phantom),
        ("lost_update", weights.lost_update),
        ("half_done", weights.half_done),
    ];
    for (name, weight) in weights {
        if weight.0 > MOST_WEIGHT {
            let place = tree::value_place(root, &["decide", "weigh", name]);
            let title = format!("`{name}` weighs too much");
            errors.push(Diagnostic::error("weight", title, place, format!("can be at most {MOST_WEIGHT:.0}")));
        }
    }
    errors.extend(table.groups.iter().flat_map(|groups| of_groups(groups, &policies, root)));
    errors
}

fn of_groups(groups: &[Vec<String>], policies: &[&str], root: &DeTable<'_>) -> Vec<Diagnostic> {
    let mut errors = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    for (index, group) in groups.iter().enumerate() {
        if group.is_empty() {
            let place = item_place(root, &["decide", "groups"], &[index]);
            errors.push(Diagnostic::error("empty-group", "a group holds nobody", place, "needs names of policies"));
        }
        for (item, name) in group.iter().enumerate() {
            let place = item_place(root, &["decide", "groups"], &[index, item]);
            if !policies.contains(&name.as_str()) {
                let title = format!("there is no policy `{}`", cut(name));
                let error = Diagnostic::error("unknown-name", title, place.clone(), "names no policy of this file");
                errors.push(match nearest(name, policies.iter().copied()) {
                    Some(near) => error.fix("a policy with a similar name exists", place, format!("\"{near}\"")),
                    None => error.help(there_are(policies.iter().copied())),
                });
            } else if seen.contains(&name.as_str()) {
                let title = format!("`{}` stands in two groups", cut(name));
                errors.push(Diagnostic::error("named-twice", title, place, "stands in a group already"));
            } else {
                seen.push(name);
            }
        }
    }
    errors
}

fn unknown_criterion(name: &str, place: Place) -> Diagnostic {
    let title = format!("there is no criterion `{}`", cut(name));
    let error = Diagnostic::error("unknown-criterion", title, place.clone(), "is no criterion, and no metric");
    let metrics = Metric::ALL.into_iter().filter(|metric| metric.is_of_run()).map(Metric::name);
    match nearest(name, Criterion::names().chain(metrics)) {
        Some(near) => error.fix("there is one with a similar name", place, format!("\"{near}\"")),
        None => error.help(there_are(Criterion::names())).help("or any metric of docs/CONTRACT.md, section 4.3"),
    }
}

/// The place of an item of a list, or of a list in it; of the list, if it cannot be found.
fn item_place(root: &DeTable<'_>, path: &[&str], indices: &[usize]) -> Place {
    let Some(mut node) = tree::find(root, path) else { return tree::key_place(root, path) };
    for index in indices {
        match node.get_ref() {
            DeValue::Array(items) if *index < items.len() => node = &items[*index],
            _ => break,
        }
    }
    node.span()
}
