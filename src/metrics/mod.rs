//! What a run measures, and how runs are summed up.

pub mod aftermath;
mod books;
pub mod digest;
mod durable;
pub mod ending;
pub mod finish;
pub mod histogram;
pub mod intervals;
pub mod notes;
pub mod parts;
#[cfg(feature = "scenario-files")]
pub mod record;
pub mod recorder;
pub mod recovery;
pub mod result;
pub mod statistics;
pub mod timeline;
pub mod wave;
pub mod windows;

pub use books::{Done, LeftBehind, Standing};
pub use durable::Durable;
pub use recorder::Recorder;
pub use result::RunResult;
pub use timeline::Timeline;
