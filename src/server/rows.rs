//! Rows of a database, one for each thing: how often they were written, and who has them for himself.

use std::collections::BTreeMap;

use crate::key::CallKey;
use crate::units::SimTime;

/// The rows of a server, by thing.
#[derive(Debug, Default)]
pub struct Rows {
    all: Vec<Row>,
    /// So many have stood in line: the number of the next.
    tickets: u64,
}

#[derive(Clone, Debug, Default)]
struct Row {
    /// How often it was written.
    version: u32,
    /// Who wrote last, and which version that one first wrote over, with nobody in between.
    writer: Option<(CallKey, u32)>,
    holder: Holder,
    /// Who waits for it, by the number of the place in line.
    line: BTreeMap<Ticket, u32>,
}

/// The number of a place in line.
pub type Ticket = u64;

/// Who has a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Holder {
    #[default]
    Nobody,
    /// This attempt in flight.
    Job(u32),
    /// A transaction that hangs, until its database ends it.
    Hung(SimTime),
}

/// What becomes of the first in line when somebody leaves a row or its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is given the row.
    Given(u32),
    /// It asks again then, when a transaction is over that hangs.
    AsksAt(u32, SimTime),
}

impl Row {
    /// A database ends a transaction that has hung for long enough.
    fn end_hung(&mut self, now: SimTime) {
        if matches!(self.holder, Holder::Hung(until) if until <= now) {
            self.holder = Holder::Nobody;
        }
    }
}

impl Rows {
    fn row(&mut self, thing: u32) -> &mut Row {
        if self.all.len() <= thing as usize {
            self.all.resize(thing as usize + 1, Row::default());
        }
        &mut self.all[thing as usize]
    }

    /// How often a row was written.
    pub fn version(&mut self, thing: u32) -> u32 {
        self.row(thing).version
    }

    /// True if anybody else has written to a row since it had this version.
    pub fn was_written_by_others(&mut self, thing: u32, since: u32, writer: CallKey) -> bool {
        let row = self.row(thing);
        row.version != since && !row.writer.is_some_and(|(last, over)| last == writer && over <= since)
    }

    /// Somebody writes to a row.
    pub fn write(&mut self, thing: u32, writer: CallKey) {
        let row = self.row(thing);
        if row.writer.is_none_or(|(last, _)| last != writer) {
            row.writer = Some((writer, row.version));
        }
        row.version += 1;
    }

    /// An attempt takes a row that is free, if nobody is before it in line. If not, it stands in line, at its place or at the end; returned is its place, and
    /// when to ask again at the latest, [`SimTime::NEVER`] if it will be told.
    pub fn take(&mut self, now: SimTime, thing: u32, job: u32, place: Option<Ticket>) -> Result<(), (Ticket, SimTime)> {
        let next = self.tickets;
        let row = self.row(thing);
        row.end_hung(now);
        let is_first = row.line.first_key_value().is_none_or(|(first, _)| Some(*first) == place);
        if row.holder == Holder::Nobody && is_first {
            row.line.pop_first();
            row.holder = Holder::Job(job);
            return Ok(());
        }
        let ticket = place.unwrap_or(next);
        if row.line.insert(ticket, job).is_none() {
            self.tickets += 1;
        }
        match self.row(thing).holder {
            Holder::Hung(until) if is_first => Err((ticket, until)),
            _ => Err((ticket, SimTime::NEVER)),
        }
    }

    /// An attempt has done with a row, or waits for it no more: what becomes of the first in line.
    pub fn leave(&mut self, now: SimTime, thing: u32, job: u32, place: Option<Ticket>) -> Option<Next> {
        let row = self.row(thing);
        if row.holder == Holder::Job(job) {
            row.holder = Holder::Nobody;
        }
        if let Some(ticket) = place {
            row.line.remove(&ticket);
        }
        row.end_hung(now);
        let (_, first) = row.line.first_key_value()?;
        match row.holder {
            Holder::Nobody => {
                let next = *first;
                row.line.pop_first();
                row.holder = Holder::Job(next);
                Some(Next::Given(next))
            }
            Holder::Hung(until) => Some(Next::AsksAt(*first, until)),
            Holder::Job(_) => None,
        }
    }

    /// An attempt waits for a row no more, and nobody is told.
    pub fn leave_line(&mut self, thing: u32, place: Ticket) {
        self.row(thing).line.remove(&place);
    }

