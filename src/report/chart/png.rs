//! Pictures as PNG in light colours, two pixels per user unit.
//!
//! plotters fills areas of pixels here, and is needed for nothing else. Its lines have no dashes and no smooth edges where they are thick:
//! strokes are painted as areas, three times as fine as the file, and every pixel of the file is the mean of nine. It goes in strips from
//! top to bottom: a tall picture needs no more memory.

use plotters::prelude::{BitMapBackend, DrawingBackend};
use plotters::style::{Color, RGBColor};

use super::font;
use super::ink::Look;
use super::picture::{Anchor, Mark, Picture, Point, Shape};
use super::tokens::{Colour, Dash};

/// Pixels of the file per user unit.
const SCALE: usize = 2;
/// Painted pixels per pixel of the file, in each direction.
const FINE: usize = 3;
/// Rows of the file in a strip.
const STRIP: usize = 240;
/// Painted pixels per user unit.
const UNIT: f64 = (SCALE * FINE) as f64;

/// A picture as a PNG file.
pub fn png(picture: &Picture) -> Vec<u8> {
    let (width, height) = (picture.width.ceil() as usize * SCALE, picture.height.ceil() as usize * SCALE);
    let mut pixels = Vec::with_capacity(width * height * 3);
    for top in (0..height).step_by(STRIP) {
        let rows = STRIP.min(height - top);
        pixels.extend(strip(picture, width, top, rows));
    }
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Default);
    encoder.set_filter(png::FilterType::Up);
    let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(&pixels));
    written.expect("writing to memory does not fail");
    file
}

/// The rows of the file from `top` on.
fn strip(picture: &Picture, width: usize, top: usize, rows: usize) -> Vec<u8> {
    let size = (width * FINE, rows * FINE);
    let mut fine = vec![0; size.0 * size.1 * 3];
    let (red, green, blue) = Colour::Background.light_rgb();
    fine.chunks_exact_mut(3).for_each(|pixel| pixel.copy_from_slice(&[red, green, blue]));
    // Straight on the backend: plotters' drawing areas bend lines that leave them, and a strip is left by many.
    let backend = BitMapBackend::with_buffer(&mut fine, (size.0 as u32, size.1 as u32));
    let mut canvas = Canvas { backend, top: (top * FINE) as f64 };
    let (first, last) = (top as f64 / SCALE as f64, (top + rows) as f64 / SCALE as f64);
    for mark in &picture.marks {
        let extent = mark.extent();
        // Strokes and outlines reach a little beyond their points.
        if extent.1 - 4.0 < last && extent.3 + 4.0 > first {
            canvas.paint(mark);
        }
    }
    canvas.backend.present().expect(IN_MEMORY);
    drop(canvas);
    coarse(&fine, width, rows)
}

/// Every pixel the mean of its square.
fn coarse(fine: &[u8], width: usize, rows: usize) -> Vec<u8> {
    let mut pixels = Vec::with_capacity(width * rows * 3);
    let line = width * FINE * 3;
    for row in 0..rows {
        for column in 0..width {
            for channel in 0..3 {
                let corner = row * FINE * line + column * FINE * 3 + channel;
                let square = (0..FINE).flat_map(|y| (0..FINE).map(move |x| corner + y * line + x * 3));
                let sum: usize = square.map(|at| usize::from(fine[at])).sum();
                pixels.push(((sum + FINE * FINE / 2) / (FINE * FINE)) as u8);
            }
        }
    }
    pixels
}

const IN_MEMORY: &str = "painting in memory does not fail";

struct Canvas<'a> {
    backend: BitMapBackend<'a>,
    /// Painted pixels above this strip.
    top: f64,
}

