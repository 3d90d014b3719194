//! The axes that all panels of the storm share.

use super::peak;
use crate::experiment::PolicyResult;
use crate::metrics::statistics::nearest_rank;
use crate::report::ReportInput;
use crate::report::chart::axis::{Scale, Tick, count_ticks, time_ticks};
use crate::report::chart::picture::Point;
use crate::report::chart::series::Grouping;
use crate::scenario::metric::Metric;
use crate::scenario::{Arrivals, Scene};
use crate::units::{SimTime, Span};

/// Width of a panel.
pub const WIDTH: f64 = 340.0;
/// Height of a panel.
pub const HEIGHT: f64 = 240.0;
/// Where the plots begin.
pub const LEFT: f64 = 38.0;
/// Where they end.
pub const RIGHT: f64 = WIDTH - 10.0;
/// Top of the attempts.
pub const TOP: f64 = 18.0;
/// Bottom of the attempts.
pub const BOTTOM: f64 = 150.0;
/// Top of the goodput's strip.
pub const STRIP_TOP: f64 = 180.0;
/// Bottom of the goodput's strip.
pub const STRIP_BOTTOM: f64 = 216.0;

/// A part of a step function: from, until (seconds), value.
pub type Step = (f64, f64, f64);

/// The axes that all panels share, and what the world does on them.
#[derive(Clone, Debug)]
pub struct Axes {
    /// Seconds.
    pub time: Scale,
    /// Ticks of it.
    pub time_ticks: Vec<Tick>,
    /// Attempts per second.
    pub attempts: Scale,
    /// Ticks of it.
    pub attempts_ticks: Vec<Tick>,
    /// The instant in seconds after which everything can be seen on it, where that is cut off for it.
    pub cut_before: Option<f64>,
    /// Operations per second.
    pub goodput: Scale,
    /// Some goodput lies above its axis.
    pub goodput_cut: bool,
    /// Per row: what the world does on them.
    pub worlds: Vec<World>,
}

/// What the world of one row does.
#[derive(Clone, Debug, PartialEq)]
pub struct World {
    /// Corners of the demand per second; empty if it is no number.
    pub demand: Vec<(f64, f64)>,
    /// What the server can finish per second; empty if that is unlimited.
    pub capacity: Vec<Step>,
}

/// How far the goodput's strip reaches, as a share of demand.
const STRIP_REACH: f64 = 1.35;
/// And no further: a queue that is worked off after an outage would make everything else too low to be seen.
pub const STRIP_MOST: f64 = 1.5;

impl Axes {
    /// For these results, in lines of at most `points` points.
    pub fn new(input: &ReportInput, points: usize) -> Axes {
        let policies = &input.comparison.policies;
        let duration = input.scenario.frame.duration.seconds();
        let scenes: Vec<Scene> = (0..policies.len()).map(|policy| input.scene_of(policy)).collect();
        let demands: Vec<Vec<(f64, f64)>> = scenes.iter().map(|scene| demand(*scene)).collect();
        let most_demanded = demands.iter().flatten().map(|(_, rate)| *rate).fold(0.0, f64::max);
        let highest = policies.iter().map(highest_attempts).fold(most_demanded, f64::max);
        let cut = wave_axis(input).filter(|(_, high)| *high < highest);
        let highest = cut.map_or(highest, |(_, high)| high);
        let end = time_end(input, highest);
        let world = |(demand, scene): (Vec<(f64, f64)>, &Scene)| World { demand, capacity: capacity(scene.world, end) };
        let worlds: Vec<World> = demands.into_iter().zip(&scenes).map(world).collect();
        // A capacity just above everything else is worth seeing; one far above would hide the rest.
        let near = |rate: &f64| *rate > highest && *rate < highest * 1.25;
        let capacities = worlds.iter().flat_map(|world| &world.capacity);
        let highest = capacities.map(|(_, _, rate)| *rate).filter(near).fold(highest, f64::max);
        let attempts_high = with_room_above_the_last_tick(highest * 1.05);
        let grouping = Grouping::new(policies[0].timeline.bin, end, points);
        let goodput = policies.iter().flat_map(|p| grouping.means(&p.timeline.goodput, end)).map(|(_, v)| v * 1.05);
        let most_goodput = goodput.fold(0.0, f64::max);
        let goodput_high = if most_demanded > 0.0 {
            most_goodput.clamp(most_demanded * STRIP_REACH, most_demanded * STRIP_MOST)
        } else {
            // The goodput of who comes back all at once would hide that of the others, as their load would.
            most_goodput.min(if cut.is_some() { attempts_high } else { f64::INFINITY })
        };
        Axes {
            time: Scale { low: 0.0, high: end, start: LEFT, end: RIGHT },
            time_ticks: time_ticks(duration.min(end), end),
            cut_before: cut.map(|(after, _)| after),
            attempts: Scale { low: 0.0, high: attempts_high, start: BOTTOM, end: TOP },
            attempts_ticks: count_ticks(attempts_high, 5.0),
            goodput: Scale { low: 0.0, high: positive(goodput_high), start: STRIP_BOTTOM, end: STRIP_TOP },
            goodput_cut: most_goodput / 1.05 > goodput_high,
            worlds,
        }
    }

