//! What a mark in a picture is for. Its look follows from that alone: in the page through a CSS class, in files through attributes.

use super::tokens::{Colour, Dash, colour_index, dash, dash_index, dash_text};

/// What a mark is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The background of a picture in a file.
    Paper,
    /// The time of a fault.
    Fault,
    /// The same under the axis, for print without colours.
    Hatch,
    /// A line of the grid.
    Grid,
    /// The axis.
    Axis,
    /// Another policy, behind.
    Context,
    /// What the server can finish.
    Capacity,
    /// What users ask for.
    Demand,
    /// Where most replications are.
    Band,
    /// The mean of the replications.
    Mean,
    /// The highest load.
    Peak,
    /// From a label to what it names.
    Leader,
    /// Operations that succeed.
    Goodput,
    /// The same in a legend, of no policy in particular.
    GoodputKey,
    /// The baseline's value.
    Reference,
    /// A 95% interval.
    Interval,
    /// One replication.
    Replication,
    /// A mean.
    Dot,
    /// A second mean in the same row.
    Diamond,
    /// An interval goes on beyond the axis.
    Beyond,
    /// A policy's line in a legend.
    Key,
    /// Text of a plot.
    Label,
    /// Text of an axis.
    Tick,
    /// Text that may cross lines and explains.
    Note,
    /// Text that may cross lines and matters.
    Annotation,
    /// A fault's name.
    FaultName,
    /// A heading.
    Heading,
    /// Small text under a heading.
    Caption,
    /// A policy's line among others, with its dash.
    Curve,
    /// From the end of such a line to its label.
    Tie,
    /// Between successes and failures.
    Bound,
    /// Succeeded at the first attempt.
    First,
    /// Succeeded at the second attempt.
    Second,
    /// Succeeded at the third attempt.
    Third,
    /// Succeeded at the fourth attempt.
    Fourth,
    /// Succeeded at the fifth attempt or later.
    Later,
    /// Failed after retries.
    AfterRetries,
    /// Failed after one attempt.
    AfterOne,
    /// Refused by a gate before the first attempt.
    Refused,
    /// The run ended first.
    Unresolved,
    /// Text on one of the light ones among these.
    OnLight,
    /// Text on one of the dark ones.
    OnDark,
    /// The way of a run before its faults.
    Before,
    /// And during them.
    During,
    /// The direction of that.
    DuringHead,
    /// And after them.
    After,
    /// Where a fault begins or ends on that way.
    Ring,
    /// Where it ends.
    EndRing,
    /// No difference.
    Zero,
}

/// How a role looks.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Name of the CSS class.
    pub class: &'static str,
    /// Of lines and outlines.
    pub stroke: Option<Colour>,
    /// Inside, and of text.
    pub fill: Option<Colour>,
    /// Of lines and outlines, in user units.
    pub width: f64,
    /// Of lines.
    pub dash: Dash,
    /// Of everything.
    pub opacity: f64,
    /// Height of text.
    pub size: f64,
    /// Of text.
    pub bold: bool,
}

/// Size of text in plots, in user units.
pub const TEXT: f64 = 12.0;

const OWN: Colour = Colour::Policy(0);

impl Role {
    /// Every role.
    pub const ALL: [Role; 49] = [
        Role::Paper,
        Role::Fault,
        Role::Hatch,
        Role::Grid,
        Role::Axis,
        Role::Context,
        Role::Capacity,
        Role::Demand,
        Role::Band,
        Role::Mean,
        Role::Peak,
        Role::Leader,
        Role::Goodput,
        Role::GoodputKey,
        Role::Reference,
        Role::Interval,
        Role::Replication,
        Role::Dot,
        Role::Diamond,
        Role::Beyond,
        Role::Key,
        Role::Label,
        Role::Tick,
        Role::Note,
        Role::Annotation,
        Role::FaultName,
        Role::Heading,
        Role::Caption,
        Role::Curve,
        Role::Tie,
        Role::Bound,
        Role::First,
        Role::Second,
        Role::Third,
        Role::Fourth,
        Role::Later,
        Role::AfterRetries,
        Role::AfterOne,
        Role::Refused,
        Role::Unresolved,
        Role::OnLight,
        Role::OnDark,
        Role::Before,
        Role::During,
        Role::DuringHead,
        Role::After,
        Role::Ring,
        Role::EndRing,
        Role::Zero,
    ];

    /// True for lines that have the dash of their policy.
    fn is_dashed(self) -> bool {
        matches!(self, Role::Key | Role::Curve)
    }

