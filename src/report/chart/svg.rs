//! Pictures as SVG, in the page with classes and in files with colours.
//!
//! plotters' coordinates are whole numbers, its colours numbers, and it knows neither classes nor dashes. So it draws ten times as large,
//! in colours that stand for inks, and what it wrote is read again: coordinates are divided by ten, colours become what the ink says.

use plotters::prelude::{DrawingBackend, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, IntoFont, RGBColor, TextStyle};

use super::ink::Ink;
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

/// plotters' pixels per user unit.
const FINE: f64 = 10.0;

/// A picture as an SVG element; as a whole file with [`Colours::Light`].
pub fn svg(picture: &Picture, colours: Colours) -> String {
    let mut drawn = String::new();
    let size = ((picture.width * FINE) as u32, (picture.height * FINE) as u32);
    let mut backend = SVGBackend::with_string(&mut drawn, size);
    for mark in &picture.marks {
        draw(&mut backend, mark);
    }
    backend.present().expect("writing to memory does not fail");
    drop(backend);

    let (width, height) = (picture.width, picture.height);
    let frame = match colours {
        Colours::Classes => String::new(),
        Colours::Light => format!(
            " xmlns=\"http://www.w3.org/2000/svg\" font-size=\"{}\" font-family=\"{FAMILIES}\"",
            super::ink::TEXT
        ),
    };
    let mut svg = format!(
        "<svg{frame} viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\" aria-label=\"{}\">",
        escape(&picture.words)
    );
    let mut lines = drawn.lines().skip(1);
    while let Some(line) = lines.next() {
        if let Some(element) = Element::parse(line) {
            let content = if element.name == "text" { lines.next() } else { None };
            element.write(content, colours, &mut svg);
        }
    }
    svg.push_str("</svg>");
    if colours == Colours::Light {
        svg.push('\n');
    }
    svg
}

/// The reader's own font, as the page uses it.
const FAMILIES: &str = "system-ui, -apple-system, Segoe UI, Roboto, Helvetica Neue, Arial, sans-serif";

/// Straight on the backend: plotters' drawing areas bend lines that leave them.
fn draw(backend: &mut SVGBackend, mark: &Mark) {
    let (red, green, blue) = mark.ink.sentinel();
    let colour = RGBColor(red, green, blue).to_backend_color();
    let at = |(x, y): Point| ((x * FINE).round() as i32, (y * FINE).round() as i32);
    let drawn = match &mark.shape {
        Shape::Path(points) => backend.draw_path(straight(points.iter().map(|p| at(*p))), &colour),
        Shape::Area(points) => backend.fill_polygon(straight(points.iter().map(|p| at(*p))), &colour),
        Shape::Rect(a, b) => backend.draw_rect(at(*a), at(*b), &colour, true),
        Shape::Circle(centre, radius) => {
            backend.draw_circle(at(*centre), (radius * FINE).round() as u32, &colour, true)
        }
        Shape::Text { at: point, anchor, text } => {
            let held = match anchor {
                Anchor::Start => HPos::Left,
                Anchor::Middle => HPos::Center,
                Anchor::End => HPos::Right,
            };
            let pos = Pos::new(held, VPos::Top);
            // The family and the size are the reader's.
            let style = TextStyle { font: ("sans-serif", super::ink::TEXT).into_font(), color: colour, pos };
            backend.draw_text(text, &style, at(*point))
        }
    };
    drawn.expect("writing to memory does not fail");
}

/// Without points that lie on a level or upright line between their neighbours, or twice.
fn straight(points: impl Iterator<Item = (i32, i32)>) -> Vec<(i32, i32)> {
    let mut kept: Vec<(i32, i32)> = Vec::new();
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

/// An element as plotters wrote it.
struct Element<'a> {
    name: &'a str,
    attributes: Vec<(&'a str, &'a str)>,
}

impl<'a> Element<'a> {
    fn parse(line: &'a str) -> Option<Element<'a>> {
        let line = line.strip_prefix('<').filter(|rest| !rest.starts_with('/'))?;
        let (name, mut rest) = line.split_once(' ')?;
        let mut attributes = Vec::new();
        while let Some((key, after)) = rest.split_once("=\"") {
            let (value, after) = after.split_once('"')?;
            attributes.push((key.trim(), value));
            rest = after;
        }
        Some(Element { name, attributes })
    }

    fn get(&self, key: &str) -> Option<&'a str> {
        self.attributes.iter().find(|(own, _)| *own == key).map(|(_, value)| *value)
    }

    /// The ink that its colour stands for.
    fn ink(&self) -> Ink {
        ["stroke", "fill"]
            .into_iter()
            .filter_map(|key| self.get(key))
            .find_map(Ink::from_sentinel)
            .expect("every mark is drawn in an ink")
    }

    fn write(&self, content: Option<&str>, colours: Colours, out: &mut String) {
        let ink = self.ink();
        out.push('<');
        out.push_str(self.name);
        for (key, value) in &self.attributes {
            match *key {
                "x" | "y" | "cx" | "cy" | "r" | "width" | "height" => {
                    out.push_str(&format!(" {key}=\"{}\"", user_units(value)));
                }
                "points" => {
                    let points: Vec<String> = value
                        .split_whitespace()
                        .map(|pair| pair.split(',').map(user_units).collect::<Vec<_>>().join(","))
                        .collect();
                    out.push_str(&format!(" points=\"{}\"", points.join(" ")));
                }
                "text-anchor" if *value != "start" => out.push_str(&format!(" text-anchor=\"{value}\"")),
                _ => {}
            }
        }
        match colours {
            Colours::Classes => out.push_str(&format!(" class=\"{}\"", ink.classes())),
            Colours::Light => out.push_str(&format!(" {}", ink.attributes(content.is_some()))),
        }
        match content {
            Some(text) => out.push_str(&format!(">{text}</text>")),
            None => out.push_str("/>"),
        }
        if colours == Colours::Light {
            out.push('\n');
        }
    }
}

/// A coordinate of plotters, divided by ten.
fn user_units(text: &str) -> String {
    let tenths: i64 = text.parse().expect("plotters writes whole numbers");
    let (sign, whole, rest) = (if tenths < 0 { "-" } else { "" }, tenths.abs() / 10, tenths.abs() % 10);
    if rest == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{rest}") }
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
