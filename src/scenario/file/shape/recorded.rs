//! What is taken from a recorded file: the columns, and the time at which the run begins.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use crate::scenario::file::leaf::{Duration, OrNone, Outcomes, PositiveDuration, Raw};
use crate::scenario::file::recorded::clock::Moment;
use crate::scenario::{Series, Trace};
use crate::units::Span;

/// A column of a CSV file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Raw")]
pub enum Column {
    /// By its name in the header.
    Name(String),
    /// By its place, from 1.
    Number(u32),
}

impl Default for Column {
    fn default() -> Column {
        Column::Number(1)
    }
}

impl TryFrom<Raw> for Column {
    type Error = String;
    fn try_from(raw: Raw) -> Result<Column, String> {
        match raw {
            Raw::Text(name) => Ok(Column::Name(name.trim().to_owned())),
            Raw::Integer(number) => match u32::try_from(number) {
                Ok(number) if number > 0 => Ok(Column::Number(number)),
                _ => Err("columns are counted from 1".into()),
            },
            other => Err(format!("a column is a name in the header or a number from 1, not {}", other.shown())),
        }
    }
}

impl Serialize for Column {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Column::Name(name) => serializer.serialize_str(name),
            Column::Number(number) => serializer.serialize_u32(*number),
        }
    }
}

/// The time in a file at which a run begins. Written back as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    text: String,
    /// What it means.
    pub moment: Moment,
}

impl TryFrom<Raw> for Origin {
    type Error = String;
    fn try_from(raw: Raw) -> Result<Origin, String> {
        let text = match raw {
            Raw::Text(text) => text.trim().to_owned(),
            Raw::Integer(number) => number.to_string(),
            Raw::Float(number) => number.to_string(),
            other => {
                return Err(format!(
                    "a time is a number or a date such as 2026-01-01T00:00:00Z, not {}",
                    other.shown()
                ));
            }
        };
        let moment = Moment::parse(&text).ok_or_else(|| {
            "is no time; one such as 2026-01-01T00:00:00Z, 10/Oct/2000:13:55:36 -0700, or a number of seconds"
                .to_owned()
        })?;
        Ok(Origin { text, moment })
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

/// Recorded instants, in a column of a CSV file.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{ "file": "access.csv", "column": "time", "key": "request_id" }]))]
pub struct TraceTable {
    /// A CSV file, its path relative to the scenario.
    pub file: String,
    /// The column of the times: a name in the header, or a number from 1.
    #[serde(default)]
    pub column: Column,
    /// What time the run begins at, in the words of the file, as a number or as a TOML date. `"none"`: the earliest of a clock's times, and
    /// 0 of seconds.
    #[serde(default)]
    pub origin: OrNone<Origin>,
    /// A column that names the operation: of lines with the same value the earliest counts, and a line without a value is an operation of
    /// its own. `"none"`: each line is one.
    #[serde(default)]
    pub key: OrNone<Column>,
    /// Filled in once the file has been read.
    #[serde(skip)]
    pub trace: Option<Arc<Trace>>,
}

/// Errors as they were recorded, in a CSV file with a line for each request.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{ "file": "access.csv", "time": "time", "status": "status" }]))]
pub struct SeriesTable {
    /// A CSV file with a line for each request, its path relative to the scenario.
    pub file: String,
    /// The column of the times, as in `arrivals.trace`: a name in the header, or a number from 1.
    #[serde(default)]
    pub time: Column,
    /// The column of the statuses. A line whose status is no number counts as one without error.
    pub status: Column,
    /// What time the run begins at, as in `arrivals.trace`. Without one, times of the clock count from where those of the demand's trace
    /// count from, so that both fit; if the demand is no trace with such times, from the earliest of this file.
    #[serde(default)]
    pub origin: OrNone<Origin>,
    /// Length of the windows, which are counted from the beginning of the run; in each, a status has the share of lines that had it.
    #[serde(default = "minute")]
    pub window: PositiveDuration,
    /// The statuses that are replayed, in the words of `retry_on`: `"5xx"`, `"4xx"` or one status.
    #[serde(default = "Outcomes::server_errors")]
    pub of: Outcomes,
    /// Filled in once the file has been read.
    #[serde(skip)]
    pub series: Option<Arc<Series>>,
}

fn minute() -> PositiveDuration {
    PositiveDuration(Duration(Span::secs(60)))
}
