//! Where in a panel there is room for words.

use crate::report::chart::ink::{Role, TEXT};
use crate::report::chart::picture::{Anchor, Extent, Mark, Picture, Point, Shape, text_extent};

/// What is in the way of words.
#[derive(Debug, Default)]
pub struct Obstacles {
    /// Never to be covered: other words, lines and marks that matter.
    pub firm: Vec<Extent>,
    /// Rather not to be covered.
    band: Vec<Extent>,
    /// Nor these, the lines of other policies.
    context: Vec<Extent>,
}

/// A line is taken in pieces no longer than this, so that their rectangles are about where it is.
const PIECE: f64 = 4.0;

impl Obstacles {
    /// What a picture has so far.
    pub fn of(picture: &Picture) -> Obstacles {
        let mut obstacles = Obstacles::default();
        for mark in &picture.marks {
            match (&mark.shape, mark.ink.role) {
                (Shape::Path(points), Role::Context) => obstacles.context.extend(pieces(points)),
                (Shape::Area(points), Role::Band) => obstacles.band.extend(columns(points)),
                (Shape::Path(points), Role::Mean | Role::Demand | Role::Capacity | Role::Peak | Role::Leader) => {
                    obstacles.firm.extend(pieces(points));
                }
                (Shape::Area(_), Role::Beyond) | (Shape::Circle(..) | Shape::Text { .. }, _) => {
                    obstacles.firm.push(mark.extent());
                }
                _ => {}
            }
        }
        obstacles
    }
}

/// What each piece of a line covers, half a unit on both sides.
fn pieces(points: &[Point]) -> Vec<Extent> {
    let mut pieces = Vec::new();
    for step in points.windows(2) {
        let ((ax, ay), (bx, by)) = (step[0], step[1]);
        let count = ((bx - ax).abs().max((by - ay).abs()) / PIECE).ceil().max(1.0);
        let at = |share: f64| (ax + (bx - ax) * share, ay + (by - ay) * share);
        for i in 0..count as usize {
            let ((ax, ay), (bx, by)) = (at(i as f64 / count), at((i + 1) as f64 / count));
            pieces.push(Extent(ax.min(bx) - 0.5, ay.min(by) - 0.5, ax.max(bx) + 0.5, ay.max(by) + 0.5));
        }
    }
    pieces
}

/// What a band covers: its upper line forth, its lower line back.
fn columns(points: &[Point]) -> Vec<Extent> {
    let half = points.len() / 2;
    let column = |i: usize| {
        let corners = [points[i], points[i + 1], points[points.len() - 2 - i], points[points.len() - 1 - i]];
        Mark { shape: Shape::Area(corners.to_vec()), ink: Role::Band.into() }.extent()
    };
    (0..half.saturating_sub(1)).map(column).collect()
}

/// What it is worth, in the unit of the costs, that words do not cover a band, or lines of other policies.
const BAND: f64 = 2_500.0;
const CONTEXT: f64 = 900.0;

/// The cheapest of `places` (middles of baselines, with costs) within `room` where words cover nothing that matters; none where there is no room.
pub fn clear_place(obstacles: &Obstacles, places: &[(Point, f64)], text: &str, room: (Point, Point)) -> Option<Point> {
    let ((left, top), (right, bottom)) = room;
    // Once: letters take long to measure.
    let Extent(west, north, east, south) = text_extent((0.0, 0.0), Anchor::Middle, text, TEXT, false);
    let look = |((x, y), cost): &(Point, f64)| {
        let own = Extent(x + west, y + north, x + east, y + south);
        let inside = own.0 >= left && own.1 >= top && own.2 <= right && own.3 <= bottom;
        if !inside || covered(own, &obstacles.firm) {
            return None;
        }
        let band = if covered(own, &obstacles.band) { BAND } else { 0.0 };
        let context = if covered(own, &obstacles.context) { CONTEXT } else { 0.0 };
        Some(((*x, *y), cost + band + context))
    };
    places.iter().filter_map(look).min_by(|(_, a), (_, b)| a.total_cmp(b)).map(|(place, _)| place)
}

/// True if any of `others` is covered.
pub fn covered(own: Extent, others: &[Extent]) -> bool {
    others.iter().any(|other| other.overlaps(own))
}
