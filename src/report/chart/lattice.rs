//! Charts as they stand alone in a file: with a title, what the page says around them, and the panels side by side.

use super::Width;
use super::dots::{self, Plot};
use super::font;
use super::forest;
use super::ink::{Role, TEXT};
use super::ladder::{self, Ladder};
use super::latency;
use super::phase::Phase;
use super::picture::{Anchor, Picture, Point, Shape};
use super::results;
use super::storm::{self, Storm};
use crate::report::ReportInput;
use crate::report::name::harmless;
use crate::report::number::Notation;
use crate::report::recovery::recovered;
use crate::scenario::metric::Metric;

/// Around the picture.
const MARGIN: f64 = 20.0;
/// Between panels.
const GAP: f64 = 30.0;
const COLUMNS: usize = 3;
const LINE: f64 = 16.0;
/// Size of a title.
const TITLE: f64 = 14.0;
/// Above a panel: the policy's name.
const HEAD: f64 = 26.0;

/// A title and lines of text; also where the chart begins.
fn sheet(width: f64, title: &str, captions: &[String]) -> (Picture, f64) {
    let room = width - 2.0 * MARGIN;
    let mut picture = Picture::new(width, 0.0);
    let mut y = MARGIN - 4.0;
    for line in font::wrap(title, room, TITLE, true) {
        y += LINE;
        picture.text(Role::Heading, (MARGIN, y), Anchor::Start, font::shorten(&line, room, TITLE, true));
    }
    for line in captions.iter().filter(|c| !c.is_empty()).flat_map(|caption| font::wrap(caption, room, TEXT, false)) {
        y += LINE + 1.0;
        picture.text(Role::Caption, (MARGIN, y), Anchor::Start, font::shorten(&line, room, TEXT, false));
    }
    (picture, y + LINE)
}

/// Ends the sheet below `bottom` and puts paper behind everything.
fn bind(mut picture: Picture, bottom: f64) -> Picture {
    picture.height = (bottom + MARGIN).ceil();
    picture.add(Role::Paper, Shape::Rect((0.0, 0.0), (picture.width, picture.height)));
    picture.marks.rotate_right(1);
    picture
}

/// The storm: panels in rows of three.
pub fn storm(input: &ReportInput, storm: &Storm) -> Picture {
    let policies = &input.comparison.policies;
    let columns = COLUMNS.min(policies.len());
    let panels: Vec<Picture> = (0..policies.len()).map(|policy| storm.panel(policy)).collect();
    let panel_width = panels[0].width;
    let width = 2.0 * MARGIN + columns as f64 * panel_width + (columns - 1) as f64 * GAP;
    let title = format!("{}: attempts per second and goodput", input.title());
    let (mut picture, top) = sheet(width, &title, &[storm.caption()]);
    let top = legend(&mut picture, storm, top) + LINE;

    let recovered = recovered(input);
    let words: Vec<Vec<String>> = (0..policies.len())
        .map(|policy| storm::words(input, policy, recovered.as_ref().map(|all| all[policy])))
        .map(|words| font::wrap(&words, panel_width, TEXT, false))
        .collect();
    let mut y = top;
    let mut panels = panels.into_iter().enumerate();
    for row in words.chunks(columns) {
        let mut tallest: f64 = 0.0;
        for (column, lines) in row.iter().enumerate() {
            let (policy, panel) = panels.next().expect("there is a panel for each policy");
            let x = MARGIN + column as f64 * (panel_width + GAP);
            head(&mut picture, input, policy, (x, y + 12.0), panel_width);
            picture.words.push_str(&format!("{} ", panel.words));
            let below = y + HEAD + panel.height;
            tallest = tallest.max(HEAD + panel.height + LINE * lines.len() as f64);
            picture.place(panel, (x, y + HEAD));
            for (index, line) in lines.iter().enumerate() {
                let at = (x, below + LINE * (index as f64 + 0.75));
                picture.text(Role::Caption, at, Anchor::Start, line.clone());
            }
        }
        y += tallest + GAP;
    }
    picture.words = format!("{title}. {}", picture.words.trim_end());
    bind(picture, y - GAP)
}

