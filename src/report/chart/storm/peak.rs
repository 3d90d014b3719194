//! The highest load of a policy: how high, when, and how it is marked.

use super::axes::{Axes, BOTTOM, LEFT, RIGHT, TOP, World};
use super::clear::{Obstacles, clear_place};
use crate::experiment::PolicyResult;
use crate::metrics::statistics::nearest_rank;
use crate::report::chart::axis::instant;
use crate::report::chart::ink::{Role, TEXT};
use crate::report::chart::picture::{Anchor, Picture, Point, Shape};
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
    /// As a multiple of the highest demand, in windows of the same length.
    pub ratio: f64,
    /// When.
    pub when: When,
    /// The median of the times, in seconds.
    pub median: f64,
}

/// Times within this many seconds are one time.
const ONE_TIME: f64 = 30.0;
/// Below this multiple of demand a peak is no event: a Poisson process has such maxima.
pub const EVENT: f64 = 2.0;
/// Most replications that get a dot; of more, that many at even ranks of their times.
pub const MOST_DOTS: usize = 30;

/// The peak of a policy that sent anything.
pub fn peak(policy: &PolicyResult) -> Option<Peak> {
    let (load, ratio) = (policy.mean(Metric::PeakLoad)?, policy.mean(Metric::PeakOfDemand)?);
    let mut times = policy.peak_at.clone();
    times.sort_by(f64::total_cmp);
    let (early, late) = (nearest_rank(&times, 0.1)?, nearest_rank(&times, 0.9)?);
    let median = nearest_rank(&times, 0.5)?;
    let when = if late - early <= ONE_TIME { When::At(median) } else { When::Between(early, late) };
    (load > 0.0).then_some(Peak { load, ratio, when, median })
}

/// The peak, if a panel marks it.
pub fn event(policy: &PolicyResult) -> Option<Peak> {
    peak(policy).filter(|peak| peak.ratio >= EVENT)
}

/// Time and height of the peak of each run.
pub fn runs(policy: &PolicyResult) -> Vec<(f64, f64)> {
    let loads = policy.metric(Metric::PeakLoad).map_or(&[][..], |metric| &metric.values);
    let mut runs: Vec<(f64, f64)> =
        policy.peak_at.iter().zip(loads).filter_map(|(time, load)| Some((*time, (*load)?))).collect();
    runs.sort_by(|a, b| a.0.total_cmp(&b.0));
    if runs.len() <= MOST_DOTS {
        return runs;
    }
    (0..MOST_DOTS).map(|i| runs[i * (runs.len() - 1) / (MOST_DOTS - 1)]).collect()
}

/// What the label beside the mark says, and what it says where there is less room. Where demand is no rate, the load itself.
fn labels(peak: &Peak, axes: &Axes, world: &World) -> Vec<String> {
    let n = Notation::PAGE;
    let height = if world.demand.is_empty() { format!("{}/s", n.count(peak.load)) } else { n.times(peak.ratio) };
    let long = if world.demand.is_empty() { height.clone() } else { format!("{height} highest demand") };
    let at = match peak.when {
        When::At(time) => format!(" at {}", instant(time, axes.time.high)),
        When::Between(..) => String::new(),
    };
    vec![long + &at, format!("{height}{at}"), height]
}

/// Half the width of the mark of a mean.
const HALF_MARK: f64 = 6.0;

/// Marks the peak, if it is an event: a dot for each of several runs, a bar at their mean, and its label where nothing is drawn.
pub fn draw(picture: &mut Picture, policy: &PolicyResult, axes: &Axes, world: &World) {
    let Some(peak) = event(policy) else { return };
    let at = |time: f64, load: f64| (axes.time.within(time), axes.attempts.within(load));
    if policy.peak_at.len() > 1 {
        for (time, load) in runs(policy) {
            picture.add(Role::PeakRun, Shape::Circle(at(time, load), 1.5));
        }
    }
    let (x, y) = at(peak.median, peak.load);
    picture.line(Role::Peak, ((x - HALF_MARK).max(LEFT), y), ((x + HALF_MARK).min(RIGHT), y));
    annotate(picture, (x, y), &labels(&peak, axes, world));
}

