//! Where a call's random numbers come from.

use std::convert::Infallible;

use rand::{Rng, TryRng};

/// Where a call's random numbers come from: two streams, so that a gate that draws moves no jitter. Both are at their beginning for each
/// step, and belong to the number of attempts used up ([`Call::used`](super::Call::used)).
pub trait Draws {
    /// For the wait after a failure.
    fn jitter(&mut self) -> &mut dyn Rng;
    /// For gates that draw, and for the wait after a refusal.
    fn gates(&mut self) -> &mut dyn Rng;
}

/// The generator for gates, which nobody makes before a gate draws.
pub(super) struct ForGates<'a, D>(pub(super) &'a mut D);

impl<D: Draws> TryRng for ForGates<'_, D> {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.0.gates().next_u32())
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.0.gates().next_u64())
    }
    fn try_fill_bytes(&mut self, destination: &mut [u8]) -> Result<(), Infallible> {
        self.0.gates().fill_bytes(destination);
        Ok(())
    }
}

/// Two generators.
impl<J: Rng, G: Rng> Draws for (J, G) {
    fn jitter(&mut self) -> &mut dyn Rng {
        &mut self.0
    }

    fn gates(&mut self) -> &mut dyn Rng {
        &mut self.1
    }
}