    /// The transaction of an attempt that has a row hangs, and keeps it until then. Who is first in line.
    pub fn hang(&mut self, thing: u32, job: u32, until: SimTime) -> Option<u32> {
        let row = self.row(thing);
        if row.holder != Holder::Job(job) {
            return None;
        }
        row.holder = Holder::Hung(until);
        row.line.first_key_value().map(|(_, first)| *first)
    }

    /// A thing is over: another one may have its number.
    pub fn forget(&mut self, thing: u32) {
        if let Some(row) = self.all.get_mut(thing as usize) {
            assert!(row.line.is_empty(), "nobody waits for what is over");
            *row = Row::default();
        }
    }

    /// Bytes, but for lines: each waits with a worker.
    pub fn bytes(&self) -> usize {
        self.all.capacity() * size_of::<Row>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Span;

    fn at(seconds: u64) -> SimTime {
        SimTime::ZERO + Span::secs(seconds)
    }

    #[test]
    fn a_row_is_had_by_one_at_a_time_in_the_order_of_asking() {
        let mut rows = Rows::default();
        let never = SimTime::NEVER;
        assert_eq!(rows.take(at(0), 3, 10, None), Ok(()));
        assert_eq!(rows.take(at(0), 3, 11, None), Err((0, never)));
        assert_eq!(rows.take(at(0), 3, 12, None), Err((1, never)));
        assert_eq!(rows.take(at(0), 4, 13, None), Ok(()), "another row");
        // Asking again changes no place.
        assert_eq!(rows.take(at(1), 3, 11, Some(0)), Err((0, never)));
        assert_eq!(rows.leave(at(1), 3, 10, None), Some(Next::Given(11)));
        assert_eq!(rows.leave(at(1), 3, 12, Some(1)), None, "it only waited");
        assert_eq!(rows.leave(at(1), 3, 11, Some(0)), None, "nobody is left");
        assert_eq!(rows.take(at(2), 3, 14, None), Ok(()));
    }

    #[test]
    fn a_hung_transaction_keeps_its_row() {
        let mut rows = Rows::default();
        assert_eq!(rows.take(at(0), 0, 1, None), Ok(()));
        assert_eq!(rows.take(at(0), 0, 2, None), Err((0, SimTime::NEVER)));
        assert_eq!(rows.hang(0, 2, at(9)), None, "it has not got it");
        assert_eq!(rows.hang(0, 1, at(9)), Some(2));
        assert_eq!(rows.take(at(8), 0, 3, None), Err((1, SimTime::NEVER)), "another one is before it");
        assert_eq!(rows.take(at(9), 0, 3, Some(1)), Err((1, SimTime::NEVER)));
        assert_eq!(rows.take(at(9), 0, 2, Some(0)), Ok(()));
        assert_eq!(rows.leave(at(9), 0, 2, Some(0)), Some(Next::Given(3)));
    }

    #[test]
    fn the_next_one_steps_up_when_the_first_in_line_goes() {
        let hung = || {
            let mut rows = Rows::default();
            assert_eq!(rows.take(at(0), 0, 1, None), Ok(()));
            assert_eq!(rows.hang(0, 1, at(9)), None);
            assert_eq!(rows.take(at(1), 0, 2, None), Err((0, at(9))));
            assert_eq!(rows.take(at(1), 0, 3, None), Err((1, SimTime::NEVER)));
            rows
        };
        // The hung one is over, and who was first in line has not asked again before it goes; or it is not over yet.
        assert_eq!(hung().leave(at(9), 0, 2, Some(0)), Some(Next::Given(3)));
        assert_eq!(hung().leave(at(5), 0, 2, Some(0)), Some(Next::AsksAt(3, at(9))));
    }

    #[test]
    fn versions_count_writes() {
        let mut rows = Rows::default();
        let (one, other) = (CallKey::operation(1), CallKey::operation(2));
        rows.write(1, one);
        rows.write(1, one);
        assert_eq!((rows.version(0), rows.version(1)), (0, 2));
        assert!(!rows.was_written_by_others(1, 0, one), "its own writes lose nothing");
        assert!(!rows.was_written_by_others(1, 2, other), "it has read them");
        assert!(rows.was_written_by_others(1, 1, other));
        rows.write(1, other);
        assert!(rows.was_written_by_others(1, 2, one));
        rows.write(1, one);
        assert!(rows.was_written_by_others(1, 2, one), "another one's write was in between");
        assert!(!rows.was_written_by_others(1, 3, one));
        rows.forget(1);
        assert_eq!(rows.version(1), 0);
    }
}
