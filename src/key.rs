//! Whose draws a call uses: those of an operation, of a step of it, or of a call that is made while another one is served.
//!
//! A key is all that the world's draws know of a call. It does not depend on the policy nor on the order of events, so that a call meets the same
//! fates whoever makes it and whenever.
//!
//! An operation's key is its number. All others are hashes of 64 bits, and two calls with one key would draw alike: among 10^8 such keys any two are
//! the same with a probability of 3·10^-4 (birthdays: n² / 2^65), and one of them is an operation's, of which there are as many, with 5·10^-4. Then
//! some draws of two calls among a hundred million are the same, which nobody could measure; nothing else depends on a key.

use crate::mix::{GOLDEN, mix};

/// Whose draws a call uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallKey(u64);

impl CallKey {
    /// Of the only call of an operation, or its first: the operation's number itself.
    #[inline]
    pub const fn operation(number: u64) -> CallKey {
        CallKey(number)
    }

    /// Of a step of this operation; the first, number 0, has the key of the operation.
    pub const fn step(self, step: u16) -> CallKey {
        if step == 0 { self } else { self.with(STEP | step as u64) }
    }

    /// Of a call that a worker makes while it serves attempt `attempt` of this call. `site` tells the calls that it makes for one attempt apart.
    pub const fn below(self, attempt: u32, site: u16) -> CallKey {
        self.with(BELOW | (attempt as u64) << 16 | site as u64)
    }

    /// Of the same call in a flow that has begun again so often.
    pub const fn again(self, restarts: u32) -> CallKey {
        if restarts == 0 { self } else { self.with(AGAIN | restarts as u64) }
    }

    /// Of the same call for an operation that has been tried so often before, by its client and by workers of its queue.
    pub const fn tried(self, tries: u32) -> CallKey {
        if tries == 0 { self } else { self.with(TRIED | tries as u64) }
    }

    /// Of an operation that is done again, for the `nth` time.
    pub const fn repeated(self, nth: u32) -> CallKey {
        if nth == 0 { self } else { self.with(REPEATED | nth as u64) }
    }

    /// The number by which draws are keyed.
    #[inline]
    pub const fn value(self) -> u64 {
        self.0
    }

    /// Both are mixed before they meet: numbers of operations are close to one another, and so are steps. Under one `what`, no two keys become one,
    /// and no two `what`s make one key of the same key.
    const fn with(self, what: u64) -> CallKey {
        CallKey(mix(mix(self.0.wrapping_add(GOLDEN)) ^ mix(what)))
    }
}

/// What is mixed in has its kind in its topmost bits.
const STEP: u64 = 1 << 60;
const BELOW: u64 = 2 << 60;
const AGAIN: u64 = 3 << 60;
const REPEATED: u64 = 4 << 60;
const TRIED: u64 = 5 << 60;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Digests and reports depend on these.
    #[test]
    fn keys_stay_what_they_are() {
        let key = CallKey::operation(7 << 32 | 3);
        let keys = [
            key,
            key.step(0),
            key.step(1),
            key.step(u16::MAX),
            key.below(1, 0),
            key.below(u32::MAX, u16::MAX),
            key.step(1).below(2, 3),
            key.below(2, 3).step(1),
            CallKey::operation(0).step(1),
        ];
        let expected = [
            0x0000_0007_0000_0003,
            0x0000_0007_0000_0003,
            0x282f_a4e3_0ae8_1b5b,
            0x4a15_692b_3e05_ae30,
            0x3e0e_a81c_c07a_35ca,
            0x562a_2f33_9eac_b910,
            0x58cd_0d3d_f515_33f6,
            0x98e0_280c_4453_d097,
            0xeaf3_f515_5ebf_d0a6,
        ];
        assert_eq!(keys.map(CallKey::value), expected, "{keys:x?}");
    }

    /// Operations of closed and open loops, their steps, and what is called below either, two levels down.
    #[test]
    fn keys_are_distinct() {
        let mut seen = BTreeMap::new();
        let mut put = |key: CallKey, what: (u64, u16, [(u32, u16); 2])| {
            let before = seen.insert(key, what);
            assert_eq!(before, None, "{key:?} is also the key of {what:?}");
        };
        let operations = (0..20).chain((0..20).map(|client| (client << 32) | (client % 3))).chain([u64::MAX, 1 << 63]);
        for number in operations.collect::<std::collections::BTreeSet<u64>>() {
            for step in [0, 1, 2, 3, 256, u16::MAX] {
                let key = CallKey::operation(number).step(step);
                put(key, (number, step, [(0, 0); 2]));
                for (attempt, site) in (1..4).flat_map(|attempt| (0..4).map(move |site| (attempt, site))) {
                    let below = key.below(attempt, site);
                    put(below, (number, step, [(attempt, site), (0, 0)]));
                    for (deeper, site_there) in [(1, 0), (2, 0), (1, 1), (u32::MAX, u16::MAX)] {
                        let deepest = below.below(deeper, site_there);
                        put(deepest, (number, step, [(attempt, site), (deeper, site_there)]));
                    }
                }
            }
        }
        assert!(seen.len() > 10_000, "{}", seen.len());
    }
}
