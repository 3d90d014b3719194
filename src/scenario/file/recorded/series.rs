//! Shares of errors, window by window.

use std::collections::BTreeMap;
use std::io::Read;

use super::lines::Lines;
use super::{Halt, Room, Times};
use crate::protocol::Outcome;
use crate::retry::OutcomeClass;
use crate::scenario::Series;
use crate::scenario::file::shape::recorded::{Column, Origin, SeriesTable};
use crate::units::{SimTime, Span};

/// A share of fewer lines than these is a matter of chance: 1 of 20 has a 95% interval from 0.1% to 25%.
const ENOUGH: u64 = 20;

/// What is asked of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    file: String,
    time: Column,
    status: Column,
    origin: Option<Origin>,
    /// Where times of a clock begin in the demand's trace.
    clock: Option<i64>,
    window: Span,
    of: Vec<OutcomeClass>,
    end: SimTime,
}

impl Wanted {
    /// What `table` asks for, in a run that is over at `end`.
    pub fn new(table: &SeriesTable, clock: Option<i64>, end: SimTime) -> Wanted {
        Wanted {
            file: table.file.clone(),
            time: table.time.clone(),
            status: table.status.clone(),
            origin: table.origin.0.clone(),
            clock,
            window: table.window.span(),
            of: table.of.0.iter().map(|outcome| outcome.0).collect(),
            end,
        }
    }

    fn replays(&self, status: u16) -> bool {
        (400..600).contains(&status) && self.of.iter().any(|class| class.contains(Outcome::Status(status)))
    }
}

/// Reads the series of a file.
pub fn read<R: Read>(lines: &mut Lines<R>, wanted: &Wanted, room: Room) -> Result<Series, Halt> {
    if let Some(class) = wanted.of.iter().find(|class| !is_status(**class)) {
        let problem = format!("no line has the status `{class}`; \"5xx\", \"4xx\" or one status");
        return Err(Halt::Wrong { key: Some("of"), problem });
    }
    let [time, status] = lines.columns([&wanted.time, &wanted.status])?;
    let mut times = Times::new(time, wanted.origin.as_ref());
    let (mut rows, mut any, mut statuses) = (Vec::new(), 0u64, 0u64);
    let (mut first, mut last) = (i64::MAX, i64::MIN);
    let mut begin = None;
    while lines.next()? {
        let Some(at) = times.read(lines)? else { continue };
        begin = times.begin().or(wanted.clock.filter(|_| times.is_clock()));
        (first, last, any) = (first.min(at), last.max(at), any + 1);
        let status = status_of(lines.field(status));
        statuses += u64::from(status > 0);
        // The earliest so far may not be the earliest of all; what is beyond the end from there is so from any.
        let after = at.saturating_sub(begin.unwrap_or(first));
        if after >= 0 && after as u64 <= wanted.end.0 {
            rows.push((at, if wanted.replays(status) { status } else { 0 }));
            room.check(&rows)?;
        }
    }
    times.clock()?;
    if statuses == 0 {
        let problem = format!("none of its {any} lines has a status from 100 to 599 there");
        return Err(Halt::Wrong { key: Some("status"), problem });
    }
    let begin = begin.unwrap_or(first);
    rows.retain(|(at, _)| ((at - begin) as u64) < wanted.end.0);
    if rows.is_empty() {
        let before = last < begin;
        let nearest = Span(if before { begin.saturating_sub(last) } else { first.saturating_sub(begin) } as u64);
        let where_ =
            if before { format!("the last is {nearest} before it") } else { format!("the first is {nearest} into it") };
        return Err(Halt::wrong(format!("none of its {any} lines lies in the run: {where_}")));
    }
    rows.sort_unstable();
    Ok(Series { file: wanted.file.clone(), steps: steps(&rows, begin, wanted.window) })
}

fn is_status(class: OutcomeClass) -> bool {
    matches!(class, OutcomeClass::Status(_) | OutcomeClass::ClientErrors | OutcomeClass::ServerErrors)
}

/// A status, or 0 for what is none.
fn status_of(field: &[u8]) -> u16 {
    let number = std::str::from_utf8(field).ok().and_then(|text| text.parse().ok());
    number.filter(|status| (100..600).contains(status)).unwrap_or(0)
}

/// Windows that lie beside each other.
#[derive(Default)]
struct Joined {
    start: u64,
    lines: u64,
    /// How many lines had each status that is replayed.
    errors: BTreeMap<u16, u64>,
}

impl Joined {
    fn step(&self) -> (SimTime, Vec<(u16, f64)>) {
        let share = |(status, count): (&u16, &u64)| (*status, *count as f64 / self.lines as f64);
        (SimTime(self.start), self.errors.iter().map(share).collect())
    }
}

/// Shares from instant to instant: of each window, or of so many that there are enough lines. `rows` are in order of time.
fn steps(rows: &[(i64, u16)], begin: i64, window: Span) -> Vec<(SimTime, Vec<(u16, f64)>)> {
    let mut all: Vec<Joined> = Vec::new();
    let (mut current, mut end) = (Joined::default(), 0);
    for (at, status) in rows {
        let number = (at - begin) as u64 / window.0;
        if number * window.0 >= end {
            if current.lines >= ENOUGH {
                all.push(std::mem::replace(&mut current, Joined { start: end, ..Joined::default() }));
            }
            end = (number * window.0).saturating_add(window.0);
        }
        current.lines += 1;
        if *status > 0 {
            *current.errors.entry(*status).or_default() += 1;
        }
    }
    match all.last_mut() {
        // Nothing follows that it could be joined with.
        Some(last) if current.lines < ENOUGH => {
            last.lines += current.lines;
            current.errors.into_iter().for_each(|(status, count)| *last.errors.entry(status).or_default() += count);
        }
        _ => all.push(current),
    }
    let mut steps: Vec<_> = all.iter().map(Joined::step).collect();
    steps.push((SimTime(end), Vec::new()));
    steps
}

