//! Turns what TOML and serde say into what helps: the key's path, the nearest name, an example.

use toml::de::{DeTable, DeValue};

use super::diagnostic::Diagnostic;
use super::schema::form;
use super::source::Place;
use super::tree::{self, Node};
use crate::catalog;
use crate::scenario::nearest::nearest;
use crate::text::cut;

/// An error of TOML's grammar.
pub fn syntax(error: &toml::de::Error) -> Diagnostic {
    let place = error.span().unwrap_or(0..0);
    Diagnostic::error("syntax", "this is not TOML", place, error.message().replace('\n', ", "))
}

/// An error of the keys outside of any table, beside which `tables` stand.
pub fn top(error: &toml::de::Error, tables: &[&str], root: &DeTable<'_>) -> Diagnostic {
    let words = backticked(error.message());
    match (error.message().starts_with("unknown field "), error.span(), words.split_first()) {
        (true, Some(place), Some((name, known))) => unknown_key(name, &[known, tables].concat(), "", place),
        _ => shape(error, &[], root),
    }
}

/// What stands in the place of a table. serde would take a list for one, its items for the values in their order.
pub fn no_table(path: &str, node: &Node<'_>) -> Option<Diagnostic> {
    let found = match node.get_ref() {
        DeValue::Table(_) => return None,
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::String(text) => format!("{:?}", cut(text)),
        DeValue::Integer(number) => cut(&number.to_string()),
        DeValue::Float(number) => cut(&number.to_string()),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(value) => value.to_string(),
    };
    let label = format!("must be a table, not {found}");
    Some(Diagnostic::error("wrong-type", format!("wrong type for `{path}`"), node.span(), label))
}

/// An error of one table's shape. `table` is its dotted path, `node` its content.
pub fn shape(error: &toml::de::Error, table: &[&str], root: &DeTable<'_>) -> Diagnostic {
    let place = error.span().unwrap_or_else(|| tree::value_place(root, table));
    let message = error.message();
    let path = path_of(root, table, &place);
    let above = path.rsplit_once('.').map_or("", |(above, _)| above);
    let words = backticked(message);
    if let Some(name) = message.strip_prefix("unknown field ").and(words.first()) {
        // Of a table that is read in groups, serde knows those of one.
        let of_others = form().keys(&above.split('.').collect::<Vec<_>>());
        let of_others = of_others.into_iter().filter(|key| !words.contains(key));
        return unknown_key(name, &words[1..].iter().copied().chain(of_others).collect::<Vec<_>>(), above, place);
    }
    if let Some(name) = message.strip_prefix("unknown variant ").and(words.first()) {
        return unknown_alternative(root, name, &words[1..], &path, place);
    }
    if let Some(name) = message.strip_prefix("missing field ").and(words.first()) {
        return missing_key(name, &path, place);
    }
    if message.starts_with("wanted exactly 1 element") {
        return not_one_alternative(root, &path, place);
    }
    if message.contains("unit variant, expected") {
        return parameters_missing(root, &path, place);
    }
    if message == "wanted string or table" {
        let label = "must be a string or a table with one choice";
        return Diagnostic::error("wrong-type", format!("wrong type for `{path}`"), place, label);
    }
    if let Some(label) = wrong_type(message) {
        let is_table = label.starts_with("must be a table") || label.starts_with("must be a list");
        let diagnostic = Diagnostic::error("wrong-type", format!("wrong type for `{path}`"), place, label);
        return match example_of(&path).filter(|_| is_table) {
            Some(example) => diagnostic.help(format!("for example `{example}`")),
            None => diagnostic,
        };
    }
    let (path, place) = innermost(root, path, place, &words);
    Diagnostic::error("invalid-value", format!("invalid value for `{path}`"), place, message)
}

