//! Tables in which the keys of several types stand beside each other. serde's `flatten` would read all of them first and forget where each
//! stands, so the keys of a type are taken out of the table as they are, and read on their own.

use std::fmt;

use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, forward_to_deserialize_any};
use toml::de::{DeValue, Error, ValueDeserializer};

use super::tree::Node;

/// Reads the keys of `T` among those of a table, which keeps the others.
pub fn take<T: for<'de> Deserialize<'de>>(table: &mut Node<'_>) -> Result<T, Error> {
    let mut own = Node::new(table.span(), DeValue::Table(Default::default()));
    if let (DeValue::Table(own), DeValue::Table(all)) = (own.get_mut(), table.get_mut()) {
        for key in keys::<T>() {
            own.extend(all.remove_entry(*key));
        }
    }
    T::deserialize(ValueDeserializer::from(own))
}

/// Of what is wrong with two groups of a table, that which comes first in the file.
pub fn both<A, B>(one: Result<A, Error>, other: Result<B, Error>) -> Result<(A, B), Error> {
    let start = |error: &Error| error.span().map_or(0, |place| place.start);
    match (one, other) {
        (Ok(one), Ok(other)) => Ok((one, other)),
        (Err(one), Err(other)) => Err(if start(&one) <= start(&other) { one } else { other }),
        (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error),
    }
}

/// The keys that a struct has in a file.
pub fn keys<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
    let mut asked = Asked(&[]);
    // It asks for its fields, and is told nothing.
    let _ = T::deserialize(&mut asked);
    asked.0
}

/// Remembers the fields that it is asked for.
struct Asked(&'static [&'static str]);

impl<'de> Deserializer<'de> for &mut Asked {
    type Error = Nothing;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Nothing> {
        self.0 = fields;
        Err(Nothing)
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Nothing> {
        Err(Nothing::custom("only structs have fields"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct seq tuple
        tuple_struct map enum identifier ignored_any
    }
}

/// There is nothing to read.
#[derive(Debug)]
struct Nothing;

impl fmt::Display for Nothing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing to read")
    }
}

impl std::error::Error for Nothing {}

impl serde::de::Error for Nothing {
    fn custom<T: fmt::Display>(_: T) -> Nothing {
        Nothing
    }
}

#[cfg(test)]
mod tests {
    use toml::de::DeTable;

    use super::*;
    use crate::scenario::file::shape::server::Server;

    /// Reads a server and says where its first error is, as the text that stands there.
    fn check(text: &str, expected: Result<(), &str>) {
        let table = DeTable::parse(text).expect("TOML").into_inner();
        let read = Server::read(Node::new(0..text.len(), DeValue::Table(table)));
        let wrong = read.map(|_| ()).map_err(|error| &text[error.span().expect("a place")]);
        assert_eq!(wrong, expected, "{text}");
    }

    #[test]
    fn each_group_keeps_its_places() {
        check("", Ok(()));
        check("workers = 1\nhangs = 0.1\nservice_time.constant = '1s'", Ok(()));
        check("workers = 1\nhangs = 1.5", Err("1.5"));
        check("workers = 0\nhangs = 0.1", Err("0"));
        check("rate_limit = 5", Err("5"));
        check("workers = 1\nstrange = 2", Err("strange"));
        // Of several, that which comes first.
        check("workers = 0\nhangs = 1.5\nrate_limit = 7", Err("0"));
        check("rate_limit = 7\nhangs = 1.5\nworkers = 0", Err("7"));
        check("hangs = 1.5\nrate_limit = 7\nworkers = 0", Err("1.5"));
        check("strange = 2\nhangs = 1.5", Err("strange"));
    }
}
