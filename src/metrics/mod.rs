//! What a run measures, and how runs are summed up.

pub mod digest;
pub mod ending;
pub mod histogram;
pub mod recorder;
pub mod recovery;
pub mod statistics;
pub mod timeline;
pub mod windows;

pub use recorder::{Recorder, RunResult};
pub use timeline::Timeline;