/// Marks where a curve leaves the axis above, and says how high the wave after the end is, which this axis is for.
pub fn draw_cut(picture: &mut Picture, policy: &PolicyResult, axes: &Axes, line: &[Point]) {
    // A piece of the line on the upper edge stands for one beyond it.
    let mut beyond: Vec<(f64, f64)> = Vec::new();
    let mut inside = true;
    for (x, y) in line {
        let is_inside = *y > TOP;
        match beyond.last_mut() {
            Some(last) if !inside && !is_inside => last.1 = *x,
            _ if !is_inside => beyond.push((*x, *x)),
            _ => {}
        }
        inside = is_inside;
    }
    let mut drawn = f64::NEG_INFINITY;
    for (left, right) in beyond {
        let x = ((left + right) / 2.0).max(LEFT + HEAD);
        // Heads that would cover each other are one.
        if x - drawn > 2.0 * HEAD {
            picture.add(
                Role::Beyond.of(policy.slot),
                Shape::Area(vec![(x - HEAD, TOP + 8.0), (x, TOP), (x + HEAD, TOP + 8.0)]),
            );
            drawn = x;
        }
    }
    let Some((time, load)) = axes.wave(policy) else { return };
    let load = policy.mean(Metric::Wave).unwrap_or(load);
    let (x, y) = (axes.time.within(time), axes.attempts.within(load));
    if load < axes.attempts.high {
        picture.line(Role::Peak, (x - HALF_MARK, y), ((x + HALF_MARK).min(RIGHT), y));
    }
    annotate(picture, (x, y), &[format!("up to {}/s", Notation::PAGE.count(load))]);
}

/// Half the width of an arrowhead.
const HEAD: f64 = 4.0;

/// Writes beside a mark where nothing is drawn, as near as there is room: the first of `texts` that finds some.
fn annotate(picture: &mut Picture, (x, y): Point, texts: &[String]) {
    let obstacles = Obstacles::of(picture);
    let steps = |most: i32| (-most..=most).map(f64::from);
    let rows = steps(24).map(|step| y - 4.5 + step * 5.0);
    let cost = |(px, py): Point| (px - x) * (px - x) / 4.0 + (py - y + 4.5) * (py - y + 4.5);
    let places = rows.flat_map(|baseline| steps(32).map(move |step| (x + step * 8.0, baseline)));
    let places: Vec<(Point, f64)> = places.map(|place| (place, cost(place))).collect();
    let room = ((LEFT + 1.0, TOP), (RIGHT + 9.0, BOTTOM - 1.0));
    let find = |text: &String| Some((clear_place(&obstacles, &places, text, room)?, text.clone()));
    let Some(((px, py), text)) = texts.iter().find_map(find) else { return };
    // So far away that the eye needs a line.
    const NEAR: f64 = 16.0;
    let (foot, top) = (py + 3.0, py - TEXT);
    if foot < y - NEAR {
        picture.line(Role::Leader, (px, foot), (x, y - 2.0));
    } else if top > y + NEAR {
        picture.line(Role::Leader, (px, top), (x, y + 2.0));
    }
    picture.text(Role::Annotation, (px, py), Anchor::Middle, text);
}

#[cfg(test)]
mod tests {
    use super::super::clear::covered;
    use super::*;
    use crate::report::chart::axis::Scale;
    use crate::report::chart::picture::Mark;
    use crate::report::chart::storm::axes::{STRIP_BOTTOM, STRIP_TOP};
    use crate::report::fixture;

    /// Ten minutes, up to 500 attempts per second, 50 of them demand.
    fn axes() -> Axes {
        Axes {
            time: Scale { low: 0.0, high: 600.0, start: LEFT, end: RIGHT },
            time_ticks: Vec::new(),
            attempts: Scale { low: 0.0, high: 500.0, start: BOTTOM, end: TOP },
            attempts_ticks: Vec::new(),
            cut_before: None,
            goodput: Scale { low: 0.0, high: 75.0, start: STRIP_BOTTOM, end: STRIP_TOP },
            goodput_cut: false,
            worlds: vec![World { demand: vec![(0.0, 50.0), (600.0, 50.0)], capacity: Vec::new() }],
        }
    }

