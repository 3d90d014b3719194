//! What happens to calls and attempts, told where somebody wants to hear it (`simlab trace`).

use super::*;
use crate::metrics::notes::{Note, What};

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

    /// A server is done with an attempt: it answers, or not; with an effect, or not, and when its work ended.
    pub(super) fn note_answer(
        &mut self,
        row: u32,
        attempt: u32,
        reply: Option<Outcome>,
        (executed, ends): (bool, SimTime),
        from_store: bool,
    ) {
        if self.whole().notes.is_none() {
            return;
        }
        // Work that ends does so now, and nothing else has that instant.
        let worked = executed || (ends == self.now && ends > SimTime::ZERO);
        if executed {
            self.note(row, attempt, What::Executed);
        } else if worked {
            self.note(row, attempt, What::Ended);
        }
        self.note(
            row,
            attempt,
            match reply {
                None => What::Silence,
                Some(reply) if worked => What::Answers(reply),
                Some(reply) if from_store => What::FromStore(reply),
                Some(reply) => What::TurnedAway(reply),
            },
        );
    }
}
