//! Charts: pictures of a comparison, as SVG in the page and as SVG and PNG files.
//!
//! A chart turns results into a [`Chart`]: panels, with what is said around them and the numbers behind them. The files and the page go
//! through the list of charts and know nothing about any of them; `svg` and `png` paint any picture.

pub mod axis;
pub mod dots;
mod font;
pub mod forest;
pub mod ink;
pub mod ladder;
pub mod lanes;
pub mod latency;
mod lattice;
pub mod parts;
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

use self::ink::Role;
use self::picture::Picture;
use self::svg::Colours;
use super::ReportInput;

/// A chart of a comparison.
#[derive(Clone, Debug, Default)]
pub struct Chart {
    /// What is drawn.
    pub title: String,
    /// What is special about it, in sentences.
    pub note: String,
    /// What its marks mean, in sentences. Charts that stand beside each other have it in common.
    pub caption: String,
    /// What its colours mean, by what they have in common; that may be nothing.
    pub legend: Vec<(&'static str, Vec<Key>)>,
    /// None where the note says all there is.
    pub panels: Vec<Panel>,
    /// Numbers that cannot be read off the picture: they stand open below it.
    pub numbers: Option<Table>,
    /// The numbers behind it.
    pub tables: Vec<Table>,
    /// Its lines as numbers in JSON, for a cross-hair; empty if it has none.
    pub readings: String,
}

/// A picture of a chart, and what stands around it.
#[derive(Clone, Debug, Default)]
pub struct Panel {
    /// Whose it is, as a place in the file.
    pub slot: Option<usize>,
    /// Above it; empty if the chart's title says all.
    pub name: String,
    /// Beside that.
    pub right: String,
    /// The picture.
    pub picture: Picture,
    /// The same for a phone, if it has too much in it to be that narrow: text keeps its size.
    pub narrow: Option<Picture>,
    /// Below it: what happened.
    pub words: String,
    /// In the page it waits to be asked for, and files do without it.
    pub aside: bool,
}

/// A colour of a legend.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// What is drawn.
    pub role: Role,
    /// True for an area, false for a line.
    pub area: bool,
    /// What it means.
    pub text: String,
}

/// Numbers behind a chart: a row for each policy.
#[derive(Clone, Debug)]
pub struct Table {
    /// What they are.
    pub title: String,
    /// Over the columns.
    pub heads: Vec<String>,
    /// In the order of the comparison.
    pub rows: Vec<Vec<String>>,
}

/// How wide a picture is that has too much in it for a panel.
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

/// A line of the list of charts.
#[derive(Clone, Copy)]
pub struct Listed {
    /// Stem of its files; by it the page finds its heading.
    pub name: &'static str,
    /// True if it stands in one section of the page with the chart before it.
    pub beside: bool,
    /// Makes it, where these results have anything to show in it.
    pub chart: fn(&ReportInput) -> Option<Chart>,
}

const fn listed(name: &'static str, chart: fn(&ReportInput) -> Option<Chart>) -> Listed {
    Listed { name, beside: false, chart }
}

const fn beside(name: &'static str, chart: fn(&ReportInput) -> Option<Chart>) -> Listed {
    Listed { name, beside: true, chart }
}

/// Every chart, in the order of the page.
pub const CHARTS: [Listed; 12] = [
    listed("storm", storm::chart),
    listed("success", |input| dots::chart(input, &dots::SUCCESS)),
    beside("attempts", |input| dots::chart(input, &dots::ATTEMPTS)),
    beside("duplicates", |input| dots::chart(input, &dots::DUPLICATES)),
    listed("incident", lanes::chart),
    listed("servers", parts::servers),
    listed("steps", parts::steps),
    listed("members", parts::members),
    listed("latency", latency::chart),
    beside("results", results::chart),
    listed("phase", phase::chart),
    listed("forest", forest::chart),
];

/// `charts/*.svg` and `charts/*.png`.
pub fn files(input: &ReportInput) -> Vec<(String, Vec<u8>)> {
    let both = |listed: &Listed| {
        let chart = (listed.chart)(input).filter(|chart| !chart.panels.is_empty())?;
        let picture = lattice::sheet(&input.title(), chart);
        Some([
            (format!("charts/{}.svg", listed.name), svg::svg(&picture, Colours::Light).into_bytes()),
            (format!("charts/{}.png", listed.name), png::png(&picture)),
        ])
    };
    CHARTS.iter().filter_map(both).flatten().collect()
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
    let picture = lattice::sheet("", ladder::chart(ladders));
    match ending {
        Ending::Svg => svg::svg(&picture, Colours::Light).into_bytes(),
        Ending::Png => png::png(&picture),
    }
}

/// A picture as an element of the page.
pub fn element(picture: &Picture) -> String {
    svg::svg(picture, Colours::Classes)
}
