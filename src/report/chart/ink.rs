//! What a mark in a picture is for. Its look follows from that alone: in the page through a CSS class, in files through attributes.

use super::tokens::Colour::{
    self, Axis, Background, Context, Failed, Fault, FaultText, Foreground, Goodput, Grid, Muted, Tried,
};
use super::tokens::{Dash, colour_index, dash, dash_index, dash_text};

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

const SOLID: Dash = &[];

/// Every role with its look, in one table; a policy's colour stands as that of slot 0.
macro_rules! roles {
    ($($(#[$doc:meta])* $role:ident => $look:expr,)*) => {
        /// What a mark is for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Role {
            $($(#[$doc])* $role,)*
        }

        /// For the style of the page.
        const ROLES: &[Role] = &[$(Role::$role),*];

        impl Role {
            /// How it looks; a policy's colour stands as that of slot 0.
            pub fn look(self) -> Look {
                match self {
                    $(Role::$role => $look,)*
                }
            }
        }
    };
}

roles! {
    /// The background of a picture in a file.
    Paper => filled("paper", Background, 1.0),
    /// The time of a fault.
    Fault => filled("fault", Fault, 0.12),
    /// The same under the axis, for print without colours.
    Hatch => line("hatch", FaultText, 1.0, SOLID),
    /// A line of the grid.
    Grid => line("grid", Grid, 1.0, SOLID),
    /// The axis.
    Axis => line("axis", Axis, 1.0, SOLID),
    /// Another policy, behind.
    Context => line("ctx", Context, 1.0, SOLID),
    /// What the server can finish.
    Capacity => line("cap", Foreground, 1.0, &[5.0, 3.0]),
    /// What users ask for.
    Demand => line("dem", Muted, 1.0, &[1.5, 2.5]),
    /// Where most replications are.
    Band => filled("band", OWN, 0.22),
    /// The mean of the replications.
    Mean => line("mean", OWN, 1.8, SOLID),
    /// The highest load.
    Peak => line("peak", Foreground, 1.5, SOLID),
    /// The highest load of one replication.
    PeakRun => filled("prun", Foreground, 0.5),
    /// From a label to what it names.
    Leader => line("leader", Foreground, 1.0, SOLID),
    /// Operations that succeed.
    Goodput => filled("good", OWN, 0.38),
    /// The same in a legend, of no policy in particular.
    GoodputKey => filled("goodkey", Goodput, 1.0),
    /// The baseline's value.
    Reference => line("ref", Axis, 1.0, &[2.0, 2.0]),
    /// A 95% interval.
    Interval => line("ci", OWN, 2.0, SOLID),
    /// One replication.
    Replication => filled("rep", OWN, 0.28),
    /// A mean.
    Dot => Look { stroke: Some(Background), width: 1.2, ..filled("dot", OWN, 1.0) },
    /// A second mean in the same row.
    Diamond => Look { fill: Some(Background), ..line("open", OWN, 1.5, SOLID) },
    /// An interval goes on beyond the axis.
    Beyond => filled("beyond", OWN, 1.0),
    /// A policy's line in a legend.
    Key => line("kl", OWN, 2.4, SOLID),
    /// Text of a plot.
    Label => text("lab", Foreground, false),
    /// Text of an axis.
    Tick => text("tick", Muted, false),
    /// Text that may cross lines and explains.
    Note => text("note", Muted, true),
    /// Text that may cross lines and matters.
    Annotation => text("ann", Foreground, true),
    /// A fault's name.
    FaultName => text("fname", FaultText, true),
    /// A heading.
    Heading => Look { size: 14.0, bold: true, ..text("head", Foreground, false) },
    /// Small text under a heading.
    Caption => text("capt", Muted, false),
    /// A policy's line among others, with its dash.
    Curve => line("curve", OWN, 1.8, SOLID),
    /// From the end of such a line to its label.
    Tie => Look { opacity: 0.7, ..line("tie", OWN, 1.0, SOLID) },
    /// Between successes and failures.
    Bound => line("bound", Foreground, 2.0, SOLID),
    /// Succeeded at the first attempt.
    First => filled("q0", Tried(0), 1.0),
    /// Succeeded at the second attempt.
    Second => filled("q1", Tried(1), 1.0),
    /// Succeeded at the third attempt.
    Third => filled("q2", Tried(2), 1.0),
    /// Succeeded at the fourth attempt.
    Fourth => filled("q3", Tried(3), 1.0),
    /// Succeeded at the fifth attempt or later.
    Later => filled("q4", Tried(4), 1.0),
    /// Failed after retries.
    AfterRetries => filled("z2", Failed(2), 1.0),
    /// Failed after one attempt.
    AfterOne => filled("z1", Failed(1), 1.0),
    /// Refused by a gate before the first attempt.
    Refused => filled("z0", Failed(0), 1.0),
    /// In a dead-letter queue at the end.
    Parked => filled("parked", Context, 0.5),
    /// The run ended first.
    Unresolved => filled("open-end", Context, 1.0),
    /// Text on one of the light ones among these.
    OnLight => text("onl", Colour::OnLight, false),
    /// Text on one of the dark ones.
    OnDark => text("ond", Colour::OnDark, false),
    /// The way of a run before its faults.
    Before => line("before", Muted, 1.5, SOLID),
    /// And during them.
    During => Look { opacity: 0.7, ..line("during", FaultText, 1.5, SOLID) },
    /// The direction of that.
    DuringHead => filled("dhead", FaultText, 1.0),
    /// And after them.
    After => line("after", OWN, 2.2, SOLID),
    /// Where a fault begins or ends on that way.
    Ring => Look { fill: Some(Background), ..line("ring", Foreground, 1.3, SOLID) },
    /// Where it ends.
    EndRing => Look { fill: Some(Background), ..line("ering", OWN, 2.2, SOLID) },
    /// No difference.
    Zero => line("zero", Foreground, 1.0, SOLID),
}

impl Role {
    /// True for lines that have the dash of their policy.
    fn is_dashed(self) -> bool {
        matches!(self, Role::Key | Role::Curve)
    }

    /// This role, for the policy in this place of the file.
    pub fn of(self, slot: usize) -> Ink {
        Ink { role: self, slot: Some(slot) }
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
    pub slot: Option<usize>,
}

impl From<Role> for Ink {
    fn from(role: Role) -> Ink {
        Ink { role, slot: None }
    }
}

impl Ink {
    /// How it looks, in the policy's own colour and dash.
    pub fn look(self) -> Look {
        let look = self.role.look();
        let Some(slot) = self.slot else { return look };
        let own = |colour: Option<Colour>| colour.map(|c| if c == OWN { Colour::Policy(slot) } else { c });
        let dash = if self.role.is_dashed() { dash(slot) } else { look.dash };
        Look { stroke: own(look.stroke), fill: own(look.fill), dash, ..look }
    }

    /// CSS classes, as in `band f3 k12`: the last one says whose the mark is, so that all marks of a policy can be hidden together.
    pub fn classes(self) -> String {
        let look = self.role.look();
        let mut classes = look.class.to_owned();
        if let Some(slot) = self.slot {
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
    for role in ROLES {
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
    fn classes_and_attributes_name_the_policy() {
        assert_eq!(Role::Band.of(11).classes(), "band f3 k11");
        assert_eq!(Role::Key.of(2).classes(), "kl s2 d2 k2");
        assert_eq!(Ink::from(Role::Demand).classes(), "dem");
        let key = Role::Key.of(2).attributes(false);
        assert!(key.contains("stroke=\"#b57a00\"") && key.contains("stroke-dasharray=\"7 3\""), "{key}");
        assert!(Ink::from(Role::Note).attributes(true).contains("paint-order"));
    }
}
