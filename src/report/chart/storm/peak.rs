//! The highest load of a policy: how high, when, and how it is marked.

use super::axes::{Axes, BOTTOM, LEFT, RIGHT, Step, TOP, World};
use crate::experiment::PolicyResult;
use crate::metrics::statistics::nearest_rank;
use crate::report::chart::axis::instant;
use crate::report::chart::font;
use crate::report::chart::ink::{Role, TEXT};
use crate::report::chart::picture::{Anchor, Extent, Picture, text_extent};
use crate::report::number::Notation;
use crate::scenario::metric::Metric;

/// When the replications had their peak.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum When {
    /// Nearly at one time, in seconds.
    At(f64),
    /// The 10th and the 90th percentile of the times.
    Between(f64, f64),
}

/// The peak of a policy: the means of the replications' maxima.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Peak {
    /// Attempts per second.
    pub load: f64,
    /// As a multiple of the demand.
    pub ratio: f64,
    /// When.
    pub when: When,
}

/// Times within this many seconds are one time.
const ONE_TIME: f64 = 30.0;
/// Below this multiple of demand a peak is no event: a Poisson process has such maxima.
pub const EVENT: f64 = 2.0;

/// The peak of a policy that sent anything.
pub fn peak(policy: &PolicyResult) -> Option<Peak> {
    let (load, ratio) = (policy.mean(Metric::PeakLoad)?, policy.mean(Metric::PeakOfDemand)?);
    let mut times = policy.peak_at.clone();
    times.sort_by(f64::total_cmp);
    let (early, late) = (nearest_rank(&times, 0.1)?, nearest_rank(&times, 0.9)?);
    let when = if late - early <= ONE_TIME { When::At(nearest_rank(&times, 0.5)?) } else { When::Between(early, late) };
    (load > 0.0).then_some(Peak { load, ratio, when })
}

/// What the label beside the mark says. Where demand is no rate, the load itself.
fn label(peak: &Peak, axes: &Axes, world: &World) -> String {
    let n = Notation::PAGE;
    let height = if world.demand.is_empty() {
        format!("{}/s", n.count(peak.load))
    } else {
        format!("{} demand", n.times(peak.ratio))
    };
    match peak.when {
        When::At(time) => format!("{height} at {}", instant(time, axes.time.high)),
        When::Between(..) => height,
    }
}

/// Half the width of the mark of a peak at one time.
const HALF_MARK: f64 = 6.0;
/// A label nearer to the capacity's line than this moves up.
const CLEAR: f64 = 10.0;
/// So far.
const RAISED: f64 = 21.0;

