//! Delays written out, as webhook senders do (Svix: 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 10 h).

use crate::units::Span;

/// `w = delays[n]`, n from 0; the last one repeats.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// At least one delay.
    pub delays: Vec<Span>,
}

impl Schedule {
    /// The window at index `n` in ns. An index below 0 counts as 0.
    pub fn window(&self, n: i64) -> f64 {
        let last = self.delays.len() - 1;
        self.delays[usize::try_from(n.max(0)).map_or(last, |n| n.min(last))].0 as f64
    }
}