    /// How it looks; a policy's colour stands as that of slot 0.
    pub fn look(self) -> Look {
        use Colour::{Axis, Background, Context, Failed, Fault, FaultText, Foreground, Goodput, Grid, Muted, Tried};
        let solid: Dash = &[];
        match self {
            Role::Paper => filled("paper", Background, 1.0),
            Role::Fault => filled("fault", Fault, 0.12),
            Role::Hatch => line("hatch", FaultText, 1.0, solid),
            Role::Grid => line("grid", Grid, 1.0, solid),
            Role::Axis => line("axis", Axis, 1.0, solid),
            Role::Context => line("ctx", Context, 1.0, solid),
            Role::Capacity => line("cap", Foreground, 1.0, &[5.0, 3.0]),
            Role::Demand => line("dem", Muted, 1.0, &[1.5, 2.5]),
            Role::Band => filled("band", OWN, 0.22),
            Role::Mean => line("mean", OWN, 1.8, solid),
            Role::Peak => line("peak", Foreground, 1.5, solid),
            Role::Leader => line("leader", Foreground, 1.0, solid),
            Role::Goodput => filled("good", OWN, 0.38),
            Role::GoodputKey => filled("goodkey", Goodput, 1.0),
            Role::Reference => line("ref", Axis, 1.0, &[2.0, 2.0]),
            Role::Interval => line("ci", OWN, 2.0, solid),
            Role::Replication => filled("rep", OWN, 0.28),
            Role::Dot => Look { stroke: Some(Background), width: 1.2, ..filled("dot", OWN, 1.0) },
            Role::Diamond => Look { fill: Some(Background), ..line("open", OWN, 1.5, solid) },
            Role::Beyond => filled("beyond", OWN, 1.0),
            // The dash is the policy's own.
            Role::Key => line("kl", OWN, 2.4, solid),
            Role::Label => text("lab", Foreground, false),
            Role::Tick => text("tick", Muted, false),
            Role::Note => text("note", Muted, true),
            Role::Annotation => text("ann", Foreground, true),
            Role::FaultName => text("fname", FaultText, true),
            Role::Heading => Look { size: 14.0, bold: true, ..text("head", Foreground, false) },
            Role::Caption => text("capt", Muted, false),
            // The dash is the policy's own.
            Role::Curve => line("curve", OWN, 1.8, solid),
            Role::Tie => Look { opacity: 0.7, ..line("tie", OWN, 1.0, solid) },
            Role::Bound => line("bound", Foreground, 2.0, solid),
            Role::First => filled("q0", Tried(0), 1.0),
            Role::Second => filled("q1", Tried(1), 1.0),
            Role::Third => filled("q2", Tried(2), 1.0),
            Role::Fourth => filled("q3", Tried(3), 1.0),
            Role::Later => filled("q4", Tried(4), 1.0),
            Role::AfterRetries => filled("z2", Failed(2), 1.0),
            Role::AfterOne => filled("z1", Failed(1), 1.0),
            Role::Refused => filled("z0", Failed(0), 1.0),
            Role::Unresolved => filled("open-end", Context, 1.0),
            Role::OnLight => text("onl", Colour::OnLight, false),
            Role::OnDark => text("ond", Colour::OnDark, false),
            Role::Before => line("before", Muted, 1.5, solid),
            Role::During => Look { opacity: 0.7, ..line("during", FaultText, 1.5, solid) },
            Role::DuringHead => filled("dhead", FaultText, 1.0),
            Role::After => line("after", OWN, 2.2, solid),
            Role::Ring => Look { fill: Some(Background), ..line("ring", Foreground, 1.3, solid) },
            Role::EndRing => Look { fill: Some(Background), ..line("ering", OWN, 2.2, solid) },
            Role::Zero => line("zero", Foreground, 1.0, solid),
        }
    }
}

fn filled(class: &'static str, colour: Colour, opacity: f64) -> Look {
    Look { class, stroke: None, fill: Some(colour), width: 0.0, dash: &[], opacity, size: TEXT, bold: false }
}

fn line(class: &'static str, colour: Colour, width: f64, dash: Dash) -> Look {
    Look { class, stroke: Some(colour), fill: None, width, dash, opacity: 1.0, size: TEXT, bold: false }
}

/// Text; with `halo` it has an outline in the background's colour, painted first, so that it can be read across lines.
fn text(class: &'static str, colour: Colour, halo: bool) -> Look {
    let (stroke, width) = if halo { (Some(Colour::Background), 3.0) } else { (None, 0.0) };
    Look { stroke, width, ..filled(class, colour, 1.0) }
}

/// A role, of a policy or of none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ink {
    /// What the mark is for.
    pub role: Role,
    /// Whose it is, as a place in the file.
    pub slot: Option<u16>,
}

impl From<Role> for Ink {
    fn from(role: Role) -> Ink {
        Ink { role, slot: None }
    }
}

impl Role {
    /// This role, for the policy in this place of the file.
    pub fn of(self, slot: usize) -> Ink {
        // Looks repeat from the 73rd place on; nobody tells the 65,534th from the next by its look.
        Ink { role: self, slot: Some(u16::try_from(slot).unwrap_or(u16::MAX).min(u16::MAX - 1)) }
    }
}

impl Ink {
    /// A colour that stands for the ink while plotters draws; it is replaced in what plotters wrote.
    pub fn sentinel(self) -> (u8, u8, u8) {
        let [high, low] = self.slot.map_or(0, |slot| slot + 1).to_be_bytes();
        (self.role as u8, high, low)
    }

