//! Delay ladders: what a policy waits before each retry. A row for each, from the smallest to the largest delay, with the mean.
//!
//! All ladders of a picture share one axis. It is linear where that shows the first step, else logarithmic.

use super::axis::{LogScale, Scale, Tick, time_ticks};
use super::font;
use super::ink::{Role, TEXT};
use super::picture::{Anchor, Picture, Shape};
use super::{Chart, Panel};
use crate::report::name::harmless;
use crate::report::number::Notation;

const WIDTH: f64 = 340.0;
/// Where the axis begins: numbers of retries stand left of it.
const LEFT: f64 = 24.0;
/// Where it ends: means stand right of it.
const RIGHT: f64 = WIDTH - 66.0;
const TOP: f64 = 4.0;
const ROW: f64 = 22.0;
/// Half the height of a bar.
const HALF: f64 = 4.5;
/// The largest delay over the smallest mean from which on the axis is logarithmic: below, the first step is a 40th of it at least.
const WIDE: f64 = 40.0;
/// Where the longest delay has no limit, the axis ends at so many means.
const FAR: f64 = 4.0;

/// The delays of a policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Ladder {
    /// Its name.
    pub name: String,
    /// Retry by retry; at least one.
    pub rungs: Vec<Rung>,
}

/// The delay before a retry, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rung {
    /// Its number, from 1.
    pub retry: u32,
    /// Smallest.
    pub min: f64,
    /// Mean.
    pub mean: f64,
    /// Largest; may be infinite.
    pub max: f64,
}

impl Ladder {
    /// "7 s in 3 retries".
    pub fn in_all(&self) -> String {
        let retries = if self.rungs.len() == 1 { "retry" } else { "retries" };
        let sum = self.rungs.iter().map(|rung| rung.mean).sum();
        format!("{} in {} {retries}", length(sum), self.rungs.len())
    }

    /// In words, for who cannot see it.
    fn words(&self) -> String {
        let rung = |rung: &Rung| {
            let range = match rung {
                rung if rung.min == rung.max => "always".to_owned(),
                rung if rung.max.is_finite() => format!("{} to {}, mean", length(rung.min), length(rung.max)),
                rung => format!("from {} without limit, mean", length(rung.min)),
            };
            format!("{} {range} {}", rung.retry, length(rung.mean))
        };
        format!("{}, by retry: {}.", self.name, self.rungs.iter().map(rung).collect::<Vec<_>>().join("; "))
    }
}

/// A panel for each ladder, on one axis.
pub fn chart(ladders: &[Ladder]) -> Chart {
    let axis = Axis::new(ladders);
    let panel = |(slot, own): (usize, &Ladder)| Panel {
        slot: Some(slot),
        name: harmless(&own.name),
        right: own.in_all(),
        picture: panel(own, slot, &axis),
        ..Panel::default()
    };
    Chart {
        title: "Delay before each retry".to_owned(),
        caption: axis.caption(),
        panels: ladders.iter().enumerate().map(panel).collect(),
        ..Chart::default()
    }
}

/// The axis that ladders share.
#[derive(Clone, Copy, Debug)]
pub enum Axis {
    /// From 0.
    Linear(Scale),
    /// From some time above 0; what is below lies on its edge.
    Logarithmic(LogScale),
}

impl Axis {
    /// For these ladders.
    pub fn new(ladders: &[Ladder]) -> Axis {
        let rungs = || ladders.iter().flat_map(|ladder| &ladder.rungs);
        let top = |rung: &Rung| if rung.max.is_finite() { rung.max } else { FAR * rung.mean };
        let high = rungs().map(top).fold(0.0, f64::max);
        let above_zero =
            |values: [f64; 2]| values.into_iter().filter(|value| *value > 0.0).fold(f64::INFINITY, f64::min);
        let first = rungs().map(|rung| above_zero([rung.mean; 2])).fold(f64::INFINITY, f64::min);
        if high <= WIDE * first {
            // Where nobody waits, any axis does.
            let high = if high > 0.0 { high } else { 1.0 };
            return Axis::Linear(Scale { low: 0.0, high, start: LEFT, end: RIGHT });
        }
        let lowest = rungs().map(|rung| above_zero([rung.min, rung.mean])).fold(f64::INFINITY, f64::min);
        // Half a step left of the first mark, so that it does not stand on the edge.
        Axis::Logarithmic(LogScale { low: lowest / 2.0, high, start: LEFT, end: RIGHT })
    }

    fn at(&self, seconds: f64) -> f64 {
        match self {
            Axis::Linear(scale) => scale.within(seconds),
            Axis::Logarithmic(scale) => scale.within(seconds),
        }
    }

