//! What replicas of one server have in common: its buckets and its store, unless each has its own. It stands with one of them at a time.

use super::Server;
use super::rows::Rows;
use crate::scenario::{Asked, Per};

impl<'a> Server<'a> {
    /// The same server, known by this number among all replicas of all servers; it is replica `replica` of its own.
    pub fn numbered(self, number: u32, replica: u32) -> Server<'a> {
        let mut server = Server { number, has_others: self.config.replicas > 1, ..self };
        if replica > 0 && server.has_common_buckets() {
            // The first has them.
            server.limiter = None;
        }
        server
    }

    /// The same server, where work is done in stages, or with rows.
    pub fn working_in_stages(self, in_stages: bool, has_rows: bool) -> Server<'a> {
        let rows = has_rows.then(Rows::default);
        let in_stages = in_stages || has_rows;
        Server { in_stages, has_more_to_do: self.has_more_to_do || in_stages, rows, ..self }
    }

    /// True if it asks its store before it lets anybody in: then it wants to be told of each attempt itself, with [`Server::receive`].
    pub fn asks_first(&self) -> bool {
        self.in_stages && self.config.idempotency.rules().is_some_and(|rules| rules.asked == Asked::First)
    }

    /// A thing is over: what its row was, is forgotten.
    pub fn forget_row(&mut self, thing: u32) {
        if let Some(rows) = &mut self.rows {
            rows.forget(thing);
        }
    }

    /// True if it has its buckets in common with other replicas.
    pub(super) fn has_common_buckets(&self) -> bool {
        self.has_others && self.config.rate_limit.as_ref().is_some_and(|limit| limit.per != Per::Replica)
    }

    /// True if it has anything in common with other replicas.
    pub fn has_common(&self) -> bool {
        let has_common_store = || self.knows_keys() && !self.config.idempotency.is_per_replica();
        self.has_common_buckets() || self.has_others && (has_common_store() || self.rows.is_some())
    }

    /// Takes what replicas have in common from the one that had it at hand, which needs it to be told anything.
    pub fn take_common(&mut self, from: &mut Server<'a>) {
        if self.has_common_buckets() {
            std::mem::swap(&mut self.limiter, &mut from.limiter);
        }
        if !self.config.idempotency.is_per_replica() {
            std::mem::swap(&mut self.records, &mut from.records);
            std::mem::swap(&mut self.known_for, &mut from.known_for);
        }
        std::mem::swap(&mut self.rows, &mut from.rows);
    }

    /// True if connections are refused now.
    pub fn is_crashed(&self) -> bool {
        self.in_force.crashed
    }

    /// The last of all replicas has crashed, and what they counted together is forgotten.
    pub fn all_have_crashed(&mut self) {
        if self.has_common_buckets() {
            self.fill_buckets();
        }
    }

    pub(super) fn fill_buckets(&mut self) {
        if let Some(limiter) = &mut self.limiter {
            limiter.reset();
        }
    }
}
