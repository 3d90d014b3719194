//! Operations go off the books: what each has come to.

use super::orders::{Order, shares};
use super::places::Places;
use super::things::Things;
use super::whole::{CallSide, Whole};
use super::*;
use crate::flow::{MOST_STEPS, When};
use crate::metrics::notes::Told;
use crate::metrics::parts::Released;
use crate::metrics::{Done, LeftBehind, Standing};

impl Run<'_> {
    /// What an operation has come to.
    pub(super) fn close_books(&mut self, id: u32) {
        let whole = self.whole.as_mut().expect("only what goes the whole way comes here");
        let Order { start, verdict, member, in_time, attempts, thing, lost_updates, .. } = whole.orders.all[id];
        let measured = self.recorder.measured(start);
        let Whole { orders, places, things, .. } = whole;
        let wanted = self.scene.world.operation.wanted;
        let done = &mut whole.done;
        done.clear();
        for (index, (executions, place)) in orders.executions(id).iter().zip(&places.all).enumerate() {
            done.push(match things {
                Some(things) => things.done(thing, index, *executions, place.most_effects, wanted),
                None => Done::new(*executions, place.most_effects),
            });
        }
        let order = &whole.orders.all[id];
        let queued = whole.queues[order.member as usize].as_ref();
        let is_parked = order.verdict.is_none()
            && order.message != NONE
            && queued.is_some_and(|queued| queued.queue.is_parked(order.message));
        let has_things = things.is_some();
        let mut after = if places.is_one_call {
            left_of_one_call(order, places, done, has_things)
        } else {
            left_behind(order, places, done, has_things, shares(&self.streams, order.key))
        };
        after.is_parked = is_parked;
        if verdict.is_none() && !is_parked {
            // It may still be made.
            after.missing = 0;
        }
        if let Some(notes) = &mut whole.notes {
            let Order { key, client, over, .. } = whole.orders.all[id];
            let has_executed = done.iter().any(|done| done.executions > 0);
            let before = things.as_ref().and_then(|_| notes.executed(id, thing, has_executed));
            notes.close(id, |number, notes| Told {
                key,
                number,
                client,
                start,
                end: verdict.is_some().then_some(over),
                verdict,
                attempts,
                lost_updates,
                standing: after.standing,
                is_parked,
                before,
                done: done.clone(),
                notes,
            });
        }
        let each = done.iter().copied();
        if let Some(parts) = self.recorder.parts.as_mut().filter(|_| measured) {
            for (done, place) in each.clone().zip(&places.all) {
                parts.executed(place.server, place.step, done);
            }
            parts.released(
                Released {
                    member: member as usize,
                    verdict,
                    in_time,
                    attempts,
                    lost_updates,
                    standing: after.standing,
                    is_parked,
                },
                each.clone(),
            );
        }
        self.recorder.places_released(measured, verdict, each, lost_updates, after);
    }

    /// The run is over: what is still open is counted as such.
    pub(super) fn close_whole(&mut self) {
        if self.rows.is_empty() {
            assert!(
                self.jobs.is_empty() && (self.to_start > 0 || self.whole().nobody_waits()),
                "what nobody waits for is off the books"
            );
            assert!(
                self.to_start > 0
                    || !self.whole().orders.all.is_empty()
                    || self.whole().things.as_ref().is_none_or(Things::is_empty),
                "nobody is busy with anything any more"
            );
            assert!(self.servers().all(|server| server.load() == 0), "no worker is held by a call that is over");
        }
        let mut open: Vec<(u32, u32)> = Vec::new();
        for row in 0..self.whole().sides.len() as u32 {
            let Some(&Row { executions, .. }) = self.rows.get(row) else { continue };
            let whole = self.whole();
            let CallSide { place, order, is_over, .. } = whole.sides[row as usize];
            whole.orders.executions(order)[place] += executions;
            let tries = &whole.sides[row as usize].tries;
            if !is_over {
                whole.orders.all[order].attempts += tries.sent();
            }
            open.extend(tries.open().iter().map(|open| (row, open.attempt)));
        }
        for (row, attempt) in open {
            self.attempt_over(row, attempt, Failure::new(Outcome::Open));
        }
        self.close_queues();
        let whole = self.whole();
        for (_, going) in whole.courses.iter() {
            whole.orders.all[going.order].life.ends(&going.course);
        }
        let ids: Vec<u32> = self.whole().orders.all.iter().map(|(id, _)| id).collect();
        for id in ids {
            let Order { start, verdict, attempts, .. } = self.whole().orders.all[id];
            if verdict.is_none() {
                self.recorder.left_open(start, attempts);
            }
            self.close_books(id);
        }
    }
}

