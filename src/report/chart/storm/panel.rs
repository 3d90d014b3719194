//! One policy's panel.

use super::axes::{Axes, BOTTOM, HEIGHT, LEFT, RIGHT, STRIP_BOTTOM, STRIP_TOP, TOP, WIDTH, World};
use super::clear::{Obstacles, clear_place};
use super::{Storm, faults, peak, words};
use crate::report::chart::axis::{round_below, short};
use crate::report::chart::font;
use crate::report::chart::ink::{Role, TEXT};
use crate::report::chart::picture::{Anchor, Picture, Point, Shape};
use crate::report::number::Notation;

/// How far a text's baseline lies below the middle of its letters.
const MIDDLE: f64 = 4.0;

/// Between a label and its axis: "1,000" and "100%" in the widest font just fit.
const GAP: f64 = 3.6;

/// The panel of `policy`, back to front; as tall as its strips need.
pub fn panel(storm: &Storm, policy: usize) -> Picture {
    let (input, axes) = (storm.input, &storm.axes);
    let world = &axes.worlds[policy];
    let result = &input.comparison.policies[policy];
    let bottom = storm.strips.bottom(policy);
    let mut picture = Picture::new(WIDTH, HEIGHT + bottom - STRIP_BOTTOM);
    picture.words = words::description(input, policy);

    faults::draw(&mut picture, input.scene_of(policy).world, axes);
    grid(&mut picture, axes);
    for (other, line) in storm.context.iter().enumerate() {
        if other != policy {
            picture.add(Role::Context.of(input.comparison.policies[other].slot), Shape::Path(line.clone()));
        }
    }
    capacity_line(&mut picture, axes, world);
    let demand: Vec<Point> =
        world.demand.iter().map(|(t, rate)| (axes.time.at(*t), axes.attempts.within(*rate))).collect();
    picture.add(Role::Demand, Shape::Path(demand));
    if input.comparison.replications > 1 {
        let mut band = axes.line(storm.grouping, &result.attempts_high);
        band.extend(axes.line(storm.grouping, &result.attempts_low).into_iter().rev());
        picture.add(Role::Band.of(result.slot), Shape::Area(band));
    }
    let line = axes.line(storm.grouping, &result.timeline.attempts);
    picture.add(Role::Mean.of(result.slot), Shape::Path(line.clone()));
    picture.text(Role::Note, (0.0, faults::NAMES), Anchor::Start, "attempts/s");
    if axes.cut_before.is_some() {
        peak::draw_cut(&mut picture, result, axes, &line);
    } else {
        peak::draw(&mut picture, result, axes, world);
    }
    capacity_word(&mut picture, axes, world);
    strip(&mut picture, storm, policy);
    storm.strips.draw(&mut picture, input, axes, policy);
    time_axis(&mut picture, axes, bottom);
    picture
}

fn grid(picture: &mut Picture, axes: &Axes) {
    for tick in &axes.attempts_ticks {
        let y = axes.attempts.at(tick.value);
        let ink = if tick.value == 0.0 { Role::Axis } else { Role::Grid };
        picture.line(ink, (LEFT, y), (RIGHT, y));
        picture.text(Role::Tick, (LEFT - GAP, y + MIDDLE), Anchor::End, tick.label.clone());
    }
}

/// The capacity with its steps; what lies above the axis is left out.
fn capacity_line(picture: &mut Picture, axes: &Axes, world: &World) {
    let mut line: Vec<Point> = Vec::new();
    for (from, until, rate) in &world.capacity {
        if *rate > axes.attempts.high {
            picture.add(Role::Capacity, Shape::Path(std::mem::take(&mut line)));
            continue;
        }
        let y = axes.attempts.at(*rate);
        line.extend([(axes.time.at(*from), y), (axes.time.at(*until), y)]);
    }
    picture.add(Role::Capacity, Shape::Path(line));
}

/// The word beside the capacity's line, where nothing else is drawn; the legend has it too.
fn capacity_word(picture: &mut Picture, axes: &Axes, world: &World) {
    const WORD: &str = "capacity";
    let obstacles = Obstacles::of(picture);
    let half = font::width(WORD, TEXT, false) / 2.0;
    let mut places = Vec::new();
    for (from, until, rate) in world.capacity.iter().filter(|(_, _, rate)| *rate <= axes.attempts.high) {
        let (left, right, y) = (axes.time.at(*from) + half, axes.time.at(*until) - half, axes.attempts.at(*rate));
        let count = ((right - left) / 8.0).max(0.0) as usize;
        // As far left as possible, rather above than below.
        places.extend((0..=count).flat_map(|i| {
            let x = left + 3.0 + 8.0 * i as f64;
            [((x, y - 5.0), x), ((x, y + TEXT + 1.0), x + 60.0)]
        }));
    }
    let room = ((LEFT, TOP), (RIGHT, BOTTOM - 1.0));
    if let Some(at) = clear_place(&obstacles, &places, WORD, room) {
        picture.text(Role::Note, at, Anchor::Middle, WORD);
    }
}

/// Goodput on its own scale: on that of the attempts a collapse would be three pixels high.
fn strip(picture: &mut Picture, storm: &Storm, policy: usize) {
    let axes = &storm.axes;
    let world = &axes.worlds[policy];
    let result = &storm.input.comparison.policies[policy];
    picture.line(Role::Axis, (LEFT, STRIP_BOTTOM), (RIGHT, STRIP_BOTTOM));
    let mut area = axes.curve(axes.goodput, storm.grouping, &result.timeline.goodput);
    if let (Some(first), Some(last)) = (area.first().copied(), area.last().copied()) {
        area.insert(0, (first.0, STRIP_BOTTOM));
        area.push((last.0, STRIP_BOTTOM));
    }
    picture.add(Role::Goodput.of(result.slot), Shape::Area(area));
    let line: Vec<Point> =
        world.demand.iter().map(|(t, rate)| (axes.time.at(*t), axes.goodput.within(*rate))).collect();
    picture.add(Role::Demand, Shape::Path(line));

    let (unit, (value, label)) = match world.constant_demand() {
        Some(demand) => ("goodput", (demand, "100%".to_owned())),
        None => ("goodput/s", goodput_tick(axes, world)),
    };
    picture.text(Role::Note, (0.0, STRIP_TOP - 7.0), Anchor::Start, unit);
    let y = axes.goodput.at(value);
    picture.text(Role::Tick, (LEFT - GAP, y + MIDDLE), Anchor::End, label);
    if STRIP_BOTTOM - y > TEXT + MIDDLE {
        picture.text(Role::Tick, (LEFT - GAP, STRIP_BOTTOM + 1.0), Anchor::End, "0");
    }
}

/// The highest demand, or else a round number as high as leaves room for the word above.
fn goodput_tick(axes: &Axes, world: &World) -> (f64, String) {
    let highest = world.demand.iter().map(|(_, rate)| *rate).fold(0.0, f64::max);
    let label = Notation::PAGE.rate(highest);
    if highest > 0.0 && font::width(&label, TEXT, false) < LEFT - GAP {
        return (highest, label);
    }
    let round = round_below(axes.goodput.high * 0.83);
    (round, short(round, round))
}

fn time_axis(picture: &mut Picture, axes: &Axes, bottom: f64) {
    for tick in &axes.time_ticks {
        let half = font::width(&tick.label, TEXT, false) / 2.0;
        // The last label carries the unit and may be wide.
        let x = axes.time.at(tick.value).min(WIDTH - half);
        picture.text(Role::Tick, (x, bottom + 16.0), Anchor::Middle, tick.label.clone());
    }
}
