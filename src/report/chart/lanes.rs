//! One operation that went wrong, row by row: what its client, the network, the server and the store of keys did, from top to bottom.

use super::font;
use super::ink::{Ink, Role, TEXT};
use super::picture::{Anchor, Picture, Shape};
use super::{Chart, Panel, Width};
use crate::call::Verdict;
use crate::experiment::Incident;
use crate::metrics::notes::{Note, Told, What};
use crate::protocol::{Met, Outcome};
use crate::report::ReportInput;
use crate::report::story;

/// Most rows of a picture; what is in the middle of more is left out.
const MOST_ROWS: usize = 30;
const ROW: f64 = 21.0;
const TOP: f64 = 34.0;
/// Of an effect's mark.
const RADIUS: f64 = 5.0;

/// Where something is, or goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lane {
    Client,
    Network,
    Server,
    Store,
}

/// A row of the picture.
#[derive(Clone, Debug, PartialEq)]
enum Row {
    /// From a lane to another; `true`: it gets lost there.
    Goes(Lane, Lane, bool, String),
    /// In a lane.
    Is(Lane, String),
    /// An effect, the so many-eth at its place from 0.
    Effect(usize, String),
    /// So many rows are left out.
    Gap(usize),
}

/// Where lanes stand.
struct Layout {
    width: f64,
    time: f64,
    client: f64,
    server: f64,
    store: f64,
}

impl Layout {
    fn new(width: Width) -> Layout {
        let whole = width.units();
        match width {
            Width::Wide => Layout { width: whole, time: 58.0, client: 70.0, server: 300.0, store: 440.0 },
            Width::Narrow => Layout { width: whole, time: 50.0, client: 58.0, server: 196.0, store: 296.0 },
        }
    }

    fn x(&self, lane: Lane) -> f64 {
        match lane {
            Lane::Client => self.client,
            Lane::Network => (self.client + self.server) / 2.0,
            Lane::Server => self.server,
            Lane::Store => self.store,
        }
    }
}

/// A panel for each operation that is told; none where nothing went wrong.
pub fn chart(input: &ReportInput) -> Option<Chart> {
    if input.incidents.is_empty() {
        return None;
    }
    let panel = |incident: &Incident| {
        let told = &incident.told;
        let rows = rows(told, &incident.places);
        Panel {
            slot: Some(incident.slot),
            name: input.scenario.policies[incident.slot].name.clone(),
            right: format!("operation {}, replication {}", told.number, incident.replication),
            picture: picture(incident, &rows, Width::Wide),
            narrow: Some(picture(incident, &rows, Width::Narrow)),
            words: String::new(),
            aside: false,
        }
    };
    Some(Chart {
        title: match input.incidents.len() {
            1 => "The operation that went most wrong",
            _ => "What went most wrong under the policy with most harm, and under the chosen one",
        }
        .to_owned(),
        caption: "One operation each, from top to bottom, with the time since its start. A filled mark is an effect: the first in the policy's colour, any more in red. A cross: lost on the way. \
                  simlab trace tells them in words, and which setting would have made them right."
            .to_owned(),
        panels: input.incidents.iter().map(panel).collect(),
        ..Chart::default()
    })
}

/// What happened, with the time of each row.
fn rows(told: &Told, places: &[String]) -> Vec<(f64, Row)> {
    let several = told.notes.iter().any(|note| note.place != told.notes[0].place);
    // Of how many there are at each place: what executes beyond that, has none.
    let mut effects: Vec<(usize, u32)> = told.done.iter().map(|done| (0, done.effects)).collect();
    let mut rows = Vec::new();
    for (index, note) in told.notes.iter().enumerate() {
        let place = match places.get(note.place) {
            Some(place) if several => format!("{place}: "),
            _ => String::new(),
        };
        // A request that is lost is told in two notes.
        let is_same = |other: &Note| (other.call, other.attempt) == (note.call, note.attempt);
        let next =
            told.notes[index + 1..].iter().find(|other| is_same(other) && !matches!(other.what, What::Keyed { .. }));
        let lost = next.is_some_and(|next| next.what == What::Silence);
        let last =
            told.notes[..index].iter().rev().find(|other| is_same(other) && !matches!(other.what, What::Keyed { .. }));
        let was_sent = last.is_some_and(|last| matches!(last.what, What::Sent { .. }));
        if note.what == What::Silence && was_sent {
            continue;
        }
        let Some(row) = row(note, &place, lost, &mut effects) else { continue };
        rows.push((note.at.since(told.start).seconds(), row));
    }
    if rows.len() > MOST_ROWS {
        let (first, gap) = (MOST_ROWS / 2, rows.len() - MOST_ROWS + 1);
        let at = rows[first].0;
        rows.splice(first..first + gap, [(at, Row::Gap(gap))]);
    }
    rows
}