    /// The ink behind a colour that plotters wrote, as `#0A0001`.
    pub fn from_sentinel(hex: &str) -> Option<Ink> {
        let value = u32::from_str_radix(hex.strip_prefix('#')?, 16).ok()?;
        let [_, role, high, low] = value.to_be_bytes();
        let role = *Role::ALL.get(usize::from(role))?;
        Some(Ink { role, slot: u16::from_be_bytes([high, low]).checked_sub(1) })
    }

    /// How it looks, in the policy's own colour and dash.
    pub fn look(self) -> Look {
        let look = self.role.look();
        let Some(slot) = self.slot.map(usize::from) else { return look };
        let own = |colour: Option<Colour>| colour.map(|c| if c == OWN { Colour::Policy(slot) } else { c });
        let dash = if self.role.is_dashed() { dash(slot) } else { look.dash };
        Look { stroke: own(look.stroke), fill: own(look.fill), dash, ..look }
    }

    /// CSS classes, as in `band f3 k12`: the last one says whose the mark is, so that all marks of a policy can be hidden together.
    pub fn classes(self) -> String {
        let look = self.role.look();
        let mut classes = look.class.to_owned();
        if let Some(slot) = self.slot.map(usize::from) {
            if look.stroke == Some(OWN) {
                classes.push_str(&format!(" s{}", colour_index(slot)));
            }
            if look.fill == Some(OWN) {
                classes.push_str(&format!(" f{}", colour_index(slot)));
            }
            if self.role.is_dashed() {
                classes.push_str(&format!(" d{}", dash_index(slot)));
            }
            classes.push_str(&format!(" {}", policy_class(slot)));
        }
        classes
    }

    /// SVG attributes in light colours, for files.
    pub fn attributes(self, text: bool) -> String {
        let look = self.look();
        let colour = |colour: Option<Colour>| colour.map_or_else(|| "none".to_owned(), Colour::light_hex);
        let mut attributes = format!("fill=\"{}\"", colour(look.fill));
        if look.stroke.is_some() {
            attributes.push_str(&format!(" stroke=\"{}\" stroke-width=\"{}\"", colour(look.stroke), look.width));
        }
        if !look.dash.is_empty() {
            attributes.push_str(&format!(" stroke-dasharray=\"{}\"", dash_text(look.dash)));
        }
        if look.opacity < 1.0 {
            attributes.push_str(&format!(" opacity=\"{}\"", look.opacity));
        }
        if text {
            if look.stroke.is_some() {
                attributes.push_str(" paint-order=\"stroke\" stroke-linejoin=\"round\"");
            }
            if look.size != TEXT {
                attributes.push_str(&format!(" font-size=\"{}\"", look.size));
            }
            if look.bold {
                attributes.push_str(" font-weight=\"bold\"");
            }
        } else if look.stroke.is_some() && look.fill.is_none() {
            attributes.push_str(" stroke-linejoin=\"round\"");
        }
        attributes
    }
}

/// The class of all that belongs to the policy in this place of the file. Colours come again, this does not.
pub fn policy_class(slot: usize) -> String {
    format!("k{slot}")
}

/// The classes of all roles as CSS.
pub fn css() -> String {
    let mut css = String::new();
    for role in Role::ALL {
        let look = role.look();
        let part = |property: &str, colour: Option<Colour>| match colour {
            // From the classes `s0`, `f0` and so on.
            Some(OWN) => String::new(),
            Some(colour) => format!("{property}:{};", colour.css()),
            None => format!("{property}:none;"),
        };
        css.push_str(&format!("svg .{}{{{}{}", look.class, part("fill", look.fill), part("stroke", look.stroke)));
        if look.stroke.is_some() {
            css.push_str(&format!("stroke-width:{};stroke-linejoin:round;paint-order:stroke;", look.width));
        }
        if !look.dash.is_empty() {
            css.push_str(&format!("stroke-dasharray:{};", dash_text(look.dash)));
        }
        if look.opacity < 1.0 {
            css.push_str(&format!("opacity:{};", look.opacity));
        }
        css.push_str("}\n");
    }
    css
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ink_comes_back_from_its_sentinel() {
        for (index, role) in Role::ALL.into_iter().enumerate() {
            assert_eq!(role as usize, index, "Role::ALL is in the order of the declaration");
            for ink in [Ink::from(role), role.of(0), role.of(8), role.of(300), role.of(usize::MAX)] {
                let (r, g, b) = ink.sentinel();
                assert_eq!(Ink::from_sentinel(&format!("#{r:02X}{g:02X}{b:02X}")), Some(ink));
            }
        }
        assert_eq!(Ink::from_sentinel("#FF0000"), None);
        assert_eq!(Ink::from_sentinel("none"), None);
    }

    #[test]
    fn classes_and_attributes_name_the_policy() {
        assert_eq!(Role::Band.of(11).classes(), "band f3 k11");
        assert_eq!(Role::Key.of(2).classes(), "kl s2 d2 k2");
        assert_eq!(Ink::from(Role::Demand).classes(), "dem");
        let key = Role::Key.of(2).attributes(false);
        assert!(key.contains("stroke=\"#b57a00\"") && key.contains("stroke-dasharray=\"7 3\""), "{key}");
        assert!(Ink::from(Role::Note).attributes(true).contains("paint-order"));
    }
}
