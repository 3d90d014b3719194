//! The life of an attempt the whole way: everything there is, written once. It runs in place of `life.rs` where a run has what that does not know, as
//! several open attempts of one call. Where both can go, they give the same run, to the last attempt: tests hold them to one another.
//!
//! What is open stands in a table of its own, and a call has one timer for whatever is due next. A client reacts to a reply where the reply is; what it
//! sends then takes its turn, as a timer of the same instant, since the server may not have said all it has to say.

use super::*;
use crate::call::tries::{Open, Tries};
use crate::hedge::{HedgeConfig, Hedger, Losers};

/// What the whole way needs beside the rest of a run.
#[derive(Debug)]
pub(super) struct Whole {
    hedger: Hedger,
    /// By the operation's place.
    calls: Vec<Tries>,
    /// Bytes that the calls take beside their own size.
    heap: usize,
}

impl Whole {
    /// Of a policy that hedges so, or not at all.
    pub(super) fn new(hedge: Option<&HedgeConfig>, clients: u32) -> Whole {
        let never = HedgeConfig::never();
        Whole { hedger: Hedger::new(hedge.unwrap_or(&never), clients), calls: Vec::new(), heap: 0 }
    }

    /// The attempts of an operation that are open.
    pub(super) fn open(&self, row: u32) -> &[Open] {
        self.calls[row as usize].open()
    }

    /// Attempts of an operation, so far.
    pub(super) fn sent(&self, row: u32) -> u32 {
        self.calls[row as usize].sent()
    }

    pub(super) fn bytes(&self) -> usize {
        self.hedger.bytes() + self.calls.capacity() * size_of::<Tries>() + self.heap
    }
}

/// What the whole way needs, where a run goes it.
fn whole(whole: &mut Option<Whole>) -> &mut Whole {
    whole.as_mut().expect("only what goes the whole way comes here")
}

