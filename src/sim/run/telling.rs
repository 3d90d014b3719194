//! What happens to calls and attempts, told where somebody wants to hear it (`simlab trace`).

use super::*;
use crate::metrics::notes::{Note, What};
use crate::protocol::Met;
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
        let by_row = matches!(because, Some(Met::RowDone | Met::RowTimeout));
        let had_effect = self.whole().staged.get(job as usize).is_some_and(Staged::has_effect);
        // Work that ends does so now, and nothing else has that instant.
        let worked = executed || !from_store && !by_row && ends == self.now && ends > SimTime::ZERO;
        if executed {
            self.note(row, attempt, What::Executed);
        } else if worked && !had_effect {
            self.note(row, attempt, What::Ended);
        }
        self.note(
            row,
            attempt,
            match reply {
                None => What::Silence,
                Some(reply) if worked || by_row => What::Answers(reply),
                Some(reply) if from_store => What::FromStore(reply),
                Some(reply) => What::TurnedAway(reply),
            },
        );
    }
}
