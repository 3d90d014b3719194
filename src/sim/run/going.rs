//! Operations that go on: writes to their journals, waits, undoing, and crashes of their clients.

use std::collections::BTreeSet;

use super::orders::{Owner, shares};
use super::places::Places;
use super::whole::Whole;
use super::*;
use crate::distribution::Distribution;
use crate::flow::{Course, Journal, Next, Plan, Step, When};
use crate::gate::Refusal;
use crate::metrics::notes::{Note, What};
use crate::retry::GiveUp;
use crate::scenario::{CrashWhen, InProgress, Meanwhile};
use crate::sim::queue::TURNS;

/// A course of an operation that goes on: its client's, or that of a worker of its durable queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Going {
    pub order: u32,
    pub course: Course,
    /// Whose process it is, whoever has taken it over.
    pub client: u32,
    /// Tries before it.
    pub tries: u32,
    /// The number of the transactions that it has open: of no two courses the same, and another one after a crash.
    pub transaction: u32,
    /// The worker that makes it; [`NONE`]: its client does.
    pub worker: u32,
    /// The call of its step that is open.
    row: u32,
    /// Which wait it is in; 0: none.
    turn: u32,
    /// Its client is down.
    is_down: bool,
    /// The step that has succeeded, until what comes next is done.
    done: Option<usize>,
    /// How the step ended that failed last, and what refused it, if that was it.
    pub failed: (Verdict, Option<Refusal>),
    /// The place of the step that it made last.
    place: usize,
    /// It has failed, and is being handed over to the queue.
    pub hands_over: bool,
}

impl Going {
    pub(super) fn of(order: u32, client: u32) -> Going {
        Going {
            order,
            course: Course::default(),
            client,
            tries: 0,
            transaction: 0,
            worker: NONE,
            row: NONE,
            turn: 0,
            is_down: false,
            done: None,
            failed: (Verdict::Succeeded, None),
            place: 0,
            hands_over: false,
        }
    }

    /// The course that a worker of the queue makes, after so many tries.
    pub(super) fn of_worker(order: u32, client: u32, (worker, tries): (u32, u32)) -> Going {
        Going { worker, tries, ..Going::of(order, client) }
    }

    /// It makes the step at this place, with this call.
    pub(super) fn makes(&mut self, place: usize, row: u32) {
        (self.row, self.place) = (row, place);
    }
}

/// What has become of an operation so far, whoever made it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Life {
    /// Steps that it has made.
    pub made: u64,
    /// Calls of steps that it had made before.
    pub repeated: u32,
    /// Steps that have succeeded, as far as whoever made them knew at the end.
    pub succeeded: u64,
    /// An undo has failed: that is left for a person.
    pub is_left: bool,
    /// What its journal has.
    pub written: u64,
    /// Writes to its journal.
    writes: u32,
    /// Its client has crashed at a step of it.
    has_crashed: bool,
    /// When its client crashed first; [`SimTime::NEVER`]: it has not.
    pub crashed: SimTime,
}

impl Default for Life {
    fn default() -> Life {
        Life {
            made: 0,
            repeated: 0,
            succeeded: 0,
            is_left: false,
            written: 0,
            writes: 0,
            has_crashed: false,
            crashed: SimTime::NEVER,
        }
    }
}

impl Life {
    /// This step is made; `is_step`: and it is one, and not all there is.
    pub(super) fn makes(&mut self, step: usize, is_step: bool) {
        self.repeated += u32::from(is_step && self.made & 1 << step != 0);
        self.made |= 1 << step;
    }

    /// All of it was done by another path: nothing of it is missing.
    pub(super) fn is_done_elsewhere(&mut self) {
        self.succeeded = u64::MAX;
    }

    /// A course of it is over.
    pub(super) fn ends(&mut self, course: &Course) {
        self.succeeded |= course.succeeded();
        self.is_left |= course.is_left();
    }
}

/// What is known of clients that may crash.
#[derive(Debug)]
pub(super) struct Crashes {
    /// By client: until when it is down.
    down: Vec<SimTime>,
    /// Clients with operations that are open, and the courses of these.
    open: BTreeSet<(u32, u32, u32)>,
}

impl Crashes {
    pub(super) fn new(clients: u32) -> Crashes {
        Crashes { down: vec![SimTime::ZERO; clients as usize], open: BTreeSet::new() }
    }

    pub(super) fn bytes(&self) -> usize {
        // A node of the tree is at least half full.
        self.down.capacity() * size_of::<SimTime>() + self.open.len() * 2 * size_of::<(u32, u32, u32)>()
    }

    fn is_down(&self, client: u32, now: SimTime) -> bool {
        self.down[client as usize] > now
    }