    /// A line of attempts per second in the plot, from the left edge on.
    pub fn line(&self, grouping: Grouping, values: &[f64]) -> Vec<Point> {
        self.curve(self.attempts, grouping, values)
    }

    /// A line on another scale.
    pub fn curve(&self, scale: Scale, grouping: Grouping, values: &[f64]) -> Vec<Point> {
        let mut points = grouping.means(values, self.time.high);
        // What comes after the last bin of all runs is no traffic.
        let over = (values.len().div_ceil(grouping.bins) as f64 + 0.5) * grouping.seconds();
        if over < self.time.high {
            points.extend([(over, 0.0), (self.time.high, 0.0)]);
        }
        let edge = points.first().map(|(_, value)| (0.0, *value));
        edge.into_iter().chain(points).map(|(t, value)| (self.time.at(t), scale.within(value))).collect()
    }

    /// When the load of a policy is highest after the instant for which the axis is cut off, in seconds, and how high.
    pub fn wave(&self, policy: &PolicyResult) -> Option<(f64, f64)> {
        let bin = policy.timeline.bin.seconds();
        let after = policy.timeline.attempts.iter().enumerate().skip((self.cut_before? / bin).ceil() as usize);
        let (index, load) = after.max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)))?;
        (*load > 0.0).then_some(((index as f64 + 0.5) * bin, *load))
    }

    /// True if the capacity of some row is a line in its plot, at least at times.
    pub fn shows_capacity(&self) -> bool {
        self.worlds.iter().flat_map(|world| &world.capacity).any(|(_, _, rate)| *rate <= self.attempts.high)
    }
}

impl World {
    /// Demand per second if it is one number, else nothing.
    pub fn constant_demand(&self) -> Option<f64> {
        let (_, first) = *self.demand.first()?;
        self.demand.iter().all(|(_, rate)| *rate == first).then_some(first).filter(|rate| *rate > 0.0)
    }

    /// The capacity in force at `t` seconds.
    pub fn capacity_at(&self, t: f64) -> Option<f64> {
        self.capacity.iter().find(|(from, until, _)| *from <= t && t < *until).map(|(_, _, rate)| *rate)
    }
}

/// The highest that a policy's panel shows.
fn highest_attempts(policy: &PolicyResult) -> f64 {
    let peak = policy.mean(Metric::PeakLoad).unwrap_or(0.0);
    // A mean of maxima lies below single bins where replications differ; the band is drawn all the same.
    let runs = peak::event(policy).map_or_else(Vec::new, |_| peak::runs(policy));
    let runs = runs.into_iter().map(|(_, load)| load);
    policy.attempts_high.iter().chain(&policy.timeline.attempts).copied().chain(runs).fold(peak, f64::max)
}

