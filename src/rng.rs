//! Random streams that are keyed, not sequential.
//!
//! What the world draws depends on (seed, purpose, call, attempt) only, never on the order of events. So every
//! policy meets the same demand, the same fates and the same service times (common random numbers), and adding a
//! client or a policy changes nobody else's draws. Any key costs a few ns: a first draw is two rounds of a 64-bit mixer.
//!
//! The generator is SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014; constants of
//! Stafford's mix 13). A key's stream is used for a handful of draws, so two streams meeting is a matter of 2^-60.

use std::convert::Infallible;

use rand::TryRng;

use crate::key::CallKey;
use crate::mix::{GOLDEN, mix};

/// What a draw is for. Each purpose is an own stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Purpose {
    /// The seed of a replication.
    Replication = 1,
    /// Instants of an open-loop demand.
    Arrivals,
    /// Which client an operation belongs to.
    Client,
    /// Think time before an operation of a closed loop.
    Think,
    /// What becomes of an attempt.
    Fate,
    /// Whether an operation can never succeed.
    PermanentError,
    /// Time a worker needs.
    Service,
    /// Network delay towards the server.
    NetworkOut,
    /// Network delay back.
    NetworkBack,
    /// What faults add to the way out.
    AddedOut,
    /// What faults add to the way back.
    AddedBack,
    /// Spells of a flapping fault.
    Flapping,
    /// The client's jitter.
    Jitter,
    /// How long an attempt may wait in a queue.
    Patience,
    /// Gates that draw, and the wait after a refusal.
    Gate,
    /// Network delay of a cancellation.
    NetworkCancel,
    /// What faults add to it.
    AddedCancel,
    /// When a reply says that the client should come back.
    Hint,
    /// Whether a step is made of which there is a share.
    Condition,
    /// Which replica an attempt goes to.
    Replica,
    /// Which member of a mix a client belongs to.
    Member,
    /// Whether an operation is done again, and when.
    Repeat,
    /// Which thing an operation is about.
    Thing,
    /// Whether a request loses its key on the way.
    KeyLost,
    /// Whether a write to a journal is lost.
    Journal,
    /// When clients crash at random, and which.
    Crash,
    /// Whether a client crashes at a step of an operation.
    CrashAtStep,
    /// How long an operation waits in its durable queue before it is tried again.
    Durable,
    /// Whether a call that hands an operation over to its queue is lost.
    Handover,
}

/// Purposes are numbered from 1 and below this.
const PURPOSES: usize = Purpose::Handover as usize + 1;

/// A small generator at the start of one keyed stream.
#[derive(Clone, Debug)]
pub struct KeyedRng {
    state: u64,
}

impl KeyedRng {
    /// The stream for `purpose` of attempt `attempt` of operation `operation` in a run seeded with `seed`; of what is no attempt, any two numbers.
    pub fn new(seed: u64, purpose: Purpose, operation: u64, attempt: u64) -> KeyedRng {
        KeyedRng::below_root(root(seed, purpose as u64), operation, attempt)
    }

    fn below_root(root: u64, operation: u64, attempt: u64) -> KeyedRng {
        let operations = mix(root ^ operation.wrapping_mul(0xd6e8_feb8_6659_fd93).wrapping_add(GOLDEN));
        KeyedRng { state: operations.wrapping_add(attempt.wrapping_mul(0xa076_1d64_78bd_642f)) }
    }

    /// The next 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN);
        mix(self.state)
    }

    /// Uniform in [0, 1), a multiple of 2^-53.
    pub fn unit(&mut self) -> f64 {
        unit_from_bits(self.bits())
    }

    /// Uniform in (0, 1), for logarithms: an odd multiple of 2^-53.
    pub fn open_unit(&mut self) -> f64 {
        open_unit_from_bits(self.bits())
    }

    /// Uniform among 0..`n`; `n` is at least 1.
    pub fn below(&mut self, n: u64) -> u64 {
        // Lemire's multiply-shift; its bias is at most n / 2^64.
        ((u128::from(self.bits()) * u128::from(n)) >> 64) as u64
    }
}

/// A number for a name: FNV-1a (Fowler, Noll, Vo), mixed so that similar names are as far apart as others. What draws for itself is known by its
/// name, wherever it stands.
pub fn of_name(name: &str) -> u64 {
    mix(name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)))
}

/// What all streams of one purpose share.
fn root(seed: u64, purpose: u64) -> u64 {
    mix(seed.wrapping_add(purpose.wrapping_mul(GOLDEN)))
}

/// All streams of one run. The same as [`KeyedRng::new`], with the part that seed and purpose decide worked out once.
#[derive(Clone, Debug)]
pub struct Streams {
    /// By the purpose's number; the first place is empty.
    roots: [u64; PURPOSES],
}