/// Marks the peak, if it is an event, and tells where its label lies.
pub fn draw(picture: &mut Picture, policy: &PolicyResult, axes: &Axes, world: &World) -> Option<Extent> {
    let peak = peak(policy).filter(|peak| peak.ratio >= EVENT)?;
    let y = axes.attempts.at(peak.load);
    let (left, right) = match peak.when {
        When::At(time) => (axes.time.within(time) - HALF_MARK, axes.time.within(time) + HALF_MARK),
        When::Between(from, until) => (axes.time.within(from), axes.time.within(until)),
    };
    let (left, right) = (left.max(LEFT), right.min(RIGHT));
    picture.line(Role::Peak, (left, y), (right, y));

    let label = label(&peak, axes, world);
    let half = font::width(&label, TEXT, false) / 2.0;
    let middle = (left + right) / 2.0;
    let x = middle.clamp(LEFT + half, RIGHT + 8.0 - half);
    let above = y - 4.5;
    let covers = |(from, until, rate): &&Step| {
        axes.time.at(*from) < x + half && axes.time.at(*until) > x - half && *rate <= axes.attempts.high
    };
    let lines = world.capacity.iter().filter(covers).map(|(_, _, rate)| axes.attempts.at(*rate));
    // On a capacity's line, or just above it; of several the highest in the plot.
    let line = lines.filter(|line| above > line - CLEAR && above - TEXT < *line).reduce(f64::min);
    let baseline = match line {
        Some(line) => {
            let raised = (line - RAISED).max(TOP + TEXT);
            picture.line(Role::Leader, (middle, y), (middle, raised + 3.0));
            raised
        }
        None if above - 0.76 * TEXT < TOP => (y + 15.0).min(BOTTOM - 4.0),
        None => above,
    };
    picture.text(Role::Annotation, (x, baseline), Anchor::Middle, label.clone());
    Some(text_extent((x, baseline), Anchor::Middle, &label, TEXT, false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::chart::axis::Scale;
    use crate::report::chart::picture::Shape;
    use crate::report::chart::storm::axes::{STRIP_BOTTOM, STRIP_TOP};
    use crate::report::fixture;

    /// Ten minutes, up to 500 attempts per second, 50 of them demand, this capacity.
    fn axes(capacity: f64) -> Axes {
        Axes {
            time: Scale { low: 0.0, high: 600.0, start: LEFT, end: RIGHT },
            time_ticks: Vec::new(),
            attempts: Scale { low: 0.0, high: 500.0, start: BOTTOM, end: TOP },
            attempts_ticks: Vec::new(),
            goodput: Scale { low: 0.0, high: 75.0, start: STRIP_BOTTOM, end: STRIP_TOP },
            goodput_cut: false,
            worlds: vec![World { demand: vec![(0.0, 50.0), (600.0, 50.0)], capacity: vec![(0.0, 600.0, capacity)] }],
        }
    }

    /// A peak of `load` at these times: the label's text, its place from the mark (below 0: above it), and whether a leader joins them.
    fn check(load: f64, times: &[f64], capacity: f64, expected: Option<(&str, f64, bool)>) {
        let row = fixture::row("p", &vec![0.9; times.len()]).all("peak_load", load).all("peak_of_demand", load / 50.0);
        let mut policy = fixture::comparison(vec![row]).policies.remove(0);
        policy.peak_at = times.to_vec();
        let axes = axes(capacity);
        let mut picture = Picture::new(340.0, 240.0);
        draw(&mut picture, &policy, &axes, &axes.worlds[0]);
        let label = picture.marks.iter().find_map(|mark| match &mark.shape {
            Shape::Text { at, text, .. } => Some((text.as_str(), at.1 - axes.attempts.at(load))),
            _ => None,
        });
        let leader = picture.marks.iter().any(|mark| mark.ink.role == Role::Leader);
        let rounded = label.map(|(text, place)| (text, (place * 10.0).round() / 10.0, leader));
        assert_eq!(rounded, expected, "{load} at {times:?}, capacity {capacity}");
    }

    #[test]
    fn a_label_stands_above_its_mark_or_clear_of_what_is_there() {
        let spread = [100.0, 140.0, 180.0, 220.0, 260.0];
        check(99.0, &spread, 1e9, None);
        check(250.0, &spread, 1e9, Some(("5.0× demand", -4.5, false)));
        // All within half a minute: the time is worth naming.
        check(250.0, &[100.0, 129.0], 1e9, Some(("5.0× demand at 1:40", -4.5, false)));
        check(250.0, &[100.0], 1e9, Some(("5.0× demand at 1:40", -4.5, false)));
        check(250.0, &[100.0, 131.0], 1e9, Some(("5.0× demand", -4.5, false)));
        // At the top there is no room above.
        check(480.0, &spread, 1e9, Some(("9.6× demand", 15.0, false)));
        // Just above the capacity's line (at 200: y 97.2; the mark at 210: y 94.6) it moves up to 21 above that line.
        check(210.0, &spread, 200.0, Some(("4.2× demand", -18.4, true)));
        check(300.0, &spread, 200.0, Some(("6.0× demand", -4.5, false)));
    }
}