fn row(note: &Note, place: &str, lost: bool, effects: &mut [(usize, u32)]) -> Option<Row> {
    use Lane::{Client, Network, Server, Store};
    let n = note.attempt;
    let goes = |from, to, text: String| Some(Row::Goes(from, to, false, text));
    let is = |lane, text: &str| Some(Row::Is(lane, text.to_owned()));
    match note.what {
        What::Sent { hedge, of } => {
            let of = of.filter(|of| *of > 1).map_or_else(String::new, |of| format!(" of {of}"));
            let hedge = if hedge { ", a hedge" } else { "" };
            let to = if lost { Network } else { Server };
            Some(Row::Goes(Client, to, lost, format!("{place}attempt {n}{of}{hedge}")))
        }
        What::TakenUp { waited, .. } if waited.0 > 0 => is(Server, "waited in queue"),
        What::TurnedAway(..) => is(Server, "turned away"),
        What::CutOff => is(Server, "goes down"),
        What::Ended => is(Server, "ends, no effect"),
        What::Executed => {
            let (so_far, all) = &mut effects[note.place];
            if *so_far == *all as usize {
                return is(Server, &format!("executes ({n}), no effect"));
            }
            *so_far += 1;
            Some(Row::Effect(*so_far - 1, format!("EXECUTES ({n})")))
        }
        What::LosesUpdate => is(Server, "an update is lost"),
        What::FromStore(Outcome::Status(200)) => goes(Store, Server, "known: 200".to_owned()),
        What::FromStore(outcome) => goes(Store, Server, outcome.to_string()),
        What::Silence => Some(Row::Goes(Server, Network, true, "no reply".to_owned())),
        What::Reads(outcome) => goes(Server, Client, outcome.to_string()),
        What::TooLate(outcome) => goes(Server, Client, format!("{outcome}, too late")),
        What::TimedOut => is(Client, "time-out"),
        What::GivenUp => is(Client, &format!("attempt {n} is given up")),
        What::Refused(..) | What::Waits { .. } => {
            let words = story::words(note)?;
            let wait = words.strip_prefix("the client ").and_then(|words| words.strip_suffix(" and tries again"));
            is(Client, wait.map_or(words.as_str(), |wait| wait.trim_end_matches(',')))
        }
        What::CallOver(Verdict::Succeeded) => is(Client, &format!("{place}succeeded")),
        What::CallOver(Verdict::Failed(_)) => is(Client, &format!("{place}failed")),
        What::Meets(met) => match met {
            Met::Unknown => goes(Store, Server, "unknown".to_owned()),
            Met::Locked => goes(Server, Store, "locks the key".to_owned()),
            Met::Held => goes(Store, Server, "held by another".to_owned()),
            Met::StoreDown => Some(Row::Goes(Server, Store, true, "store is down".to_owned())),
            Met::Stored => goes(Server, Store, "stores the reply".to_owned()),
            Met::WaitsForRow => is(Server, "waits for the row"),
            Met::HasRow => is(Server, "has the row"),
            Met::Reads(version) => is(Server, &format!("reads version {version}")),
            Met::KeepsRow => is(Server, "keeps the row"),
            Met::RowTimeout => is(Server, "waited long enough"),
            Met::RowDone => is(Server, "done already"),
            Met::RowChanged => is(Server, "the row has changed"),
            Met::Store | Met::Ended => None,
        },
        What::Crashes => is(Client, "CRASHES"),
        What::Restarts { is_another: false, .. } => is(Client, "is back"),
        What::Restarts { client, .. } => is(Client, &format!("client {client} takes over")),
        What::Journals(false) => is(Client, "the journal is lost"),
        What::Pauses(_) => {
            let words = story::words(note)?;
            is(Client, words.trim_start_matches("the order ").trim_end_matches(", and goes on"))
        }
        What::HandedOver(true) => is(Client, "goes to the queue"),
        What::HandedOver(false) => is(Client, "LOST on the way"),
        What::Parked => is(Client, "is parked"),
        What::Redriven => is(Client, "is put back"),
        What::TriedAgain { is_done: true, .. } => is(Client, "a worker: done already"),
        What::TriedAgain { tries, .. } => is(Client, &format!("a worker: try {tries}")),
        What::Queued(_) => None,
        What::Keyed { .. } | What::TakenUp { .. } | What::Answers(_) | What::Journals(true) => None,
    }
}

