//! What happens to calls and attempts, told where somebody wants to hear it (`simlab trace`).

use super::*;
use crate::metrics::notes::{Note, What};
use crate::protocol::{Met, TurnedAway};
use crate::server::Staged;

impl Run<'_> {
    /// Something happens to a call, or to one of its attempts.
    #[inline]
    pub(super) fn note(&mut self, row: u32, attempt: u32, what: What) {
        let at = self.now;
        if let Some(whole) = &mut self.whole
            && let Some(notes) = &mut whole.notes
        {
            let side = &whole.sides[row as usize];
            notes.note(side.order, Note { at, call: self.rows[row].key, place: side.place, attempt, what });
        }
    }

    /// A server is done with an attempt: it answers, or not; with an effect, or not, and when its work ended; because of what it met, if that is known.
    pub(super) fn note_answer(
        &mut self,
        (row, attempt, job): (u32, u32, u32),
        reply: Option<Outcome>,
        (executed, ends): (bool, SimTime),
        because: Option<Met>,
    ) {
        if self.whole().notes.is_none() {
            return;
        }
        let from_store = because == Some(Met::Store);
        let staged = self.whole().staged.get(job as usize);
        let had_effect = staged.is_some_and(Staged::has_effect);
        let is_told = had_effect || staged.is_some_and(Staged::is_being_stored);
        // Work that ends does so now, and nothing else has that instant.
        let worked = executed || !from_store && ends == self.now && (had_effect || ends > SimTime::ZERO);
        if executed {
            self.note(row, attempt, What::Executed);
        } else if worked && !is_told {
            self.note(row, attempt, What::Ended);
        }
        let what = match reply {
            None => What::Silence,
            Some(reply) if worked => What::Answers(reply),
            Some(reply) if from_store => What::FromStore(reply),
            Some(Outcome::Reset) if self.jobs.get(job).is_some_and(|job| job.since < self.now) => What::CutOff,
            Some(reply) => What::TurnedAway(reply, self.why_turned_away(job)),
        };
        self.note(row, attempt, what);
    }

    /// Why an attempt that has arrived is answered without having been taken up.
    fn why_turned_away(&mut self, job: u32) -> TurnedAway {
        let number = self.whole().at[job as usize];
        let Job { key, attempt, client, since, awaited, .. } = self.jobs[job];
        if since < self.now {
            return TurnedAway::Waited;
        }
        let cancelled = awaited == Awaited::Cancelled;
        let now = self.now;
        self.server(number).why_turned_away(now, Request { key, attempt, client, cancelled })
    }

    /// A client waits before it tries again, or at all: then it was drawn by no backoff.
    pub(super) fn note_wait(&mut self, row: u32, until: SimTime) {
        let Some(whole) = self.whole.as_ref().filter(|whole| whole.notes.is_some()) else { return };
        let side = &whole.sides[row as usize];
        let policy = &whole.places.clients[whole.place(row).client].policy;
        let (k, last) = (self.rows[row].call.used(), side.last);
        let again = k > 0;
        let most = if again { policy.longest_wait(last.outcome, k) } else { None };
        let wait = until.since(self.now);
        let hinted = policy.hint(&last).is_some_and(|hint| hint == wait) && most.is_none_or(|most| most != wait);
        self.note(row, 0, What::Waits { again, until, most, hinted });
    }
}
