//! How operations ended: a bar for each policy, successes by the number of attempts at the left, failures at the right.

use super::axis::{Names, Scale};
use super::font;
use super::ink::{Role, TEXT};
use super::picture::{Anchor, Picture, Shape};
use super::{Chart, Key, Panel, Table, Width};
use crate::experiment::{Comparison, PolicyResult};
use crate::metrics::ending::Ending;
use crate::report::ReportInput;
use crate::report::name::harmless;
use crate::report::number::Notation;
use crate::scenario::metric::Metric;

/// Above it.
const TITLE: &str = "Operations by result and number of attempts";

/// In two widths.
pub fn chart(input: &ReportInput) -> Option<Chart> {
    let comparison = input.comparison;
    Some(Chart {
        title: TITLE.to_owned(),
        note: note(comparison),
        legend: legend(comparison),
        panels: vec![Panel {
            picture: picture(comparison, Width::Wide),
            narrow: Some(picture(comparison, Width::Narrow)),
            ..Panel::default()
        }],
        tables: vec![table(comparison)],
        ..Chart::default()
    })
}

/// What is drawn, over how many runs.
fn note(comparison: &Comparison) -> String {
    let runs = match comparison.replications {
        1 => String::new(),
        n => format!(" Means of {n} runs."),
    };
    let tries = if has_hedges(comparison) {
        " A try is a first attempt or a retry, with the hedges beside it, which are not counted."
    } else {
        ""
    };
    format!("Shares of operations.{runs} The tick across each bar is the success rate.{tries}")
}

/// True if attempts were sent beside others: then an operation has more attempts than tries, and endings count tries.
fn has_hedges(comparison: &Comparison) -> bool {
    comparison.policies.iter().any(|policy| policy.mean(Metric::Hedges).is_some_and(|hedges| hedges > 0.0))
}

/// Most that names take; the bars need the rest.
fn most_name(width: Width) -> f64 {
    match width {
        Width::Wide => 190.0,
        Width::Narrow => 130.0,
    }
}

/// Between names and bars.
const BESIDE: f64 = 10.0;

const TOP: f64 = 6.0;
const ROW: f64 = 26.0;
const HALF_BAR: f64 = 9.0;
/// A segment wider than this has its share written on it.
const WIDE_ENOUGH: f64 = 34.0;

/// The role of an ending's segment.
fn role(ending: Ending) -> Role {
    match ending {
        Ending::First => Role::First,
        Ending::Second => Role::Second,
        Ending::Third => Role::Third,
        Ending::Fourth => Role::Fourth,
        Ending::Later => Role::Later,
        Ending::AfterRetries => Role::AfterRetries,
        Ending::AfterOne => Role::AfterOne,
        Ending::Refused => Role::Refused,
        Ending::Parked => Role::Parked,
        Ending::Unresolved => Role::Unresolved,
    }
}

/// In the legend and in tables.
fn label(ending: Ending, hedged: bool) -> &'static str {
    match (ending, hedged) {
        (Ending::First, _) => "1",
        (Ending::Second, _) => "2",
        (Ending::Third, _) => "3",
        (Ending::Fourth, _) => "4",
        (Ending::Later, _) => "5+",
        (Ending::AfterRetries, _) => "after retries",
        (Ending::AfterOne, false) => "after 1 attempt",
        (Ending::AfterOne, true) => "after 1 try",
        (Ending::Refused, _) => "without an attempt",
        (Ending::Parked, _) => "parked at the end",
        (Ending::Unresolved, _) => "still open at the end",
    }
}

/// Before the numbers of attempts, or of tries.
fn succeeded_at(hedged: bool) -> &'static str {
    if hedged { "succeeded at try" } else { "succeeded at attempt" }
}

