//! Attempts that nobody waits for any more, and calls that are given up: what their servers hear of it.

use super::*;
use crate::call::tries::Open;

impl Run<'_> {
    /// Whoever made a call has gone: what is open of it ends, and no more is sent.
    pub(super) fn abandon_call(&mut self, row_id: u32) {
        let key = self.rows[row_id].key;
        self.timers.clear(row_id);
        self.step(row_id, |call, _, rules, _| {
            call.abandon(rules);
            Action::WakeAt(SimTime::NEVER)
        });
        let side = &mut self.whole().sides[row_id as usize];
        side.is_over = true;
        let (order, sent) = (side.order, side.tries.sent());
        let losers = side.tries.take_open();
        for open in &losers {
            self.attempt_over(row_id, open.attempt, Failure::new(Outcome::Cancelled));
        }
        self.count_call(order, sent);
        let told = self.whole().place(row_id).call.is_some_and(|call| call.cancel);
        self.lose(row_id, key, losers, told);
    }

    /// Attempts that were open when their call ended are given up; `told`: their server hears of it. The call goes off the books, if nothing of it moves.
    pub(super) fn lose(&mut self, row_id: u32, key: CallKey, losers: Vec<Open>, told: bool) {
        for open in &losers {
            if self.left_something(key, *open) {
                if told {
                    self.stop_waiting_whole(open.tag, true);
                } else {
                    self.jobs[open.tag].awaited = Awaited::No;
                }
            }
        }
        self.whole().sides[row_id as usize].tries.put_back(losers);
        self.release_call(row_id);
    }

    /// True if something of an attempt moves that nobody waits for any more. One that was lost or hangs has left nothing behind.
    pub(super) fn left_something(&self, key: CallKey, open: Open) -> bool {
        self.jobs.get(open.tag).is_some_and(|job| (job.key, job.attempt) == (key, open.attempt))
    }

    /// A client stops waiting for an attempt, and says so. `in_turn`: as an event of its own, also if it takes no time.
    pub(super) fn stop_waiting_whole(&mut self, id: u32, in_turn: bool) {
        let number = self.whole().at[id as usize];
        let job = &mut self.jobs[id];
        job.awaited = Awaited::No;
        let (key, attempt, can_be_cancelled) = (job.key, job.attempt, job.can_be_cancelled());
        let server = self.server(number);
        // If its answer is on the way, there is nothing to cancel any more.
        if !server.heeds_cancellation() || !can_be_cancelled {
            return;
        }
        let delay = server.leg(key, attempt, Leg::Cancel);
        if delay == Span::ZERO && !in_turn {
            return self.tell_whole(number, |server, now, floor| server.cancel(now, id, floor));
        }
        let at = self.now + delay;
        self.jobs[id].cancel_at(at);
        self.queue.push(at, Event::Cancellation { job: id });
    }
}
