//! The tables of keys and of choices, from the JSON Schema: what editors show is what the contract says.

use std::ptr;

use serde_json::Value;

/// Most alternatives that stand beside the key that has them.
const MOST_WORDS: usize = 10;

/// The schema, and which of its tables and choices have a table of their own in the contract.
pub struct Keys<'a> {
    root: &'a Value,
    own: Vec<&'a Value>,
}

impl<'a> Keys<'a> {
    /// `paths` are those of all tables that the contract has, of keys and of choices.
    pub fn new(root: &'a Value, paths: impl Iterator<Item = &'a str>) -> Keys<'a> {
        let mut keys = Keys { root, own: Vec::new() };
        keys.own = paths.flat_map(|path| keys.parts(keys.find(path))).filter(|part| !part.is_leaf()).collect();
        keys
    }

    /// All that may stand in one place: tables, choices and scalars. Names, statuses and places in lists are no part of a path.
    fn parts(&self, schema: &'a Value) -> Vec<&'a Value> {
        let all = |schemas: &'a Value| -> Vec<&'a Value> {
            let inner: Vec<&Value> = match schemas {
                Value::Object(by_name) => by_name.values().collect(),
                list => list.as_array().into_iter().flatten().collect(),
            };
            inner.into_iter().flat_map(|schema| self.parts(schema)).collect()
        };
        if let Some(name) = schema["$ref"].as_str() {
            return self.parts(&self.root["$defs"][name.trim_start_matches("#/$defs/")]);
        }
        if !schema.is_leaf() {
            return vec![schema];
        }
        if schema["items"].is_object() {
            return self.parts(&schema["items"]);
        }
        match ["anyOf", "allOf", "patternProperties"].iter().find(|word| !schema[*word].is_null()) {
            Some(word) => all(&schema[*word]),
            None => vec![schema],
        }
    }

    /// The schema at a path of keys and alternatives, from the top of the file; an empty path is the top.
    fn find(&self, path: &str) -> &'a Value {
        path.split('.').filter(|key| !key.is_empty()).fold(self.root, |schema, key| {
            let found = self.parts(schema).into_iter().find_map(|part| part.key(key));
            found.unwrap_or_else(|| panic!("the schema has no {path}"))
        })
    }

    /// The tables of a file, which all need one in the contract.
    pub fn tables(&self) -> impl Iterator<Item = &'a str> {
        let keys = self.root["properties"].as_object().into_iter().flatten();
        keys.filter(|(_, inner)| self.parts(inner).iter().any(|part| part.is_table())).map(|(key, _)| key.as_str())
    }

    /// A table of keys, but for those that another table has with the same meaning.
    pub fn keys(&self, path: &str, but: Option<&str>) -> String {
        let properties = |path| {
            let tables = self.parts(self.find(path)).into_iter();
            tables.filter_map(|part| part["properties"].as_object()).flatten().collect::<Vec<_>>()
        };
        let others = but.map(properties).unwrap_or_default();
        // A fault's share says more than a server's: that it is added to it.
        let said = |key: &str, inner: &Value| {
            let says = |of: &Value| split(of["description"].as_str().unwrap_or_default());
            let same = |of: &Value| says(of).1 == says(inner).1 && says(inner).0.starts_with(&says(of).0);
            others.iter().any(|(other, of)| *other == key && same(of))
        };
        let mut text = "| key | default | meaning |\n|---|---|---|\n".to_owned();
        let tables = self.parts(self.find(path)).into_iter().filter(|part| part["properties"].is_object());
        for table in tables {
            for (key, inner) in table["properties"].as_object().into_iter().flatten() {
                // The tables of a file have sections of their own.
                if said(key, inner) || path.is_empty() && self.parts(inner).iter().any(|part| part.is_table()) {
                    continue;
                }
                let (meaning, default) = split(inner["description"].as_str().expect("every key has a description"));
                let default = if table.requires(key) { Some("required".to_owned()) } else { default };
                let default = default.unwrap_or_else(|| panic!("`{path}.{key}` says nothing about its default"));
                let shape = if inner["default"].is_object() { String::new() } else { self.shape(inner) };
                let alternatives = self.in_words(inner);
                text.push_str(&row(&[&format!("`{key}{shape}`"), &default, &format!("{meaning}{alternatives}")]));
            }
        }
        text
    }

    /// A table of the alternatives of a choice.
    pub fn choices(&self, path: &str) -> String {
        let mut text = "| choice | meaning |\n|---|---|\n".to_owned();
        for (alternative, meaning) in self.parts(self.find(path)).into_iter().flat_map(|part| self.alternatives(part)) {
            text.push_str(&row(&[&format!("`{alternative}`"), &meaning]));
        }
        text
    }

    /// The alternatives of a choice, as they are written, and what they mean.
    fn alternatives(&self, choice: &'a Value) -> Vec<(String, String)> {
        let written = |alternative: &'a Value| match alternative["const"].as_str() {
            Some(word) => format!("\"{word}\""),
            None => {
                let (name, inner) = alternative.only_key();
                let example = self.parts(inner)[0]["examples"][0].as_str().map(|text| format!(" = \"{text}\""));
                format!("{name}{}{}", self.shape(inner), example.unwrap_or_default())
            }
        };
        let meaning = |alternative: &Value| alternative["description"].as_str().expect("a description").to_owned();
        let alternatives = choice["oneOf"].as_array().into_iter().flatten();
        alternatives.map(|alternative| (written(alternative), split(&meaning(alternative)).0)).collect()
    }

    /// What follows the meaning of a key: its alternatives, unless they have a table of their own.
    fn in_words(&self, inner: &'a Value) -> String {
        let choices = self.parts(inner).into_iter().filter(|part| !self.has_own(part));
        let words: Vec<(String, String)> = choices.flat_map(|choice| self.alternatives(choice)).collect();
        // Of many names the key itself says where they are listed.
        if words.len() > MOST_WORDS {
            assert!(words.iter().all(|(word, _)| word.starts_with('"')), "{words:?} need a table");
            return String::new();
        }
        words.iter().map(|(alternative, meaning)| format!(" `{alternative}`: {meaning}")).collect()
    }

    /// ` = { … }`: the keys of a table that has none of its own, with their defaults.
    fn shape(&self, inner: &'a Value) -> String {
        let parts = self.parts(inner);
        let is_shown = |part: &&&'a Value| {
            let below = part["properties"].as_object().into_iter().flatten();
            let shown = below.flat_map(|(_, inner)| self.parts(inner)).all(|inner| self.has_own(inner));
            part.is_table() && !self.has_own(part) && !shown
        };
        let Some(table) = parts.iter().find(is_shown) else { return String::new() };
        // A table with one of several sets of keys.
        if let Some(sets) = table["anyOf"].as_array() {
            let sets = sets.iter().filter_map(|set| set["required"].as_array());
            let sets: Vec<String> = sets
                .map(|set| format!("{{ {} }}", set.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")))
                .collect();
            if sets.iter().all(|set| set.contains(',')) {
                return format!(" = {}", sets.join("` or `"));
            }
        }
        let keys = table["properties"].as_object().into_iter().flatten().map(|(key, inner)| {
            let default = inner["description"].as_str().and_then(|text| split(text).1);
            let default = default.and_then(|text| Some(text.strip_prefix('`')?.strip_suffix('`')?.to_owned()));
            match (default.unwrap_or_default().as_str(), inner["default"].is_object()) {
                ("", _) => key.clone(),
                (default, false) => format!("{key} = {default}"),
                (default, true) => format!("{key}.{default}"),
            }
        });
        let keys: Vec<String> = keys.collect();
        match self.is_list(inner) {
            true if keys.len() > 2 => format!(" = [{{ {}, … }}, …]", keys[0]),
            true => format!(" = [{{ {} }}, …]", keys.join(", ")),
            false => format!(" = {{ {} }}", keys.join(", ")),
        }
    }

    fn is_list(&self, schema: &Value) -> bool {
        let named = |name: &str| &self.root["$defs"][name.trim_start_matches("#/$defs/")];
        schema["items"].is_object() || schema["$ref"].as_str().is_some_and(|name| named(name)["items"].is_object())
    }

    /// The rules of a call are a policy's, whose table is that of rows.
    fn has_own(&self, part: &Value) -> bool {
        ptr::eq(&self.root["$defs"]["Rules"], part) || self.own.iter().any(|own| ptr::eq(*own, part))
    }
}

