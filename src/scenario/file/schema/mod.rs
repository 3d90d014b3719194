//! The JSON Schema of scenario files, made from the types that read them: keys, defaults and alternatives are serde's, descriptions are the
//! comments of the shapes. What no schema can say (names that refer to other tables, sums of shares, orders of times) is checked when a
//! file is read.

mod form;
mod leaf;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

pub use form::form;
pub use leaf::{FAILURE_KEY, OUTCOME_KEY, OUTCOMES_KEY, by_key, or_word, warnings};

use super::resolved;
use super::shape::decide::DecideTable;
use super::shape::expect::ExpectTable;
use super::shape::fault::FaultTable;
use super::shape::load::Load;
use super::shape::mix::MemberTable;
use super::shape::policy::PolicyTable;
use super::shape::server::Server;
use super::shape::top::{OperationTable, Top};

/// A simlab scenario: a question about retry policies. Every policy meets the same demand and the same faults.
#[derive(JsonSchema)]
#[schemars(rename = "Scenario", deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used; the tables of a file are read one by one, for better errors")]
struct ScenarioFile {
    #[schemars(flatten)]
    top: Top,
    /// The demand: who sends operations, and when.
    load: Load,
    /// What an operation does. Default: a `POST` to the first server.
    #[schemars(default)]
    operation: OperationTable,
    /// The servers, by name; at least one.
    server: AtLeastOneNamed<Server>,
    /// What goes wrong at a server in a window of time, by name. Default: nothing.
    #[schemars(default)]
    fault: Named<FaultTable>,
    /// The policies to compare, by name; at least one. Tables and charts keep the file's order.
    policy: AtLeastOneNamed<PolicyTable>,
    /// Rows of clients that follow several policies, by name: members by name. Default: none.
    #[schemars(default)]
    mix: Named<Named<MemberTable>>,
    /// What the choice between policies is made by. Default: the contract's criteria and margins.
    #[schemars(default)]
    decide: DecideTable,
    /// What the results should be. Default: nothing is expected.
    #[schemars(default)]
    expect: Vec<ExpectTable>,
}

/// Tables by the names that a file gives them.
type Named<T> = BTreeMap<Name, T>;

/// How a name is written.
pub const NAME: &str = "^[A-Za-z0-9_-]{1,100}$";

/// A name of a server, fault or policy.
#[derive(PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
struct Name(String);

impl JsonSchema for Name {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Name".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": NAME })
    }
}

/// [`Named`], and not empty.
struct AtLeastOneNamed<T>(std::marker::PhantomData<T>);

impl<T: JsonSchema> JsonSchema for AtLeastOneNamed<T> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("AtLeastOne{}", T::schema_name()).into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = Named::<T>::json_schema(generator);
        schema.insert("minProperties".to_owned(), 1.into());
        schema
    }
}

/// Tables by the names that a file gives them.
pub fn named<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    Named::<T>::json_schema(generator)
}

/// The JSON Schema of scenario files (draft 2020-12).
pub fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12().for_deserialize();
    let settings = settings.with_transform(WithoutNull).with_transform(WithDefault);
    settings.into_generator().into_root_schema_for::<ScenarioFile>().into()
}

/// TOML has no null: a key that may be absent is absent.
#[derive(Clone, Debug)]
struct WithoutNull;

impl Transform for WithoutNull {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let Some(fields) = schema.as_object_mut() else { return };
        if let Some(Value::Array(types)) = fields.get_mut("type") {
            types.retain(|name| name != "null");
            if let [only] = &types[..] {
                let only = only.clone();
                fields.insert("type".to_owned(), only);
            }
        }
        match fields.get_mut("default") {
            Some(Value::Null) => {
                fields.shift_remove("default");
            }
            Some(Value::Object(table)) => table.retain(|_, value| !value.is_null()),
            _ => {}
        }
        if let Some(Value::Array(choices)) = fields.get_mut("anyOf") {
            choices.retain(|choice| choice.get("type").is_none_or(|name| name != "null"));
            if let [Value::Object(only)] = &choices[..] {
                let only = only.clone();
                fields.shift_remove("anyOf");
                // What the key says of itself goes before what its kind of value says.
                only.into_iter().for_each(|(name, value)| {
                    fields.entry(name).or_insert(value);
                });
            }
        }
    }
}

/// What a key says of itself ends with its default: serde's, unless its comment says what the default depends on.
#[derive(Clone, Debug)]
struct WithDefault;

impl Transform for WithDefault {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let Some(default) = schema.get("default").map(resolved::value) else { return };
        if let Some(Value::String(text)) = schema.get_mut("description")
            && !text.contains("Default:")
        {
            text.push_str(&format!(" Default: `{default}`."));
        }
    }
}