/// A policy's line and name, and how much of it succeeded.
fn head(picture: &mut Picture, input: &ReportInput, policy: usize, at: Point, width: f64) {
    let result = &input.comparison.policies[policy];
    let rate = result.mean(Metric::SuccessRate).map(|rate| format!("{} succeeded", Notation::PAGE.percent(rate)));
    let head = Head { slot: Some(result.slot), name: harmless(&result.name), right: rate.unwrap_or_default() };
    write_head(picture, &head, at, width);
}

fn write_head(picture: &mut Picture, head: &Head, (x, y): Point, width: f64) {
    let mut left = x;
    if let Some(slot) = head.slot {
        picture.line(Role::Key.of(slot), (x, y - 4.5), (x + 26.0, y - 4.5));
        left += 34.0;
    }
    let room = x + width - left - font::width(&head.right, TEXT, false) - 8.0;
    let name = font::shorten(&head.name, room, TITLE, true);
    picture.text(Role::Heading, (left, y), Anchor::Start, name);
    picture.text(Role::Caption, (x + width, y), Anchor::End, head.right.clone());
}

/// The legend in lines; also where it ends.
fn legend(picture: &mut Picture, storm: &Storm, top: f64) -> f64 {
    let (mut x, mut y) = (MARGIN, top + 6.0);
    for entry in storm::legend(storm) {
        let text = font::shorten(&entry.text, picture.width - 2.0 * MARGIN - 34.0, TEXT, false);
        let width = 34.0 + font::width(&text, TEXT, false);
        if x > MARGIN && x + width > picture.width - MARGIN {
            (x, y) = (MARGIN, y + LINE + 2.0);
        }
        if entry.area {
            picture.add(entry.role, Shape::Rect((x, y - 9.0), (x + 26.0, y + 1.0)));
        } else {
            picture.line(entry.role, (x, y - 4.0), (x + 26.0, y - 4.0));
        }
        picture.text(Role::Caption, (x + 34.0, y), Anchor::Start, text);
        x += width + 22.0;
    }
    y
}

/// Latency: the wide picture.
pub fn latency(input: &ReportInput) -> Picture {
    let axes = latency::Axes::new(input.comparison);
    let chart = latency::picture(input.comparison, &axes, Width::Wide);
    alone(input, latency::TITLE, &[latency::note(input.comparison)], chart)
}

/// How operations ended: the wide picture, and its legend.
pub fn results(input: &ReportInput) -> Picture {
    let chart = results::picture(input.comparison, Width::Wide);
    let (mut picture, top) =
        sheet(chart.width + 2.0 * MARGIN, results::TITLE, &[input.title(), results::note(input.comparison)]);
    let (mut x, mut y) = (MARGIN, top + 2.0);
    let mut write = |picture: &mut Picture, role: Option<Role>, text: &str| {
        let width = font::width(text, TEXT, false) + if role.is_some() { 17.0 } else { 0.0 };
        if x + width > picture.width - MARGIN || (text == "failed" && x > MARGIN) {
            (x, y) = (MARGIN, y + LINE + 2.0);
        }
        if let Some(role) = role {
            picture.add(role, Shape::Rect((x, y - 10.0), (x + 12.0, y + 2.0)));
        }
        picture.text(Role::Caption, (x + if role.is_some() { 17.0 } else { 0.0 }, y), Anchor::Start, text);
        x += width + 12.0;
    };
    for (heading, entries) in results::legend(input.comparison) {
        write(&mut picture, None, heading);
        entries.into_iter().for_each(|(_, role, text)| write(&mut picture, Some(role), text));
    }
    picture.words = format!("{}: {}", input.title(), chart.words);
    let top = y + 8.0;
    let bottom = top + chart.height;
    picture.place(chart, (MARGIN, top));
    bind(picture, bottom)
}