impl Canvas<'_> {
    fn at(&self, (x, y): Point) -> (i32, i32) {
        ((x * UNIT).round() as i32, (y * UNIT - self.top).round() as i32)
    }

    fn paint(&mut self, mark: &Mark) {
        let look = mark.ink.look();
        match &mark.shape {
            Shape::Path(points) => self.stroke(points, &look),
            Shape::Area(points) => self.area_with_outline(points, &look),
            Shape::Rect(a, b) => self.area_with_outline(&[*a, (b.0, a.1), *b, (a.0, b.1)], &look),
            Shape::Circle(centre, radius) => {
                // The outline is painted half inside the circle, half outside.
                if let Some(outline) = look.stroke {
                    self.disc(*centre, radius + look.width / 2.0, outline, 1.0);
                }
                let inner = radius - if look.stroke.is_some() { look.width / 2.0 } else { 0.0 };
                if let Some(fill) = look.fill {
                    self.disc(*centre, inner, fill, look.opacity);
                }
            }
            Shape::Text { at, anchor, text } => self.letters(*at, *anchor, text, &look),
        }
    }

    fn area_with_outline(&mut self, points: &[Point], look: &Look) {
        if let Some(fill) = look.fill {
            self.polygon(points, fill, look.opacity);
        }
        if look.stroke.is_some() {
            let closed: Vec<Point> = points.iter().chain(points.first()).copied().collect();
            self.stroke(&closed, look);
        }
    }

    fn stroke(&mut self, points: &[Point], look: &Look) {
        let Some(colour) = look.stroke else { return };
        let half = look.width / 2.0;
        for piece in dashed(points, look.dash) {
            for pair in piece.windows(2) {
                self.polygon(&thick(pair[0], pair[1], half), colour, look.opacity);
            }
            // Round where two segments meet; in thin lines nobody sees it.
            if look.width > 1.0 && piece.len() > 2 {
                piece[1..piece.len() - 1].iter().for_each(|joint| self.disc(*joint, half, colour, look.opacity));
            }
        }
    }

    fn polygon(&mut self, points: &[Point], colour: Colour, opacity: f64) {
        let (red, green, blue) = colour.light_rgb();
        let points: Vec<(i32, i32)> = points.iter().map(|point| self.at(*point)).collect();
        self.backend
            .fill_polygon(points, &RGBColor(red, green, blue).mix(opacity).to_backend_color())
            .expect(IN_MEMORY);
    }

    fn disc(&mut self, centre: Point, radius: f64, colour: Colour, opacity: f64) {
        let (red, green, blue) = colour.light_rgb();
        let colour = RGBColor(red, green, blue).mix(opacity).to_backend_color();
        self.backend.draw_circle(self.at(centre), (radius * UNIT).round() as u32, &colour, true).expect(IN_MEMORY);
    }

    /// plotters sets letters without the room at their left, so that some touch; here each has its place from the font.
    fn letters(&mut self, (x, y): Point, anchor: Anchor, text: &str, look: &Look) {
        let x = match anchor {
            Anchor::Start => x,
            Anchor::Middle => x - font::width(text, look.size, look.bold) / 2.0,
            Anchor::End => x - font::width(text, look.size, look.bold),
        };
        if let Some(halo) = look.stroke {
            let reach = look.width / 2.0;
            let diagonal = reach * 0.7;
            let around = [
                (reach, 0.0),
                (diagonal, diagonal),
                (0.0, reach),
                (-diagonal, diagonal),
                (-reach, 0.0),
                (-diagonal, -diagonal),
                (0.0, -reach),
                (diagonal, -diagonal),
            ];
            around.iter().for_each(|(dx, dy)| self.write((x + dx, y + dy), text, look, halo));
        }
        if let Some(fill) = look.fill {
            self.write((x, y), text, look, fill);
        }
    }

    fn write(&mut self, (x, y): Point, text: &str, look: &Look, colour: Colour) {
        let (red, green, blue) = colour.light_rgb();
        let start = (x * UNIT, y * UNIT - self.top);
        for letter in font::outlines(text, start, look.size * UNIT, look.bold) {
            let corner = letter.px_bounds().min;
            letter.draw(|x, y, coverage| {
                let at = (corner.x as i32 + x as i32, corner.y as i32 + y as i32);
                let ink = RGBColor(red, green, blue).mix(f64::from(coverage)).to_backend_color();
                self.backend.draw_pixel(at, ink).expect(IN_MEMORY);
            });
        }
    }
}

