//! Transactions: work that has a row for itself, who waits for it, and what becomes of both when work ends, hangs or is cut off.

use super::job::Awaited;
use super::rows::{Asker, Got, Next, Transaction};
use super::stages::Stage;
use super::work::Ending;
use super::{Floor, Output, Server};
use crate::fault::Fate;
use crate::protocol::Met;
use crate::scenario::Locks;
use crate::units::SimTime;

impl Server<'_> {
    /// Who locks its row, waits for it.
    pub(super) fn want_row(&mut self, now: SimTime, id: u32, floor: &mut Floor) {
        if floor.staged(id).uses.locks.is_no() {
            return self.work(now, id, floor);
        }
        floor.staged_mut(id).until = now + self.config.row_lock.timeout;
        self.wait_for_row(now, id, floor);
    }

    pub(super) fn wait_for_row(&mut self, now: SimTime, id: u32, floor: &mut Floor) {
        let staged = *floor.staged(id);
        let asker = Asker { job: id, of: staged.of };
        let rows = self.rows.as_mut().expect("who uses rows has some");
        let (ticket, ask_again) = match rows.take(now, staged.thing, asker, staged.ticket) {
            Ok(got) => {
                floor.staged_mut(id).has_got(got);
                self.work(now, id, floor);
                floor.out.push(Output::Meets { job: id, met: Met::HasRow });
                return;
            }
            Err(waits) => waits,
        };
        floor.staged_mut(id).ticket = Some(ticket);
        if now >= staged.until {
            self.leave_row(now, id, floor);
            return self.end_without_work(now, id, (self.config.row_lock.status, Met::RowTimeout), floor);
        }
        self.stand(now, id, Stage::Row, staged.until.min(ask_again), floor);
        if staged.stage != Stage::Row {
            floor.out.push(Output::Meets { job: id, met: Met::WaitsForRow });
        }
    }

    /// The transaction of an attempt is over, or it waits for its row no more: who waits next is given it.
    pub(super) fn leave_row(&mut self, now: SimTime, id: u32, floor: &mut Floor) {
        let staged = *floor.staged(id);
        if staged.uses.locks.is_no() {
            return;
        }
        let Some(rows) = &mut self.rows else { return };
        let next = match staged.is_inside {
            true => rows.leave_inside(now, staged.thing, now + self.config.row_lock.hung),
            false => rows.leave(now, staged.thing, id, staged.ticket),
        };
        let left = floor.staged_mut(id);
        (left.ticket, left.is_inside) = (None, false);
        give_on(now, next, floor);
    }

    /// Work has ended: its transaction is over, stays open, or hangs.
    pub(super) fn end_transaction(&mut self, now: SimTime, id: u32, floor: &mut Floor) {
        let (staged, job) = (*floor.staged(id), &floor.jobs[id]);
        let Some(rows) = self.rows.as_mut().filter(|_| !staged.uses.locks.is_no() && !staged.is_inside) else {
            return self.leave_row(now, id, floor);
        };
        let until = now + self.config.row_lock.hung;
        if job.fate == Fate::Hang {
            if let Some(next) = rows.hang(staged.thing, id, self.number, until) {
                ask_at(now, next, until, floor);
            }
            return;
        }
        let ending = staged.ended(Ending::of(job, self.makes_calls.then_some(job.reply)));
        let stays = staged.uses.locks == Locks::UntilOver && ending.is_success() && job.awaited == Awaited::Yes;
        let Some(of) = staged.of.filter(|_| stays) else { return self.leave_row(now, id, floor) };
        let next = rows.keep(now, staged.thing, of, self.number, until);
        floor.out.push(Output::Meets { job: id, met: Met::KeepsRow });
        give_on(now, next, floor);
        while let Some(other) = self.rows.as_mut().and_then(|rows| rows.lets_in(staged.thing, of)) {
            give(now, other, Got::Inside, floor);
        }
    }

    /// Who made the steps of a transaction has done with them, or has gone.
    pub fn end_transaction_of(&mut self, now: SimTime, thing: u32, of: Transaction, floor: &mut Floor) {
        let next = self.rows.as_mut().and_then(|rows| rows.end(now, thing, of));
        give_on(now, next, floor);
    }

    /// The connections of this replica to its database break, and what was open on them is over.
    pub(super) fn end_transactions(&mut self, now: SimTime, floor: &mut Floor) {
        let nexts = self.rows.as_mut().map(|rows| rows.crash(now, self.number));
        nexts.into_iter().flatten().for_each(|next| give_on(now, Some(next), floor));
    }

    /// Nobody of these waits for a row any more.
    pub(super) fn leave_lines(&mut self, ids: &[u32], floor: &mut Floor) {
        let Some(rows) = &mut self.rows else { return };
        for id in ids {
            let staged = floor.staged_mut(*id);
            if let Some(ticket) = staged.ticket.take() {
                rows.leave_line(staged.thing, ticket);
            }
        }
    }
}

/// A row is given on, or whoever is next asks again.
fn give_on(now: SimTime, next: Option<Next>, floor: &mut Floor) {
    match next {
        None => {}
        Some(Next::Given(next)) => give(now, next, Got::Own, floor),
        Some(Next::AsksAt(next, until)) => ask_at(now, next, until, floor),
    }
}

/// Somebody who waits is given a row.
fn give(now: SimTime, job: u32, got: Got, floor: &mut Floor) {
    let staged = floor.staged_mut(job);
    staged.stage = Stage::HasRow;
    staged.has_got(got);
    floor.jobs[job].ends = now;
    floor.out.push(Output::CompletionAt { job, at: now });
}

/// Who is first in line for a row that a transaction keeps which hangs, asks again when that is over, unless its own time is over before.
fn ask_at(now: SimTime, job: u32, until: SimTime, floor: &mut Floor) {
    let at = floor.staged(job).until.min(until).max(now);
    floor.jobs[job].ends = at;
    floor.out.push(Output::CompletionAt { job, at });
}