    /// The next client after this one that is up.
    fn another(&self, client: u32, now: SimTime) -> Option<u32> {
        let clients = self.down.len() as u32;
        (1..clients).map(|after| (client + after) % clients).find(|other| !self.is_down(*other, now))
    }
}

impl Run<'_> {
    /// Lets a course take a step.
    pub(super) fn on_course(
        &mut self,
        id: u32,
        step: impl for<'p> FnOnce(&mut Course, Plan<'p, Step>, &mut dyn FnMut(usize, f64) -> bool) -> Next,
    ) -> Next {
        let journal = self.scene.world.operation.journal;
        let Whole { courses, orders, places, .. } =
            self.whole.as_mut().expect("only what goes the whole way comes here");
        let going = &mut courses[id];
        let order = &orders.all[going.order];
        let steps = &places.flows[order.member as usize];
        let plan = Plan { steps: &steps[..], journal: journal.kept, lists_undone: journal.lists_undone };
        step(&mut going.course, plan, &mut shares(&self.streams, order.key))
    }

    /// A step of a course has ended, and how.
    pub(super) fn step_ended(
        &mut self,
        id: u32,
        (row, order): (u32, u32),
        ended: Result<(), Outcome>,
        failed: (Verdict, Option<Refusal>),
    ) {
        let whole = self.whole.as_mut().expect("only what goes the whole way comes here");
        let going = &mut whole.courses[id];
        going.row = NONE;
        let member = whole.orders.all[order].member as usize;
        let step = whole.sides[row as usize].place - whole.places.members[member];
        let is_undo = matches!(whole.places.flows[member][step].when, When::Undoing { .. });
        match ended {
            Ok(()) => going.done = Some(step),
            Err(_) if !is_undo => going.failed = failed,
            Err(_) => {}
        }
        let next = self.on_course(id, |course, plan, drawn| course.on_end(ended, plan, drawn));
        // What is written after the run, is not written for this step.
        let is_written = next == Next::Write && self.scene.world.operation.journal.kept == Journal::EachStep;
        if !is_written && self.dies_after(id) {
            return;
        }
        self.go(id, next);
    }

    /// A course does what comes next.
    pub(super) fn go(&mut self, id: u32, next: Next) {
        match next {
            Next::Call(step) => _ = self.call_step(id, step, true),
            Next::Write => match self.scene.world.operation.journal.write {
                Span::ZERO => self.written(id),
                write => self.wait(id, self.now + write),
            },
            Next::Wait(after) => {
                self.note_course(id, What::Pauses(self.now + after));
                self.wait(id, self.now + after);
            }
            Next::Over(ended) => {
                let failed = self.whole().courses[id].failed;
                self.course_over(id, ended, failed);
            }
        }
    }

    /// A course is over; how the step ended that failed last, and what refused it, if that was it.
    fn course_over(&mut self, id: u32, ended: Result<(), usize>, failed: (Verdict, Option<Refusal>)) {
        let whole = self.whole();
        let Going { order, worker, ref course, .. } = whole.courses[id];
        whole.orders.all[order].life.ends(course);
        if worker != NONE {
            return self.try_over(id, ended.is_ok());
        }
        if ended.is_err() && self.hand_over(id, failed) {
            return;
        }
        self.end_course(id);
        self.over(order, ended, failed);
    }

    /// An operation is over with its last course.
    pub(super) fn over(
        &mut self,
        order: u32,
        ended: Result<(), usize>,
        (verdict, refused): (Verdict, Option<Refusal>),
    ) {
        if let Some(by) = refused.filter(|_| ended.is_err()) {
            let start = self.whole().orders.all[order].start;
            self.recorder.failed_by(by, self.recorder.measured(start));
        }
        self.order_over(order, ended, verdict);
    }

    /// One more course of an operation.
    pub(super) fn begin_course(&mut self, going: Going) -> u32 {
        let whole = self.whole();
        whole.orders.all[going.order].courses += 1;
        let id = whole.courses.insert(going);
        whole.begin_transaction(id);
        id
    }

    /// A course is no more.
    pub(super) fn end_course(&mut self, id: u32) -> Going {
        self.leave_transactions(id);
        let whole = self.whole();
        let going = whole.courses.remove(id);
        whole.orders.all[going.order].courses -= 1;
        if let Some(crashes) = &mut whole.crashes {
            crashes.open.remove(&(going.client, going.order, id));
        }
        going
    }

    /// Something happens to an operation, in one of its courses.
    pub(super) fn note_course(&mut self, id: u32, what: What) {
        let at = self.now;
        let whole = self.whole();
        let Going { order, place, .. } = whole.courses[id];
        if let Some(notes) = &mut whole.notes {
            notes.note(order, Note { at, call: whole.orders.all[order].key, place, attempt: 0, what });
        }
    }

    /// A course goes on at this instant, unless something comes in between.
    pub(super) fn wait(&mut self, id: u32, at: SimTime) {
        let whole = self.whole();
        whole.turns = whole.turns % (TURNS - 1) + 1;
        let turn = whole.turns;
        whole.courses[id].turn = turn;
        self.to_start += 1;
        self.queue.push(at, Event::GoOn { course: id, turn });
    }

    /// What a course has waited for is there.
    pub(super) fn gone_on(&mut self, id: u32, turn: u32) {
        self.to_start -= 1;
        let Some(going) = self.whole().courses.get_mut(id).filter(|going| going.turn == turn) else { return };
        going.turn = 0;
        if going.is_down {
            self.come_back(id);
        } else if going.course.is_writing() {
            self.written(id);
        } else if going.hands_over {
            self.handed_over(id);
        } else {
            let next = self.on_course(id, |course, plan, drawn| course.on_wake(plan, drawn));
            self.go(id, next);
        }
    }

    /// Something has been written to a journal.
    fn written(&mut self, id: u32) {
        let fails = self.scene.world.operation.journal.fails;
        let whole = self.whole();
        let order = &mut whole.orders.all[whole.courses[id].order];
        let (key, write) = (order.key, u64::from(order.life.writes));
        order.life.writes += 1;
        let is_kept = fails == 0.0 || self.streams.at(Purpose::Journal, key, write).unit() >= fails;
        self.note_course(id, What::Journals(is_kept));
        let before = self.whole().courses[id].course.written();
        let next = self.on_course(id, |course, plan, _| course.on_written(is_kept, plan));
        let whole = self.whole();
        let Going { order, ref course, .. } = whole.courses[id];
        let life = &mut whole.orders.all[order].life;
        life.written = (life.written | course.written()) & !(before & !course.written());
        if !self.dies_after(id) {
            self.go(id, next);
        }
    }

    /// A new operation is open. False if its client is down, and it does not begin now.
    pub(super) fn client_takes(&mut self, id: u32) -> bool {
        let now = self.now;
        let whole = self.whole();
        let Going { order, client, .. } = whole.courses[id];
        let Some(crashes) = &mut whole.crashes else { return true };
        crashes.open.insert((client, order, id));
        let back = crashes.down[client as usize];
        if back <= now {
            return true;
        }
        match self.scene.world.crashes.as_ref().map(|crashes| crashes.arrivals_meanwhile) {
            Some(Meanwhile::Lost) => {
                self.end_course(id);
                self.order_over(order, Err(0), Verdict::Failed(GiveUp::Crashed));
            }
            _ => {
                self.whole().courses[id].is_down = true;
                self.wait(id, back);
            }
        }
        false
    }

    /// An operation is over: how long did that take after a crash?
    pub(super) fn repaired(&mut self, id: u32) {
        let now = self.now;
        let order = &self.whole().orders.all[id];
        let is_lost = order.verdict == Some(Verdict::Failed(GiveUp::Crashed));
        if order.life.crashed != SimTime::NEVER && !is_lost {
            let (start, took) = (order.start, now.since(order.life.crashed));
            self.recorder.repaired(took, self.recorder.measured(start));
        }
    }

    /// The client of a course is back, or another one takes it over.
    fn come_back(&mut self, id: u32) {
        let now = self.now;
        let whole = self.whole();
        let going = &mut whole.courses[id];
        let crashes = whole.crashes.as_mut().expect("a client was down");
        if crashes.is_down(going.client, now) {
            let Some(other) = crashes.another(going.client, now) else {
                let back = crashes.down[going.client as usize];
                return self.wait(id, back);
            };
            crashes.open.remove(&(going.client, going.order, id));
            crashes.open.insert((other, going.order, id));
            going.client = other;
        }
        going.is_down = false;
        let (client, order) = (going.client, &mut whole.orders.all[going.order]);
        order.client = client;
        let user = order.user;
        self.note_course(id, What::Restarts { client, is_another: client != user });
        if self.is_accepted(id) {
            return;
        }
        let next = self.on_course(id, |course, plan, drawn| course.restart(plan, drawn));
        self.go(id, next);
    }

    /// Schedules the crash with this number, if clients crash at random.
    pub(super) fn next_crash(&mut self, number: u32) {
        let world = self.scene.world;
        let Some(random) = world.crashes.as_ref().and_then(|crashes| crashes.random) else { return };
        // Many Poisson processes are one.
        let between =
            Distribution::Exponential { mean: Span((random.mean_between.0 / u64::from(world.clients)).max(1)) };
        let after = between.sample(&mut self.streams.at(Purpose::Crash, CallKey::operation(u64::from(number)), 0));
        self.queue.push(self.now + after, Event::ClientCrash { number });
    }

    /// A client crashes at random, if it is up.
    pub(super) fn random_crash(&mut self, number: u32) {
        self.next_crash(number.wrapping_add(1));
        let world = self.scene.world;
        let random = world.crashes.as_ref().and_then(|crashes| crashes.random).expect("one was scheduled");
        let unit = self.streams.at(Purpose::Crash, CallKey::operation(u64::from(number)), 1).unit();
        let client = (unit * f64::from(world.clients)) as u32;
        let now = self.now;
        if self.whole().crashes.as_ref().is_some_and(|crashes| !crashes.is_down(client, now)) {
            self.crash(client, random.restart);
        }
    }

    /// True if the client of a course crashes at this step, now.
    pub(super) fn dies_at(&mut self, id: u32, step: usize, when: CrashWhen) -> bool {
        let at_step = self.scene.world.crashes.as_ref().and_then(|crashes| crashes.at_step);
        let Some(at) = at_step.filter(|at| (at.step, at.when) == (step, when)) else { return false };
        let whole = self.whole();
        let Going { order, client, worker, .. } = whole.courses[id];
        let order = &whole.orders.all[order];
        let (key, has_crashed) = (order.key, order.life.has_crashed);
        // Workers of a queue are no clients.
        if worker != NONE || has_crashed || self.streams.at(Purpose::CrashAtStep, key, 0).unit() >= at.share {
            return false;
        }
        let whole = self.whole();
        whole.orders.all[whole.courses[id].order].life.has_crashed = true;
        self.crash(client, at.restart);
        true
    }

    /// The same when a step has succeeded, before anything else is done.
    fn dies_after(&mut self, id: u32) -> bool {
        let done = self.whole().courses[id].done.take();
        done.is_some_and(|step| self.dies_at(id, step, CrashWhen::After))
    }

    /// The same when a reply is there, before it is read.
    pub(super) fn dies_before_reading(&mut self, row: u32) -> bool {
        if self.scene.world.crashes.is_none() {
            return false;
        }
        let whole = self.whole();
        let side = &whole.sides[row as usize];
        let Owner::Course(id) = side.owner else { return false };
        let member = whole.orders.all[side.order].member as usize;
        let step = side.place - whole.places.members[member];
        self.dies_at(id, step, CrashWhen::During)
    }

    /// A client crashes: what it has open stops, and what was sent runs on.
    fn crash(&mut self, client: u32, restart: Span) {
        let (now, world) = (self.now, self.scene.world);
        let config = world.crashes.as_ref().expect("clients may crash");
        self.recorder.client_crashed(now);
        let crashes = self.whole().crashes.as_mut().expect("clients may crash");
        crashes.down[client as usize] = now + restart;
        let open: Vec<u32> =
            crashes.open.range((client, 0, 0)..=(client, u32::MAX, u32::MAX)).map(|(.., id)| *id).collect();
        let journal: Journal = world.operation.journal.kept;
        let back = now + config.takeover.map_or(restart, |after| after.min(restart));
        for id in open {
            self.note_course(id, What::Crashes);
            let whole = self.whole();
            let going = &mut whole.courses[id];
            going.turn = 0;
            going.done = None;
            let order = going.order;
            let life = &mut whole.orders.all[order].life;
            life.crashed = life.crashed.min(now);
            let row = std::mem::replace(&mut going.row, NONE);
            if row != NONE {
                self.abandon_call(row);
            }
            self.leave_transactions(id);
            self.whole().begin_transaction(id);
            if self.whole().courses[id].hands_over {
                self.handover_lost(id);
                continue;
            }
            match config.in_progress {
                InProgress::Lost => {
                    let whole = self.whole();
                    let course = whole.courses[id].course;
                    whole.orders.all[order].life.ends(&course);
                    self.end_course(id);
                    self.order_over(order, Err(0), Verdict::Failed(GiveUp::Crashed));
                }
                InProgress::Resume => {
                    let going = &mut self.whole().courses[id];
                    // One whose client had just come back has not begun again.
                    if !going.is_down {
                        going.course.crash(journal);
                    }
                    going.is_down = true;
                    self.wait(id, back);
                }
            }
        }
        // Whose rules are followed where servers call, is told apart by replicas, not by clients.
        let Places { all, clients, .. } = &mut self.whole().places;
        let mut own: Vec<usize> = all.iter().filter(|place| place.is_step).map(|place| place.client).collect();
        own.sort_unstable();
        own.dedup();
        own.into_iter().for_each(|rules| clients[rules].gates.forget(client));
    }
}