#[cfg(test)]
mod tests {
    use super::super::Reading;
    use super::*;
    use crate::scenario::file::leaf::{Duration, OrNone, Outcomes, PositiveDuration};

    fn wanted(of: &[OutcomeClass], clock: Option<i64>) -> Wanted {
        let of = Outcomes(of.iter().map(|class| crate::scenario::file::leaf::Outcome(*class)).collect());
        let table = SeriesTable {
            file: "t.csv".to_owned(),
            time: Column::Number(1),
            status: Column::Number(2),
            origin: OrNone(None),
            window: PositiveDuration(Duration(Span::secs(60))),
            of,
            series: None,
        };
        Wanted::new(&table, clock, SimTime(Span::secs(600).0))
    }

    /// The beginning of a window, and the share of each status in it.
    type Shares = (u64, Vec<(u16, f64)>);

    fn read_text(text: &str, wanted: &Wanted) -> Result<Vec<Shares>, Halt> {
        let series = read(&mut Lines::new(text.as_bytes(), Reading::default()), wanted, Room { bytes: 1 << 20 })?;
        Ok(series.steps.into_iter().map(|(at, shares)| (at.0 / 1_000_000_000, shares)).collect())
    }

    /// So many lines of each status, evenly over a minute.
    fn minute(start: u64, counts: &[(u16, u64)]) -> String {
        let statuses: Vec<u16> = counts.iter().flat_map(|(status, n)| vec![*status; *n as usize]).collect();
        let gap = 60.0 / statuses.len() as f64;
        statuses.iter().zip(0..).map(|(s, i)| format!("{},{s}\n", start as f64 + f64::from(i) * gap)).collect()
    }

    #[test]
    fn shares_by_window() {
        use OutcomeClass::{ClientErrors, ServerErrors, Status};
        let text = minute(0, &[(200, 15), (503, 4), (429, 1)]) + &minute(60, &[(200, 30), (500, 10)]);
        let all = |of: &[OutcomeClass]| read_text(&text, &wanted(of, None)).expect("a series");
        assert_eq!(all(&[ServerErrors]), [(0, vec![(503, 0.2)]), (60, vec![(500, 0.25)]), (120, vec![])]);
        assert_eq!(all(&[Status(429)]), [(0, vec![(429, 0.05)]), (60, vec![]), (120, vec![])]);
        assert_eq!(all(&[ClientErrors, Status(503)])[0], (0, vec![(429, 0.05), (503, 0.2)]));
    }

    #[test]
    fn windows_with_few_lines_are_joined() {
        let server = |text: &str| read_text(text, &wanted(&[OutcomeClass::ServerErrors], None)).expect("a series");
        // 10 + 30 lines, the first of which wait for more; nothing in the third minute; 5 that nothing follows.
        let (few, many) = (minute(0, &[(500, 10)]), minute(60, &[(200, 30)]));
        assert_eq!(server(&format!("{few}{many}")), [(0, vec![(500, 0.25)]), (120, vec![])]);
        let rest = minute(180, &[(500, 5)]);
        assert_eq!(server(&format!("{many}{rest}")), [(0, vec![(500, 5.0 / 35.0)]), (240, vec![])]);
        let later = minute(180, &[(500, 20)]);
        assert_eq!(server(&format!("{many}{later}")), [(0, vec![]), (120, vec![(500, 1.0)]), (240, vec![])]);
        assert_eq!(server(&few), [(0, vec![(500, 1.0)]), (60, vec![])]);
    }

    #[test]
    fn where_it_begins() {
        let text: String =
            (0..40).map(|i| format!("{},{}\n", 1_767_225_660 + i, if i < 20 { 500 } else { 200 })).collect();
        let of = [OutcomeClass::ServerErrors];
        assert_eq!(read_text(&text, &wanted(&of, None)).unwrap(), [(0, vec![(500, 0.5)]), (60, vec![])]);
        // A minute after the trace has begun.
        let clock = Some(1_767_225_600 * 1_000_000_000);
        assert_eq!(read_text(&text, &wanted(&of, clock)).unwrap(), [(0, vec![(500, 0.5)]), (120, vec![])]);
        // Seconds know nothing of a clock.
        assert_eq!(read_text(&minute(0, &[(500, 20)]), &wanted(&of, clock)).unwrap().len(), 2);
        for (text, of, clock, part) in [
            ("1767225600,500\n", of, Some(0), "into it"),
            ("1767225600,500\n", of, Some(1_767_225_601 * 1_000_000_000), "the last is 1s before it"),
            ("1,x\n2,-\n", of, None, "none of its 2 lines has a status"),
            ("1,500\n", [OutcomeClass::Timeout], None, "the status `timeout`"),
        ] {
            let wrong = format!("{:?}", read_text(text, &wanted(&of, clock)).expect_err(text));
            assert!(wrong.contains(part), "{text:?}: {wrong}");
        }
    }
}
