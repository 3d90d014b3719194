//! Transactions: work that has a row for itself, who waits for it, and what becomes of both when work ends, hangs or is cut off.

use super::rows::Next;
use super::stages::Stage;
use super::{Floor, Output, Server};
use crate::fault::Fate;
use crate::protocol::Met;
use crate::units::SimTime;

impl Server<'_> {
    /// Who locks its row, waits for it.
    pub(super) fn want_row(&mut self, now: SimTime, id: u32, floor: &mut Floor) {
        if !floor.staged(id).uses.locks {
            return self.work(now, id, floor);
        }
        floor.staged_mut(id).until = now + self.config.row_lock.timeout;
        self.wait_for_row(now, id, floor);
    }

    pub(super) fn wait_for_row(&mut self, now: SimTime, id: u32, floor: &mut Floor) {
        let staged = *floor.staged(id);
        let rows = self.rows.as_mut().expect("who uses rows has some");
        let (ticket, ask_again) = match rows.take(now, staged.thing, id, staged.ticket) {
            Ok(()) => {
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
        let staged = floor.staged(id);
        if !staged.uses.locks {
            return;
        }
        let Some(rows) = &mut self.rows else { return };
        let next = rows.leave(now, staged.thing, id, staged.ticket);
        floor.staged_mut(id).ticket = None;
        match next {
            None => {}
            Some(Next::Given(next)) => {
                floor.staged_mut(next).stage = Stage::HasRow;
                floor.staged_mut(next).ticket = None;
                floor.jobs[next].ends = now;
                floor.out.push(Output::CompletionAt { job: next, at: now });
            }
            Some(Next::AsksAt(next, until)) => ask_at(now, next, until, floor),
        }
    }

    /// Work has ended: its transaction is over, or hangs.
    pub(super) fn end_transaction(&mut self, now: SimTime, id: u32, floor: &mut Floor) {
        let staged = floor.staged(id);
        if floor.jobs[id].fate != Fate::Hang || !staged.uses.locks {
            return self.leave_row(now, id, floor);
        }
        let until = now + self.config.row_lock.hung;
        if let Some(rows) = &mut self.rows
            && let Some(next) = rows.hang(staged.thing, id, until)
        {
            ask_at(now, next, until, floor);
        }
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

/// Who is first in line for a row that a transaction keeps which hangs, asks again when that is over, unless its own time is over before.
fn ask_at(now: SimTime, job: u32, until: SimTime, floor: &mut Floor) {
    let at = floor.staged(job).until.min(until).max(now);
    floor.jobs[job].ends = at;
    floor.out.push(Output::CompletionAt { job, at });
}