    fn ticks(&self) -> Vec<Tick> {
        match self {
            Axis::Linear(scale) => time_ticks(scale.high, scale.high),
            Axis::Logarithmic(scale) => {
                let on = |value: &f64| (scale.low..=scale.high).contains(value);
                let all: Vec<f64> = TIMES.into_iter().filter(on).collect();
                let tick = |value: f64| Tick { value, label: length(value) };
                let half = |tick: &Tick| font::width(&tick.label, TEXT, false) / 2.0;
                let fits = |ticks: &Vec<Tick>| {
                    let apart = |pair: &[Tick]| self.at(pair[1].value) - self.at(pair[0].value);
                    ticks.windows(2).all(|pair| apart(pair) >= half(&pair[0]) + half(&pair[1]) + 8.0)
                };
                let thinned = |every: usize| all.iter().copied().step_by(every).map(tick).collect();
                (1..=all.len()).map(thinned).find(fits).unwrap_or_default()
            }
        }
    }

    /// What the marks mean.
    pub fn caption(&self) -> String {
        let marks =
            "Bar: from the smallest to the largest delay. Dot, and number at right: the mean. Above: the sum of these.";
        match self {
            Axis::Linear(_) => marks.to_owned(),
            Axis::Logarithmic(_) => {
                format!("{marks} Time is logarithmic: a bar that begins at the left edge begins at 0.")
            }
        }
    }
}

/// Times that a logarithmic axis can name, in seconds: up to 1,000 days, a tenfold each as far as clocks go.
const TIMES: [f64; 15] =
    [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 60.0, 600.0, 3_600.0, 36_000.0, 864_000.0, 8.64e6, 8.64e7];

/// Three digits in one unit, `250 ms`, `5 min`, `27.6 h`, and `0`: delays are compared here, not added up.
fn length(seconds: f64) -> String {
    // What is rounded up to a whole unit is one.
    let whole_minutes = |s: f64| s > 59.95 && (s / 60.0).fract() < 1e-6;
    let (value, unit) = match seconds {
        s if s <= 0.0 => return "0".to_owned(),
        s if s < 0.9995 => (s * 1e3, "ms"),
        s if s < 119.5 && !whole_minutes(s) => (s, "s"),
        s if s < 3_597.0 => (s / 60.0, "min"),
        s if s < 2.0 * 86_400.0 => (s / 3_600.0, "h"),
        s => (s / 86_400.0, "d"),
    };
    let n = Notation::PAGE;
    format!("{}{}{unit}", n.rate(value), n.unit_space)
}

/// One of these ladders, for the policy in this place.
pub fn panel(ladder: &Ladder, slot: usize, axis: &Axis) -> Picture {
    let bottom = TOP + ROW * ladder.rungs.len() as f64 + 2.0;
    let mut picture = Picture::new(WIDTH, bottom + 24.0);
    for tick in axis.ticks() {
        let x = axis.at(tick.value);
        picture.line(Role::Grid, (x, TOP), (x, bottom));
        picture.text(Role::Tick, (x, bottom + 15.0), Anchor::Middle, tick.label);
    }
    picture.line(Role::Axis, (LEFT, TOP), (LEFT, bottom));
    for (index, rung) in ladder.rungs.iter().enumerate() {
        let y = TOP + ROW * (index as f64 + 0.5);
        picture.text(Role::Tick, (LEFT - 8.0, y + 4.0), Anchor::End, rung.retry.to_string());
        let (low, high) = (axis.at(rung.min), axis.at(rung.max.min(f64::MAX)));
        picture.add(Role::Band.of(slot), Shape::Rect((low, y - HALF), (high, y + HALF)));
        if low < high {
            picture.line(Role::Interval.of(slot), (low, y), (high, y));
        }
        if rung.max.is_infinite() {
            let tip = vec![(high, y - 3.5), (high + 6.0, y), (high, y + 3.5)];
            picture.add(Role::Beyond.of(slot), Shape::Area(tip));
        }
        picture.add(Role::Dot.of(slot), Shape::Circle((axis.at(rung.mean), y), 4.2));
        picture.text(Role::Label, (WIDTH, y + 4.0), Anchor::End, length(rung.mean));
    }
    picture.words = ladder.words();
    picture
}

#[cfg(test)]
mod tests {
    use super::length;

    #[test]
    fn lengths_have_three_digits_in_one_unit() {
        for (seconds, expected) in [
            (0.0, "0"),
            (5e-5, "0.05 ms"),
            (0.375, "375 ms"),
            (0.999_99, "1 s"),
            (1.125, "1.12 s"),
            (60.0, "1 min"),
            (64.0, "64 s"),
            (100.0, "100 s"),
            (227.0, "3.78 min"),
            (3_600.000_4, "1 h"),
            (99_305.0, "27.6 h"),
            (864_000.0, "10 d"),
        ] {
            assert_eq!(length(seconds).replace('\u{a0}', " "), expected, "{seconds}");
        }
    }
}
