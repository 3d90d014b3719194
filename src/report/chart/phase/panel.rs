//! One policy's panel.

use super::way::{Point as Bin, Way};
use super::{BOTTOM, HEIGHT, LEFT, Phase, RIGHT, TOP, WIDTH};
use crate::report::chart::font;
use crate::report::chart::ink::{Ink, Role, TEXT};
use crate::report::chart::picture::{Anchor, Extent, Mark, Picture, Point, Shape, text_extent};
use crate::report::name::harmless;
use crate::report::number::Notation;

/// Between a label and its axis.
const GAP: f64 = 3.6;
/// An arrowhead where a step is longer than this.
const LONG: f64 = 12.0;
/// Steps from one arrowhead to the next.
const EVERY: usize = 3;
/// Radius of a ring.
const RING: f64 = 3.0;
/// And of the one at the end.
const END_RING: f64 = 5.0;

/// The panel of `policy`, back to front.
pub fn panel(phase: &Phase, policy: usize) -> Picture {
    let (way, slot) = (&phase.ways[policy], phase.policy(policy).slot);
    let mut picture = Picture::new(WIDTH, HEIGHT);
    axes(&mut picture, phase);
    references(&mut picture, phase);
    let points: Vec<Point> =
        way.points.iter().map(|bin| (phase.load.within(bin.load), phase.goodput.within(bin.goodput))).collect();
    // Each part begins where the one before ends.
    let part = |from: usize, until: usize| &points[from.saturating_sub(1).min(until)..until];
    picture.add(Role::Before, Shape::Path(part(0, way.before).to_vec()));
    let during = part(way.before, way.during);
    if way.during > way.before {
        picture.add(Role::During, Shape::Path(during.to_vec()));
        heads(&mut picture, Role::DuringHead.into(), during);
    }
    if points.len() > way.during {
        let after = part(way.during, points.len());
        picture.add(Role::After.of(slot), Shape::Path(after.to_vec()));
        heads(&mut picture, Role::Beyond.of(slot), after);
    }
    rings(&mut picture, phase, way, &points, slot);
    picture.words = words(phase, policy);
    picture
}

fn axes(picture: &mut Picture, phase: &Phase) {
    for tick in &phase.goodput_ticks {
        let y = phase.goodput.at(tick.value);
        let ink = if tick.value == 0.0 { Role::Axis } else { Role::Grid };
        picture.line(ink, (LEFT, y), (RIGHT, y));
        picture.text(Role::Tick, (LEFT - GAP, y + 4.0), Anchor::End, tick.label.clone());
    }
    let n = Notation::PAGE;
    let ticks = match phase.demand {
        // Doubling from the demand on and halving below it: how often each operation is sent can be read off.
        Some(demand) => {
            let mut value = demand;
            while value / 2.0 >= phase.load.low * 0.999 {
                value /= 2.0;
            }
            std::iter::successors(Some(value), |value| Some(value * 2.0))
                .take_while(|v| *v <= phase.load.high)
                .collect()
        }
        None => phase.load.steps(&[1.0, 2.0, 5.0]),
    };
    let half = |value: f64| font::width(&n.rate(value), TEXT, false) / 2.0;
    let fits = |ticks: &Vec<f64>| {
        let gap =
            |pair: &[f64]| phase.load.within(pair[1]) - phase.load.within(pair[0]) - half(pair[0]) - half(pair[1]);
        ticks.windows(2).all(|pair| gap(pair) >= 6.0)
    };
    let thinned = (1..=ticks.len()).map(|every| ticks.iter().copied().step_by(every).collect::<Vec<f64>>());
    for value in thinned.into_iter().find(fits).unwrap_or_default() {
        let x = phase.load.within(value);
        picture.line(Role::Grid, (x, TOP), (x, BOTTOM));
        let at = x.min(WIDTH - half(value));
        picture.text(Role::Tick, (at, BOTTOM + 16.0), Anchor::Middle, n.rate(value));
    }
    picture.text(Role::Note, (0.0, 11.0), Anchor::Start, "goodput/s");
    picture.text(Role::Note, (WIDTH, HEIGHT - 5.0), Anchor::End, "attempts/s (log)");
}

