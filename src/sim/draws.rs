//! Where a call's random numbers come from in the simulator.

use rand::Rng;

use crate::call::Draws;
use crate::key::CallKey;
use crate::rng::{KeyedRng, Purpose, Streams};

/// What a call draws from in a step. Most steps draw nothing, so that no generator is made before it is asked for.
pub struct StepDraws<'a> {
    streams: &'a Streams,
    key: CallKey,
    /// Attempts that the call has used up.
    used: u32,
    /// Hedges that have asked.
    hedges: u32,
    jitter: Option<KeyedRng>,
    gates: Option<KeyedRng>,
}

impl<'a> StepDraws<'a> {
    /// Of the step that follows so many attempts of a call.
    #[inline(always)]
    pub fn new(streams: &'a Streams, key: CallKey, used: u32) -> StepDraws<'a> {
        StepDraws { streams, key, used, hedges: 0, jitter: None, gates: None }
    }

    /// Of a step of a call that may hedge: gates are asked about hedges too.
    pub fn of_hedge(streams: &'a Streams, key: CallKey, used: u32, hedges: u32) -> StepDraws<'a> {
        StepDraws { hedges, ..StepDraws::new(streams, key, used) }
    }
}

impl Draws for StepDraws<'_> {
    fn jitter(&mut self) -> &mut dyn Rng {
        self.jitter.get_or_insert_with(|| self.streams.at(Purpose::Jitter, self.key, u64::from(self.used)))
    }

    fn gates(&mut self) -> &mut dyn Rng {
        self.gates.get_or_insert_with(|| {
            self.streams.at(Purpose::Gate, self.key, u64::from(self.hedges) << 32 | u64::from(self.used))
        })
    }
}
