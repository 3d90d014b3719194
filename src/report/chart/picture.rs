//! A picture as a list of marks in user units, back to front. Charts make it, and every painter paints all of it.

use super::font;
use super::ink::Ink;

/// A place in a picture, from its upper left corner.
pub type Point = (f64, f64);

/// Where a text is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// At its left end.
    Start,
    /// In its middle.
    Middle,
    /// At its right end.
    End,
}

/// The form of a mark.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// Straight lines from point to point.
    Path(Vec<Point>),
    /// What straight lines enclose.
    Area(Vec<Point>),
    /// Two opposite corners.
    Rect(Point, Point),
    /// Centre and radius.
    Circle(Point, f64),
    /// On a baseline.
    Text {
        /// Left end, middle or right end of the baseline.
        at: Point,
        /// Which of these.
        anchor: Anchor,
        /// One line.
        text: String,
    },
}

/// A form with its ink.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// The form.
    pub shape: Shape,
    /// What it is for, and whose.
    pub ink: Ink,
}

/// A rectangle: left, top, right, bottom.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Extent(pub f64, pub f64, pub f64, pub f64);

impl Extent {
    /// True if the two share more than an edge.
    pub fn overlaps(self, other: Extent) -> bool {
        self.0 < other.2 && other.0 < self.2 && self.1 < other.3 && other.1 < self.3
    }
}

/// A picture.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Picture {
    /// In user units.
    pub width: f64,
    /// In user units.
    pub height: f64,
    /// What it shows, values included, in words, for who cannot see it.
    pub words: String,
    /// Back to front.
    pub marks: Vec<Mark>,
}

impl Picture {
    /// An empty one.
    pub fn new(width: f64, height: f64) -> Picture {
        Picture { width, height, ..Picture::default() }
    }

    /// Adds a mark in front. Lines and areas without extent are left out.
    pub fn add(&mut self, ink: impl Into<Ink>, shape: Shape) {
        let empty = match &shape {
            Shape::Path(points) => points.len() < 2,
            Shape::Area(points) => points.len() < 3,
            Shape::Rect(a, b) => a.0 == b.0 || a.1 == b.1,
            Shape::Circle(..) => false,
            Shape::Text { text, .. } => text.is_empty(),
        };
        if !empty {
            self.marks.push(Mark { shape, ink: ink.into() });
        }
    }

    /// Adds a straight line.
    pub fn line(&mut self, ink: impl Into<Ink>, from: Point, to: Point) {
        self.add(ink, Shape::Path(vec![from, to]));
    }

    /// Adds text.
    pub fn text(&mut self, ink: impl Into<Ink>, at: Point, anchor: Anchor, text: impl Into<String>) {
        self.add(ink, Shape::Text { at, anchor, text: text.into() });
    }

    /// Adds all marks of `other`, its upper left corner at `at`.
    pub fn place(&mut self, other: Picture, at: Point) {
        let moved = |(x, y): Point| (x + at.0, y + at.1);
        self.marks.extend(other.marks.into_iter().map(|mark| {
            let shape = match mark.shape {
                Shape::Path(points) => Shape::Path(points.into_iter().map(moved).collect()),
                Shape::Area(points) => Shape::Area(points.into_iter().map(moved).collect()),
                Shape::Rect(a, b) => Shape::Rect(moved(a), moved(b)),
                Shape::Circle(centre, radius) => Shape::Circle(moved(centre), radius),
                Shape::Text { at, anchor, text } => Shape::Text { at: moved(at), anchor, text },
            };
            Mark { shape, ..mark }
        }));
    }
}

impl Mark {
    /// What the mark covers, by its points, and by the letters of the widest font.
    pub fn extent(&self) -> Extent {
        let of = |points: &[Point]| {
            points.iter().fold(
                Extent(f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY),
                |Extent(l, t, r, b), (x, y)| Extent(l.min(*x), t.min(*y), r.max(*x), b.max(*y)),
            )
        };
        match &self.shape {
            Shape::Path(points) | Shape::Area(points) => of(points),
            Shape::Rect(a, b) => of(&[*a, *b]),
            Shape::Circle((x, y), radius) => Extent(x - radius, y - radius, x + radius, y + radius),
            Shape::Text { at: (x, y), anchor, text } => {
                let look = self.ink.look();
                text_extent((*x, *y), *anchor, text, look.size, look.bold)
            }
        }
    }
}

/// What a line of text covers: capitals and descenders.
pub fn text_extent((x, y): Point, anchor: Anchor, text: &str, size: f64, bold: bool) -> Extent {
    let width = font::width(text, size, bold);
    let left = match anchor {
        Anchor::Start => x,
        Anchor::Middle => x - width / 2.0,
        Anchor::End => x - width,
    };
    Extent(left, y - 0.76 * size, left + width, y + 0.24 * size)
}
