//! When something goes wrong, as a panel shows it.

use super::axes::{Axes, BOTTOM, STRIP_BOTTOM, STRIP_TOP, TOP, WIDTH};
use crate::report::chart::font;
use crate::report::chart::ink::{Role, TEXT};
use crate::report::chart::picture::{Anchor, Picture, Shape};
use crate::report::name::harmless;
use crate::scenario::World;

/// Baseline of the words above the plot.
pub const NAMES: f64 = 13.0;
/// Distance and height of the hatches under the axis.
const HATCH: f64 = 4.0;

/// Fault windows as parts of the axis in seconds, in order of their beginnings, with the names of all faults that share the window.
pub fn windows(world: &World, axes: &Axes) -> Vec<(f64, f64, String)> {
    let mut windows: Vec<(f64, f64, String)> = Vec::new();
    for fault in &world.faults {
        let (from, until) = (fault.from.seconds(), fault.until.seconds().min(axes.time.high));
        if from >= axes.time.high {
            continue;
        }
        match windows.iter_mut().find(|(f, u, _)| (*f, *u) == (from, until)) {
            Some((_, _, names)) => names.push_str(&format!(", {}", harmless(&fault.name))),
            None => windows.push((from, until, harmless(&fault.name))),
        }
    }
    windows.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    windows
}

/// The parts of the plot, in user units, in which there is any fault. A short one is still a pixel wide.
fn covered(windows: &[(f64, f64, String)], axes: &Axes) -> Vec<(f64, f64)> {
    let mut parts: Vec<(f64, f64)> = Vec::new();
    for (from, until, _) in windows {
        let left = axes.time.at(*from);
        let right = axes.time.at(*until).max(left + 1.0);
        match parts.last_mut() {
            Some(last) if left <= last.1 => last.1 = last.1.max(right),
            _ => parts.push((left, right)),
        }
    }
    parts
}

/// Tints the faults between two heights.
pub fn tint(picture: &mut Picture, world: &World, axes: &Axes, (top, bottom): (f64, f64)) {
    for (left, right) in covered(&windows(world, axes), axes) {
        picture.add(Role::Fault, Shape::Rect((left, top), (right, bottom)));
    }
}

/// Draws tints, hatches and names.
pub fn draw(picture: &mut Picture, world: &World, axes: &Axes) {
    let windows = windows(world, axes);
    for (left, right) in covered(&windows, axes) {
        picture.add(Role::Fault, Shape::Rect((left, TOP), (right, BOTTOM)));
        picture.add(Role::Fault, Shape::Rect((left, STRIP_TOP), (right, STRIP_BOTTOM)));
        let mut x = left;
        while x < right {
            let width = HATCH.min(right - x);
            picture.line(Role::Hatch, (x, BOTTOM + HATCH), (x + width, BOTTOM + HATCH - width));
            x += HATCH;
        }
    }
    // From left to right, each where its window is if the one before leaves room; the legend names those that find none.
    let mut free = font::width("attempts/s", TEXT, false) + 8.0;
    for (from, until, names) in windows {
        let (left, right) = (axes.time.at(from), axes.time.at(until));
        let name = font::shorten(&names, WIDTH - free, TEXT, false);
        let width = font::width(&name, TEXT, false);
        let start = ((left + right) / 2.0 - width / 2.0).clamp(free, (WIDTH - width).max(free));
        let beside_its_window = start > right + 4.0 || start + width < left - 4.0;
        if beside_its_window || start + width > WIDTH || (name != names && name.chars().count() < 4) {
            continue;
        }
        picture.text(Role::FaultName, (start, NAMES), Anchor::Start, name);
        free = start + width + 8.0;
    }
}
