//! `[load]`: clients and arrivals.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::distribution::{DistributionChoice, Recorded};
use crate::scenario::file::leaf::{AtLeastOne, Count, Duration, OrNone, PositiveDuration, PositiveRate, Rate};
use crate::scenario::{Arrivals, ProfilePoint, Trace};
use crate::units::SimTime;

/// The demand.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// Processes that send operations. Each has its own gates unless a gate is of the fleet. Default: 1.
    #[serde(default = "one_client")]
    pub clients: AtLeastOne,
    /// When operations start.
    pub arrivals: ArrivalsChoice,
    /// When a surge of demand is over: `recovery.demand` and `wave.demand` are counted from there. Default: from the last step down of a profile (`"none"`).
    #[serde(default)]
    pub recover_from: OrNone<PositiveDuration>,
}

fn one_client() -> AtLeastOne {
    Count(1)
}

/// When operations start.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("examples" = [{ "poisson": { "rate": "200/s" } }, { "burst": { "operations": 100, "at": "0s" } }]))]
pub enum ArrivalsChoice {
    /// At random with a constant rate; each operation at a client drawn uniformly.
    Poisson {
        /// Operations per second of the whole fleet.
        rate: PositiveRate,
    },
    /// Evenly spaced, at clients in turn.
    Constant {
        /// Operations per second of the whole fleet.
        rate: PositiveRate,
    },
    /// Each client thinks, does an operation, thinks again.
    Closed {
        /// Time between the end of an operation and the start of the next.
        think: DistributionChoice,
    },
    /// Many at one instant, at clients in turn.
    Burst {
        /// How many start at once.
        operations: AtLeastOne,
        /// The instant of the first burst.
        at: Duration,
        /// And again this often. Default: `"none"`, one burst.
        #[serde(default)]
        every: OrNone<PositiveDuration>,
    },
    /// At random with a rate that changes over time.
    Profile(Profile),
    /// At recorded instants; each operation at a client drawn uniformly.
    Trace(Recorded),
}

/// Points in the order of time; at most two at one instant, which are a step.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Vec<Point>")]
#[schemars(extend("minItems" = 1))]
pub struct Profile(Vec<Point>);

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Point {
    /// When.
    at: Duration,
    /// Operations per second from here on, changing linearly to the next point.
    rate: Rate,
}

impl TryFrom<Vec<Point>> for Profile {
    type Error = String;
    fn try_from(points: Vec<Point>) -> Result<Profile, String> {
        if points.iter().all(|point| point.rate.per_second == 0.0) {
            return Err("needs at least one point with a rate above 0/s".into());
        }
        if let Some(pair) = points.windows(2).find(|pair| pair[1].at.0 < pair[0].at.0) {
            let (earlier, later) = (pair[1].at.0, pair[0].at.0);
            return Err(format!("points stand in the order of time: {earlier} comes after {later}"));
        }
        if let Some(triple) = points.windows(3).find(|triple| triple[0].at == triple[2].at) {
            return Err(format!("three points at {}; two at one time are a step", triple[0].at.0));
        }
        Ok(Profile(points))
    }
}

impl ArrivalsChoice {
    /// As the engine knows it.
    pub fn build(&self) -> Arrivals {
        match self {
            ArrivalsChoice::Poisson { rate } => Arrivals::Poisson { rate: rate.0.per_second },
            ArrivalsChoice::Constant { rate } => Arrivals::Constant { rate: rate.0.per_second },
            ArrivalsChoice::Closed { think } => Arrivals::Closed { think: think.build() },
            ArrivalsChoice::Burst { operations, at, every } => {
                Arrivals::Burst { operations: operations.0, at: at.0, every: every.0.map(PositiveDuration::span) }
            }
            ArrivalsChoice::Profile(Profile(points)) => Arrivals::Profile(
                points.iter().map(|point| ProfilePoint { at: point.at.0, rate: point.rate.per_second }).collect(),
            ),
            ArrivalsChoice::Trace(Recorded { file, values }) => {
                // A log is written when requests end, or by several machines: its order is not that of the arrivals.
                let mut at: Vec<SimTime> = values.iter().map(|after| SimTime::ZERO + *after).collect();
                at.sort();
                Arrivals::Trace(Arc::new(Trace { file: file.clone(), at }))
            }
        }
    }
}
