//! The keys outside of any table, and `[operation]`.

use serde::{Deserialize, Serialize};

use crate::protocol::Method;
use crate::scenario::file::leaf::{Count, Duration, OrNone, PositiveDuration};
use crate::units::Span;

/// Largest number of replications: beyond, the results of single runs would not fit in any report.
const MOST_REPLICATIONS: u64 = 100_000;

/// The keys outside of any table.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Top {
    /// Default: the file's stem.
    pub title: Option<String>,
    #[serde(default)]
    pub description: String,
    #[serde(default = "seed")]
    pub seed: Count<0, { i64::MAX as u64 }>,
    pub duration: PositiveDuration,
    /// Default: the duration.
    pub drain: Option<Duration>,
    #[serde(default = "no_time")]
    pub warmup: Duration,
    #[serde(default = "once")]
    pub replications: Count<1, MOST_REPLICATIONS>,
    /// Default: the first policy.
    pub baseline: Option<String>,
    #[serde(default)]
    pub slo: OrNone<PositiveDuration>,
    #[serde(default = "second")]
    pub peak_window: PositiveDuration,
}

fn seed() -> Count<0, { i64::MAX as u64 }> {
    Count(0)
}

fn no_time() -> Duration {
    Duration(Span::ZERO)
}

fn once() -> Count<1, MOST_REPLICATIONS> {
    Count(1)
}

fn second() -> PositiveDuration {
    PositiveDuration(Duration(Span::secs(1)))
}

/// `[operation]`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperationTable {
    /// Default: the first.
    pub server: Option<String>,
    #[serde(default)]
    pub method: MethodName,
}

/// A method by its name on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum MethodName {
    Get,
    Head,
    Put,
    Delete,
    #[default]
    Post,
    Patch,
}

impl MethodName {
    /// As the engine knows it.
    pub fn method(self) -> Method {
        match self {
            MethodName::Get => Method::Get,
            MethodName::Head => Method::Head,
            MethodName::Put => Method::Put,
            MethodName::Delete => Method::Delete,
            MethodName::Post => Method::Post,
            MethodName::Patch => Method::Patch,
        }
    }
}
