//! The demand: when operations start, and at which client.

pub mod arrivals;
