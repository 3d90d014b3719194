//! `[load]`: clients and arrivals.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::distribution::{DistributionChoice, DurationOrDistribution};
use super::recorded::TraceTable;
use crate::scenario::file::leaf::{
    AtLeastOne, Count, Duration, Leaf, OrNone, PositiveDuration, PositiveProbability, PositiveRate, Rate,
};
use crate::scenario::{
    Arrivals, ClientCrashes, Contend, CrashAtStep, CrashWhen, InProgress, Meanwhile, ProfilePoint, RandomCrash, Repeat,
    Same,
};

/// The demand.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// Processes that send operations, at least 1. Each has its own gates, unless a gate is of the fleet.
    #[serde(default = "one_client")]
    pub clients: AtLeastOne,
    /// When operations start.
    pub arrivals: ArrivalsChoice,
    /// When a surge of demand is over, before `duration`: `recovery.demand` and `wave.demand` are counted from there. `"none"`: from the
    /// last step down of a profile that steps up before.
    #[serde(default)]
    pub recover_from: OrNone<PositiveDuration>,
    /// Operations that are done again. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat: Option<RepeatTable>,
    /// Operations about the same things. Default: each is about one of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contend: Option<Contend>,
    /// Crashes of clients. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crash: Option<CrashTable>,
}

/// Crashes of clients: a process dies, and all operations that it has open stop where they are. What was sent runs on.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CrashTable {
    /// Each client at random. Default: none does.
    #[serde(skip_serializing_if = "Option::is_none")]
    random: Option<RandomCrash>,
    /// At a step of an operation. Default: none does.
    #[serde(skip_serializing_if = "Option::is_none")]
    at_step: Option<CrashAtStepTable>,
    /// What becomes of operations that are open.
    #[serde(default)]
    in_progress: InProgress,
    /// What becomes of users who come while their client is down.
    #[serde(default)]
    arrivals_meanwhile: Meanwhile,
    /// After this time another client that is up goes on with what was open, if its own is not back by then. Above 0.
    #[serde(default)]
    takeover: OrNone<PositiveDuration>,
}

/// Crashes at a step.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{ "step": "charge", "share": "1%", "restart": "5s" }]))]
pub struct CrashAtStepTable {
    /// Name of the step.
    step: String,
    /// When.
    #[serde(default)]
    when: CrashWhen,
    /// In this share of operations, once in each. Above 0.
    share: PositiveProbability,
    /// Time until the client is back. Above 0.
    restart: PositiveDuration,
}

impl CrashTable {
    /// The step at which clients crash, if they do at one.
    pub fn step(&self) -> Option<&str> {
        self.at_step.as_ref().map(|at| at.step.as_str())
    }

    /// True if others go on with what was open.
    pub fn takes_over(&self) -> bool {
        self.takeover.0.is_some()
    }

    /// True if no client ever crashes by it.
    pub fn is_empty(&self) -> bool {
        self.random.is_none() && self.at_step.is_none()
    }

    /// As the engine knows it; `step` is the number of a name.
    pub fn build(&self, step: impl Fn(&str) -> usize) -> ClientCrashes {
        let at_step = self.at_step.as_ref().map(|at| CrashAtStep {
            step: step(&at.step),
            when: at.when,
            share: at.share.0.0,
            restart: at.restart.0.0,
        });
        ClientCrashes {
            random: self.random,
            at_step,
            in_progress: self.in_progress,
            arrivals_meanwhile: self.arrivals_meanwhile,
            takeover: self.takeover.0.map(|after| after.0.0),
        }
    }
}

/// Operations that are done again.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{ "share": "2%", "after": "300ms", "same": "key" }]))]
pub struct RepeatTable {
    /// Share of operations that are done again. Above 0.
    share: PositiveProbability,
    /// How long after the start of the one before: a duration, or a distribution, drawn for each. What would start after `duration` does not.
    pub after: DurationOrDistribution,
    /// How often.
    #[serde(default = "once")]
    times: Count<1, 1_000>,
    /// What a repeat has in common with the first.
    same: Same,
}

fn once() -> Count<1, 1_000> {
    Count(1)
}

impl RepeatTable {
    /// As the engine knows it.
    pub fn build(&self) -> Repeat {
        let (after, times) = (self.after.0.build(), self.times.plain());
        Repeat { share: self.share.0.0, after, times, same: self.same }
    }
}

fn one_client() -> AtLeastOne {
    Count(1)
}

/// When operations start.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("examples" = [{ "poisson": { "rate": "200/s" } }, { "burst": { "operations": 100, "at": "0s" } }]))]
pub enum ArrivalsChoice {
    /// Poisson process of the whole fleet; each operation at a client drawn uniformly. `rate` is above 0.
    Poisson {
        /// Operations per second of the whole fleet.
        rate: PositiveRate,
    },
    /// Evenly spaced, the first at 0, at clients in turn. `rate` is that of the whole fleet, above 0.
    Constant {
        /// Operations per second of the whole fleet.
        rate: PositiveRate,
    },
    /// Each client thinks, does an operation, thinks again. `think` is a distribution. No operation starts after `duration`.
    Closed {
        /// Time between the end of an operation and the start of the next.
        think: DistributionChoice,
    },
    /// `operations` (at least 1) at the instant `at`, at clients in turn; again `every` so often (above 0).
    Burst {
        /// How many start at once.
        operations: AtLeastOne,
        /// The instant of the first burst.
        at: Duration,
        /// And again this often; `"none"`: one burst.
        #[serde(default)]
        every: OrNone<PositiveDuration>,
    },
    /// Poisson with a rate that is linear between points and constant before the first and after the last. Points in the order of time; two
    /// at one instant are a step. Clients drawn uniformly.
    Profile(Profile),
    /// Recorded instants, in a column of a CSV file. Clients drawn uniformly.
    Trace(TraceTable),
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
            ArrivalsChoice::Trace(table) => {
                Arrivals::Trace(table.trace.clone().expect("recorded files have been read"))
            }
        }
    }
}
