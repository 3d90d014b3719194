//! Charts as they stand alone in a file: with a title, what the page says around them, and the panels side by side.

use super::dots::{self, Plot};
use super::font;
use super::ink::{Role, TEXT};
use super::picture::{Anchor, Picture, Point, Shape};
use super::storm::{self, Storm};
use crate::report::ReportInput;
use crate::report::name::harmless;
use crate::report::number::Notation;
use crate::report::recovery::recovered;

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
    let (panel_width, panel_height) = (panels[0].width, panels[0].height);
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
        for (column, lines) in row.iter().enumerate() {
            let (policy, panel) = panels.next().expect("there is a panel for each policy");
            let x = MARGIN + column as f64 * (panel_width + GAP);
            head(&mut picture, input, policy, (x, y + 12.0), panel_width);
            picture.words.push_str(&format!("{} ", panel.words));
            picture.place(panel, (x, y + HEAD));
            for (index, line) in lines.iter().enumerate() {
                let at = (x, y + HEAD + panel_height + LINE * (index as f64 + 0.75));
                picture.text(Role::Caption, at, Anchor::Start, line.clone());
            }
        }
        let longest = row.iter().map(Vec::len).max().unwrap_or(0);
        y += HEAD + panel_height + LINE * longest as f64 + GAP;
    }
    picture.words = format!("{title}. {}", picture.words.trim_end());
    bind(picture, y - GAP)
}

/// A policy's line and name, and how much of it succeeded.
fn head(picture: &mut Picture, input: &ReportInput, policy: usize, (x, y): Point, width: f64) {
    let result = &input.comparison.policies[policy];
    picture.line(Role::Key.of(result.slot), (x, y - 4.5), (x + 26.0, y - 4.5));
    let rate = result.mean("success_rate").map(|rate| format!("{} succeeded", Notation::PAGE.percent(rate)));
    let rate = rate.unwrap_or_default();
    let room = width - 34.0 - font::width(&rate, TEXT, false) - 8.0;
    let name = font::shorten(&harmless(&result.name), room, TITLE, true);
    picture.text(Role::Heading, (x + 34.0, y), Anchor::Start, name);
    picture.text(Role::Caption, (x + width, y), Anchor::End, rate);
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

/// A dot plot.
pub fn dots(input: &ReportInput, plot: &Plot) -> Picture {
    let chart = dots::plot(input.comparison, plot);
    let captions = [input.title(), dots::note(input.comparison, plot), dots::caption(input.comparison)];
    let (mut picture, top) = sheet(chart.width + 2.0 * MARGIN, plot.title, &captions);
    picture.words = format!("{}: {}", input.title(), chart.words);
    let bottom = top + chart.height;
    picture.place(chart, (MARGIN, top));
    bind(picture, bottom)
}
