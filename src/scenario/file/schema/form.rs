//! What the schema says about the form of a file, asked while one is read or changed: what is a table, what has names, what is a choice.

use std::sync::OnceLock;

use serde_json::Value;

use super::{NAME, schema};

/// The form of scenario files.
pub struct Form {
    root: Value,
}

/// The form of scenario files, made once.
pub fn form() -> &'static Form {
    static FORM: OnceLock<Form> = OnceLock::new();
    FORM.get_or_init(|| Form { root: schema() })
}

impl Form {
    /// Keys of the top that are tables, or lists of them.
    pub fn tables(&self) -> Vec<&str> {
        let keys = self.root["properties"].as_object().into_iter().flatten();
        keys.filter(|(_, inner)| self.is_table(inner)).map(|(key, _)| key.as_str()).collect()
    }

    /// True if the entries of this table have names that the file gives.
    pub fn has_names(&self, table: &str) -> bool {
        self.root["properties"][table]["patternProperties"].is_object()
    }

    /// True if the entries of the table at `path` have names that the file gives.
    pub fn has_names_at(&self, path: &[&str]) -> bool {
        self.at(path).iter().any(|part| part["patternProperties"][NAME].is_object())
    }

    /// True if what stands at this path of the world only leads on to what it has: a table of the file, one with names, or one of a name.
    pub fn leads_on(&self, path: &[&str]) -> bool {
        path.len() == 1 || self.has_names_at(path) || self.has_names_at(&path[..path.len() - 1])
    }

    /// The keys of the table at `path`.
    pub fn keys(&self, path: &[&str]) -> Vec<&str> {
        let keys = self.at(path).into_iter().flat_map(|part| part["properties"].as_object().into_iter().flatten());
        keys.map(|(key, _)| key.as_str()).collect()
    }

    /// What may stand at `path`.
    fn at(&self, path: &[&str]) -> Vec<&Value> {
        path.iter().fold(self.parts(&self.root), |parts, key| {
            parts.into_iter().flat_map(|part| self.below(part, key)).flat_map(|inner| self.parts(inner)).collect()
        })
    }

    /// True if the value at `path` is a choice: setting one alternative replaces another. The whole path decides, since a policy may be called
    /// `budget` and a server has a map called `retry_after`.
    pub fn is_choice(&self, path: &[&str]) -> bool {
        // The world of a row has the tables of the file.
        if let ["policy", _, "with", world @ ..] = path {
            return self.is_choice(world);
        }
        let parts = self.at(path);
        let words: Vec<&Value> = parts.iter().flat_map(|part| alternatives(part)).map(|word| &word["const"]).collect();
        // A word may have parameters, or none: `"honour"` and `honour = { … }`.
        let is_word = |part: &Value| {
            let keys = part["properties"].as_object().filter(|keys| keys.len() == 1);
            keys.is_some_and(|keys| keys.keys().all(|key| words.contains(&&Value::from(key.as_str()))))
        };
        let has_parameters = |part: &Value| alternatives(part).any(|alternative| alternative["properties"].is_object());
        parts.iter().any(|part| has_parameters(part) || is_word(part))
    }

    /// Keys of a table whose values are tables or choices, or `"none"`, which stands for no such key.
    pub fn may_be_none(&self, table: &str) -> Vec<&str> {
        let tables = self.below(&self.root, table).into_iter().flat_map(|named| self.below(named, "name"));
        let tables = tables.flat_map(|table| self.parts(table));
        let keys = tables.flat_map(|table| table["properties"].as_object().into_iter().flatten());
        let may = |inner: &Value| {
            let either = inner["anyOf"].as_array().map_or(&[][..], Vec::as_slice);
            either.iter().any(|word| word["const"] == "none") && either.iter().any(|part| self.is_table(part))
        };
        keys.filter(|(_, inner)| may(inner)).map(|(key, _)| key.as_str()).collect()
    }

    /// What may stand in the place of a schema.
    fn parts<'a>(&'a self, schema: &'a Value) -> Vec<&'a Value> {
        if let Some(name) = schema["$ref"].as_str() {
            return self.parts(&self.root["$defs"][name.trim_start_matches("#/$defs/")]);
        }
        let either = ["anyOf", "allOf"].iter().find_map(|word| schema[*word].as_array());
        match either.filter(|_| !schema["properties"].is_object()) {
            Some(either) => either.iter().flat_map(|part| self.parts(part)).collect(),
            None => vec![schema],
        }
    }

    /// What stands below a key, a name or an alternative.
    fn below<'a>(&'a self, part: &'a Value, key: &str) -> Vec<&'a Value> {
        let own = part["properties"].get(key);
        let alternative = alternatives(part).filter_map(|alternative| alternative["properties"].get(key));
        let named = part["patternProperties"].as_object().into_iter().flat_map(|named| named.values());
        own.into_iter().chain(alternative).chain(named).collect()
    }

    fn is_table(&self, schema: &Value) -> bool {
        let below = |part: &Value| part["items"].is_object() && self.is_table(&part["items"]);
        let named = |part: &Value| part["properties"].is_object() || part["patternProperties"].is_object();
        let has_parameters = |part| alternatives(part).any(|alternative| alternative["properties"].is_object());
        self.parts(schema).into_iter().any(|part| named(part) || has_parameters(part) || below(part))
    }
}

/// The alternatives of a choice, words and those with parameters.
fn alternatives(part: &Value) -> impl Iterator<Item = &Value> {
    part["oneOf"].as_array().into_iter().flatten()
}
