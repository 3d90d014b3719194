//! Pictures as SVG, in the page with classes and in files with colours.

use super::ink::TEXT;
use super::picture::{Anchor, Mark, Picture, Point, Shape};
use crate::report::escape::escape;

/// How an SVG gets its colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colours {
    /// By classes, from the page's style.
    Classes,
    /// Light ones, written into the file.
    Light,
}

/// The reader's own font, as the page uses it.
const FAMILIES: &str = "system-ui, -apple-system, Segoe UI, Roboto, Helvetica Neue, Arial, sans-serif";

/// A picture as an SVG element; as a whole file with [`Colours::Light`].
pub fn svg(picture: &Picture, colours: Colours) -> String {
    let (width, height) = (picture.width, picture.height);
    let (frame, between) = match colours {
        Colours::Classes => (String::new(), ""),
        Colours::Light => {
            (format!(" xmlns=\"http://www.w3.org/2000/svg\" font-size=\"{TEXT}\" font-family=\"{FAMILIES}\""), "\n")
        }
    };
    let mut svg = format!(
        "<svg{frame} viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\" aria-label=\"{}\">",
        escape(&picture.words)
    );
    for mark in &picture.marks {
        svg.push_str(&element(mark, colours));
        svg.push_str(between);
    }
    svg + "</svg>" + between
}

fn element(mark: &Mark, colours: Colours) -> String {
    let is_text = matches!(mark.shape, Shape::Text { .. });
    let look = match colours {
        Colours::Classes => format!("class=\"{}\"", mark.ink.classes()),
        Colours::Light => mark.ink.attributes(is_text),
    };
    match &mark.shape {
        Shape::Path(line) => format!("<polyline points=\"{}\" {look}/>", points(line)),
        Shape::Area(edge) => format!("<polygon points=\"{}\" {look}/>", points(edge)),
        Shape::Rect(a, b) => {
            let ((left, top), (right, bottom)) = (at(*a), at(*b));
            let [x, y, width, height] = [left, top, right - left, bottom - top].map(written);
            format!("<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" {look}/>")
        }
        Shape::Circle((x, y), radius) => {
            let [x, y, radius] = [*x, *y, *radius].map(tenths).map(written);
            format!("<circle cx=\"{x}\" cy=\"{y}\" r=\"{radius}\" {look}/>")
        }
        Shape::Text { at: (x, y), anchor, text } => {
            let [x, y] = [*x, *y].map(tenths).map(written);
            let anchor = match anchor {
                Anchor::Start => "",
                Anchor::Middle => " text-anchor=\"middle\"",
                Anchor::End => " text-anchor=\"end\"",
            };
            format!("<text x=\"{x}\" y=\"{y}\"{anchor} {look}>{}</text>", escape(text))
        }
    }
}

fn points(points: &[Point]) -> String {
    let points = straight(points.iter().copied().map(at));
    points.into_iter().map(|(x, y)| format!("{},{}", written(x), written(y))).collect::<Vec<_>>().join(" ")
}

/// In tenths of a user unit: finer than any eye, and short.
fn at((x, y): Point) -> (i64, i64) {
    (tenths(x), tenths(y))
}

fn tenths(value: f64) -> i64 {
    (value * 10.0).round() as i64
}

/// Tenths as user units.
fn written(tenths: i64) -> String {
    (tenths as f64 / 10.0).to_string()
}

/// Without points that lie on a level or upright line between their neighbours, or twice.
fn straight(points: impl Iterator<Item = (i64, i64)>) -> Vec<(i64, i64)> {
    let mut kept: Vec<(i64, i64)> = Vec::new();
    for point in points {
        if let [.., before, last] = kept[..] {
            let level =
                before.1 == last.1 && last.1 == point.1 && (last.0 - before.0).signum() == (point.0 - last.0).signum();
            let upright =
                before.0 == last.0 && last.0 == point.0 && (last.1 - before.1).signum() == (point.1 - last.1).signum();
            if level || upright {
                kept.pop();
            }
        }
        if kept.last() != Some(&point) {
            kept.push(point);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::super::ink::Role;
    use super::*;

    #[test]
    fn marks_come_out_in_user_units_with_their_class() {
        let mut picture = Picture { words: "a \"b\" <c>".to_owned(), ..Picture::new(34.0, 24.5) };
        picture.line(Role::Demand, (-1.04, 2.0), (3.26, 4.0));
        picture.add(Role::Band.of(3), Shape::Area(vec![(0.0, 0.0), (1.0, 0.0), (1.0, 1.0)]));
        picture.add(Role::Dot.of(1), Shape::Circle((5.0, 6.0), 4.2));
        picture.add(Role::Fault, Shape::Rect((1.0, 2.0), (3.0, 5.0)));
        picture.text(Role::Note, (1.5, 9.0), Anchor::End, "<script> & co");
        let expected = "<svg viewBox=\"0 0 34 24.5\" width=\"34\" height=\"24.5\" role=\"img\" aria-label=\"a &quot;b&quot; &lt;c&gt;\">\
            <polyline points=\"-1,2 3.3,4\" class=\"dem\"/>\
            <polygon points=\"0,0 1,0 1,1\" class=\"band f3 k3\"/>\
            <circle cx=\"5\" cy=\"6\" r=\"4.2\" class=\"dot f1 k1\"/>\
            <rect x=\"1\" y=\"2\" width=\"2\" height=\"3\" class=\"fault\"/>\
            <text x=\"1.5\" y=\"9\" text-anchor=\"end\" class=\"note\">&lt;script&gt; &amp; co</text></svg>";
        assert_eq!(svg(&picture, Colours::Classes), expected);
    }

    #[test]
    fn files_have_light_colours_and_dashes() {
        let mut picture = Picture::new(10.0, 10.0);
        picture.line(Role::Key.of(2), (0.0, 1.0), (9.0, 1.0));
        picture.text(Role::Heading, (0.0, 9.0), Anchor::Start, "name");
        let svg = svg(&picture, Colours::Light);
        for part in [
            "xmlns=\"http://www.w3.org/2000/svg\"",
            "stroke=\"#b57a00\"",
            "stroke-dasharray=\"7 3\"",
            "font-weight=\"bold\"",
        ] {
            assert!(svg.contains(part), "{part} in {svg}");
        }
        assert!(!svg.contains("class="), "{svg}");
    }

    #[test]
    fn points_on_a_straight_line_are_left_out() {
        assert_eq!(
            straight([(0, 0), (1, 0), (1, 0), (2, 0), (2, 5), (2, 9), (2, 3)].into_iter()),
            [(0, 0), (2, 0), (2, 9), (2, 3)]
        );
    }
}
