//! `with`: the world of one row. It is the scenario's tree with some paths set, as `--set` would, read and checked like the scenario itself.

use serde_json::{Map, Value};
use toml::de::{DeTable, DeValue};

use super::diagnostic::Diagnostic;
use super::overrides::{self, Key};
use super::recorded::Shelf;
use super::schema::form;
use super::shape::policy::{PolicyTable, WORLD};
use super::source::Source;
use super::tree::{self, Node};
use super::{Named, Parts, Tables, checks, preset, resolved};
use crate::scenario::PolicyConfig;
use crate::scenario::nearest::nearest;
use crate::text::{cut, there_are};

/// A path below `with` and what is set there.
struct Change<'s> {
    path: Vec<Key<'s>>,
    value: Node<'s>,
}

impl Change<'_> {
    fn names(&self) -> Vec<&str> {
        self.path.iter().map(|key| key.get_ref().as_ref()).collect()
    }
}

/// What is needed to read a world.
pub struct Reader<'a> {
    /// The scenario's tree.
    pub root: &'a DeTable<'a>,
    /// The same before presets were filled in.
    pub plain: &'a DeTable<'a>,
    /// Its text.
    pub source: &'a Source,
    /// The scenario's tables, without errors; defaults that depend on other tables are not filled in yet.
    pub tables: &'a Tables,
    /// The scenario file's stem.
    pub stem: &'a str,
}

/// A row whose world was read.
pub struct Read {
    /// As the engine knows it, in its world.
    pub row: PolicyConfig,
    /// Every key that `with` touches, as it stands in this world.
    pub resolved: Value,
}

impl Reader<'_> {
    /// A policy in its world, if it has one of its own.
    ///
    /// # Errors
    /// Says what is wrong, with places in its `with`.
    pub fn read(&self, policy: &Named<PolicyTable>, shelf: &mut Shelf) -> Result<Option<Read>, Vec<Diagnostic>> {
        let with = tree::find(self.root, &["policy", &policy.name, "with"]).and_then(|node| node.get_ref().as_table());
        let Some(with) = with.filter(|_| policy.table.with.is_some()) else { return Ok(None) };
        let note = |error: Diagnostic| error.note(format!("in the world of policy `{}`", policy.name));
        let fail = |errors: Vec<Diagnostic>| errors.into_iter().map(note).collect::<Vec<_>>();
        let changes = self.changes(with)?;
        let mut root = self.plain.clone();
        for change in &changes {
            // The path leads through tables: the scenario has been read.
            overrides::set(&mut root, &change.path, change.value.clone());
        }
        preset::fill(&mut root);
        let (mut parts, mut errors) = Parts::read(&root);
        errors.extend(checks::across(&parts, &root));
        errors.extend(shelf.fill(&mut parts, &root).err().into_iter().flatten());
        let Some(mut tables) = parts.whole().filter(|_| errors.is_empty()) else { return Err(fail(errors)) };
        tables.top = self.tables.top.clone();
        tables.resolve(self.stem);
        let mut scenario = tables.build();
        if let Some(error) = checks::of_scenario(&scenario, &root) {
            return Err(fail(vec![error]));
        }
        let resolved = touched(&changes, &resolved::json(&tables));
        let index = tables.rows().iter().position(|row| *row == policy.name).expect("only rows have worlds");
        let row = PolicyConfig { world: Some(scenario.world), ..scenario.policies.swap_remove(index) };
        Ok(Some(Read { row, resolved }))
    }

    fn changes<'s>(&self, with: &DeTable<'s>) -> Result<Vec<Change<'s>>, Vec<Diagnostic>> {
        let (mut changes, mut errors) = (Vec::new(), Vec::new());
        for (key, node) in with {
            let kind = key.get_ref().as_ref();
            if !WORLD.contains(&kind) {
                let title = format!("`with` cannot change `{}`", cut(kind));
                errors.push(
                    Diagnostic::error("unknown-key", title, key.span(), "is no part of the world")
                        .help("it changes paths of `server`, `fault`, `load` and `operation`"),
                );
                continue;
            }
            self.walk(vec![key.clone()], node, &mut changes, &mut errors);
        }
        if errors.is_empty() { Ok(changes) } else { Err(errors) }
    }

    /// Every assignment below `node`. A table in braces is a value, as it is for `--set`; any other only leads on.
    fn walk<'s>(
        &self,
        path: Vec<Key<'s>>,
        node: &Node<'s>,
        changes: &mut Vec<Change<'s>>,
        errors: &mut Vec<Diagnostic>,
    ) {
        let names: Vec<&str> = path.iter().map(|key| key.get_ref().as_ref()).collect();
        if let Some((name, above)) = names.split_last()
            && form().has_names_at(above)
            && let Some(error) = self.unknown(above, name, &path[above.len()])
        {
            errors.push(error);
            return;
        }
        let leads_on = form().leads_on(&names);
        match node.get_ref() {
            DeValue::Table(table) if leads_on || !self.in_braces(node) => {
                for (key, inner) in table {
                    let path = path.iter().cloned().chain([key.clone()]).collect();
                    self.walk(path, inner, changes, errors);
                }
            }
            _ if leads_on => {
                let title = format!("`with.{}` is not a table", names.join("."));
                errors.push(Diagnostic::error("wrong-type", title, node.span(), "must be a table of what changes"));
            }
            _ => changes.push(Change { path, value: node.clone() }),
        }
    }

    fn in_braces(&self, node: &Node) -> bool {
        let located = self.source.locate(&node.span());
        located.text[located.place].starts_with('{')
    }

    /// A server, a call or any other table with a name that the scenario does not have: a row changes the world, and adds nothing to it.
    fn unknown(&self, above: &[&str], name: &str, key: &Key) -> Option<Diagnostic> {
        let kind = above.last()?;
        let existing = tree::find(self.root, above).and_then(|node| node.get_ref().as_table());
        let known: Vec<&str> =
            existing.map(|table| table.keys().map(|key| key.get_ref().as_ref()).collect()).unwrap_or_default();
        if known.contains(&name) {
            return None;
        }
        let title = format!("there is no {kind} `{}` to change", cut(name));
        let error = Diagnostic::error("unknown-name", title, key.span(), format!("names no {kind} of this file"));
        Some(match nearest(name, known.iter().copied()) {
            Some(near) => error.fix(format!("a {kind} with a similar name exists"), key.span(), near),
            None if known.is_empty() => error.help(format!("the scenario has no {kind}")),
            None => error.help(there_are(known.iter().copied())),
        })
    }
}

/// The keys of servers, faults, load and operation that changes touch, with their whole values in the changed world.
fn touched(changes: &[Change], world: &Value) -> Value {
    let mut resolved = Map::new();
    for change in changes {
        let names = change.names();
        let Some(depth) = (1..names.len()).find(|depth| !form().leads_on(&names[..=*depth])) else { continue };
        // A length is written as an end.
        let key = match names[depth] {
            "for" if names[0] == "fault" => "until",
            key => key,
        };
        let (mut from, mut to) = (world, &mut resolved);
        for name in &names[..depth] {
            from = &from[*name];
            let inner = to.entry((*name).to_owned()).or_insert_with(|| Value::Object(Map::new()));
            to = inner.as_object_mut().expect("a table, as all on the way");
        }
        to.insert(key.to_owned(), from[key].clone());
    }
    Value::Object(resolved)
}
