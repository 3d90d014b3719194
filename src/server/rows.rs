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
    line: BTreeMap<Ticket, Asker>,
}

/// The number of a place in line.
pub type Ticket = u64;

/// The number of a transaction across steps.
pub type Transaction = u32;

/// An attempt that asks for a row, and the transaction that it is a part of, if it is one of any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asker {
    pub job: u32,
    pub of: Option<Transaction>,
}

/// Who has a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Holder {
    #[default]
    Nobody,
    /// This attempt in flight.
    Job(u32),
    /// The transaction of an attempt at this replica, that hangs until its database ends it.
    Hung { at: u32, until: SimTime },
    /// A transaction across steps that was begun at this replica.
    Open { of: Transaction, at: u32, stands: Stands },
}

/// How a transaction across steps stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stands {
    /// So many attempts of it are at work.
    AtWork(u32),
    /// The same, for somebody who has gone: it is over with them.
    Left(u32),
    /// None is; its database ends it then.
    Idle(SimTime),
}

/// How an attempt gets a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Got {
    /// It is its own.
    Own,
    /// Its transaction has it.
    Inside,
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
        if self.hangs_until().is_some_and(|until| until <= now) {
            self.holder = Holder::Nobody;
        }
    }

    /// When a database ends a transaction in which nothing happens.
    fn hangs_until(&self) -> Option<SimTime> {
        match self.holder {
            Holder::Hung { until, .. } | Holder::Open { stands: Stands::Idle(until), .. } => Some(until),
            _ => None,
        }
    }

    /// One more attempt of the transaction that has the row is at work, if it is one of it.
    fn goes_inside(&mut self, of: Option<Transaction>) -> bool {
        let Holder::Open { of: has, stands, .. } = &mut self.holder else { return false };
        if of != Some(*has) {
            return false;
        }
        *stands = match *stands {
            Stands::AtWork(count) => Stands::AtWork(count + 1),
            Stands::Left(count) => Stands::Left(count + 1),
            Stands::Idle(_) => Stands::AtWork(1),
        };
        true
    }

    /// Who is next, if anybody waits and there is anything to do about it.
    fn next(&mut self, now: SimTime) -> Option<Next> {
        self.end_hung(now);
        let (_, first) = self.line.first_key_value()?;
        match self.hangs_until() {
            Some(until) => Some(Next::AsksAt(first.job, until)),
            None if self.holder == Holder::Nobody => {
                let next = first.job;
                self.line.pop_first();
                self.holder = Holder::Job(next);
                Some(Next::Given(next))
            }
            None => None,
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

    /// An attempt takes a row that is free, if nobody is before it in line, or that its transaction has. If not, it stands in line, at its place or at the
    /// end; returned is its place, and when to ask again at the latest, [`SimTime::NEVER`] if it will be told.
    pub fn take(
        &mut self,
        now: SimTime,
        thing: u32,
        asker: Asker,
        place: Option<Ticket>,
    ) -> Result<Got, (Ticket, SimTime)> {
        let next = self.tickets;
        let row = self.row(thing);
        row.end_hung(now);
        if row.goes_inside(asker.of) {
            place.map(|place| row.line.remove(&place));
            return Ok(Got::Inside);
        }
        let is_first = row.line.first_key_value().is_none_or(|(first, _)| Some(*first) == place);
        if row.holder == Holder::Nobody && is_first {
            row.line.pop_first();
            row.holder = Holder::Job(asker.job);
            return Ok(Got::Own);
        }
        let ticket = place.unwrap_or(next);
        if row.line.insert(ticket, asker).is_none() {
            self.tickets += 1;
        }
        match self.row(thing).hangs_until() {
            Some(until) if is_first => Err((ticket, until)),
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
        row.next(now)
    }

    /// An attempt has done with a row that its transaction has; if it was the last of those at work there, that is ended then, if nothing happens.
    pub fn leave_inside(&mut self, now: SimTime, thing: u32, until: SimTime) -> Option<Next> {
        let row = self.row(thing);
        let Holder::Open { stands, .. } = &mut row.holder else { return None };
        match stands {
            Stands::AtWork(1) => *stands = Stands::Idle(until),
            Stands::Left(1) => row.holder = Holder::Nobody,
            Stands::AtWork(count) | Stands::Left(count) => *count -= 1,
            Stands::Idle(_) => unreachable!("somebody was at work in it"),
        }
        row.next(now)
    }

    /// The transaction of an attempt that has a row stays open, and is ended then, if nothing happens.
    pub fn keep(&mut self, now: SimTime, thing: u32, of: Transaction, at: u32, until: SimTime) -> Option<Next> {
        let row = self.row(thing);
        row.holder = Holder::Open { of, at, stands: Stands::Idle(until) };
        row.next(now)
    }

    /// Somebody of this transaction who waits for the row that it has, and waits no more.
    pub fn lets_in(&mut self, thing: u32, of: Transaction) -> Option<u32> {
        let row = self.row(thing);
        if !matches!(row.holder, Holder::Open { of: has, .. } if has == of) {
            return None;
        }
        let (&ticket, asker) = row.line.iter().find(|(_, asker)| asker.of == Some(of))?;
        let job = asker.job;
        row.line.remove(&ticket);
        assert!(row.goes_inside(Some(of)), "it has the row");
        Some(job)
    }

    /// A transaction is over, if it is that which has the row, and nobody is at work in it: what becomes of the first in line.
    pub fn end(&mut self, now: SimTime, thing: u32, of: Transaction) -> Option<Next> {
        let row = self.row(thing);
        let Holder::Open { of: has, stands, .. } = &mut row.holder else { return None };
        if *has != of {
            return None;
        }
        match *stands {
            Stands::AtWork(count) | Stands::Left(count) => *stands = Stands::Left(count),
            Stands::Idle(_) => row.holder = Holder::Nobody,
        }
        row.next(now)
    }

    /// A replica crashes, whose attempts have left: so have transactions that were open there. Who is next in all their lines.
    pub fn crash(&mut self, now: SimTime, replica: u32) -> Vec<Next> {
        let was_there = |holder: &Holder| match *holder {
            Holder::Hung { at, .. } | Holder::Open { at, stands: Stands::Idle(_), .. } => at == replica,
            _ => false,
        };
        let rows = self.all.iter_mut().filter(|row| was_there(&row.holder));
        rows.filter_map(|row| {
            row.holder = Holder::Nobody;
            row.next(now)
        })
        .collect()
    }

    /// An attempt waits for a row no more, and nobody is told.
    pub fn leave_line(&mut self, thing: u32, place: Ticket) {
        self.row(thing).line.remove(&place);
    }

    /// The transaction of an attempt at a replica that has a row hangs, and keeps it until then. Who is first in line.
    pub fn hang(&mut self, thing: u32, job: u32, at: u32, until: SimTime) -> Option<u32> {
        let row = self.row(thing);
        if row.holder != Holder::Job(job) {
            return None;
        }
        row.holder = Holder::Hung { at, until };
        row.line.first_key_value().map(|(_, first)| first.job)
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

    const NEVER: SimTime = SimTime::NEVER;

    fn alone(job: u32) -> Asker {
        Asker { job, of: None }
    }

    #[test]
    fn a_row_is_had_by_one_at_a_time_in_the_order_of_asking() {
        let mut rows = Rows::default();
        assert_eq!(rows.take(at(0), 3, alone(10), None), Ok(Got::Own));
        assert_eq!(rows.take(at(0), 3, alone(11), None), Err((0, NEVER)));
        assert_eq!(rows.take(at(0), 3, alone(12), None), Err((1, NEVER)));
        assert_eq!(rows.take(at(0), 4, alone(13), None), Ok(Got::Own), "another row");
        // Asking again changes no place.
        assert_eq!(rows.take(at(1), 3, alone(11), Some(0)), Err((0, NEVER)));
        assert_eq!(rows.leave(at(1), 3, 10, None), Some(Next::Given(11)));
        assert_eq!(rows.leave(at(1), 3, 12, Some(1)), None, "it only waited");
        assert_eq!(rows.leave(at(1), 3, 11, Some(0)), None, "nobody is left");
        assert_eq!(rows.take(at(2), 3, alone(14), None), Ok(Got::Own));
    }

    #[test]
    fn a_hung_transaction_keeps_its_row() {
        let mut rows = Rows::default();
        assert_eq!(rows.take(at(0), 0, alone(1), None), Ok(Got::Own));
        assert_eq!(rows.take(at(0), 0, alone(2), None), Err((0, NEVER)));
        assert_eq!(rows.hang(0, 2, 0, at(9)), None, "it has not got it");
        assert_eq!(rows.hang(0, 1, 0, at(9)), Some(2));
        assert_eq!(rows.take(at(8), 0, alone(3), None), Err((1, NEVER)), "another one is before it");
        assert_eq!(rows.take(at(9), 0, alone(3), Some(1)), Err((1, NEVER)));
        assert_eq!(rows.take(at(9), 0, alone(2), Some(0)), Ok(Got::Own));
        assert_eq!(rows.leave(at(9), 0, 2, Some(0)), Some(Next::Given(3)));
    }

    #[test]
    fn the_next_one_steps_up_when_the_first_in_line_goes() {
        let hung = || {
            let mut rows = Rows::default();
            assert_eq!(rows.take(at(0), 0, alone(1), None), Ok(Got::Own));
            assert_eq!(rows.hang(0, 1, 0, at(9)), None);
            assert_eq!(rows.take(at(1), 0, alone(2), None), Err((0, at(9))));
            assert_eq!(rows.take(at(1), 0, alone(3), None), Err((1, NEVER)));
            rows
        };
        // The hung one is over, and who was first in line has not asked again before it goes; or it is not over yet.
        assert_eq!(hung().leave(at(9), 0, 2, Some(0)), Some(Next::Given(3)));
        assert_eq!(hung().leave(at(5), 0, 2, Some(0)), Some(Next::AsksAt(3, at(9))));
    }

    /// A row that the transaction 1 has, which is idle until 9 s, and another one's attempt that waits for it.
    fn open() -> Rows {
        let mut rows = Rows::default();
        assert_eq!(rows.take(at(0), 0, inside(1, 1), None), Ok(Got::Own));
        assert_eq!(rows.take(at(0), 0, inside(2, 2), None), Err((0, NEVER)));
        assert_eq!(rows.keep(at(1), 0, 1, 7, at(9)), Some(Next::AsksAt(2, at(9))));
        rows
    }

    fn inside(job: u32, transaction: u32) -> Asker {
        Asker { job, of: Some(transaction) }
    }

    #[test]
    fn a_transaction_across_steps_keeps_its_row() {
        let mut rows = open();
        // Its own go in, and as long as one of them is at work, nobody ends it.
        assert_eq!(rows.take(at(2), 0, inside(3, 1), None), Ok(Got::Inside));
        assert_eq!(rows.take(at(2), 0, inside(4, 1), None), Ok(Got::Inside));
        assert_eq!(rows.leave_inside(at(3), 0, at(11)), None);
        assert_eq!(rows.take(at(10), 0, inside(2, 2), Some(0)), Err((0, NEVER)));
        assert_eq!(rows.leave_inside(at(10), 0, at(18)), Some(Next::AsksAt(2, at(18))));
        // It is over, or its database ends it.
        assert_eq!(rows.end(at(12), 0, 2), None, "that of another one");
        assert_eq!(rows.end(at(12), 0, 1), Some(Next::Given(2)));
        assert_eq!(open().take(at(9), 0, inside(2, 2), Some(0)), Ok(Got::Own));
        assert_eq!(open().take(at(9), 0, inside(3, 1), None), Err((1, NEVER)), "it has lost it");
    }

    #[test]
    fn work_in_it_outlasts_it() {
        let mut rows = open();
        assert_eq!(rows.take(at(2), 0, inside(3, 1), None), Ok(Got::Inside));
        assert_eq!(rows.end(at(3), 0, 1), None);
        assert_eq!(rows.take(at(4), 0, inside(4, 1), None), Ok(Got::Inside));
        assert_eq!(rows.leave_inside(at(5), 0, at(13)), None);
        assert_eq!(rows.leave_inside(at(6), 0, at(14)), Some(Next::Given(2)));
    }

    #[test]
    fn whoever_waits_for_the_row_of_its_own_transaction_goes_in() {
        let mut rows = Rows::default();
        assert_eq!(rows.take(at(0), 0, inside(1, 1), None), Ok(Got::Own));
        assert_eq!(rows.take(at(0), 0, inside(2, 2), None), Err((0, NEVER)));
        assert_eq!(rows.take(at(0), 0, inside(3, 1), None), Err((1, NEVER)));
        assert_eq!(rows.keep(at(1), 0, 1, 7, at(9)), Some(Next::AsksAt(2, at(9))));
        assert_eq!(rows.lets_in(0, 1), Some(3));
        assert_eq!(rows.lets_in(0, 1), None);
        assert_eq!(rows.take(at(9), 0, inside(2, 2), Some(0)), Err((0, NEVER)), "one is at work in it");
    }

    #[test]
    fn a_crash_ends_what_is_open_at_its_replica() {
        assert_eq!(open().crash(at(2), 6), []);
        assert_eq!(open().crash(at(2), 7), [Next::Given(2)]);
        let mut hung = Rows::default();
        assert_eq!(hung.take(at(0), 0, alone(1), None), Ok(Got::Own));
        assert_eq!(hung.hang(0, 1, 7, at(9)), None);
        assert_eq!(hung.crash(at(2), 7), [], "nobody waits");
        assert_eq!(hung.take(at(2), 0, alone(2), None), Ok(Got::Own));
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