/// The phase picture: the panels that are shown at once.
pub fn phase(input: &ReportInput) -> Option<Picture> {
    let phase = Phase::new(input)?;
    let panel = |policy: usize| {
        let result = &input.comparison.policies[policy];
        let head = Head { slot: Some(result.slot), name: harmless(&result.name), right: phase.run(policy) };
        (head, phase.panel(policy))
    };
    let panels = phase.shown().into_iter().map(panel).collect();
    Some(side_by_side(Some(&input.title()), "Load against goodput", &phase.caption(), panels))
}

/// Differences to the baseline.
pub fn forest(input: &ReportInput) -> Option<Picture> {
    let panel =
        |panel: &forest::Panel| (Head { slot: None, name: panel.title(), right: String::new() }, panel.picture());
    let panels: Vec<(Head, Picture)> = forest::panels(input.comparison).iter().map(panel).collect();
    let title = forest::title(input.comparison);
    (!panels.is_empty()).then(|| side_by_side(Some(&input.title()), &title, &forest::caption(input.comparison), panels))
}

/// Delays of policies, a panel each.
pub fn ladders(ladders: &[Ladder]) -> Picture {
    let axis = ladder::Axis::new(ladders);
    let panel = |(slot, own): (usize, &Ladder)| {
        let head = Head { slot: Some(slot), name: harmless(&own.name), right: own.in_all() };
        (head, ladder::panel(own, slot, &axis))
    };
    side_by_side(None, ladder::TITLE, &axis.caption(), ladders.iter().enumerate().map(panel).collect())
}

/// What stands over a panel.
struct Head {
    /// Whose panel it is.
    slot: Option<usize>,
    name: String,
    right: String,
}

/// Panels in rows of three.
fn side_by_side(scenario: Option<&str>, title: &str, caption: &str, panels: Vec<(Head, Picture)>) -> Picture {
    let columns = COLUMNS.min(panels.len());
    let panel_width = panels[0].1.width;
    let width = 2.0 * MARGIN + columns as f64 * panel_width + (columns - 1) as f64 * GAP;
    let whole = scenario.map_or_else(|| title.to_owned(), |scenario| format!("{scenario}: {title}"));
    let (mut picture, top) = sheet(width, &whole, &[caption.to_owned()]);
    let mut y = top + 4.0;
    let mut words = Vec::new();
    let mut panels = panels.into_iter().peekable();
    while panels.peek().is_some() {
        let row: Vec<(Head, Picture)> = panels.by_ref().take(columns).collect();
        let tallest = row.iter().map(|(_, panel)| panel.height).fold(0.0, f64::max);
        for (column, (own, panel)) in row.into_iter().enumerate() {
            let x = MARGIN + column as f64 * (panel_width + GAP);
            write_head(&mut picture, &own, (x, y + 12.0), panel_width);
            words.push(panel.words.clone());
            picture.place(panel, (x, y + HEAD));
        }
        y += HEAD + tallest + GAP;
    }
    picture.words = format!("{}. {}", scenario.unwrap_or(title), words.join(" "));
    bind(picture, y - GAP)
}

/// A single chart with its title.
fn alone(input: &ReportInput, title: &str, captions: &[String], chart: Picture) -> Picture {
    let captions: Vec<String> = std::iter::once(input.title()).chain(captions.iter().cloned()).collect();
    let (mut picture, top) = sheet(chart.width + 2.0 * MARGIN, title, &captions);
    picture.words = format!("{}: {}", input.title(), chart.words);
    let bottom = top + chart.height;
    picture.place(chart, (MARGIN, top));
    bind(picture, bottom)
}

/// A dot plot.
pub fn dots(input: &ReportInput, plot: &Plot) -> Picture {
    let chart = dots::plot(input.comparison, plot);
    alone(input, plot.title, &[dots::note(input.comparison, plot), dots::caption(input.comparison)], chart)
}