/// Of a burst that something hit: the instant in seconds at which the first fault ends, and an axis for what comes after it. The burst itself and its
/// first retries, which no policy decides, would hide that; so would two or three policies that let everybody come back at once.
fn wave_axis(input: &ReportInput) -> Option<(f64, f64)> {
    if !matches!(input.scenario.world.arrivals, Arrivals::Burst { .. }) {
        return None;
    }
    let end = input.scenario.common().what_ends().into_iter().map(|(_, end)| end.seconds()).reduce(f64::min)?;
    let highest = |policy: &PolicyResult| {
        let first = (end / policy.timeline.bin.seconds()).ceil() as usize;
        let bins = policy.attempts_high.iter().skip(first).chain(policy.timeline.attempts.iter().skip(first));
        bins.copied().fold(policy.mean(Metric::Wave).unwrap_or(0.0), f64::max)
    };
    let mut waves: Vec<f64> = input.comparison.policies.iter().map(highest).collect();
    waves.sort_by(f64::total_cmp);
    let (median, most) = (nearest_rank(&waves, 0.5)?, *waves.last()?);
    let high = if most > 4.0 * median { 2.0 * median } else { most };
    (high > 0.0).then_some((end, high))
}

/// The end of the demand and a little more, or the last time at which load can be seen. After bursts, whose demand is long over then, the last
/// time at which load or goodput can be seen, and a little more.
fn time_end(input: &ReportInput, highest: f64) -> f64 {
    let policies = &input.comparison.policies;
    let duration = input.scenario.frame.duration.seconds();
    let last = |line: fn(&PolicyResult) -> &[f64], highest: f64| {
        let seen = |policy: &PolicyResult| {
            let bin = line(policy).iter().rposition(|value| *value > highest / 100.0);
            bin.map_or(0.0, |bin| (bin + 1) as f64 * policy.timeline.bin.seconds())
        };
        policies.iter().map(seen).fold(0.0, f64::max)
    };
    let more = |end: f64| end + (end * 0.05).min(60.0);
    let load = last(|policy| &policy.timeline.attempts, highest);
    if !matches!(input.scenario.world.arrivals, Arrivals::Burst { .. }) || load <= 0.0 {
        return positive(more(duration).max(load));
    }
    let goodput = policies.iter().flat_map(|policy| &policy.timeline.goodput).copied().fold(0.0, f64::max);
    more(load.max(last(|policy| &policy.timeline.goodput, goodput)))
}

/// The corners of the demand, which is linear in between.
fn demand(scene: Scene) -> Vec<(f64, f64)> {
    let last = SimTime(scene.frame.duration.0.saturating_sub(1));
    let (Some(first), Some(end)) = (scene.demand_at(SimTime::ZERO), scene.demand_at(last)) else {
        return Vec::new();
    };
    let mut corners = vec![(0.0, first)];
    if let Arrivals::Profile(points) = &scene.world.arrivals {
        let inside = points.iter().filter(|point| point.at > Span::ZERO && point.at < scene.frame.duration);
        corners.extend(inside.map(|point| (point.at.seconds(), point.rate)));
    }
    corners.push((scene.frame.duration.seconds(), end));
    corners
}

/// The capacity between all edges of faults.
fn capacity(world: &crate::scenario::World, end: f64) -> Vec<Step> {
    let faults = world.faults.iter().filter(|fault| fault.flapping.is_none());
    let mut edges: Vec<SimTime> = faults.flat_map(|fault| [fault.from, fault.until]).collect();
    edges.push(SimTime::ZERO);
    edges.sort();
    edges.dedup();
    edges.retain(|edge| edge.seconds() < end);
    let ends = edges.iter().skip(1).map(|edge| edge.seconds()).chain([end]);
    let mut steps: Vec<Step> = Vec::new();
    for (from, until) in edges.iter().zip(ends) {
        let Some(rate) = world.capacity_at(*from) else { continue };
        match steps.last_mut() {
            Some(last) if last.2 == rate => last.1 = until,
            _ => steps.push((from.seconds(), until, rate)),
        }
    }
    steps
}

/// The end of an axis that has its last label clear of the words above the plot.
fn with_room_above_the_last_tick(high: f64) -> f64 {
    const ROOM: f64 = 9.0;
    let high = positive(high);
    let last = count_ticks(high, 5.0).last().map_or(0.0, |tick| tick.value);
    high.max(last / (1.0 - ROOM / (BOTTOM - TOP)))
}

/// An axis needs an extent also where nothing happens.
fn positive(high: f64) -> f64 {
    if high > 0.0 { high } else { 1.0 }
}