/// Demand and capacity as uprights with their names above, next to each other if they lie close together.
fn references(picture: &mut Picture, phase: &Phase) {
    let inside = |value: &f64| *value >= phase.load.low && *value <= phase.load.high;
    let demand = phase.demand.filter(inside).map(|demand| ("demand", Role::Demand, phase.load.within(demand)));
    let capacity = phase.capacity.filter(inside).map(|rate| ("capacity", Role::Capacity, phase.load.within(rate)));
    let named: Vec<_> = [demand, capacity].into_iter().flatten().collect();
    let half = |name: &str| font::width(name, TEXT, false) / 2.0;
    let mut places: Vec<f64> = named.iter().map(|(name, _, x)| x.clamp(half(name), WIDTH - half(name))).collect();
    if let [(left_name, _, left), (right_name, _, right)] = named[..] {
        let needed = half(left_name) + half(right_name) + 10.0;
        let between = (left + right) / 2.0;
        if (right - left).abs() < needed {
            let direction = if right < left { -1.0 } else { 1.0 };
            places = vec![between - direction * needed / 2.0, between + direction * needed / 2.0];
        }
    }
    for ((name, role, x), at) in named.into_iter().zip(places) {
        picture.line(role, (x, TOP), (x, BOTTOM));
        let at = at.clamp(half(name), WIDTH - half(name));
        picture.text(Role::Note, (at, TOP - 5.0), Anchor::Middle, name);
    }
}

/// Arrowheads in the middle of every third step that is long enough for one.
fn heads(picture: &mut Picture, ink: Ink, points: &[Point]) {
    let long = points.windows(2).filter(|step| length(step[0], step[1]) > LONG);
    for step in long.step_by(EVERY) {
        let (from, to) = (step[0], step[1]);
        let length = length(from, to);
        let (dx, dy) = ((to.0 - from.0) / length, (to.1 - from.1) / length);
        let (x, y) = ((from.0 + to.0) / 2.0, (from.1 + to.1) / 2.0);
        let side = |sign: f64| (x - dx * 3.5 - sign * dy * 3.5, y - dy * 3.5 + sign * dx * 3.5);
        picture.add(ink, Shape::Area(vec![(x + dx * 4.5, y + dy * 4.5), side(1.0), side(-1.0)]));
    }
}

fn length(from: Point, to: Point) -> f64 {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    (dx * dx + dy * dy).sqrt()
}

/// Where the faults begin and end and where the demand ends, with the times.
fn rings(picture: &mut Picture, phase: &Phase, way: &Way, points: &[Point], slot: usize) {
    let Some(last) = points.last() else { return };
    let on_the_way = |count: usize| count.checked_sub(1).and_then(|index| points.get(index));
    let mut labelled: Vec<(Point, f64, String)> = Vec::new();
    if let Some(text) = still_down(phase, way) {
        labelled.push((*last, END_RING, text));
    }
    for (edge, count) in [(way.edges.0, way.before), (way.edges.1, way.during)] {
        if let (Some(time), Some(point)) = (edge, on_the_way(count)) {
            picture.add(Role::Ring, Shape::Circle(*point, RING));
            labelled.push((*point, RING, phase.instant(time)));
        }
    }
    picture.add(Role::EndRing.of(slot), Shape::Circle(*last, END_RING));
    for (point, radius, text) in labelled {
        label(picture, point, radius, text);
    }
}

/// "20:00, still down", if the goodput at the end of the demand is below half of what it was before the faults, or of the demand.
fn still_down(phase: &Phase, way: &Way) -> Option<String> {
    let end = way.points.last()?;
    let usual = phase.demand.or_else(|| Way::mean(&way.points[..way.before]).map(|(_, goodput)| goodput))?;
    (way.edges.1.is_some() && end.goodput < usual / 2.0).then(|| format!("{}, still down", phase.instant(end.until)))
}

