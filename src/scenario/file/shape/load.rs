//! `[load]`: clients and arrivals.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::distribution::{DistributionChoice, Recorded};
use crate::scenario::file::leaf::{AtLeastOne, Count, Duration, OrNone, PositiveDuration, PositiveRate, Rate};
use crate::scenario::{Arrivals, ProfilePoint, Trace};
use crate::units::SimTime;

/// `[load]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Load {
    #[serde(default = "one_client")]
    pub clients: AtLeastOne,
    pub arrivals: ArrivalsChoice,
}

fn one_client() -> AtLeastOne {
    Count(1)
}

/// `arrivals`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ArrivalsChoice {
    Poisson {
        rate: PositiveRate,
    },
    Constant {
        rate: PositiveRate,
    },
    Closed {
        think: DistributionChoice,
    },
    Burst {
        operations: AtLeastOne,
        at: Duration,
        #[serde(default)]
        every: OrNone<PositiveDuration>,
    },
    Profile(Profile),
    Trace(Recorded),
}

/// Points in the order of time; at most two at one instant, which are a step.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Vec<Point>")]
pub struct Profile(Vec<Point>);

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Point {
    at: Duration,
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
