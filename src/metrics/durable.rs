//! What went through durable queues.

use crate::units::Span;

/// Within these times operations are counted as done: a minute, ten, an hour, a day.
const TIMES: [Span; 4] = [Span::secs(60), Span::secs(600), Span::secs(3_600), Span::secs(86_400)];

/// Counts of measured operations, and of all what is about the queue itself.
#[derive(Clone, Debug, Default)]
pub struct Durable {
    /// Operations that were put in.
    pub handed_over: u64,
    /// Time from their start until then, all together, in ns.
    pub accepted: u128,
    /// Operations that were lost on the way.
    pub lost: u64,
    /// Tries of workers.
    pub tries: u64,
    /// Of these, of what another worker had.
    pub redeliveries: u64,
    /// Of these, of what was done by then.
    pub found_done: u64,
    /// Operations that were parked and are tried again.
    pub redriven: u64,
    /// Most messages at once.
    pub deepest: u32,
    /// Longest stay of a message.
    pub longest: Span,
    /// Operations that succeeded within a minute, ten minutes, an hour, a day.
    pub done_within: [u64; 4],
}

impl Durable {
    /// A measured operation is handed over, so long after its start, or lost on the way.
    pub fn handed_over(&mut self, took: Option<Span>) {
        self.handed_over += u64::from(took.is_some());
        self.lost += u64::from(took.is_none());
        self.accepted += u128::from(took.unwrap_or(Span::ZERO).0);
    }

    /// A worker tries a measured operation: another one has it too; or it finds it done.
    pub fn tried(&mut self, again: bool, is_done: bool) {
        self.tries += 1;
        self.redeliveries += u64::from(again);
        self.found_done += u64::from(is_done);
    }

    /// A measured operation has succeeded, so long after its start.
    pub fn succeeded(&mut self, latency: Span) {
        for (count, time) in self.done_within.iter_mut().zip(TIMES) {
            *count += u64::from(latency <= time);
        }
    }

    /// So many messages are in the queue.
    pub fn holds(&mut self, messages: u32) {
        self.deepest = self.deepest.max(messages);
    }
}
