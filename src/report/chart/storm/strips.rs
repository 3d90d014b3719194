//! Levels over time under the goodput: attempts waiting, attempts at the servers, breakers open, what is in durable queues. A policy whose level is flat has no strip
//! of it.

use super::axes::{Axes, LEFT, RIGHT, STRIP_BOTTOM, STRIP_TOP};
use super::faults;
use crate::experiment::{Band, PolicyResult};
use crate::report::ReportInput;
use crate::report::chart::axis::{Scale, round_below, short};
use crate::report::chart::font;
use crate::report::chart::ink::{Role, TEXT};
use crate::report::chart::picture::{Anchor, Picture, Shape};
use crate::report::chart::series::Grouping;
use crate::report::number::Notation;

/// A level that has a strip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Attempts waiting at the servers.
    Queue,
    /// Attempts at the servers, waiting or in service.
    InFlight,
    /// Breakers open.
    Breakers,
    /// Messages in durable queues.
    Messages,
    /// Seconds that the oldest of them has been there.
    Oldest,
}

impl Level {
    /// From top to bottom.
    pub const ALL: [Level; 5] = [Level::Queue, Level::InFlight, Level::Breakers, Level::Messages, Level::Oldest];

    /// In few words.
    pub fn label(self) -> &'static str {
        match self {
            Level::Queue => "queue",
            Level::InFlight => "in flight",
            Level::Breakers => "breakers open",
            Level::Messages => "in the durable queue",
            Level::Oldest => "age of the oldest in it, s",
        }
    }

    /// Its means over the replications, bin by bin.
    pub fn means(self, policy: &PolicyResult) -> &[f64] {
        match self {
            Level::Queue => &policy.timeline.queue,
            Level::InFlight => &policy.timeline.in_flight,
            Level::Breakers => &policy.timeline.breaker_open,
            Level::Messages => &policy.timeline.messages,
            Level::Oldest => &policy.timeline.oldest,
        }
    }

    fn band(self, policy: &PolicyResult) -> &Band {
        match self {
            Level::Queue => &policy.bands.queue,
            Level::InFlight => &policy.bands.in_flight,
            Level::Breakers => &policy.bands.breaker_open,
            Level::Messages => &policy.bands.messages,
            Level::Oldest => &policy.bands.oldest,
        }
    }
}

/// From the bottom of a strip to that of the next: room for a word between them.
const PITCH: f64 = STRIP_BOTTOM - STRIP_TOP + 28.0;
/// Points of a strip's line: it is low, and there are many of them.
const MOST_POINTS: usize = 150;

/// The strips of all panels on shared axes.
#[derive(Clone, Debug)]
pub struct Strips {
    grouping: Grouping,
    /// The end of each level's axis, in the order of [`Level::ALL`].
    highs: [f64; 5],
    /// Per policy.
    shown: Vec<Vec<Level>>,
}

impl Strips {
    /// For these results on this axis of time.
    pub fn new(input: &ReportInput, axes: &Axes) -> Strips {
        let policies = &input.comparison.policies;
        let points = (4_000 / policies.len().max(1)).clamp(30, MOST_POINTS);
        let end = axes.time.high;
        // One more comes at each edge.
        let grouping = Grouping::new(policies[0].timeline.bin, end, points - 2);
        let several = input.comparison.replications > 1;
        let highs = Level::ALL.map(|level| {
            let highest = policies.iter().flat_map(|policy| {
                let band = if several { &level.band(policy).high[..] } else { &[] };
                grouping.means(level.means(policy), end).into_iter().chain(grouping.means(band, end))
            });
            highest.map(|(_, value)| value).fold(0.0, f64::max) * 1.05
        });
        let duration = input.scenario.frame.duration.seconds();
        let shown = policies.iter().map(|policy| {
            let levels = Level::ALL.into_iter().zip(highs);
            let moves = |(level, high): &(Level, f64)| !is_flat(&grouping.means(level.means(policy), duration), *high);
            levels.filter(moves).map(|(level, _)| level).collect()
        });
        Strips { grouping, highs, shown: shown.collect() }
    }

    /// The strips of a policy.
    pub fn of(&self, policy: usize) -> &[Level] {
        &self.shown[policy]
    }

