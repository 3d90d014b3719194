//! A chart as it stands alone in a file: with a title, what the page says around it, and its panels side by side.

use super::font;
use super::ink::{Role, TEXT};
use super::picture::{Anchor, Picture, Point, Shape};
use super::{Chart, Key, Panel};

/// Around the picture.
const MARGIN: f64 = 20.0;
/// Between panels.
const GAP: f64 = 30.0;
/// Most panels in a row.
const COLUMNS: usize = 3;
const LINE: f64 = 16.0;
/// Size of a title.
const TITLE: f64 = 14.0;
/// Above a panel: its name.
const HEAD: f64 = 26.0;
/// From a line of the legend to its text.
const KEY_LINE: f64 = 34.0;
/// From a square of the legend to its text.
const KEY_SQUARE: f64 = 17.0;
/// Between entries of the legend.
const KEY_GAP: f64 = 18.0;

/// The whole file. What the chart is about, if anything, stands under its title.
pub fn sheet(about: &str, chart: Chart) -> Picture {
    let panels: Vec<Panel> = chart.panels.into_iter().filter(|panel| !panel.aside).collect();
    let panel_width = panels[0].picture.width;
    let columns = COLUMNS.min(panels.len());
    let mut picture = Picture::new(2.0 * MARGIN + columns as f64 * panel_width + (columns - 1) as f64 * GAP, 0.0);
    let captions = [about, &chart.note, &chart.caption];
    let mut y = titles(&mut picture, &chart.title, &captions);
    y = legend(&mut picture, &chart.legend, y) + 8.0;

    let words: Vec<&str> = panels.iter().map(|panel| panel.picture.words.as_str()).collect();
    picture.words = format!("{}. {}", if about.is_empty() { &chart.title } else { about }, words.join(" "));
    for row in panels.chunks(columns) {
        let mut bottom = y;
        for (column, panel) in row.iter().enumerate() {
            let x = MARGIN + column as f64 * (panel_width + GAP);
            bottom = f64::max(bottom, place(&mut picture, panel, (x, y)));
        }
        y = bottom + GAP;
    }
    // Paper behind everything.
    picture.height = (y - GAP + MARGIN).ceil();
    picture.add(Role::Paper, Shape::Rect((0.0, 0.0), (picture.width, picture.height)));
    picture.marks.rotate_right(1);
    picture
}

/// The title and lines of text; tells where the chart begins.
fn titles(picture: &mut Picture, title: &str, captions: &[&str]) -> f64 {
    let room = picture.width - 2.0 * MARGIN;
    let mut y = MARGIN - 4.0;
    for line in font::wrap(title, room, TITLE, true) {
        y += LINE;
        picture.text(Role::Heading, (MARGIN, y), Anchor::Start, font::shorten(&line, room, TITLE, true));
    }
    for line in captions.iter().filter(|c| !c.is_empty()).flat_map(|caption| font::wrap(caption, room, TEXT, false)) {
        y += LINE + 1.0;
        picture.text(Role::Caption, (MARGIN, y), Anchor::Start, font::shorten(&line, room, TEXT, false));
    }
    y + LINE
}

/// The legend, each group on lines of its own; tells where it ends.
fn legend(picture: &mut Picture, groups: &[(&str, Vec<Key>)], top: f64) -> f64 {
    let right = picture.width - MARGIN;
    let mut y = top - 4.0;
    for (heading, keys) in groups {
        let mut x = MARGIN;
        y += LINE + 2.0;
        if !heading.is_empty() {
            picture.text(Role::Caption, (x, y), Anchor::Start, *heading);
            x += font::width(heading, TEXT, false) + KEY_GAP;
        }
        for key in keys {
            let indent = if key.area { KEY_SQUARE } else { KEY_LINE };
            let text = font::shorten(&key.text, right - MARGIN - indent, TEXT, false);
            let width = indent + font::width(&text, TEXT, false);
            if x > MARGIN && x + width > right {
                (x, y) = (MARGIN, y + LINE + 2.0);
            }
            if key.area {
                picture.add(key.role, Shape::Rect((x, y - 10.0), (x + 12.0, y + 2.0)));
            } else {
                picture.line(key.role, (x, y - 4.0), (x + 26.0, y - 4.0));
            }
            picture.text(Role::Caption, (x + indent, y), Anchor::Start, text);
            x += width + KEY_GAP;
        }
    }
    if groups.is_empty() { top } else { y + 8.0 }
}

/// A panel under its head and above its words; tells where it ends.
fn place(picture: &mut Picture, panel: &Panel, (x, top): Point) -> f64 {
    let width = panel.picture.width;
    let mut y = top;
    if !panel.name.is_empty() {
        y += HEAD;
        head(picture, panel, (x, top + 12.0), width);
    }
    picture.place(panel.picture.clone(), (x, y));
    y += panel.picture.height;
    if panel.words.is_empty() {
        return y;
    }
    let lines = font::wrap(&panel.words, width, TEXT, false);
    for line in lines {
        y += LINE;
        picture.text(Role::Caption, (x, y - LINE * 0.25), Anchor::Start, line);
    }
    y
}

/// A policy's line, the panel's name, and what stands at the right.
fn head(picture: &mut Picture, panel: &Panel, (x, y): Point, width: f64) {
    let mut left = x;
    if let Some(slot) = panel.slot {
        picture.line(Role::Key.of(slot), (x, y - 4.5), (x + 26.0, y - 4.5));
        left += KEY_LINE;
    }
    // A name is cut only where the whole panel has no room for it.
    let room = x + width - left;
    let beside = font::width(&panel.name, TITLE, true) + 8.0 + font::width(&panel.right, TEXT, false) <= room;
    picture.text(Role::Heading, (left, y), Anchor::Start, font::shorten(&panel.name, room, TITLE, true));
    let below = if beside { y } else { y + LINE - 1.0 };
    picture.text(Role::Caption, (x + width, below), Anchor::End, panel.right.clone());
}