/// A segment as a rectangle.
fn thick(from: Point, to: Point, half: f64) -> [Point; 4] {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length = (dx * dx + dy * dy).sqrt().max(1e-9);
    let (nx, ny) = (-dy / length * half, dx / length * half);
    [(from.0 + nx, from.1 + ny), (to.0 + nx, to.1 + ny), (to.0 - nx, to.1 - ny), (from.0 - nx, from.1 - ny)]
}

/// A line cut into its dashes.
fn dashed(points: &[Point], dash: Dash) -> Vec<Vec<Point>> {
    if dash.is_empty() {
        return vec![points.to_vec()];
    }
    let (mut pieces, mut piece): (Vec<Vec<Point>>, Vec<Point>) =
        (Vec::new(), points.first().copied().into_iter().collect());
    let (mut index, mut left) = (0, dash[0]);
    for pair in points.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        let length = ((to.0 - from.0) * (to.0 - from.0) + (to.1 - from.1) * (to.1 - from.1)).sqrt();
        let mut done = 0.0;
        while length - done >= left {
            done += left;
            let share = done / length;
            let point = (from.0 + share * (to.0 - from.0), from.1 + share * (to.1 - from.1));
            if index % 2 == 0 {
                piece.push(point);
                pieces.push(std::mem::take(&mut piece));
            } else {
                piece = vec![point];
            }
            index = (index + 1) % dash.len();
            left = dash[index];
        }
        left -= length - done;
        if index % 2 == 0 {
            piece.push(to);
        }
    }
    pieces.extend(Some(piece).filter(|piece| piece.len() > 1));
    pieces
}

#[cfg(test)]
mod tests {
    use super::super::ink::Role;
    use super::*;

    #[test]
    fn dashes_go_round_corners() {
        let corner = [(0.0, 0.0), (5.0, 0.0), (5.0, 5.0)];
        assert_eq!(dashed(&corner, &[]), [corner.to_vec()]);
        let expected = [
            vec![(0.0, 0.0), (2.0, 0.0)],
            vec![(3.0, 0.0), (5.0, 0.0)],
            vec![(5.0, 1.0), (5.0, 3.0)],
            vec![(5.0, 4.0), (5.0, 5.0)],
        ];
        assert_eq!(dashed(&corner, &[2.0, 1.0]), expected);
        let around = dashed(&corner, &[6.0, 1.0]);
        assert_eq!(around, [vec![(0.0, 0.0), (5.0, 0.0), (5.0, 1.0)], vec![(5.0, 2.0), (5.0, 5.0)]]);
    }

    /// The colour of the pixel at a point of the picture.
    fn pixel(file: &[u8], (x, y): Point) -> (u8, u8, u8) {
        let mut reader = png::Decoder::new(file).read_info().expect("it is a PNG");
        let mut pixels = vec![0; reader.output_buffer_size()];
        let info = reader.next_frame(&mut pixels).expect("it is whole");
        let at = (y as usize * SCALE * info.width as usize + x as usize * SCALE) * 3;
        (pixels[at], pixels[at + 1], pixels[at + 2])
    }

    #[test]
    fn marks_are_where_they_belong_in_every_strip() {
        let mut picture = Picture::new(40.0, 400.0);
        for y in [10.0, 119.0, 121.0, 239.0, 390.0] {
            picture.add(Role::Dot.of(6), Shape::Circle((20.0, y), 4.2));
        }
        picture.add(Role::Fault, Shape::Rect((30.0, 0.0), (40.0, 400.0)));
        let file = png(&picture);
        assert_eq!(pixel(&file, (5.0, 5.0)), (255, 255, 255));
        for y in [10.0, 121.0, 239.0, 390.0] {
            assert_eq!(pixel(&file, (20.0, y)), Colour::Policy(6).light_rgb(), "{y}");
        }
        let (red, green, blue) = pixel(&file, (35.0, 300.0));
        assert!(red > 245 && green > 225 && blue > 215 && blue < 230, "a tint: {red} {green} {blue}");
        assert_eq!(file, png(&picture), "the same bytes every time");
    }
}