/// An error of a table in a list: its place is within that table.
pub fn item(error: &toml::de::Error, list: &str, index: usize, root: &DeTable<'_>) -> Diagnostic {
    let items = root.get(list).and_then(|node| node.get_ref().as_array());
    let item =
        items.and_then(|items| items.get(index)).and_then(|item| Some((item.span(), item.get_ref().as_table()?)));
    let Some((span, table)) = item else { return shape(error, &[list], root) };
    let words = backticked(error.message());
    let place = error.span().unwrap_or(span);
    let key = tree::path_at(table, &place).join(".");
    let path = format!("{list}.{key}");
    if let Some(name) = error.message().strip_prefix("unknown field ").and(words.first()) {
        return unknown_key(name, &words[1..], list, place);
    }
    if let Some(name) = error.message().strip_prefix("missing field ").and(words.first()) {
        return missing_key(name, list, place);
    }
    if let Some(label) = wrong_type(error.message()) {
        return Diagnostic::error("wrong-type", format!("wrong type for `{path}`"), place, label);
    }
    Diagnostic::error("invalid-value", format!("invalid value for `{path}`"), place, error.message())
}

/// serde points at a choice as a whole, or at a list: the alternative that was chosen, or the item that the message names, is what is wrong.
fn innermost(root: &DeTable<'_>, path: String, place: Place, words: &[&str]) -> (String, Place) {
    let keys: Vec<&str> = path.split('.').collect();
    match tree::find(root, &keys).map(|node| node.get_ref()) {
        Some(DeValue::Table(table)) if table.len() == 1 => {
            let (key, node) = table.iter().next().expect("there is one");
            // A table of one key is no choice for that.
            let has_parameters = node.get_ref().is_table() || node.get_ref().is_array();
            if has_parameters { (format!("{path}.{}", key.get_ref()), node.span()) } else { (path, place) }
        }
        Some(DeValue::Array(items)) => {
            let named = items.iter().find(|item| item.get_ref().as_str().is_some_and(|text| words.contains(&text)));
            let place = named.map_or(place, |item| item.span());
            (path, place)
        }
        _ => (path, place),
    }
}

fn unknown_key(name: &str, known: &[&str], above: &str, place: Place) -> Diagnostic {
    let (title, label) = match above {
        "" => (format!("unknown key `{}`", cut(name)), "not a key of a scenario".to_owned()),
        above => (format!("unknown key `{}` in `{above}`", cut(name)), format!("not a key of {}", kind_of(above))),
    };
    let diagnostic = Diagnostic::error("unknown-key", title, place.clone(), label);
    match nearest(name, known.iter().copied()) {
        Some(near) => diagnostic.fix("a key with a similar name exists", place, near),
        None if name.bytes().all(|byte| byte.is_ascii_digit()) => {
            diagnostic.help("what stands behind a dot is a key of the table before it: names have no dots")
        }
        None => diagnostic.help(format!("the keys there are {}", known.join(", "))),
    }
}