fn picture(incident: &Incident, rows: &[(f64, Row)], width: Width) -> Picture {
    let layout = Layout::new(width);
    let height = TOP + rows.len() as f64 * ROW + 8.0;
    let mut picture = Picture::new(layout.width, height);
    picture.words = story::ending(&incident.told);
    for (lane, name) in
        [(Lane::Client, "client"), (Lane::Network, "network"), (Lane::Server, "server"), (Lane::Store, "store")]
    {
        let x = layout.x(lane);
        picture.text(Role::Tick, (x, 14.0), Anchor::Middle, name);
        if lane != Lane::Network {
            picture.line(Role::Axis, (x, 20.0), (x, height - 4.0));
        }
    }
    let mut told = None;
    for (index, (seconds, row)) in rows.iter().enumerate() {
        let y = TOP + (index as f64 + 0.5) * ROW;
        // The same instant is written once.
        let time = match seconds {
            0.0..10.0 => format!("+{seconds:.3} s"),
            10.0..100.0 => format!("+{seconds:.2} s"),
            100.0..1_000.0 => format!("+{seconds:.1} s"),
            _ => format!("+{seconds:.0} s"),
        };
        if told.as_ref() != Some(&time) {
            picture.text(
                Role::Tick,
                (layout.time, y + 2.0),
                Anchor::End,
                font::shorten(&time, layout.time, TEXT, false),
            );
            told = Some(time);
        }
        draw(&mut picture, &layout, incident.slot, row, y);
    }
    picture
}