/// Writes beside a ring where no other text is, and rather where no way leads; nothing if there is no such place.
fn label(picture: &mut Picture, (x, y): Point, radius: f64, text: String) {
    let off = radius + 4.0;
    let places = [
        ((x + off, y + 4.0), Anchor::Start),
        ((x - off, y + 4.0), Anchor::End),
        ((x, y - off - 2.0), Anchor::Middle),
        ((x, y + off + 9.0), Anchor::Middle),
        ((x + off, y - off), Anchor::Start),
        ((x - off, y - off), Anchor::End),
        ((x + off, y + off + 7.0), Anchor::Start),
        ((x - off, y + off + 7.0), Anchor::End),
    ];
    let extent = |(at, anchor): (Point, Anchor)| text_extent(at, anchor, &text, TEXT, false);
    let texts: Vec<Extent> =
        picture.marks.iter().filter(|mark| matches!(mark.shape, Shape::Text { .. })).map(Mark::extent).collect();
    let free = |place: &&(Point, Anchor)| {
        let own = extent(**place);
        own.0 >= LEFT + 1.0
            && own.2 <= WIDTH
            && own.1 >= TOP
            && own.3 <= BOTTOM
            && texts.iter().all(|other| !other.overlaps(own))
    };
    let crossed = |place: &(Point, Anchor)| {
        let own = extent(*place);
        picture.marks.iter().filter(|mark| obstructs(mark, own)).count()
    };
    // The first of those that cover least.
    let best = places.iter().filter(free).min_by_key(|place| crossed(place)).copied();
    if let Some((at, anchor)) = best {
        picture.text(Role::Annotation, at, anchor, text);
    }
}

/// True if a way, a ring or a reference crosses the rectangle.
fn obstructs(mark: &Mark, own: Extent) -> bool {
    match &mark.shape {
        Shape::Path(points) if mark.ink.role != Role::Grid => {
            points.windows(2).any(|step| crosses(step[0], step[1], own))
        }
        Shape::Circle(..) | Shape::Area(_) => mark.extent().overlaps(own),
        _ => false,
    }
}

/// True if some part of the straight line lies in the rectangle; looked at in sixteen places.
fn crosses(from: Point, to: Point, own: Extent) -> bool {
    (0..=16).map(|i| f64::from(i) / 16.0).any(|share| {
        let (x, y) = (from.0 + (to.0 - from.0) * share, from.1 + (to.1 - from.1) * share);
        x > own.0 && x < own.2 && y > own.1 && y < own.3
    })
}

/// The way in words: means before, during and after the faults, and where it ends.
fn words(phase: &Phase, policy: usize) -> String {
    let n = Notation::PAGE;
    let way = &phase.ways[policy];
    let name = harmless(&phase.policy(policy).name);
    let run = phase.run(policy);
    let run = if run.is_empty() { String::new() } else { format!(", {run}") };
    let values = |load: f64, goodput: f64| format!("{} attempts/s and {} successes/s", n.rate(load), n.rate(goodput));
    let part =
        |when: &str, bins: &[Bin]| Way::mean(bins).map(|(load, goodput)| format!("{when} {}", values(load, goodput)));
    let faulty = way.edges.0.is_some();
    let (first, last) = if faulty { ("before the fault", "after it") } else { ("", "on average") };
    let parts = [
        part(first, &way.points[..way.before]),
        part("during it", &way.points[way.before..way.during]),
        part(last, &way.points[way.during..]),
        way.points.last().map(|end| {
            let down = if still_down(phase, way).is_some() { ", still down" } else { "" };
            format!("at {} {}{down}", phase.instant(end.until), values(end.load, end.goodput))
        }),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    format!("{name}{run}: attempts per second against goodput per second, in time order. Means: {}.", parts.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two rings in one place: both times can be read.
    #[test]
    fn labels_of_one_place_do_not_cover_each_other() {
        let mut picture = Picture::new(WIDTH, HEIGHT);
        for text in ["10:00, still down", "1:10", "1:00"] {
            label(&mut picture, (180.0, 140.0), RING, text.to_owned());
        }
        let extents: Vec<Extent> = picture.marks.iter().map(Mark::extent).collect();
        assert_eq!(extents.len(), 3, "there is room for all of them");
        for (index, own) in extents.iter().enumerate() {
            assert!(extents[..index].iter().all(|other| !other.overlaps(*own)), "{own:?} in {extents:?}");
        }
    }
}
