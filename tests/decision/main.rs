//! How often does a decision say what is not so, and how often does it say what is? Hundreds of decisions ("pages") about worlds whose truth is
//! known: most of them are of runs like any other, the rest of values that are drawn.
//!
//! The short form, of fewer pages and seeds, takes half a minute on two cores, the long one a quarter of an hour; either prints its tables:
//!
//! ```text
//! SIMLAB_DECISION=long cargo test --locked --release --test decision -- --nocapture
//! ```

mod nulls;
mod pages;
mod power;
mod splits;
mod stability;