fn draw(picture: &mut Picture, layout: &Layout, slot: usize, row: &Row, y: f64) {
    let own: Ink = Role::Mean.of(slot);
    let write = |picture: &mut Picture, x: f64, room: f64, anchor, text: &str| {
        picture.text(Role::Label, (x, y - 3.0), anchor, font::shorten(text, room, TEXT, false));
    };
    match row {
        Row::Goes(from, to, lost, text) => {
            let (start, end) = (layout.x(*from), layout.x(*to));
            let (low, high) = (start.min(end), start.max(end));
            let span = if *lost && *to == Lane::Network {
                // The text has the whole way to itself.
                layout.server - layout.client
            } else {
                high - low
            };
            let middle = if *lost && *to == Lane::Network { layout.x(Lane::Network) } else { (low + high) / 2.0 };
            write(picture, middle, span - 8.0, Anchor::Middle, text);
            let towards = if end > start { 1.0 } else { -1.0 };
            picture.line(own, (start, y + 2.0), (end, y + 2.0));
            if *lost {
                picture.line(Role::Bound, (end - 4.0, y - 2.0), (end + 4.0, y + 6.0));
                picture.line(Role::Bound, (end - 4.0, y + 6.0), (end + 4.0, y - 2.0));
            } else {
                let base = end - 7.0 * towards;
                picture.add(Role::Beyond.of(slot), Shape::Area(vec![(end, y + 2.0), (base, y - 1.5), (base, y + 5.5)]));
            }
        }
        Row::Is(lane, text) => {
            let x = layout.x(*lane);
            let room = if *lane == Lane::Client { layout.server - x } else { layout.store - x };
            picture.line(Role::Axis, (x - 3.0, y), (x + 3.0, y));
            picture.text(Role::Label, (x + 8.0, y + 3.0), Anchor::Start, font::shorten(text, room - 12.0, TEXT, false));
        }
        Row::Effect(nth, text) => {
            let x = layout.server;
            let ink = if *nth == 0 { Role::Dot.of(slot) } else { Role::AfterRetries.into() };
            picture.add(ink, Shape::Circle((x, y), RADIUS));
            picture.text(
                Role::Label,
                (x + 8.0, y + 3.0),
                Anchor::Start,
                font::shorten(text, layout.store - x - 12.0, TEXT, false),
            );
        }
        Row::Gap(rows) => {
            picture.text(Role::Tick, (layout.client + 8.0, y + 3.0), Anchor::Start, format!("… {rows} more rows …"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::CallKey;
    use crate::metrics::Done;
    use crate::units::{SimTime, Span};

    /// Notes of an operation, by ms and attempt, and the rows that they make.
    fn check(notes: &[(u64, u32, What)], expected: &[(u64, Row)]) {
        check_with(2, notes, expected);
    }

    /// The same of one with so many effects.
    fn check_with(effects: u32, notes: &[(u64, u32, What)], expected: &[(u64, Row)]) {
        let at = |ms: u64| SimTime::ZERO + Span::millis(ms);
        let note = |(ms, attempt, what): &(u64, u32, What)| Note {
            at: at(*ms),
            call: CallKey::operation(0),
            place: 0,
            attempt: *attempt,
            what: *what,
        };
        let told = Told {
            key: CallKey::operation(0),
            number: 0,
            client: 0,
            start: at(0),
            end: None,
            verdict: None,
            attempts: 1,
            lost_updates: 0,
            standing: crate::metrics::Standing::Nothing,
            is_parked: false,
            before: None,
            done: vec![Done { executions: 2, effects, firsts: effects.min(1) }],
            notes: notes.iter().map(note).collect(),
        };
        let rows = rows(&told, &["api".to_owned()]);
        let expected: Vec<(f64, Row)> = expected.iter().map(|(ms, row)| (*ms as f64 / 1e3, row.clone())).collect();
        assert_eq!(rows, expected);
    }

    #[test]
    fn rows_of_notes() {
        use Lane::{Client, Network, Server, Store};
        let sent = |of| What::Sent { hedge: false, of };
        let goes = |from, to, text: &str| Row::Goes(from, to, false, text.to_owned());
        check(
            &[
                (0, 1, sent(Some(3))),
                (0, 1, What::Keyed { key: Some(0), replica: 0 }),
                (5, 1, What::TakenUp { waited: Span::ZERO, until: SimTime::NEVER }),
                (6, 1, What::Meets(Met::Locked)),
                (9, 1, What::Executed),
                (9, 1, What::Silence),
                (50, 1, What::TimedOut),
                (60, 2, sent(None)),
                (60, 2, What::Silence),
                (90, 3, sent(Some(1))),
                (95, 3, What::Executed),
                (95, 3, What::Answers(Outcome::Status(200))),
                (99, 3, What::Reads(Outcome::Status(200))),
                (99, 0, What::CallOver(Verdict::Succeeded)),
            ],
            &[
                (0, goes(Client, Server, "attempt 1 of 3")),
                (6, goes(Server, Store, "locks the key")),
                (9, Row::Effect(0, "EXECUTES (1)".to_owned())),
                (9, Row::Goes(Server, Network, true, "no reply".to_owned())),
                (50, Row::Is(Client, "time-out".to_owned())),
                (60, Row::Goes(Client, Network, true, "attempt 2".to_owned())),
                (90, goes(Client, Server, "attempt 3")),
                (95, Row::Effect(1, "EXECUTES (3)".to_owned())),
                (99, goes(Server, Client, "200")),
                (99, Row::Is(Client, "succeeded".to_owned())),
            ],
        );
    }

    #[test]
    fn waits() {
        let until = SimTime::ZERO + Span::secs(5);
        let waits = |again| What::Waits { again, until, most: None, hinted: false };
        let told = |text: &str| Row::Is(Lane::Client, text.to_owned());
        check(&[(0, 0, waits(true))], &[(0, told("waits 5.00 s"))]);
        check(&[(0, 0, waits(false))], &[(0, told("the client waits 5.00 s for its turn"))]);
    }

    /// A GET that is made twice has none, and a PUT one.
    #[test]
    fn only_effects_are_marked() {
        let twice = [(1, 1, What::Executed), (2, 2, What::Executed)];
        let none = |n| Row::Is(Lane::Server, format!("executes ({n}), no effect"));
        check_with(0, &twice, &[(1, none(1)), (2, none(2))]);
        check_with(1, &twice, &[(1, Row::Effect(0, "EXECUTES (1)".to_owned())), (2, none(2))]);
    }

    #[test]
    fn long_stories_are_cut_in_the_middle() {
        let notes: Vec<(u64, u32, What)> = (0..100).map(|ms| (ms, 1, What::TimedOut)).collect();
        let time_out = || Row::Is(Lane::Client, "time-out".to_owned());
        let mut expected: Vec<(u64, Row)> = (0..15).map(|ms| (ms, time_out())).collect();
        expected.push((15, Row::Gap(71)));
        expected.extend((86..100).map(|ms| (ms, time_out())));
        check(&notes, &expected);
    }
}
