//! The life of an attempt, in the order of the functions below: `send` → `request` at the server → the server's outputs (`settle`) →
//! `reply` at the client → the call decides (`decide`) → its wait ends in `timer` → sent again. A time-out is the same timer, with an
//! attempt open.
//!
//! Nearly all of it is compiled into the event loop, in one piece: an event costs a few dozen ns, and a call that saves and restores
//! registers is a few of them.

use super::*;

impl Run<'_> {
    /// A client of a closed loop thinks before its operation number `turn`.
    #[inline(always)]
    pub(super) fn think(&mut self, client: u32, turn: u32) {
        let Arrivals::Closed { think } = &self.scenario.arrivals else { return };
        let operation = turn_of(client, turn);
        let until = self.now + think.sample(&mut self.streams.at(Purpose::Think, operation, 0));
        if until < SimTime::ZERO + self.scenario.duration {
            self.queue.push(until, Event::ThinkingOver { client, turn });
            self.to_start += 1;
        }
    }

    /// An operation starts.
    #[inline(always)]
    pub(super) fn start(&mut self, operation: u64, client: u32) {
        self.recorder.operation_started();
        let call = Call::new(self.now, self.policy);
        let row_id = self.rows.insert(Row {
            operation,
            start: self.now,
            call,
            client,
            open_job: NONE,
            in_flight: 0,
            executions: 0,
        });
        self.at_once.operation(self.now, row_id);
        if !self.gates.is_empty() && self.held.len() <= row_id as usize {
            self.held.resize(row_id as usize + 1, Held::default());
        }
        let place = if self.gates.is_empty() { 0 } else { row_id as usize };
        let held = &mut self.held[place];
        let mut rules = Rules { policy: self.policy, gates: &mut self.gates, held, client };
        let mut draws = StepDraws::new(&self.streams, operation, 0);
        let action = self.rows[row_id].call.begin(self.now, &mut rules, &mut draws);
        if !self.gates.is_empty() {
            self.count_refusal(self.recorder.measures());
        }
        self.act(row_id, action);
    }

    /// Does what the call says.
    #[inline(always)]
    fn act(&mut self, row: u32, action: Action) {
        match action {
            Action::Send { attempt, due } => self.send(row, attempt, due),
            Action::WakeAt(at) => self.queue.push(at, Event::WakeUp { row }),
            Action::Finish(verdict) => self.end(row, verdict),
        }
    }

    /// Sends an attempt and sets its time-out.
    #[inline(always)]
    fn send(&mut self, row_id: u32, attempt: u32, due: SimTime) {
        self.at_once.attempt(self.now, row_id);
        let row = &mut self.rows[row_id];
        self.recorder.attempt_sent(self.recorder.measured(row.start), attempt);
        let server = &self.servers[self.scenario.operation.server];
        let keyed = server.knows_keys() && self.policy.key() == KeyMode::PerOperation;
        let job = self.jobs.insert(Job::new(row.operation, attempt, row_id, row.client, keyed));
        row.open_job = job;
        row.in_flight += 1;
        let delay = self.leg(job, Purpose::NetworkOut, Purpose::AddedOut);
        if delay == Span::ZERO {
            self.request(job);
        } else {
            self.queue.push(self.now + delay, Event::Request { job });
        }
        // The answer may have come at once.
        if due != SimTime::NEVER && self.rows.get(row_id).is_some_and(|row| row.open_job == job) {
            self.timers.set(row_id, due, &mut self.queue);
        }
    }

    /// One way over the network.
    #[inline(always)]
    fn leg(&self, job: u32, own: Purpose, added: Purpose) -> Span {
        let constant = self.servers[self.scenario.operation.server].constant_leg();
        constant.unwrap_or_else(|| self.random_leg(job, own, added))
    }

    /// Kept apart, so that a leg that is the same for all stays a look at one field.
    #[inline(never)]
    fn random_leg(&self, job: u32, own: Purpose, added: Purpose) -> Span {
        let (server, job) = (&self.servers[self.scenario.operation.server], &self.jobs[job]);
        let draw = |distribution: &Distribution, purpose, fault: u32| {
            let attempt = u64::from(fault) << 32 | u64::from(job.attempt);
            distribution.sample(&mut self.streams.at(purpose, job.operation, attempt))
        };
        let mut delay = draw(&server.config().network, own, 0);
        for (fault, latency) in &server.in_force().added_latency {
            delay += draw(latency, added, *fault);
        }
        delay
    }

    /// A request reaches the server.
    #[inline(always)]
    pub(super) fn request(&mut self, job: u32) {
        let server = &mut self.servers[self.scenario.operation.server];
        let arrived = server.receive(self.now, job, &mut Floor { jobs: &mut self.jobs, out: &mut self.outputs });
        if arrived {
            self.recorder.attempt_arrived();
        }
        self.settle();
    }

    /// Tells a server something, and does what it says.
    #[inline(always)]
    pub(super) fn tell(&mut self, server: usize, what: impl FnOnce(&mut Server, SimTime, &mut Floor)) {
        let floor = &mut Floor { jobs: &mut self.jobs, out: &mut self.outputs };
        what(&mut self.servers[server], self.now, floor);
        self.settle();
    }

    /// Does what the server says. Nothing in here makes a server say more.
    #[inline(never)]
    pub(super) fn settle(&mut self) {
        let said = self.outputs.len();
        for index in 0..said {
            match self.outputs[index] {
                Output::Answer { job, executed } => {
                    let delay = self.leg(job, Purpose::NetworkBack, Purpose::AddedBack);
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
        if job.abandoned {
            self.release(job.row);
            return;
        }
        row.open_job = NONE;
        let server = &self.servers[self.scenario.operation.server];
        self.recorder.reply_received(server.time_worked_on(&job));
        let measured = self.recorder.measured(row.start);
        self.recorder.attempt_ended(self.now, row.operation, job.attempt, job.reply, measured);
        let reply = Failure { outcome: job.reply, retry_after: job.retry_after() };
        let action = self.decide(job.row, Some(reply));
        // What was open until now has ended; a wait sets the timer anew.
        self.timers.clear(job.row);
        match action {
            Action::WakeAt(at) => self.queue.push(at, Event::WakeUp { row: job.row }),
            Action::Finish(verdict) => self.end(job.row, verdict),
            Action::Send { .. } => unreachable!("before another attempt there is a wait, if only of no time"),
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
            self.recorder.attempt_ended(self.now, row.operation, attempt, Outcome::Timeout, measured);
        }
        let action = self.decide(row_id, None);
        self.act(row_id, action);
        // A lost request or a hang leaves nothing behind that could be abandoned.
        if timed_out != NONE && self.jobs.get(timed_out).is_some_and(|job| job.row == row_id) {
            self.tell(self.scenario.operation.server, |server, now, floor| server.abandon(now, timed_out, floor));
        }
    }

    /// Lets the call decide what to do next, after a reply or because its time has come, and counts what that did to the gates.
    #[inline(always)]
    fn decide(&mut self, row_id: u32, reply: Option<Failure>) -> Action {
        let row = &mut self.rows[row_id];
        let mut draws = StepDraws::new(&self.streams, row.operation, row.call.used());
        let place = if self.gates.is_empty() { 0 } else { row_id as usize };
        let held = &mut self.held[place];
        let opened = self.gates.counts().breaker_opened;
        let mut rules = Rules { policy: self.policy, gates: &mut self.gates, held, client: row.client };
        let action = match reply {
            Some(reply) => row.call.on_outcome(self.now, reply, &mut rules, &mut draws),
            None => row.call.on_wake(self.now, &mut rules, &mut draws),
        };
        if !self.gates.is_empty() {
            let measured = self.recorder.measured(row.start);
            if measured {
                self.recorder.breakers_opened(self.gates.counts().breaker_opened - opened);
            }
            if self.count_refusal(measured) {
                self.at_once.attempt(self.now, row_id);
            }
        }
        action
    }

    /// Counts the refusal of a gate, if one has just refused.
    fn count_refusal(&mut self, measured: bool) -> bool {
        let refusal = self.gates.take_refusal();
        if let Some(gate) = refusal {
            self.recorder.refused(self.gates.config(gate).rule.refusal(), measured);
        }
        refusal.is_some()
    }

    /// An operation has ended for its client.
    #[inline(always)]
    fn end(&mut self, row_id: u32, verdict: Verdict) {
        let row = &self.rows[row_id];
        let (client, operation, start) = (row.client, row.operation, row.start);
        let measured = self.recorder.measured(start);
        self.recorder.operation_ended(self.now, start, row.call.attempts(), verdict, measured);
        if row.in_flight == 0 {
            self.release(row_id);
        }
        self.think(client, (operation as u32 + 1) % TURNS);
    }

    /// Takes the operation off the books once it has ended and nothing of it is in flight.
    #[inline(always)]
    fn release(&mut self, row_id: u32) {
        let row = &self.rows[row_id];
        let verdict = row.call.verdict();
        if verdict.is_none() || row.in_flight > 0 {
            return;
        }
        self.recorder.operation_released(self.recorder.measured(row.start), verdict, row.executions);
        self.rows.remove(row_id);
        self.servers[self.scenario.operation.server].forget(row_id);
    }
}
