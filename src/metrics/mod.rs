//! What a run measures, and how runs are summed up.

pub mod aftermath;
pub mod digest;
pub mod ending;
pub mod finish;
pub mod histogram;
pub mod intervals;
pub mod parts;
pub mod recorder;
pub mod recovery;
pub mod statistics;
pub mod timeline;
pub mod wave;
pub mod windows;

pub use recorder::{Recorder, RunResult};
pub use timeline::Timeline;
