//! What the lines and areas of all panels mean.

use super::Storm;
use super::axes::{STRIP_MOST, World};
use super::faults::windows;
use crate::report::chart::Key;
use crate::report::chart::axis::instant;
use crate::report::chart::ink::Role;
use crate::report::number::Notation;
use crate::units::SimTime;

/// The legend of all panels.
pub fn legend(storm: &Storm) -> Vec<Key> {
    let axes = &storm.axes;
    let n = Notation::PAGE;
    let mut entries = Vec::new();
    let mut add = |role: Role, area: bool, text: String| entries.push(Key { role, area, text });
    if storm.has_context() {
        add(Role::Context, false, "other policies".to_owned());
    }
    // Where rows run in worlds of their own, figures are those of the baseline's.
    let baseline = storm.input.comparison.baseline;
    let world = &axes.worlds[baseline];
    let differs =
        |other: &dyn Fn(&World) -> bool| if axes.worlds.iter().any(other) { ", other in some rows" } else { "" };
    if !world.demand.is_empty() {
        let rates = || world.demand.iter().map(|(_, rate)| *rate);
        let (low, high) = (rates().fold(f64::INFINITY, f64::min), rates().fold(0.0, f64::max));
        let demand = if low == high { n.rate(high) } else { n.interval(&n.rate(low), &n.rate(high)) };
        let other = differs(&|other| other.demand != world.demand);
        add(Role::Demand, false, format!("demand, {demand}/s{other}"));
    }
    if let Some(capacity) = capacity_in_words(storm) {
        let other = differs(&|other| other.capacity != world.capacity);
        add(Role::Capacity, false, capacity + other);
    } else if axes.worlds.iter().any(|world| !world.capacity.is_empty()) {
        add(Role::Capacity, false, "capacity, in some rows".to_owned());
    }
    let cut = match (axes.goodput_cut, axes.cut_before) {
        (false, _) => String::new(),
        (true, None) => format!(", cut off at {:.0}% of demand", STRIP_MOST * 100.0),
        (true, Some(_)) => format!(", cut off at {}/s", n.count(axes.goodput.high)),
    };
    add(Role::GoodputKey, true, format!("goodput{cut}"));
    let faults = windows(storm.input.scene_of(baseline).world, axes);
    if !faults.is_empty() {
        let at = |time: f64| instant(time, axes.time.high);
        let window = |(from, until, names): &(f64, f64, String)| {
            let endless = *until >= axes.time.high;
            if endless {
                format!("{names} from {}", at(*from))
            } else {
                format!("{names} {}–{}", at(*from), at(*until))
            }
        };
        // A long list says less than the resolved scenario does.
        const MOST: usize = 4;
        let mut shown: Vec<String> = faults.iter().take(MOST).map(window).collect();
        if faults.len() > MOST {
            shown.push(format!("and {} more", faults.len() - MOST));
        }
        add(Role::Fault, true, shown.join(", "));
    }
    entries
}

/// "capacity, 87/s (60/s in outage)".
fn capacity_in_words(storm: &Storm) -> Option<String> {
    let axes = &storm.axes;
    let baseline = storm.input.comparison.baseline;
    let (own, world) = (storm.input.scene_of(baseline).world, &axes.worlds[baseline]);
    let n = Notation::PAGE;
    let usual = own.capacity()?;
    if world.capacity.is_empty() {
        return None;
    }
    let other: Vec<_> = world.capacity.iter().filter(|(_, _, rate)| *rate != usual).collect();
    let changed = match other[..] {
        [] => String::new(),
        [(from, _, rate)] => {
            let at = SimTime::ZERO + crate::units::Span::from_seconds(*from);
            let mut names = own.faults.iter().filter(|fault| fault.covers(at)).map(|fault| &fault.name);
            match (names.next(), names.next()) {
                (Some(name), None) => format!(" ({}/s in {})", n.rate(*rate), crate::report::name::harmless(name)),
                _ => format!(" ({}/s under faults)", n.rate(*rate)),
            }
        }
        _ => {
            let (low, high) = other
                .iter()
                .fold((f64::INFINITY, 0.0_f64), |(low, high), (_, _, rate)| (low.min(*rate), high.max(*rate)));
            let rates = if low == high { n.rate(low) } else { n.interval(&n.rate(low), &n.rate(high)) };
            format!(" ({rates}/s under faults)")
        }
    };
    let beyond = if axes.shows_capacity() { "" } else { ", above the axis" };
    Some(format!("capacity, {}/s{changed}{beyond}", n.rate(usual)))
}