impl Run<'_> {
    /// An operation starts.
    #[inline(never)]
    pub(super) fn start_whole(&mut self, row_id: u32) {
        self.rows[row_id].open_job = MANY;
        let calls = &mut whole(&mut self.whole).calls;
        if calls.len() <= row_id as usize {
            calls.resize_with(row_id as usize + 1, Tries::default);
        }
        let action = self.step(row_id, |call, now, rules, draws| call.begin(now, rules, draws));
        self.act_whole(row_id, action);
    }

    /// A reply reaches its client, who may have stopped waiting for it. `executed`: at the same instant.
    #[inline(never)]
    pub(super) fn reply_whole(&mut self, job_id: u32, executed: bool) {
        let job = self.jobs.remove(job_id);
        let row = &mut self.rows[job.row];
        row.in_flight -= 1;
        row.executions += u32::from(executed);
        let open = whole(&mut self.whole).calls[job.row as usize].is_open(job.attempt);
        if job.awaited != Awaited::Yes || !open {
            // Given up, or it lost and ran on.
            self.release(job.row);
            return;
        }
        self.recorder.reply_received(self.server.time_worked_on(&job));
        self.answered_whole(job.row, job.attempt, self.server.read(self.now, job.reply, job.retry_after()));
    }

    /// An open attempt ends with a reply.
    fn answered_whole(&mut self, row_id: u32, attempt: u32, reply: Failure) {
        let row = &self.rows[row_id];
        let (key, measured) = (row.key, self.recorder.measured(row.start));
        self.recorder.attempt_ended(self.now, key, attempt, reply.outcome, measured);
        let action = self.step(row_id, |call, now, rules, draws| call.on_reply(now, attempt, reply, rules, draws));
        self.act_whole(row_id, action);
    }

    /// The timer of an operation.
    #[inline(never)]
    pub(super) fn timer_whole(&mut self, row_id: u32) {
        let key = self.rows[row_id].key;
        let action = self.step(row_id, |call, now, rules, draws| call.on_wake(now, rules, draws));
        let timed_out = whole(&mut self.whole).calls[row_id as usize].take_timed_out();
        if let Some(open) = timed_out {
            let measured = self.recorder.measured(self.rows[row_id].start);
            self.recorder.attempt_ended(self.now, key, open.attempt, Outcome::Timeout, measured);
        }
        self.act_whole(row_id, action);
        if let Some(open) = timed_out.filter(|open| self.left_something(key, *open)) {
            self.stop_waiting(open.tag);
        }
    }

    /// Does what the call says.
    fn act_whole(&mut self, row_id: u32, action: Action) {
        self.timers.clear(row_id);
        let due = match action {
            Action::Send { attempt, due, hedge } => {
                if !self.send_whole(row_id, attempt, hedge) {
                    return;
                }
                due
            }
            Action::WakeAt(at) | Action::WaitInLine(at) => at,
            Action::Finish(verdict) => return self.end_whole(row_id, verdict),
        };
        if due != SimTime::NEVER {
            self.timers.set(row_id, due, &mut self.queue);
        }
    }

    /// The call is over for its client; what is still open has lost.
    fn end_whole(&mut self, row_id: u32, verdict: Verdict) {
        let row = &self.rows[row_id];
        let (key, measured) = (row.key, self.recorder.measured(row.start));
        let whole = whole(&mut self.whole);
        let cancels = whole.hedger.config().losers == Losers::Cancel;
        let tries = &mut whole.calls[row_id as usize];
        let (attempts, losers) = ((tries.tries(), tries.sent()), tries.take_open());
        for open in &losers {
            self.recorder.attempt_ended(self.now, key, open.attempt, Outcome::Cancelled, measured);
        }
        self.end_after(row_id, attempts, verdict);
        for open in losers.iter().filter(|_| cancels) {
            if self.left_something(key, *open) {
                self.jobs[open.tag].awaited = Awaited::No;
                if self.server.heeds_cancellation() {
                    self.send_cancellation(open.tag, true);
                }
            }
        }
        self::whole(&mut self.whole).calls[row_id as usize].put_back(losers);
    }

    /// True if something of an attempt moves that nobody waits for any more. One that was lost or hangs has left nothing behind.
    fn left_something(&self, key: CallKey, open: Open) -> bool {
        self.jobs.get(open.tag).is_some_and(|job| (job.key, job.attempt) == (key, open.attempt))
    }

    /// Sends an attempt. False if it is answered by now.
    fn send_whole(&mut self, row_id: u32, attempt: u32, hedge: bool) -> bool {
        self.at_once.attempt(self.now, row_id);
        let row = &self.rows[row_id];
        let (key, client) = (row.key, row.client);
        let measured = self.recorder.measured(row.start);
        if hedge {
            self.recorder.hedge_sent(measured);
        } else {
            self.recorder.attempt_sent(measured, attempt);
        }
        let delay = self.server.leg(key, attempt, Leg::Out);
        if delay > Span::ZERO {
            let job = self.take_off_whole(row_id, attempt);
            self.queue.push(self.now + delay, Event::Request { job });
            return true;
        }
        let request = Request { key, attempt, client, cancelled: false };
        let door = self.server.knock(self.now, request);
        self.count_arrival(row_id, door != Door::Gone { arrived: false });
        match door {
            Door::Open(fate) => {
                let job = self.take_off_whole(row_id, attempt);
                self.tell(|server, now, floor| server.enter(now, job, fate, floor));
                let calls = &whole(&mut self.whole).calls;
                self.rows.get(row_id).is_some_and(|row| row.key == key) && calls[row_id as usize].is_open(attempt)
            }
            Door::Answer(outcome, retry_after) => {
                let delay = self.server.leg(key, attempt, Leg::Back);
                if delay == Span::ZERO {
                    self.answered_whole(row_id, attempt, self.server.read(self.now, outcome, retry_after));
                    return false;
                }
                let job = self.take_off_whole(row_id, attempt);
                self.jobs[job].answer(outcome, retry_after);
                self.queue.push(self.now + delay, Event::Reply { job });
                true
            }
            Door::Gone { .. } => true,
        }
    }

    /// An attempt leaves its client.
    fn take_off_whole(&mut self, row_id: u32, attempt: u32) -> u32 {
        let job = self.take_off(row_id, attempt);
        self.rows[row_id].open_job = MANY;
        whole(&mut self.whole).calls[row_id as usize].tag(attempt, job);
        job
    }

    /// Lets the call take a step, and counts what that did to the gates.
    fn step(
        &mut self,
        row_id: u32,
        step: impl FnOnce(&mut Call, SimTime, &mut Rules, &mut StepDraws) -> Action,
    ) -> Action {
        let whole = whole(&mut self.whole);
        let row = &mut self.rows[row_id];
        let tries = &mut whole.calls[row_id as usize];
        let measured = self.recorder.measured(row.start);
        let (opened, refused) = (self.gates.counts().breaker_opened, whole.hedger.refused());
        let had = tries.heap_bytes();
        let mut draws = StepDraws::of_hedge(&self.streams, row.key, row.call.used(), tries.asked());
        let rules = Rules::new(self.policy, &mut self.gates, &mut self.desk, row.client, row_id);
        let action = step(&mut row.call, self.now, &mut rules.hedging(&mut whole.hedger, tries), &mut draws);
        let (hedge_refused, is_over) = (tries.take_refused(), matches!(action, Action::Finish(_)));
        whole.heap = whole.heap + tries.heap_bytes() - had;
        if measured {
            self.recorder.breakers_opened(self.gates.counts().breaker_opened - opened);
            self.recorder.hedges_refused(whole.hedger.refused() - refused);
        }
        if let Some(gate) = hedge_refused {
            self.recorder.refused(self.gates.config(gate).rule.refusal(), measured, false);
            self.at_once.attempt(self.now, row_id);
        }
        if self.count_refusal(measured, is_over) {
            self.at_once.attempt(self.now, row_id);
        }
        self.call_up();
        action
    }
}
