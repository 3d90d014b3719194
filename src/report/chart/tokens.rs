//! Colours and dashes, once for the page, the SVG files and the PNG files.
//!
//! Policies have the colours of Okabe and Ito ("Color Universal Design", 2008) in their order after the baseline's grey; orange, green,
//! purple and sky are darkened on white until lines reach a contrast of 3:1, and violet is added as the ninth. Yellow is left out.

/// A colour of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// Behind everything.
    Background,
    /// Text and what matters.
    Foreground,
    /// Text that explains.
    Muted,
    /// Rules between rows.
    Line,
    /// Lines of a plot's grid.
    Grid,
    /// A plot's axis.
    Axis,
    /// Other policies behind the one shown.
    Context,
    /// Behind code.
    Soft,
    /// Behind the best values.
    Best,
    /// Links.
    Link,
    /// The time of a fault.
    Fault,
    /// A fault's name.
    FaultText,
    /// Something met.
    Good,
    /// Something not met.
    Bad,
    /// The goodput of any policy, in a legend.
    Goodput,
    /// Operations that succeeded at attempt 1, 2, 3, 4, 5 or later: 0 to 4.
    Tried(usize),
    /// Operations that failed: without an attempt, after one, after retries: 0 to 2.
    Failed(usize),
    /// Text on a light area of either kind.
    OnLight,
    /// Text on a dark one.
    OnDark,
    /// The policy in this place of the file.
    Policy(usize),
}

