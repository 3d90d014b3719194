//! The life of an attempt, in the order of the functions below: `send` → at the server, `arrive` without a network and `request` with one →
//! the server's outputs (`settle`) → at the client, `reply` → the call decides (`decide`) → its wait ends in `timer` → sent again. A time-out is
//! the same timer, with an attempt open.
//!
//! Most of it is compiled into the event loop, in one piece: an event costs a few dozen ns, and a call that saves and restores registers is a few of
//! them. What is reached from several places and is long is not: the loop would outgrow the first-level cache.

use super::*;

impl Run<'_> {
    /// A client of a closed loop thinks before its operation number `turn`.
    #[inline(always)]
    pub(super) fn think(&mut self, client: u32, turn: u32) {
        let Arrivals::Closed { think } = &self.scene.world.arrivals else { return };
        let key = CallKey::operation(turn_of(client, turn));
        let until = self.now + think.sample(&mut self.streams.at(Purpose::Think, key, 0));
        if until < self.scene.frame.demand_end() {
            self.queue.push(until, Event::ThinkingOver { client, turn });
            self.to_start += 1;
        }
    }

    /// An operation starts.
    #[inline(always)]
    pub(super) fn start(&mut self, operation: u64, client: u32) {
        self.recorder.operation_started();
        let key = CallKey::operation(operation);
        let call = Call::new(self.now, self.policy);
        let row_id =
            self.rows.insert(Row { key, start: self.now, call, client, open_job: NONE, in_flight: 0, executions: 0 });
        self.at_once.operation(self.now, row_id);
        if !self.gates.is_empty() && self.held.len() <= row_id as usize {
            self.held.resize(row_id as usize + 1, Held::default());
        }
        let held = if self.gates.is_empty() { &mut self.desk } else { &mut self.held[row_id as usize] };
        let mut rules = Rules::new(self.policy, &mut self.gates, held, client, row_id);
        let mut draws = StepDraws::new(&self.streams, key, 0);
        let action = self.rows[row_id].call.begin(self.now, &mut rules, &mut draws);
        if !self.gates.is_empty() {
            let measured = self.recorder.measures();
            let opened = self.gates.take_opened();
            if measured {
                self.recorder.breakers_opened(opened);
            }
            self.count_refusal(measured, matches!(action, Action::Finish(_)));
            self.call_up();
        }
        self.act(row_id, action);
    }

    /// Does what the call says.
    #[inline(always)]
    fn act(&mut self, row: u32, action: Action) {
        match action {
            Action::Send { attempt, due, .. } => self.send(row, attempt, due),
            Action::WakeAt(at) => self.queue.push(at, Event::WakeUp { row }),
            Action::WaitInLine(until) => self.wait_in_line(row, until),
            Action::Finish(verdict) => self.end(row, verdict),
        }
    }

    /// A call stands in line until it is called up; at the latest until then.
    #[inline(never)]
    fn wait_in_line(&mut self, row: u32, until: SimTime) {
        if until != SimTime::NEVER {
            self.timers.set(row, until, &mut self.queue);
        }
    }

    /// Wakes the calls whose turn it is, after everything else that has been scheduled for this instant.
    #[inline(always)]
    pub(super) fn call_up(&mut self) {
        while let Some(row) = self.gates.take_turn() {
            self.wake_in_line(row);
        }
    }

    #[inline(never)]
    fn wake_in_line(&mut self, row: u32) {
        self.timers.clear(row);
        self.queue.push(self.now, Event::WakeUp { row });
    }

    /// Sends an attempt and sets its time-out.
    #[inline(always)]
    fn send(&mut self, row_id: u32, attempt: u32, due: SimTime) {
        self.at_once.attempt(self.now, row_id);
        let row = &mut self.rows[row_id];
        self.recorder.attempt_sent(self.recorder.measured(row.start), attempt);
        let key = row.key;
        let delay = self.server.leg(key, attempt, Leg::Out);
        if delay > Span::ZERO {
            let job = self.take_off(row_id, attempt);
            self.queue.push(self.now + delay, Event::Request { job });
        } else if !self.arrive(row_id, attempt) {
            return;
        }
        if due != SimTime::NEVER {
            self.timers.set(row_id, due, &mut self.queue);
        }
    }

    /// An attempt leaves its client, and something of it moves from now on.
    #[inline(always)]
    pub(super) fn take_off(&mut self, row_id: u32, attempt: u32) -> u32 {
        let row = &mut self.rows[row_id];
        let job = self.jobs.insert(Job::new(row.key, attempt, row_id, row.client, self.keyed));
        row.open_job = job;
        row.in_flight += 1;
        job
    }

    /// An attempt reaches the server as it is sent. False if its answer has come by now; one that comes at once is nowhere put down in between.
    #[inline(always)]
    fn arrive(&mut self, row_id: u32, attempt: u32) -> bool {
        if self.recorder.asks_who_arrives() {
            return self.arrive_told(row_id, attempt);
        }
        self.arrive_as::<false>(row_id, attempt)
    }

    #[cold]
    #[inline(never)]
    fn arrive_told(&mut self, row_id: u32, attempt: u32) -> bool {
        self.arrive_as::<true>(row_id, attempt)
    }

    /// `TOLD`: it is told whose attempt it is.
    #[inline(always)]
    fn arrive_as<const TOLD: bool>(&mut self, row_id: u32, attempt: u32) -> bool {
        let row = &mut self.rows[row_id];
        let request = Request { key: row.key, attempt, client: row.client, cancelled: false };
        let door = self.server.knock(self.now, request);
        let arrived = u64::from(door != Door::Gone { arrived: false });
        self.recorder.attempts_arrived(arrived);
        if TOLD {
            self.recorder.tell_who_arrived(row.start, arrived);
        }
        match door {
            Door::Open(fate) => {
                let job = self.take_off(row_id, attempt);
                self.tell(|server, now, floor| server.enter(now, job, fate, floor));
                self.rows.get(row_id).is_some_and(|row| row.open_job == job)
            }
            Door::Answer(outcome, retry_after) => {
                let delay = self.server.leg(request.key, attempt, Leg::Back);
                if delay == Span::ZERO {
                    self.answered(row_id, attempt, self.server.read(self.now, outcome, retry_after));
                    return false;
                }
                let job = self.take_off(row_id, attempt);
                self.jobs[job].answer(outcome, retry_after);
                self.queue.push(self.now + delay, Event::Reply { job });
                true
            }
            Door::Gone { .. } => {
                row.open_job = LOST;
                true
            }
        }
    }

    /// Counts an attempt of an operation that started at `start` if it has reached its server.
    pub(super) fn count_arrival(&mut self, start: SimTime, arrived: bool) {
        self.recorder.attempts_arrived(u64::from(arrived));
        self.recorder.tell_who_arrived(start, u64::from(arrived));
    }

    /// A request reaches the server after its way.
    #[inline(always)]
    pub(super) fn request(&mut self, id: u32) {
        if self.recorder.asks_who_arrives() {
            return self.request_of(id);
        }
        let mut arrived = false;
        self.tell(|server, now, floor| arrived = server.receive(now, id, floor));
        self.recorder.attempts_arrived(u64::from(arrived));
    }

    /// The same where it matters whose it is: its operation may be off the books when it has been received.
    #[cold]
    #[inline(never)]
    fn request_of(&mut self, id: u32) {
        let start = self.rows[self.jobs[id].row].start;
        let mut arrived = false;
        self.tell(|server, now, floor| arrived = server.receive(now, id, floor));
        self.recorder.attempts_arrived(u64::from(arrived));
        self.recorder.tell_who_arrived(start, u64::from(arrived));
    }

    /// Tells the server something, and does what it says.
    #[inline(always)]
    pub(super) fn tell(&mut self, what: impl FnOnce(&mut Server, SimTime, &mut Floor)) {
        let floor = &mut Floor { jobs: &mut self.jobs, out: &mut self.outputs, beside: None };
        what(&mut self.server, self.now, floor);
        self.settle();
    }

    /// Does what the server says. Nothing in here makes a server say more.
    #[inline(never)]
    pub(super) fn settle(&mut self) {
        let said = self.outputs.len();
        for index in 0..said {
            match self.outputs[index] {
                Output::Answer { job, executed } => {
                    let Job { key, attempt, .. } = self.jobs[job];
                    let delay = self.server.leg(key, attempt, Leg::Back);
                    if delay == Span::ZERO {
                        self.reply(job, executed);
                    } else {
                        self.rows[self.jobs[job].row].executions += u32::from(executed);
                        self.queue.push(self.now + delay, Event::Reply { job });
                    }
                }
                Output::Started { job, arrived, at } => {
                    self.recorder.taken_up(arrived, self.now);
                    self.queue.push(at, Event::Completion { job });
                }
                Output::TakenUp { arrived } => self.recorder.taken_up(arrived, self.now),
                Output::CompletionAt { job, at } => self.queue.push(at, Event::Completion { job }),
                Output::PatienceEndsAt { job, at } => self.queue.push(at, Event::PatienceEnds { job }),
                Output::Calls { .. } | Output::Effect { .. } | Output::Meets { .. } => {
                    unreachable!("a server that makes calls, or works in stages, goes the whole way")
                }
                Output::Gone { job, executed } => {
                    let job = self.jobs.remove(job);
                    let row = &mut self.rows[job.row];
                    row.executions += u32::from(executed);
                    row.in_flight -= 1;
                    self.release(job.row);
                }
            }
        }
        assert_eq!(self.outputs.len(), said, "a client's reaction never reaches a server within one event");
        self.outputs.clear();
    }

    /// A reply reaches its client, who may have stopped waiting. `executed`: at the same instant.
    #[inline(always)]
    pub(super) fn reply(&mut self, job_id: u32, executed: bool) {
        let job = self.jobs.remove(job_id);
        let row = &mut self.rows[job.row];
        row.in_flight -= 1;
        row.executions += u32::from(executed);
        if job.awaited != Awaited::Yes {
            self.release(job.row);
            return;
        }
        self.recorder.reply_received(self.server.time_worked_on(&job));
        self.answered(job.row, job.attempt, self.server.read(self.now, job.reply, job.retry_after()));
    }

    /// The attempt that a client waited for ends with a reply.
    #[inline(never)]
    fn answered(&mut self, row_id: u32, attempt: u32, reply: Failure) {
        let row = &mut self.rows[row_id];
        row.open_job = NONE;
        let measured = self.recorder.measured(row.start);
        self.recorder.attempt_ended(self.now, row.key, attempt, reply.outcome, measured);
        let action = self.decide(row_id, Some(reply));
        // What was open until now has ended; a wait sets the timer anew.
        self.timers.clear(row_id);
        match action {
            Action::WakeAt(at) => self.queue.push(at, Event::WakeUp { row: row_id }),
            Action::Finish(verdict) => self.end(row_id, verdict),
            Action::Send { .. } | Action::WaitInLine(_) => {
                unreachable!("before another attempt there is a wait, if only of no time")
            }
        }
    }

    /// A client's time-out or wake-up.
    #[inline(always)]
    pub(super) fn timer(&mut self, row_id: u32) {
        let row = &mut self.rows[row_id];
        let timed_out = row.open_job;
        if timed_out != NONE {
            row.open_job = NONE;
            let (attempt, measured) = (row.call.attempts(), self.recorder.measured(row.start));
            self.recorder.attempt_ended(self.now, row.key, attempt, Outcome::Timeout, measured);
        }
        let action = self.decide(row_id, None);
        self.act(row_id, action);
        // A lost request or a hang leaves nothing behind that could be abandoned.
        if timed_out != NONE && self.jobs.get(timed_out).is_some_and(|job| job.row == row_id) {
            self.stop_waiting(timed_out);
        }
    }

    /// A client stops waiting for an attempt, and says so. The server hears it one leg later, if it does something about it.
    #[inline(always)]
    pub(super) fn stop_waiting(&mut self, id: u32) {
        let job = &mut self.jobs[id];
        job.awaited = Awaited::No;
        if self.server.heeds_cancellation() {
            self.send_cancellation(id);
        }
    }

    #[inline(never)]
    fn send_cancellation(&mut self, id: u32) {
        let Job { key, attempt, reply, .. } = self.jobs[id];
        if reply != Outcome::Open {
            // Its answer is on the way: there is nothing to cancel any more.
            return;
        }
        let delay = self.server.leg(key, attempt, Leg::Cancel);
        if delay == Span::ZERO {
            return self.tell(|server, now, floor| server.cancel(now, id, floor));
        }
        let at = self.now + delay;
        self.jobs[id].cancel_at(at);
        self.queue.push(at, Event::Cancellation { job: id });
    }

    /// A cancellation reaches the server. It may come too late: then the attempt is answered, or gone, and another one may have its place.
    #[inline(never)]
    pub(super) fn cancellation(&mut self, id: u32) {
        if self.jobs.get(id).is_some_and(|job| job.is_cancelled_at(self.now)) {
            self.tell(|server, now, floor| server.cancel(now, id, floor));
        }
    }

    /// Lets the call decide what to do next, after a reply or because its time has come, and counts what that did to the gates.
    #[inline(always)]
    fn decide(&mut self, row_id: u32, reply: Option<Failure>) -> Action {
        let row = &mut self.rows[row_id];
        let mut draws = StepDraws::new(&self.streams, row.key, row.call.used());
        let held = if self.gates.is_empty() { &mut self.desk } else { &mut self.held[row_id as usize] };
        let mut rules = Rules::new(self.policy, &mut self.gates, held, row.client, row_id);
        let action = match reply {
            Some(reply) => row.call.on_reply(self.now, row.call.attempts(), reply, &mut rules, &mut draws),
            None => row.call.on_wake(self.now, &mut rules, &mut draws),
        };
        if !self.gates.is_empty() {
            let measured = self.recorder.measured(row.start);
            let opened = self.gates.take_opened();
            if measured {
                self.recorder.breakers_opened(opened);
            }
            if self.count_refusal(measured, matches!(action, Action::Finish(_))) {
                self.at_once.attempt(self.now, row_id);
            }
            self.call_up();
        }
        action
    }

    /// Counts the refusal of a gate, if one has just refused. That was what the call did last: if it is over now, it is over with that.
    pub(super) fn count_refusal(&mut self, measured: bool, is_over: bool) -> bool {
        let refusal = self.gates.take_refusal();
        if let Some(gate) = refusal {
            self.recorder.refused(self.gates.config(gate).rule.refusal(), measured, is_over);
        }
        refusal.is_some()
    }

    /// An operation has ended for its client.
    #[inline(always)]
    fn end(&mut self, row_id: u32, verdict: Verdict) {
        let attempts = self.rows[row_id].call.attempts();
        self.end_after(row_id, (attempts, attempts), verdict);
    }

    /// The same, after so many attempts that were no hedges, and so many in all.
    #[inline(always)]
    pub(super) fn end_after(&mut self, row_id: u32, attempts: (u32, u32), verdict: Verdict) {
        let row = &self.rows[row_id];
        let (client, key, start) = (row.client, row.key, row.start);
        let measured = self.recorder.measured(start);
        self.recorder.operation_ended(self.now, start, attempts, verdict, measured);
        if row.in_flight == 0 {
            self.release(row_id);
        }
        // The key of an operation's call is its number.
        self.think(client, (key.value() as u32 + 1) % TURNS);
    }

    /// Takes the operation off the books once it has ended and nothing of it is in flight.
    #[inline(always)]
    pub(super) fn release(&mut self, row_id: u32) {
        let row = &self.rows[row_id];
        let verdict = row.call.verdict();
        if verdict.is_none() || row.in_flight > 0 {
            return;
        }
        self.recorder.operation_released(self.recorder.measured(row.start), verdict, row.executions);
        self.rows.remove(row_id);
        self.server.forget(row_id);
    }
}
