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

/// What an operation is about to do, beside where its course stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Going {
    /// Whose it is, whoever has taken it over.
    pub user: u32,
    /// The call of its step that is open.
    row: u32,
    /// Which wait it is in; 0: none.
    turn: u32,
    /// Its client is down.
    is_down: bool,
    /// Its client has crashed at a step of it.
    has_crashed: bool,
    /// When its client crashed first; [`SimTime::NEVER`]: it has not.
    pub crashed: SimTime,
    /// Writes to its journal.
    writes: u32,
    /// The step that has succeeded, until what comes next is done.
    done: Option<usize>,
    /// How the step ended that failed last, and what refused it, if that was it.
    failed: (Verdict, Option<Refusal>),
    /// The place of the step that it made last.
    place: usize,
    /// Steps that it has made.
    pub made: u64,
    /// Calls of steps that it had made before.
    pub repeated: u32,
}

impl Going {
    pub(super) fn of(client: u32) -> Going {
        Going {
            user: client,
            row: NONE,
            turn: 0,
            is_down: false,
            has_crashed: false,
            crashed: SimTime::NEVER,
            writes: 0,
            done: None,
            failed: (Verdict::Succeeded, None),
            place: 0,
            made: 0,
            repeated: 0,
        }
    }

    /// It makes this step, with this call.
    pub(super) fn makes(&mut self, (step, place): (usize, usize), row: u32) {
        (self.row, self.place) = (row, place);
        self.repeated += u32::from(self.made & 1 << step != 0);
        self.made |= 1 << step;
    }
}

/// What is known of clients that may crash.
#[derive(Debug)]
pub(super) struct Crashes {
    /// By client: until when it is down.
    down: Vec<SimTime>,
    /// Clients with operations that are open.
    open: BTreeSet<(u32, u32)>,
}

impl Crashes {
    pub(super) fn new(clients: u32) -> Crashes {
        Crashes { down: vec![SimTime::ZERO; clients as usize], open: BTreeSet::new() }
    }

    pub(super) fn bytes(&self) -> usize {
        // A node of the tree is at least half full.
        self.down.capacity() * size_of::<SimTime>() + self.open.len() * 2 * size_of::<(u32, u32)>()
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
    /// Lets the course of an operation take a step.
    pub(super) fn on_course(
        &mut self,
        id: u32,
        step: impl for<'p> FnOnce(&mut Course, Plan<'p, Step>, &mut dyn FnMut(usize, f64) -> bool) -> Next,
    ) -> Next {
        let journal = self.scene.world.operation.journal;
        let Whole { orders, places, .. } = self.whole.as_mut().expect("only what goes the whole way comes here");
        let order = &mut orders.all[id];
        let steps = &places.flows[order.member as usize];
        let plan = Plan { steps: &steps[..], journal: journal.kept, lists_undone: journal.lists_undone };
        step(&mut order.course, plan, &mut shares(&self.streams, order.key))
    }