/// What has become of the steps of an operation that is over, given what it has done at each place. Effects that were undone count as wanted: one more of a
/// step for each undo, and an undo for each effect.
pub(super) fn left_behind(
    order: &Order,
    places: &Places,
    done: &mut [Done],
    has_things: bool,
    mut drawn: impl FnMut(usize, f64) -> bool,
) -> LeftBehind {
    let (steps, first) = (&places.flows[order.member as usize], places.members[order.member as usize]);
    // By step, with all that is made below it: effects, and whether there can be any.
    let (mut effects, mut has_effects) = ([0_u32; MOST_STEPS], 0_u64);
    for (place, done) in places.all.iter().zip(&*done) {
        // Places of other members are none of its own.
        if let Some(step) = place.root.checked_sub(first).filter(|step| *step < steps.len()) {
            effects[step] += done.effects;
            has_effects |= u64::from(place.most_effects > 0) << step;
        }
    }
    let (mut stands, mut missing, mut undos_made) = (false, 0, false);
    for (number, step) in steps.iter().enumerate() {
        if matches!(step.when, When::Undoing { .. }) {
            continue;
        }
        let undo = steps.iter().position(|undo| matches!(undo.when, When::Undoing { step, .. } if step == number));
        let made = effects[number];
        let undone = undo.map_or(0, |undo| effects[undo]);
        if let Some(undo) = undo {
            let wanted = |done: &mut Done, most: u32| done.firsts = done.firsts.max(done.effects.min(most));
            wanted(&mut done[first + number], 1 + undone);
            wanted(&mut done[first + undo], made.max(1));
        }
        undos_made |= undone > 0;
        let is_made = order.life.made & 1 << number != 0;
        let is_owed = match step.when {
            When::Always => true,
            When::Share(share) => drawn(number, share),
            _ => is_made,
        };
        let has_effects = has_effects & 1 << number != 0;
        if made > undone {
            stands = true;
        } else if is_owed && has_effects && !(has_things && order.life.succeeded & 1 << number != 0) {
            missing += 1;
        }
    }
    let standing = match (stands, missing) {
        (false, _) => Standing::Nothing,
        (true, 0) => Standing::All,
        (true, _) => Standing::Partly,
    };
    let is_failed = matches!(order.verdict, Some(Verdict::Failed(_)));
    let is_told_done = order.verdict == Some(Verdict::Succeeded);
    LeftBehind {
        standing,
        missing: if stands || is_told_done { missing } else { 0 },
        is_undone: is_failed && undos_made && !stands,
        is_left: order.life.is_left,
        repeated: order.life.repeated,
        is_parked: false,
    }
}

/// The same, where an operation is one call.
fn left_of_one_call(order: &Order, places: &Places, done: &[Done], has_things: bool) -> LeftBehind {
    let stands = done.iter().any(|done| done.effects > 0);
    let mut missing = 0;
    if !stands && !has_things && order.verdict == Some(Verdict::Succeeded) {
        let first = places.members[order.member as usize];
        missing = u32::from(places.all.iter().any(|place| place.root == first && place.most_effects > 0));
    }
    LeftBehind { standing: if stands { Standing::All } else { Standing::Nothing }, missing, ..LeftBehind::default() }
}