    /// The levels that some policy has a strip of.
    pub fn any(&self) -> Vec<Level> {
        Level::ALL.into_iter().filter(|level| self.shown.iter().any(|shown| shown.contains(level))).collect()
    }

    /// The bottom of a policy's last strip, that of the goodput if it has no other.
    pub fn bottom(&self, policy: usize) -> f64 {
        STRIP_BOTTOM + PITCH * self.of(policy).len() as f64
    }

    /// Draws the strips of `policy`, and tells what they show.
    pub fn draw(&self, picture: &mut Picture, input: &ReportInput, axes: &Axes, policy: usize) {
        let result = &input.comparison.policies[policy];
        for (index, level) in self.of(policy).iter().enumerate() {
            let bottom = STRIP_BOTTOM + PITCH * (index + 1) as f64;
            let top = bottom - (STRIP_BOTTOM - STRIP_TOP);
            let scale = Scale { low: 0.0, high: self.highs[*level as usize], start: bottom, end: top };
            faults::tint(picture, input.scene_of(policy).world, axes, (top, bottom));
            picture.line(Role::Axis, (LEFT, bottom), (RIGHT, bottom));
            let line = |values: &[f64]| axes.curve(scale, self.grouping, values);
            if input.comparison.replications > 1 {
                let band = level.band(result);
                let mut area = line(&band.high);
                area.extend(line(&band.low).into_iter().rev());
                picture.add(Role::Band.of(result.slot), Shape::Area(area));
            }
            picture.add(Role::Mean.of(result.slot), Shape::Path(line(level.means(result))));
            picture.text(Role::Note, (0.0, top - 7.0), Anchor::Start, level.label());
            tick(picture, scale);
            let most = self.grouping.means(level.means(result), axes.time.high);
            let most = most.iter().map(|(_, value)| *value).fold(0.0, f64::max);
            picture.words.push_str(&format!(" {} up to {}.", sentence(level.label()), Notation::PAGE.rate(most)));
        }
    }
}

/// One round number, as high as leaves room for the word above, and 0 if there is room for it too.
fn tick(picture: &mut Picture, scale: Scale) {
    let round = round_below(scale.high * 0.83);
    let label = short(round, round);
    let y = scale.at(round);
    let right = LEFT - 3.6;
    if font::width(&label, TEXT, false) <= right {
        picture.text(Role::Tick, (right, y + 4.0), Anchor::End, label);
    }
    if scale.start - y > TEXT + 4.0 {
        picture.text(Role::Tick, (right, scale.start + 1.0), Anchor::End, "0");
    }
}

/// True if nothing can be seen of a level on an axis up to `high`, or if it only wavers about where it always is.
fn is_flat(means: &[(f64, f64)], high: f64) -> bool {
    let mut sorted: Vec<f64> = means.iter().map(|(_, value)| *value).collect();
    sorted.sort_by(f64::total_cmp);
    let (Some(most), Some(usual)) = (sorted.last(), sorted.get(sorted.len() / 10)) else { return true };
    most - usual <= (high * 0.2).max(usual * 0.5)
}

/// With a capital at its beginning.
fn sentence(words: &str) -> String {
    let (first, rest) = words.split_at(1);
    first.to_uppercase() + rest
}

#[cfg(test)]
mod tests {
    use super::is_flat;

    #[test]
    fn a_level_that_wavers_is_flat_and_one_that_collapses_is_not() {
        let level = |values: &[f64]| values.iter().map(|value| (0.0, *value)).collect::<Vec<_>>();
        assert!(is_flat(&[], 10.0));
        assert!(is_flat(&level(&[0.0; 20]), 0.0));
        assert!(is_flat(&level(&[5.0, 6.0, 4.0, 5.5, 4.5, 6.0, 5.0, 5.0, 5.0, 5.0]), 6.0));
        // Too low to be seen beside another policy's.
        assert!(is_flat(&level(&[0.0, 0.0, 19.0]), 100.0));
        assert!(!is_flat(&level(&[0.0, 0.0, 21.0]), 100.0));
        // Down for most of the run.
        let mut down = vec![4.0; 3];
        down.extend([100.0; 20]);
        assert!(!is_flat(&level(&down), 100.0));
    }
}
