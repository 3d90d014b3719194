//! The life of an attempt where several of one call may be open. It runs beside `life.rs`, and only where a policy hedges: what is open stands
//! in a table of its own, and an operation has one timer for whatever is due next.

use super::*;
use crate::call::hedged::{Deed, Hedged, Open, Parties};
use crate::hedge::{HedgeConfig, Hedger, Losers};

/// What hedging needs beside the rest of a run.
#[derive(Debug)]
pub(super) struct Hedging {
    hedger: Hedger,
    /// By the operation's place.
    calls: Vec<Hedged>,
    /// For when each timer is set.
    timers: Vec<SimTime>,
    /// Bytes that the calls take beside their own size.
    heap: usize,
}

impl Hedging {
    pub(super) fn new(config: &HedgeConfig, clients: u32) -> Hedging {
        Hedging { hedger: Hedger::new(config, clients), calls: Vec::new(), timers: Vec::new(), heap: 0 }
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
        let (calls, timers) = (self.calls.capacity(), self.timers.capacity());
        self.hedger.bytes() + calls * size_of::<Hedged>() + timers * size_of::<SimTime>() + self.heap
    }
}

/// What hedging needs, where a policy hedges.
fn hedging(hedging: &mut Option<Hedging>) -> &mut Hedging {
    hedging.as_mut().expect("only operations of a policy that hedges come here")
}