/// The endings that occur, under what they have in common.
fn groups(comparison: &Comparison) -> Vec<(&'static str, Vec<Ending>)> {
    let occurs = |ending: &Ending| comparison.policies.iter().any(|policy| policy.endings[*ending] > 0.0);
    let hedged = has_hedges(comparison);
    let common = |ending: Ending| match ending {
        Ending::Parked | Ending::Unresolved => "neither",
        _ if ending.succeeded() => succeeded_at(hedged),
        _ => "failed",
    };
    let mut groups: Vec<(&'static str, Vec<Ending>)> = Vec::new();
    for ending in Ending::ALL.into_iter().filter(occurs) {
        match groups.last_mut() {
            Some((heading, endings)) if *heading == common(ending) => endings.push(ending),
            _ => groups.push((common(ending), vec![ending])),
        }
    }
    groups
}

/// The endings in the order of the segments.
fn legend(comparison: &Comparison) -> Vec<(&'static str, Vec<Key>)> {
    let hedged = has_hedges(comparison);
    let key = |ending: Ending| Key { role: role(ending), area: true, text: label(ending, hedged).to_owned() };
    let group = |(heading, endings): (&'static str, Vec<Ending>)| (heading, endings.into_iter().map(key).collect());
    groups(comparison).into_iter().map(group).collect()
}

/// All shares, also of endings that are too few to be seen.
fn table(comparison: &Comparison) -> Table {
    let shown = groups(comparison);
    let endings = || shown.iter().flat_map(|(heading, endings)| endings.iter().map(|ending| (*heading, *ending)));
    let hedged = has_hedges(comparison);
    let head = |(heading, ending): (&str, Ending)| match heading {
        "neither" => label(ending, hedged).to_owned(),
        _ => format!("{heading} {}", label(ending, hedged)),
    };
    let share = |share: f64| if share > 0.0 { Notation::PAGE.percent(share) } else { "0".to_owned() };
    let row = |policy: &PolicyResult| endings().map(|(_, ending)| share(policy.endings[ending])).collect();
    Table {
        title: "operations by attempts and result".to_owned(),
        heads: endings().map(head).collect(),
        rows: comparison.policies.iter().map(row).collect(),
    }
}

/// The picture.
pub fn picture(comparison: &Comparison, width: Width) -> Picture {
    let bottom = TOP + ROW * comparison.policies.len() as f64;
    let mut picture = Picture::new(width.units(), bottom + 24.0);
    let names = Names::within(most_name(width), comparison);
    let scale = Scale { low: 0.0, high: 1.0, start: names.width + BESIDE, end: width.units() - 6.0 };
    for quarter in 0..=4 {
        let x = scale.at(f64::from(quarter) / 4.0);
        let label = format!("{}%", 25 * quarter);
        let half = font::width(&label, TEXT, false) / 2.0;
        picture.line(Role::Grid, (x, TOP), (x, bottom));
        picture.text(Role::Tick, (x.min(picture.width - half), bottom + 15.0), Anchor::Middle, label);
    }
    for (index, (policy, name)) in comparison.policies.iter().zip(names.texts).enumerate() {
        row(&mut picture, policy, name, scale, TOP + ROW * (index as f64 + 0.5));
    }
    let hedged = has_hedges(comparison);
    let words: Vec<String> = comparison.policies.iter().map(|policy| in_words(policy, hedged)).collect();
    picture.words = format!("{TITLE}, in per cent of operations. {}.", words.join("; "));
    picture
}

fn row(picture: &mut Picture, policy: &PolicyResult, name: String, scale: Scale, y: f64) {
    picture.text(Role::Label.of(policy.slot), (0.0, y + 4.0), Anchor::Start, name);
    let (mut done, mut succeeded) = (0.0, 0.0);
    for ending in Ending::ALL {
        let share = policy.endings[ending];
        let (left, right) = (scale.within(done), scale.within(done + share));
        done += share;
        if ending.succeeded() {
            succeeded = done;
        }
        // The policy in the ink lets the page hide the row; the colour is the ending's.
        picture.add(role(ending).of(policy.slot), Shape::Rect((left, y - HALF_BAR), (right, y + HALF_BAR)));
        if right - left > WIDE_ENOUGH {
            let dark = matches!(ending, Ending::Fourth | Ending::Later | Ending::AfterRetries);
            let ink = if dark { Role::OnDark } else { Role::OnLight };
            let text = format!("{:.0}%", share * 100.0);
            picture.text(ink.of(policy.slot), ((left + right) / 2.0, y + 4.0), Anchor::Middle, text);
        }
    }
    if done > 0.0 {
        let x = scale.within(succeeded);
        picture.line(Role::Bound.of(policy.slot), (x, y - HALF_BAR - 2.5), (x, y + HALF_BAR + 2.5));
    }
}

/// A policy's shares in per cent, those that are not 0.
fn in_words(policy: &PolicyResult, hedged: bool) -> String {
    let n = Notation::PAGE;
    let part = |ending: Ending| {
        let share = policy.endings[ending];
        let what = match ending {
            Ending::Parked | Ending::Unresolved => label(ending, hedged).to_owned(),
            _ if ending.succeeded() => format!("{} {}", succeeded_at(hedged), label(ending, hedged)),
            _ => format!("failed, {}", label(ending, hedged)),
        };
        (share > 0.0).then(|| format!("{} {what}", n.percent(share)))
    };
    let parts: Vec<String> = Ending::ALL.into_iter().filter_map(part).collect();
    let parts = if parts.is_empty() { "no operation".to_owned() } else { parts.join(", ") };
    format!("{}: {parts}", harmless(&policy.name))
}