fn unknown_alternative(root: &DeTable<'_>, name: &str, known: &[&str], path: &str, place: Place) -> Diagnostic {
    let path = path.strip_suffix(&format!(".{name}")).unwrap_or(path);
    let diagnostic = Diagnostic::error(
        "unknown-choice",
        format!("`{path}` cannot be `{}`", cut(name)),
        place.clone(),
        "not one of its choices",
    );
    let can_be = match path.rsplit('.').next() {
        // Too many to read in an error.
        Some("preset") => "`simlab policies` lists the presets".to_owned(),
        _ => format!("it can be {}", known.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")),
    };
    // A word on its own stands in quotes, an alternative with parameters is a key.
    let is_word = tree::find(root, &path.split('.').collect::<Vec<_>>()).is_some_and(|node| node.get_ref().is_str());
    match nearest(name, known.iter().copied()) {
        Some(near) => {
            let replacement = if is_word { format!("\"{near}\"") } else { near.to_owned() };
            diagnostic.note(can_be).fix("a similar name exists", place, replacement)
        }
        None => diagnostic.help(can_be),
    }
}

fn missing_key(name: &str, path: &str, place: Place) -> Diagnostic {
    let title = match path {
        "" => format!("`{name}` is missing"),
        path => format!("`{name}` is missing in `{path}`"),
    };
    let diagnostic = Diagnostic::error("missing-key", title, place, format!("needs `{name}`"));
    match example_of(path) {
        Some(example) => diagnostic.help(format!("for example `{example}`")),
        None => diagnostic,
    }
}

fn not_one_alternative(root: &DeTable<'_>, path: &str, place: Place) -> Diagnostic {
    let keys: Vec<&str> = path.split('.').collect();
    let alternatives: Vec<(String, Place)> = tree::find(root, &keys)
        .and_then(|node| node.get_ref().as_table())
        .map(|table| table.keys().map(|key| (key.get_ref().to_string(), key.span())).collect())
        .unwrap_or_default();
    let [(first, first_place), (second, second_place), ..] = &alternatives[..] else {
        return Diagnostic::error(
            "no-choice",
            format!("`{path}` names none of its choices"),
            place,
            "nothing is chosen here",
        );
    };
    let title = format!("`{path}` is both `{}` and `{}`", cut(first), cut(second));
    Diagnostic::error("two-choices", title, second_place.clone(), "and this one")
        .also(first_place.clone(), "this choice")
        .help("keep one of them")
}

fn parameters_missing(root: &DeTable<'_>, path: &str, place: Place) -> Diagnostic {
    let keys: Vec<&str> = path.split('.').collect();
    let name = cut(tree::find(root, &keys).and_then(|node| node.get_ref().as_str()).unwrap_or("it"));
    let diagnostic = Diagnostic::error(
        "parameters-missing",
        format!("`{name}` takes parameters"),
        place,
        "needs a table of parameters",
    );
    let key = keys.last().copied().unwrap_or_default();
    match example_of(&format!("{key}.{name}")) {
        Some(example) => diagnostic.help(format!("for example `{example}`")),
        None => diagnostic.help(format!("write `{key}.{name} = {{ … }}`")),
    }
}

/// What a table is called in messages.
fn kind_of(path: &str) -> String {
    let keys: Vec<&str> = path.split('.').collect();
    match keys[..] {
        ["policy", _] => "a policy".to_owned(),
        ["server", _] => "a server".to_owned(),
        ["fault", _] => "a fault".to_owned(),
        ["policy", _, "step", _] | ["operation", "step", _, "policy"] | ["server", _, "call", _, "policy"] => {
            "a policy".to_owned()
        }
        ["mix", _, _, "step", _, "policy"] => "a policy".to_owned(),
        ["operation", "step", _] | ["mix", _, _, "step", _] => "a step".to_owned(),
        ["mix", _, _] => "a member of a mix".to_owned(),
        ["server", _, "call", _] => "a call".to_owned(),
        ["load"] => "the load".to_owned(),
        ["operation"] => "the operation".to_owned(),
        ["expect"] => "an expectation".to_owned(),
        _ => format!("`{}`", keys.last().copied().unwrap_or_default()),
    }
}

/// Examples of what is no policy's.
const EXAMPLES: [(&str, &str); 16] = [
    ("arrivals.poisson", "arrivals.poisson = { rate = \"100/s\" }"),
    ("arrivals.constant", "arrivals.constant = { rate = \"100/s\" }"),
    ("arrivals.closed", "arrivals.closed = { think.exponential = { mean = \"1s\" } }"),
    ("arrivals.burst", "arrivals.burst = { operations = 1000, at = \"0s\" }"),
    ("arrivals.profile", "arrivals.profile = [{ at = \"0s\", rate = \"100/s\" }]"),
    ("arrivals.trace", "arrivals.trace = { file = \"arrivals.csv\" }"),
    ("exponential", "exponential = { mean = \"50ms\" }"),
    ("uniform", "uniform = { min = \"10ms\", max = \"50ms\" }"),
    ("normal", "normal = { mean = \"50ms\", sd = \"10ms\" }"),
    ("lognormal", "lognormal = { p50 = \"80ms\", p99 = \"600ms\" }"),
    ("pareto", "pareto = { min = \"10ms\", shape = 2.0 }"),
    ("gamma", "gamma = { mean = \"50ms\", shape = 4.0 }"),
    ("weibull", "weibull = { scale = \"50ms\", shape = 1.5 }"),
    ("empirical", "empirical = { file = \"latencies.csv\" }"),
    ("mixture", "mixture = [{ weight = 0.99, exponential = { mean = \"5ms\" } }]"),
    ("rate_limit", "rate_limit = { rate = \"100/s\" }"),
];

/// An example of the choice at the end of a path: `hedge.fixed`, or, since backoffs go by their last name, `fixed`.
fn example_of(path: &str) -> Option<&'static str> {
    let mut names = path.rsplit('.');
    let (name, above) = (names.next(), names.next());
    let own = match (above, name) {
        (Some("arrivals"), Some(name)) => Some(format!("arrivals.{name}")),
        (Some("service_time" | "network" | "max_wait" | "think" | "added_latency"), Some(name)) => {
            Some(name.to_owned())
        }
        (_, Some("rate_limit")) => name.map(str::to_owned),
        _ => None,
    };
    if let Some(own) = own {
        return EXAMPLES.iter().find(|(name, _)| *name == own).map(|(_, example)| *example);
    }
    let entries = catalog::entries();
    // The longest that fits: `hedge.fixed` before the backoff `fixed`.
    let fits = |entry: &&catalog::Entry| path == entry.name || path.ends_with(&format!(".{}", entry.name));
    let exact = entries.iter().filter(fits).max_by_key(|entry| entry.name.len());
    let entry = exact.or_else(|| entries.iter().find(|entry| entry.name.rsplit('.').next() == name));
    entry.map(|entry| entry.example)
}