impl Streams {
    /// The streams of a run seeded with `seed`.
    pub fn new(seed: u64) -> Streams {
        Streams { roots: std::array::from_fn(|purpose| root(seed, purpose as u64)) }
    }

    /// The stream for `purpose` of attempt `attempt` of the call with this key.
    pub fn at(&self, purpose: Purpose, call: CallKey, attempt: u64) -> KeyedRng {
        KeyedRng::below_root(self.roots[purpose as usize], call.value(), attempt)
    }
}

/// The top 53 bits as a number in [0, 1).
pub fn unit_from_bits(bits: u64) -> f64 {
    (bits >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
}

/// The top 52 bits as a number in (0, 1): the middle of a step.
pub fn open_unit_from_bits(bits: u64) -> f64 {
    // Behind the point of a number from 1 to 2, one exact subtraction is all that is left to do.
    f64::from_bits(0x3ff0_0000_0000_0000 | bits >> 12) - (1.0 - f64::EPSILON / 2.0)
}

/// Uniform in [0, 1) from any generator.
pub fn unit(rng: &mut dyn rand::Rng) -> f64 {
    unit_from_bits(rng.next_u64())
}

/// The seed of replication `replication` of a scenario seeded with `seed`.
pub fn replication_seed(seed: u64, replication: u32) -> u64 {
    KeyedRng::new(seed, Purpose::Replication, u64::from(replication), 0).bits()
}

impl TryRng for KeyedRng {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok((self.bits() >> 32) as u32)
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.bits())
    }
    fn try_fill_bytes(&mut self, destination: &mut [u8]) -> Result<(), Infallible> {
        for chunk in destination.chunks_mut(8) {
            let bytes = self.bits().to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Published SplitMix64 vectors: state 0 and state 1234567 (reference C code by Vigna).
    #[test]
    fn splitmix_vectors() {
        let mut rng = KeyedRng { state: 1_234_567 };
        let got: Vec<u64> = (0..3).map(|_| rng.bits()).collect();
        assert_eq!(got, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
        assert_eq!(KeyedRng { state: 0 }.bits(), 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn neighbouring_keys_are_independent() {
        // First draws over a grid of keys: mean 1/2, variance 1/12, and no correlation along any axis.
        let n = 64u64;
        let draw = |s, o, a| KeyedRng::new(s, Purpose::Fate, o, a).unit();
        for axis in 0..4 {
            let mut sum = 0.0;
            let mut products = 0.0;
            for i in 0..n * n {
                let (x, y) = (i / n, i % n);
                let (here, there) = match axis {
                    0 => (draw(x, y, 1), draw(x + 1, y, 1)),
                    1 => (draw(3, x, y), draw(3, x + 1, y)),
                    2 => (draw(3, x, y), draw(3, x, y + 1)),
                    // Operations of a closed loop: clients, and their turns.
                    _ => (draw(3, x << 32 | y, 1), draw(3, (x + 1) << 32 | y, 1)),
                };
                sum += here;
                products += (here - 0.5) * (there - 0.5);
            }
            let count = (n * n) as f64;
            let mean_z = (sum / count - 0.5) / (1.0 / 12.0 / count).sqrt();
            let correlation_z = products / count * 12.0 * count.sqrt();
            assert!(mean_z.abs() < 4.0, "axis {axis}: mean is {mean_z} standard errors off");
            assert!(correlation_z.abs() < 4.0, "axis {axis}: correlation is {correlation_z} standard errors off");
        }
    }

    #[test]
    fn streams_are_those_of_the_keys() {
        for seed in [0, 7, u64::MAX] {
            let streams = Streams::new(seed);
            for purpose in [Purpose::Replication, Purpose::Service, Purpose::Gate] {
                for (operation, attempt) in [(0, 0), (1 << 32 | 5, 3), (u64::MAX, 7 << 32 | 1)] {
                    let plain = KeyedRng::new(seed, purpose, operation, attempt).bits();
                    assert_eq!(
                        streams.at(purpose, CallKey::operation(operation), attempt).bits(),
                        plain,
                        "{seed}, {purpose:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn an_open_unit_is_the_middle_of_a_step() {
        let mut rng = KeyedRng::new(1, Purpose::Service, 0, 0);
        for _ in 0..100_000 {
            let bits = rng.clone().bits();
            let expected = ((bits >> 12) as f64 + 0.5) * (1.0 / (1u64 << 52) as f64);
            assert_eq!(rng.open_unit(), expected);
        }
    }

    #[test]
    fn below_stays_below() {
        let mut rng = KeyedRng::new(1, Purpose::Client, 0, 0);
        for n in [1, 2, 3, 1_000_000_007] {
            assert!((0..1_000).all(|_| rng.below(n) < n));
        }
    }
}