    /// The marks of a peak of `load` at these times, in front of these lines.
    fn drawn(load: f64, times: &[f64], lines: &[[Point; 2]]) -> Picture {
        let row = fixture::row("p", &vec![0.9; times.len()]).all("peak_load", load).all("peak_of_demand", load / 50.0);
        let mut policy = fixture::comparison(vec![row]).policies.remove(0);
        policy.peak_at = times.to_vec();
        let axes = axes();
        let mut picture = Picture::new(340.0, 240.0);
        lines.iter().for_each(|[from, to]| picture.line(Role::Mean.of(0), *from, *to));
        draw(&mut picture, &policy, &axes, &axes.worlds[0]);
        picture
    }

    fn label(picture: &Picture) -> Option<(&str, &Mark)> {
        picture.marks.iter().find_map(|mark| match &mark.shape {
            Shape::Text { text, .. } => Some((text.as_str(), mark)),
            _ => None,
        })
    }

    #[test]
    fn a_peak_that_is_an_event_has_its_ratio_and_one_time_if_it_has_one() {
        let spread = [100.0, 140.0, 180.0, 220.0, 260.0];
        for (load, times, expected) in [
            (99.0, &spread[..], None),
            (250.0, &spread, Some("5.0× highest demand")),
            (250.0, &[100.0, 129.0], Some("5.0× highest demand at 1:40")),
            (250.0, &[100.0], Some("5.0× highest demand at 1:40")),
            (250.0, &[100.0, 131.0], Some("5.0× highest demand")),
        ] {
            let picture = drawn(load, times, &[]);
            assert_eq!(label(&picture).map(|(text, _)| text), expected, "{load} at {times:?}");
        }
    }

    /// A second is not drawn as the minutes over which the runs had it.
    #[test]
    fn every_run_has_its_dot_and_no_bar_spans_them() {
        let spread = [100.0, 140.0, 180.0, 220.0, 560.0];
        let picture = drawn(250.0, &spread, &[]);
        let of = |role: Role| picture.marks.iter().filter(move |mark| mark.ink.role == role).map(Mark::extent);
        let dots: Vec<f64> = of(Role::PeakRun).map(|dot| (dot.0 + dot.2) / 2.0).collect();
        let expected: Vec<f64> = spread.iter().map(|time| axes().time.at(*time)).collect();
        assert!(dots.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-9) && dots.len() == 5, "{dots:?}");
        assert!(of(Role::Peak).all(|bar| bar.2 - bar.0 < 12.1), "{:?}", picture.marks);
        let many: Vec<f64> = (0..500).map(f64::from).collect();
        let many = drawn(250.0, &many, &[]);
        assert_eq!(many.marks.iter().filter(|mark| mark.ink.role == Role::PeakRun).count(), MOST_DOTS);
    }

    #[test]
    fn a_label_stands_where_nothing_is_drawn() {
        let y = axes().attempts.at(250.0);
        for lines in [
            vec![],
            // Just above the mark, a steep flank beside it, the edge of the plot.
            vec![[(LEFT, y - 6.0), (RIGHT, y - 6.0)]],
            vec![[(90.0, BOTTOM), (110.0, TOP)], [(LEFT, y - 9.0), (RIGHT, y - 9.0)]],
        ] {
            let picture = drawn(250.0, &[180.0], &lines);
            let (_, mark) = label(&picture).expect("there is room");
            let own = mark.extent();
            assert!(own.1 >= TOP && own.3 < BOTTOM && own.2 < 340.0, "inside: {own:?}");
            let lines = Obstacles::of(&Picture { marks: picture.marks[..lines.len()].to_vec(), ..Picture::default() });
            assert!(!covered(own, &lines.firm), "{own:?} on {lines:?}");
        }
        let top = drawn(490.0, &[180.0], &[]);
        assert!(label(&top).expect("there is room").1.extent().1 >= TOP);
    }
}
