//! Delays written out, as webhook senders do (Svix: 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 10 h).

use crate::units::Span;

/// `w = delays[k-1]`; the last one repeats.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// At least one delay.
    pub delays: Vec<Span>,
}

impl Schedule {
    /// The window of retry `k` in ns.
    pub fn window(&self, k: u32) -> f64 {
        self.delays[(k as usize).min(self.delays.len()) - 1].0 as f64
    }
}
