//! What the small values of a file are to the engine, which knows plain numbers and lengths of time.

use std::marker::PhantomData;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{
    Amount, ByStatus, Count, Duration, Factor, OrNone, OrServe, OrUnlimited, PositiveDuration, PositiveNumber,
    Probability, Script, ScriptWord, Status, WhenFull,
};
use crate::protocol::Outcome;
use crate::scenario::Scripted;
use crate::units::Span;

/// A value that a file writes in a form of its own, and that is plain where nobody reads files.
pub trait Leaf: Sized {
    /// What it is there.
    type Plain;

    /// As it is there.
    fn plain(self) -> Self::Plain;

    /// As a file writes it.
    fn of(plain: &Self::Plain) -> Self;
}

/// Reads and writes a plain value as a file does: `#[serde(with = "As::<PositiveDuration>")]`.
pub struct As<L>(PhantomData<L>);

impl<L: Leaf> As<L> {
    /// What a file says, as a plain value.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<L::Plain, D::Error>
    where
        L: Deserialize<'de>,
    {
        L::deserialize(deserializer).map(L::plain)
    }

    /// A plain value, as a file says it.
    pub fn serialize<S: Serializer>(plain: &L::Plain, serializer: S) -> Result<S::Ok, S::Error>
    where
        L: Serialize,
    {
        L::of(plain).serialize(serializer)
    }
}

/// A value around a plain one.
macro_rules! around {
    ($leaf:ident, $plain:ty) => {
        impl Leaf for $leaf {
            type Plain = $plain;
            fn plain(self) -> $plain {
                self.0
            }
            fn of(plain: &$plain) -> Self {
                $leaf(*plain)
            }
        }
    };
}

around!(Amount, f64);
around!(Duration, Span);
around!(Factor, f64);
around!(PositiveNumber, f64);
around!(Probability, f64);
around!(Status, u16);
around!(WhenFull, Outcome);

impl Leaf for bool {
    type Plain = bool;
    fn plain(self) -> bool {
        self
    }
    fn of(plain: &bool) -> Self {
        *plain
    }
}

impl Leaf for PositiveDuration {
    type Plain = Span;
    fn plain(self) -> Span {
        self.span()
    }
    fn of(plain: &Span) -> Self {
        PositiveDuration(Duration(*plain))
    }
}

impl<const LEAST: u64, const MOST: u64> Leaf for Count<LEAST, MOST> {
    type Plain = u32;
    fn plain(self) -> u32 {
        const { assert!(MOST <= u32::MAX as u64) };
        self.0 as u32
    }
    fn of(plain: &u32) -> Self {
        Count((*plain).into())
    }
}

impl<const LEAST: u64> Leaf for OrUnlimited<LEAST> {
    type Plain = Option<u32>;
    fn plain(self) -> Option<u32> {
        self.0
    }
    fn of(plain: &Option<u32>) -> Self {
        OrUnlimited(*plain)
    }
}

impl<L: Leaf> Leaf for OrNone<L> {
    type Plain = Option<L::Plain>;
    fn plain(self) -> Option<L::Plain> {
        self.0.map(L::plain)
    }
    fn of(plain: &Option<L::Plain>) -> Self {
        OrNone(plain.as_ref().map(L::of))
    }
}

impl<L: Leaf> Leaf for ByStatus<L> {
    type Plain = Vec<(u16, L::Plain)>;
    fn plain(self) -> Vec<(u16, L::Plain)> {
        self.0.into_iter().map(|(status, value)| (status, value.plain())).collect()
    }
    fn of(plain: &Vec<(u16, L::Plain)>) -> Self {
        ByStatus(plain.iter().map(|(status, value)| (*status, L::of(value))).collect())
    }
}

impl Leaf for OrServe {
    type Plain = Option<u16>;
    fn plain(self) -> Option<u16> {
        self.0.map(Status::plain)
    }
    fn of(plain: &Option<u16>) -> Self {
        OrServe(plain.map(Status))
    }
}

impl Leaf for Script {
    type Plain = Vec<Scripted>;
    fn plain(self) -> Vec<Scripted> {
        self.0.into_iter().map(|word| word.0).collect()
    }
    fn of(plain: &Vec<Scripted>) -> Self {
        Script(plain.iter().copied().map(ScriptWord).collect())
    }
}