/// Name of the CSS variable, on white, on black.
type Token = (&'static str, Rgb, Rgb);
type Rgb = u32;

/// The policies' colours before they repeat.
pub const POLICY_COLOURS: usize = 9;

const POLICIES: [Token; POLICY_COLOURS] = [
    ("p0", 0x6b7280, 0x9aa3ae),
    ("p1", 0x0072b2, 0x4ba3dd),
    ("p2", 0xb57a00, 0xe69f00),
    ("p3", 0x00835f, 0x2fc29a),
    ("p4", 0xb35a8f, 0xdd94bd),
    ("p5", 0x2b8fce, 0x7cc6f2),
    ("p6", 0xd55e00, 0xf5813a),
    ("p7", 0x16191d, 0xe7e9ec),
    ("p8", 0x5b4bb0, 0xa497f0),
];

/// From light to dark.
const TRIED: [Token; 5] = [
    ("q0", 0xcfe3ef, 0xd7ebf7),
    ("q1", 0x9cc6df, 0x9cc9e6),
    ("q2", 0x5d9fc8, 0x5fa3cc),
    ("q3", 0x2b76a8, 0x33779f),
    ("q4", 0x0b4f7d, 0x1d5274),
];
/// From light to dark.
const FAILED: [Token; 3] = [("z0", 0xf0d9c9, 0xe2c8b6), ("z1", 0xdd9a70, 0xd2905f), ("z2", 0xb1501a, 0xb85a24)];

/// A dash pattern: lengths of line and gap in turn; empty: solid.
pub type Dash = &'static [f64];

/// The dashes that go with the colours. The first is the baseline's.
const DASHES: [Dash; POLICY_COLOURS] = [
    &[],
    &[],
    &[7.0, 3.0],
    &[2.0, 2.5],
    &[7.0, 2.5, 1.5, 2.5],
    &[4.0, 2.0],
    &[10.0, 2.5],
    &[5.0, 2.0, 1.5, 2.0, 1.5, 2.0],
    &[1.2, 2.0],
];

const NAMED: [Colour; 25] = [
    Colour::Background,
    Colour::Foreground,
    Colour::Muted,
    Colour::Line,
    Colour::Grid,
    Colour::Axis,
    Colour::Context,
    Colour::Soft,
    Colour::Best,
    Colour::Link,
    Colour::Fault,
    Colour::FaultText,
    Colour::Good,
    Colour::Bad,
    Colour::Goodput,
    Colour::Tried(0),
    Colour::Tried(1),
    Colour::Tried(2),
    Colour::Tried(3),
    Colour::Tried(4),
    Colour::Failed(0),
    Colour::Failed(1),
    Colour::Failed(2),
    Colour::OnLight,
    Colour::OnDark,
];

impl Colour {
    fn token(self) -> Token {
        match self {
            Colour::Background => ("bg", 0xffffff, 0x14171a),
            Colour::Foreground => ("fg", 0x16191d, 0xe7e9ec),
            Colour::Muted => ("mut", 0x5c646e, 0xa0a8b2),
            Colour::Line => ("line", 0xdfe2e6, 0x333940),
            Colour::Grid => ("grid", 0xe9ebee, 0x272c32),
            Colour::Axis => ("axis", 0x868e98, 0x6a727c),
            Colour::Context => ("ctx", 0xcbd0d6, 0x4c555f),
            Colour::Soft => ("soft", 0xf6f7f8, 0x1b1f23),
            Colour::Best => ("best", 0xe8f3ec, 0x1b2f24),
            Colour::Link => ("link", 0x0b5c94, 0x7fc0ee),
            Colour::Fault => ("fault", 0xd55e00, 0xff8c42),
            Colour::FaultText => ("faultt", 0xa84400, 0xffab73),
            Colour::Good => ("ok", 0x1a6e3c, 0x6fcf97),
            Colour::Bad => ("bad", 0xa83200, 0xff9a70),
            Colour::Goodput => ("good", 0xc9ced4, 0x464e57),
            Colour::Tried(step) => TRIED[step],
            Colour::Failed(step) => FAILED[step],
            Colour::OnLight => ("onl", 0x10202c, 0x10202c),
            Colour::OnDark => ("ond", 0xffffff, 0xffffff),
            Colour::Policy(slot) => POLICIES[colour_index(slot)],
        }
    }

    /// As a CSS variable, `var(--fg)`.
    pub fn css(self) -> String {
        format!("var(--{})", self.token().0)
    }

    /// On white, as `#16191d`.
    pub fn light_hex(self) -> String {
        format!("#{:06x}", self.token().1)
    }

    /// On white, as red, green and blue.
    pub fn light_rgb(self) -> (u8, u8, u8) {
        let [_, red, green, blue] = self.token().1.to_be_bytes();
        (red, green, blue)
    }
}

/// Which of the policies' colours a place in the file has: from the tenth on, 1 to 8 again.
pub fn colour_index(slot: usize) -> usize {
    if slot < POLICY_COLOURS { slot } else { 1 + (slot - POLICY_COLOURS) % (POLICY_COLOURS - 1) }
}

/// Which of the policies' dashes a place in the file has: a colour that comes again has the next dash.
pub fn dash_index(slot: usize) -> usize {
    if slot < POLICY_COLOURS {
        return slot;
    }
    let repeats = POLICY_COLOURS - 1;
    let round = 1 + (slot - POLICY_COLOURS) / repeats;
    1 + (colour_index(slot) - 1 + round) % repeats
}

/// The dash of the policy in this place of the file.
pub fn dash(slot: usize) -> Dash {
    DASHES[dash_index(slot)]
}

/// A dash as SVG and CSS write it.
pub fn dash_text(dash: Dash) -> String {
    dash.iter().map(f64::to_string).collect::<Vec<_>>().join(" ")
}

/// All colours as CSS variables, for bright and for dark screens, and the classes of the policies: `s3` line, `f3` fill, `d3` dash.
pub fn css() -> String {
    let all = || NAMED.into_iter().chain((0..POLICY_COLOURS).map(Colour::Policy)).map(Colour::token);
    let light: String = all().map(|(name, light, _)| format!("--{name}:#{light:06x};")).collect();
    let dark: String = all().map(|(name, _, dark)| format!("--{name}:#{dark:06x};")).collect();
    let mut css = format!(":root{{{light}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n");
    for (index, dash) in DASHES.iter().enumerate() {
        css.push_str(&format!(".s{index}{{stroke:var(--p{index})}}.f{index}{{fill:var(--p{index})}}"));
        if !dash.is_empty() {
            css.push_str(&format!(".d{index}{{stroke-dasharray:{}}}", dash_text(dash)));
        }
        css.push('\n');
    }
    css
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_of_the_first_policies_look_alike() {
        let mut seen: Vec<(usize, Dash)> = (1..65).map(|slot| (colour_index(slot), dash(slot))).collect();
        seen.sort_by(|a, b| a.partial_cmp(b).expect("dashes are numbers"));
        seen.dedup();
        assert_eq!(seen.len(), 64);
        assert_eq!((colour_index(0), colour_index(8), colour_index(9), dash_index(9)), (0, 8, 1, 2));
    }

    /// Relative luminance and contrast (WCAG 2.2, "contrast ratio"); platform maths is fine in a test.
    fn contrast(a: Rgb, b: Rgb) -> f64 {
        let luminance = |rgb: Rgb| {
            let part = |shift: u32| {
                let c = f64::from((rgb >> shift) & 255) / 255.0;
                if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
            };
            0.2126 * part(16) + 0.7152 * part(8) + 0.0722 * part(0)
        };
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn text_and_lines_stand_out_on_both_backgrounds() {
        let (_, white, black) = Colour::Background.token();
        let check = |colour: Colour, least: f64| {
            let (name, light, dark) = colour.token();
            for (on, ink) in [(white, light), (black, dark)] {
                let reached = contrast(on, ink);
                assert!(reached >= least, "{name}: contrast {reached:.2}, needed {least}");
            }
        };
        for text in [Colour::Foreground, Colour::Muted, Colour::Link, Colour::FaultText, Colour::Good, Colour::Bad] {
            check(text, 4.5);
        }
        let on = |text: Colour, area: Colour| {
            let ((_, light, dark), (name, on_light, on_dark)) = (text.token(), area.token());
            for (a, b) in [(light, on_light), (dark, on_dark)] {
                assert!(contrast(a, b) >= 4.5, "text on {name}: contrast {:.2}", contrast(a, b));
            }
        };
        let light = [Colour::Tried(0), Colour::Tried(1), Colour::Tried(2), Colour::Failed(0), Colour::Failed(1)];
        light.into_iter().for_each(|area| on(Colour::OnLight, area));
        [Colour::Tried(3), Colour::Tried(4), Colour::Failed(2)].into_iter().for_each(|area| on(Colour::OnDark, area));
        (0..POLICY_COLOURS).for_each(|slot| check(Colour::Policy(slot), 3.0));
        check(Colour::Axis, 3.0);
    }

    /// Behind the best cells and behind code, with what is written and drawn there.
    #[test]
    fn text_and_marks_stand_out_on_tinted_ground() {
        let check = |ground: Colour, ink: Colour, least: f64| {
            let ((behind, on_light, on_dark), (name, light, dark)) = (ground.token(), ink.token());
            for (on, ink) in [(on_light, light), (on_dark, dark)] {
                let reached = contrast(on, ink);
                assert!(reached >= least, "{name} on {behind}: contrast {reached:.2}, needed {least}");
            }
        };
        for text in [Colour::Foreground, Colour::Muted, Colour::Good] {
            check(Colour::Best, text, 4.5);
        }
        check(Colour::Soft, Colour::Foreground, 4.5);
        (0..POLICY_COLOURS).for_each(|slot| check(Colour::Best, Colour::Policy(slot), 3.0));
        check(Colour::Soft, Colour::Axis, 3.0);
    }

    /// Lines of a policy, of the capacity and of the cross-hair cross the time of a fault.
    #[test]
    fn lines_stand_out_in_the_time_of_a_fault() {
        let blend = |share: f64, over: Rgb, under: Rgb| {
            let part = |shift: u32| {
                let part = |rgb: Rgb| f64::from((rgb >> shift) & 255);
                ((share * part(over) + (1.0 - share) * part(under)).round() as u32) << shift
            };
            part(16) + part(8) + part(0)
        };
        let share = crate::report::chart::ink::Role::Fault.look().opacity;
        let ((_, white, black), (_, light, dark)) = (Colour::Background.token(), Colour::Fault.token());
        let grounds = [blend(share, light, white), blend(share, dark, black)];
        let check = |colour: Colour, least: f64| {
            let (name, light, dark) = colour.token();
            for (ground, ink) in grounds.into_iter().zip([light, dark]) {
                let reached = contrast(ground, ink);
                assert!(reached >= least, "{name} in a fault: contrast {reached:.2}, needed {least}");
            }
        };
        check(Colour::Foreground, 4.5);
        check(Colour::FaultText, 4.5);
        check(Colour::Muted, 4.5);
        (0..POLICY_COLOURS).for_each(|slot| check(Colour::Policy(slot), 3.0));
    }
}
