//! Where a call's random numbers come from in the simulator.

use rand::Rng;

use crate::call::Draws;
use crate::key::CallKey;
use crate::rng::{KeyedRng, Purpose, Streams};

/// What a call draws from in a step. Most steps draw nothing, so that no generator is made before it is asked for.
pub struct StepDraws<'a> {
    streams: &'a Streams,
    key: CallKey,
    /// Attempts that the call has used up, and above 2^32 the hedges that have asked: one number, which is written at once.
    step: u64,
    jitter: Option<KeyedRng>,
    gates: Option<KeyedRng>,
}

impl<'a> StepDraws<'a> {
    /// Of the step that follows so many attempts of a call.
    #[inline(always)]
    pub fn new(streams: &'a Streams, key: CallKey, used: u32) -> StepDraws<'a> {
        StepDraws { streams, key, step: u64::from(used), jitter: None, gates: None }
    }

    /// Of a step of a call that may hedge: gates are asked about hedges too.
    pub fn of_hedge(streams: &'a Streams, key: CallKey, used: u32, hedges: u32) -> StepDraws<'a> {
        StepDraws { step: u64::from(hedges) << 32 | u64::from(used), ..StepDraws::new(streams, key, used) }
    }
}

impl Draws for StepDraws<'_> {
    fn jitter(&mut self) -> &mut dyn Rng {
        self.jitter.get_or_insert_with(|| self.streams.at(Purpose::Jitter, self.key, u64::from(self.step as u32)))
    }

    fn gates(&mut self) -> &mut dyn Rng {
        self.gates.get_or_insert_with(|| self.streams.at(Purpose::Gate, self.key, self.step))
    }
}
