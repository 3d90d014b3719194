//! Charts: pictures of a comparison, as SVG in the page and as SVG and PNG files.
//!
//! A chart turns results into a [`picture::Picture`]; `svg` and `png` paint any picture. To add a chart, write its file and add it to
//! [`charts`].

pub mod axis;
pub mod dots;
mod font;
pub mod forest;
pub mod ink;
pub mod ladder;
pub mod latency;
mod lattice;
pub mod phase;
pub mod picture;
mod png;
pub mod results;
mod series;
pub mod storm;
mod svg;
#[cfg(test)]
pub(super) mod tests;
pub mod tokens;

use self::picture::Picture;
use self::svg::Colours;
use super::ReportInput;

/// How wide a picture is that has too much in it for a panel. It is drawn for both, and the page shows the one that fits: text keeps its
/// size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// Half the page.
    Wide,
    /// A phone.
    Narrow,
}

impl Width {
    /// In user units.
    pub fn units(self) -> f64 {
        match self {
            Width::Wide => 525.0,
            Width::Narrow => 340.0,
        }
    }
}

/// The names of all charts that get files of their own, whether a report has them or not.
pub const NAMES: [&str; 8] = ["storm", "success", "attempts", "duplicates", "latency", "results", "phase", "forest"];

/// Every chart that gets files of its own: its name, one of [`NAMES`], and its picture.
pub fn charts(input: &ReportInput) -> Vec<(&'static str, Picture)> {
    let storm = storm::Storm::new(input);
    let mut charts = vec![("storm", lattice::storm(input, &storm))];
    charts.extend(dots::plots(input.comparison).into_iter().map(|plot| (plot.file, lattice::dots(input, plot))));
    charts.push(("latency", lattice::latency(input)));
    charts.push(("results", lattice::results(input)));
    charts.extend(lattice::phase(input).map(|picture| ("phase", picture)));
    charts.extend(lattice::forest(input).map(|picture| ("forest", picture)));
    charts
}

/// `charts/*.svg` and `charts/*.png`.
pub fn files(input: &ReportInput) -> Vec<(String, Vec<u8>)> {
    let both = |(name, picture): (&str, Picture)| {
        [
            (format!("charts/{name}.svg"), svg::svg(&picture, Colours::Light).into_bytes()),
            (format!("charts/{name}.png"), png::png(&picture)),
        ]
    };
    charts(input).into_iter().flat_map(both).collect()
}

/// How a picture in a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// As text that browsers draw, in light colours.
    Svg,
    /// As pixels.
    Png,
}

/// The delays of policies, which no scenario is needed for, as a file. At least one.
pub fn ladders(ladders: &[ladder::Ladder], ending: Ending) -> Vec<u8> {
    let picture = lattice::ladders(ladders);
    match ending {
        Ending::Svg => svg::svg(&picture, Colours::Light).into_bytes(),
        Ending::Png => png::png(&picture),
    }
}

/// A picture as an element of the page.
pub fn element(picture: &Picture) -> String {
    svg::svg(picture, Colours::Classes)
}