/// What a schema says.
trait Says {
    fn is_table(&self) -> bool;
    fn is_leaf(&self) -> bool;
    fn requires(&self, key: &str) -> bool;
    fn key(&self, key: &str) -> Option<&Value>;
    fn only_key(&self) -> (&str, &Value);
}

impl Says for Value {
    fn is_table(&self) -> bool {
        self["properties"].is_object()
    }

    /// No table and no choice.
    fn is_leaf(&self) -> bool {
        !self.is_table() && !self["oneOf"].is_array()
    }

    fn requires(&self, key: &str) -> bool {
        self["required"].as_array().is_some_and(|keys| keys.iter().any(|required| required == key))
    }

    /// What stands below a key, or an alternative.
    fn key(&self, key: &str) -> Option<&Value> {
        let own = self["properties"].get(key);
        own.or_else(|| self["oneOf"].as_array()?.iter().find_map(|alternative| alternative["properties"].get(key)))
    }

    /// An alternative with parameters.
    fn only_key(&self) -> (&str, &Value) {
        let mut keys = self["properties"].as_object().into_iter().flatten();
        keys.next().map(|(name, inner)| (name.as_str(), inner)).expect("an alternative has a name")
    }
}

/// What a key means, and its default if it says one.
fn split(description: &str) -> (String, Option<String>) {
    let description = on_one_line(description);
    match description.rsplit_once(" Default: ") {
        Some((meaning, default)) => (meaning.to_owned(), Some(default.trim_end_matches('.').to_owned())),
        None => (description, None),
    }
}

fn on_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn row(cells: &[&str]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| on_one_line(cell).replace('|', "\\|")).collect();
    format!("| {} |\n", cells.join(" | "))
}