impl Run<'_> {
    /// An operation starts.
    #[inline(never)]
    pub(super) fn start_hedged(&mut self, row_id: u32) {
        self.rows[row_id].open_job = HEDGED;
        let hedging = hedging(&mut self.hedging);
        if hedging.calls.len() <= row_id as usize {
            hedging.calls.resize_with(row_id as usize + 1, Hedged::default);
            hedging.timers.resize(row_id as usize + 1, SimTime::NEVER);
        }
        let deed = self.ask_hedged(row_id, |now, hedged, parties, draws| hedged.begin(now, parties, draws));
        self.act_hedged(row_id, deed);
    }

    /// A reply reaches its client, who may have stopped waiting for it. `executed`: at the same instant. What the client makes of it may reach a
    /// server that has not said all it has to say yet: then the reply waits for its turn, as an event of its own.
    #[inline(never)]
    pub(super) fn reply_hedged(&mut self, job_id: u32, executed: bool, in_turn: bool) {
        let row_id = self.jobs[job_id].row;
        let row = &mut self.rows[row_id];
        row.executions += u32::from(executed);
        if !in_turn {
            self.queue.push(self.now, Event::Reply { job: job_id });
            return;
        }
        row.in_flight -= 1;
        let job = self.jobs.remove(job_id);
        if job.awaited != Awaited::Yes {
            self.release(row_id);
            return;
        }
        let reply = self.server.read(self.now, job.reply, job.retry_after());
        let attempt = job.attempt;
        let deed =
            self.ask_hedged(row_id, |now, hedged, parties, draws| hedged.on_reply(now, attempt, reply, parties, draws));
        let Some(deed) = deed else {
            // It lost, and ran on.
            self.release(row_id);
            return;
        };
        self.recorder.reply_received(self.server.time_worked_on(&job));
        let row = &self.rows[row_id];
        let measured = self.recorder.measured(row.start);
        self.recorder.attempt_ended(self.now, row.key, attempt, reply.outcome, measured);
        self.act_hedged(row_id, deed);
    }

    /// The timer of an operation.
    #[inline(never)]
    pub(super) fn timer_hedged(&mut self, row_id: u32) {
        let hedging = hedging(&mut self.hedging);
        hedging.timers[row_id as usize] = SimTime::NEVER;
        let woken = hedging.calls[row_id as usize].wakes(self.now);
        loop {
            let deed = self.ask_hedged(row_id, |now, hedged, parties, draws| hedged.on_due(now, parties, draws));
            if deed == Deed::Rest {
                break;
            }
            if !self.do_hedged(row_id, deed) {
                return;
            }
        }
        let deed = match woken {
            true => self.ask_hedged(row_id, |now, hedged, parties, draws| hedged.on_wake(now, parties, draws)),
            false => Deed::Rest,
        };
        self.act_hedged(row_id, deed);
    }

    /// It is the turn of a call that has waited in line.
    pub(super) fn turn_hedged(&mut self, row_id: u32) {
        hedging(&mut self.hedging).calls[row_id as usize].turn(self.now);
        self.set_timer(row_id);
    }

    /// Does what the call says, and what it says next.
    fn act_hedged(&mut self, row_id: u32, mut deed: Deed) {
        while deed != Deed::Rest {
            if !self.do_hedged(row_id, deed) {
                return;
            }
            deed = self.ask_hedged(row_id, |now, hedged, parties, draws| hedged.on_hedge(now, parties, draws));
        }
        self.set_timer(row_id);
    }

    /// Does one thing. False if the call is over.
    fn do_hedged(&mut self, row_id: u32, deed: Deed) -> bool {
        match deed {
            Deed::Rest => true,
            Deed::Send { attempt, hedge } => {
                self.send_hedged(row_id, attempt, hedge);
                true
            }
            Deed::TimedOut(open, verdict) => {
                let row = &self.rows[row_id];
                let (key, measured) = (row.key, self.recorder.measured(row.start));
                self.recorder.attempt_ended(self.now, key, open.attempt, Outcome::Timeout, measured);
                if let Some(verdict) = verdict {
                    self.over(row_id, verdict);
                }
                self.give_up(key, row_id, open);
                verdict.is_none()
            }
            Deed::Over(verdict) => {
                self.over(row_id, verdict);
                false
            }
        }
    }

    /// The call is over for its client; what is still open has lost.
    fn over(&mut self, row_id: u32, verdict: Verdict) {
        let row = &self.rows[row_id];
        let (key, measured) = (row.key, self.recorder.measured(row.start));
        self.timers.clear(row_id);
        let hedging = hedging(&mut self.hedging);
        hedging.timers[row_id as usize] = SimTime::NEVER;
        let cancels = hedging.hedger.config().losers == Losers::Cancel;
        let hedged = &mut hedging.calls[row_id as usize];
        let (attempts, losers) = ((hedged.tries(), hedged.sent()), hedged.take_open());
        for open in &losers {
            self.recorder.attempt_ended(self.now, key, open.attempt, Outcome::Cancelled, measured);
        }
        self.end_after(row_id, attempts, verdict);
        for open in losers.iter().filter(|_| cancels) {
            self.give_up(key, row_id, *open);
        }
        self::hedging(&mut self.hedging).calls[row_id as usize].put_back(losers);
    }

    /// Nobody waits for an attempt any more, and its client says so. One that was lost or hangs has left nothing behind.
    fn give_up(&mut self, key: CallKey, row_id: u32, open: Open) {
        let is_its = |job: &Job| (job.key, job.row, job.attempt) == (key, row_id, open.attempt);
        if self.jobs.get(open.tag).is_some_and(is_its) {
            self.stop_waiting(open.tag);
        }
    }

    /// Sends an attempt.
    fn send_hedged(&mut self, row_id: u32, attempt: u32, hedge: bool) {
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
            let job = self.take_off_hedged(row_id, attempt);
            self.queue.push(self.now + delay, Event::Request { job });
            return;
        }
        let request = Request { key, attempt, client, cancelled: false };
        let door = self.server.knock(self.now, request);
        self.count_arrival(row_id, door != Door::Gone { arrived: false });
        match door {
            Door::Open(fate) => {
                let job = self.take_off_hedged(row_id, attempt);
                self.tell(|server, now, floor| server.enter(now, job, fate, floor));
            }
            Door::Answer(outcome, retry_after) => {
                let delay = self.server.leg(key, attempt, Leg::Back);
                let job = self.take_off_hedged(row_id, attempt);
                self.jobs[job].answer(outcome, retry_after);
                self.queue.push(self.now + delay, Event::Reply { job });
            }
            Door::Gone { .. } => {}
        }
    }

    /// An attempt leaves its client.
    fn take_off_hedged(&mut self, row_id: u32, attempt: u32) -> u32 {
        let job = self.take_off(row_id, attempt);
        self.rows[row_id].open_job = HEDGED;
        hedging(&mut self.hedging).calls[row_id as usize].tag(attempt, job);
        job
    }

    /// Sets the timer of an operation to what is due next.
    fn set_timer(&mut self, row_id: u32) {
        let hedging = hedging(&mut self.hedging);
        let due = hedging.calls[row_id as usize].due();
        let set = &mut hedging.timers[row_id as usize];
        if due != *set {
            self.timers.clear(row_id);
            if due != SimTime::NEVER {
                self.timers.set(row_id, due, &mut self.queue);
            }
            *set = due;
        }
    }

    /// Asks the call something, and counts what that did to the gates.
    fn ask_hedged<T>(
        &mut self,
        row_id: u32,
        ask: impl FnOnce(SimTime, &mut Hedged, &mut Parties, &mut StepDraws) -> T,
    ) -> T {
        let hedging = hedging(&mut self.hedging);
        let row = &mut self.rows[row_id];
        let hedged = &mut hedging.calls[row_id as usize];
        let measured = self.recorder.measured(row.start);
        let (opened, refused) = (self.gates.counts().breaker_opened, hedging.hedger.refused());
        let had = hedged.heap_bytes();
        let mut draws = StepDraws::of_hedge(&self.streams, row.key, row.call.used(), hedged.asked());
        let mut rules = Rules {
            policy: self.policy,
            gates: &mut self.gates,
            held: &mut self.desk,
            client: row.client,
            call: row_id,
        };
        let mut parties = Parties { call: &mut row.call, rules: &mut rules, hedger: &mut hedging.hedger };
        let answer = ask(self.now, hedged, &mut parties, &mut draws);
        let (hedge_refused, is_over) = (hedged.take_refused(), row.call.verdict().is_some());
        hedging.heap = hedging.heap + hedged.heap_bytes() - had;
        if measured {
            self.recorder.breakers_opened(self.gates.counts().breaker_opened - opened);
            self.recorder.hedges_refused(hedging.hedger.refused() - refused);
        }
        if let Some(gate) = hedge_refused {
            self.recorder.refused(self.gates.config(gate).rule.refusal(), measured, false);
            self.at_once.attempt(self.now, row_id);
        }
        if self.count_refusal(measured, is_over) {
            self.at_once.attempt(self.now, row_id);
        }
        self.call_up();
        answer
    }
}
