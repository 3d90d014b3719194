//! What a run measures, and how runs are summed up.

pub mod statistics;
pub mod timeline;

pub use timeline::Timeline;