/// The dotted path of what an error points at, within a table.
fn path_of(root: &DeTable<'_>, table: &[&str], place: &Place) -> String {
    let mut path: Vec<String> = table.iter().map(|key| (*key).to_owned()).collect();
    let content = match table {
        [] => Some(root),
        table => tree::find(root, table).and_then(|node: &Node| match node.get_ref() {
            DeValue::Table(inner) => Some(inner),
            _ => None,
        }),
    };
    path.extend(content.map(|content| tree::path_at(content, place)).unwrap_or_default());
    path.join(".")
}

/// Words in backticks: first the name that somebody wrote, which may have some itself, then those there are.
fn backticked(message: &str) -> Vec<&str> {
    let known = |text| str::split(text, '`').skip(1).step_by(2);
    match message.split_once('`').and_then(|(_, rest)| rest.rsplit_once("`, expected ")) {
        Some((name, expected)) => std::iter::once(name).chain(known(expected)).collect(),
        None => known(message).collect(),
    }
}

/// serde's "invalid type: integer `5`, expected struct Recorded" as "must be a table, not 5"; `None` for other messages.
fn wrong_type(message: &str) -> Option<String> {
    if let Some(rest) = message.strip_prefix("invalid length ") {
        // A list where a table or a list of another length should be.
        let expected = rest.split_once(", expected ").map_or("", |(_, expected)| expected);
        return Some(format!("must be {}", in_words(expected)));
    }
    let rest = message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: "))?;
    let (found, expected) = rest.rsplit_once(", expected ")?;
    Some(format!("must be {}, not {}", in_words(expected), value(found)))
}

/// What serde calls a value: "integer `5`", "string \"x\"", "map".
fn value(found: &str) -> String {
    let quoted = found.split_once('`').and_then(|(_, rest)| rest.strip_suffix('`'));
    match (found, quoted) {
        ("map", _) => "a table".to_owned(),
        ("sequence", _) => "a list".to_owned(),
        (_, Some(value)) => cut(value),
        (found, None) => cut(found.strip_prefix("string ").unwrap_or(found)),
    }
}

/// What serde expects, in words of the file: it knows the types of the code.
fn in_words(expected: &str) -> String {
    let is = |kinds: &[&str]| kinds.iter().any(|kind| expected == *kind || expected.starts_with(&format!("{kind} ")));
    match expected {
        "a boolean" => "true or false".to_owned(),
        _ if is(&["struct", "struct variant", "map", "a map", "unit struct"]) => "a table".to_owned(),
        _ if is(&["enum", "variant", "unit variant", "newtype variant"]) => {
            "a string or a table with one choice".to_owned()
        }
        _ if is(&["a sequence", "sequence", "tuple", "a tuple", "an array"]) => "a list".to_owned(),
        _ if is(&["tuple struct", "newtype struct"]) => "another value".to_owned(),
        _ if is(&["f32", "f64", "floating point"]) => "a number".to_owned(),
        _ if is(&["i64", "u64", "u32", "i32", "u16", "u8", "usize", "i128", "u128", "integer"]) => {
            "a whole number".to_owned()
        }
        words => words.to_owned(),
    }
}