    /// A step of an operation has ended.
    pub(super) fn step_ended(
        &mut self,
        id: u32,
        ended: Result<(), Outcome>,
        verdict: Verdict,
        refused: Option<Refusal>,
    ) {
        let whole = self.whole();
        let order = &mut whole.orders.all[id];
        let row = std::mem::replace(&mut order.going.row, NONE);
        let step = whole.sides[row as usize].place - whole.places.members[order.member as usize];
        let is_undo = matches!(whole.places.flows[order.member as usize][step].when, When::Undoing { .. });
        match ended {
            Ok(()) => order.going.done = Some(step),
            Err(_) if !is_undo => order.going.failed = (verdict, refused),
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

    /// An operation does what comes next.
    pub(super) fn go(&mut self, id: u32, next: Next) {
        match next {
            Next::Call(step) => _ = self.call_step(id, step, true),
            Next::Write => match self.scene.world.operation.journal.write {
                Span::ZERO => self.written(id),
                write => self.wait(id, self.now + write),
            },
            Next::Wait(after) => {
                self.note_order(id, What::Pauses(self.now + after));
                self.wait(id, self.now + after);
            }
            Next::Over(ended) => {
                let order = &self.whole().orders.all[id];
                let (start, (verdict, refused)) = (order.start, order.going.failed);
                if let Some(by) = refused.filter(|_| ended.is_err()) {
                    self.recorder.failed_by(by, self.recorder.measured(start));
                }
                self.order_over(id, ended, verdict);
            }
        }
    }

    /// Something happens to an operation.
    fn note_order(&mut self, id: u32, what: What) {
        let at = self.now;
        let whole = self.whole();
        let order = &whole.orders.all[id];
        if let Some(notes) = &mut whole.notes {
            notes.note(id, Note { at, call: order.key, place: order.going.place, attempt: 0, what });
        }
    }

    /// An operation goes on at this instant, unless something comes in between.
    fn wait(&mut self, id: u32, at: SimTime) {
        let whole = self.whole();
        whole.turns = whole.turns % (TURNS - 1) + 1;
        let turn = whole.turns;
        whole.orders.all[id].going.turn = turn;
        self.to_start += 1;
        self.queue.push(at, Event::GoOn { order: id, turn });
    }

    /// What an operation has waited for is there.
    pub(super) fn gone_on(&mut self, id: u32, turn: u32) {
        self.to_start -= 1;
        let Some(order) = self.whole().orders.all.get_mut(id).filter(|order| order.going.turn == turn) else { return };
        order.going.turn = 0;
        if order.going.is_down {
            self.come_back(id);
        } else if order.course.is_writing() {
            self.written(id);
        } else {
            let next = self.on_course(id, |course, plan, drawn| course.on_wake(plan, drawn));
            self.go(id, next);
        }
    }

    /// Something has been written to a journal.
    fn written(&mut self, id: u32) {
        let fails = self.scene.world.operation.journal.fails;
        let order = &mut self.whole().orders.all[id];
        let (key, write) = (order.key, u64::from(order.going.writes));
        order.going.writes += 1;
        let is_kept = fails == 0.0 || self.streams.at(Purpose::Journal, key, write).unit() >= fails;
        self.note_order(id, What::Journals(is_kept));
        let next = self.on_course(id, |course, plan, _| course.on_written(is_kept, plan));
        if !self.dies_after(id) {
            self.go(id, next);
        }
    }

    /// A new operation is open. False if its client is down, and it does not begin now.
    pub(super) fn client_takes(&mut self, id: u32) -> bool {
        let now = self.now;
        let whole = self.whole();
        let client = whole.orders.all[id].client;
        let Some(crashes) = &mut whole.crashes else { return true };
        crashes.open.insert((client, id));
        let back = crashes.down[client as usize];
        if back <= now {
            return true;
        }
        match self.scene.world.crashes.as_ref().map(|crashes| crashes.arrivals_meanwhile) {
            Some(Meanwhile::Lost) => self.order_over(id, Err(0), Verdict::Failed(GiveUp::Crashed)),
            _ => {
                self.whole().orders.all[id].going.is_down = true;
                self.wait(id, back);
            }
        }
        false
    }

    /// An operation is over: no crash is about it any more.
    pub(super) fn no_longer_open(&mut self, id: u32) {
        let now = self.now;
        let whole = self.whole();
        let order = &whole.orders.all[id];
        if let Some(crashes) = &mut whole.crashes {
            crashes.open.remove(&(order.client, id));
        }
        let is_lost = order.verdict == Some(Verdict::Failed(GiveUp::Crashed));
        if order.going.crashed != SimTime::NEVER && !is_lost {
            let (start, took) = (order.start, now.since(order.going.crashed));
            self.recorder.repaired(took, self.recorder.measured(start));
        }
    }

    /// The client of an operation is back, or another one takes it over.
    fn come_back(&mut self, id: u32) {
        let now = self.now;
        let whole = self.whole();
        let order = &mut whole.orders.all[id];
        let crashes = whole.crashes.as_mut().expect("a client was down");
        if crashes.is_down(order.client, now) {
            let Some(other) = crashes.another(order.client, now) else {
                let back = crashes.down[order.client as usize];
                return self.wait(id, back);
            };
            crashes.open.remove(&(order.client, id));
            crashes.open.insert((other, id));
            order.client = other;
        }
        order.going.is_down = false;
        let (client, user) = (order.client, order.going.user);
        self.note_order(id, What::Restarts { client, is_another: client != user });
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

    /// True if the client of an operation crashes at this step, now.
    pub(super) fn dies_at(&mut self, id: u32, step: usize, when: CrashWhen) -> bool {
        let at_step = self.scene.world.crashes.as_ref().and_then(|crashes| crashes.at_step);
        let Some(at) = at_step.filter(|at| (at.step, at.when) == (step, when)) else { return false };
        let order = &self.whole().orders.all[id];
        let (key, client, has_crashed) = (order.key, order.client, order.going.has_crashed);
        if has_crashed || self.streams.at(Purpose::CrashAtStep, key, 0).unit() >= at.share {
            return false;
        }
        self.whole().orders.all[id].going.has_crashed = true;
        self.crash(client, at.restart);
        true
    }

    /// The same when a step has succeeded, before anything else is done.
    fn dies_after(&mut self, id: u32) -> bool {
        let done = self.whole().orders.all[id].going.done.take();
        done.is_some_and(|step| self.dies_at(id, step, CrashWhen::After))
    }

    /// The same when a reply is there, before it is read.
    pub(super) fn dies_before_reading(&mut self, row: u32) -> bool {
        if self.scene.world.crashes.is_none() {
            return false;
        }
        let whole = self.whole();
        let side = &whole.sides[row as usize];
        if side.owner != Owner::Order {
            return false;
        }
        let (id, place) = (side.order, side.place);
        let step = place - whole.places.members[whole.orders.all[id].member as usize];
        self.dies_at(id, step, CrashWhen::During)
    }

    /// A client crashes: what it has open stops, and what was sent runs on.
    fn crash(&mut self, client: u32, restart: Span) {
        let (now, world) = (self.now, self.scene.world);
        let config = world.crashes.as_ref().expect("clients may crash");
        self.recorder.client_crashed(now);
        let crashes = self.whole().crashes.as_mut().expect("clients may crash");
        crashes.down[client as usize] = now + restart;
        let open: Vec<u32> = crashes.open.range((client, 0)..=(client, u32::MAX)).map(|(_, id)| *id).collect();
        let journal: Journal = world.operation.journal.kept;
        let back = now + config.takeover.map_or(restart, |after| after.min(restart));
        for id in open {
            self.note_order(id, What::Crashes);
            let going = &mut self.whole().orders.all[id].going;
            going.turn = 0;
            going.done = None;
            going.crashed = going.crashed.min(now);
            let row = std::mem::replace(&mut going.row, NONE);
            if row != NONE {
                self.abandon_call(row);
            }
            match config.in_progress {
                InProgress::Lost => self.order_over(id, Err(0), Verdict::Failed(GiveUp::Crashed)),
                InProgress::Resume => {
                    let order = &mut self.whole().orders.all[id];
                    // One whose client had just come back has not begun again.
                    if !order.going.is_down {
                        order.course.crash(journal);
                    }
                    order.going.is_down = true;
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
