//! Classes of lengths of time on a logarithmic scale, for counting many of them in little memory: relative error at most 0.4%.
//!
//! 128 classes per power of two, as in HdrHistogram (Tene). A class is at most 1/128 of its value wide, and its middle stands for it.

const SUB_BITS: u32 = 7;
const SUB: u64 = 1 << SUB_BITS;

/// How many classes there are.
pub const CLASSES: usize = ((64 - SUB_BITS + 1) as usize) << SUB_BITS;

/// The class of so many ns.
#[inline]
pub fn class(nanos: u64) -> usize {
    // Below 2 × SUB the shift is 0, and each value has a class of its own.
    let shift = (nanos | SUB).ilog2() - SUB_BITS;
    ((u64::from(shift) << SUB_BITS) + (nanos >> shift)) as usize
}

/// The middle of a class, in ns.
pub fn middle(class: usize) -> f64 {
    let class = class as u64;
    if class < 2 * SUB {
        return class as f64;
    }
    let shift = (class >> SUB_BITS) - 1;
    let low = ((class & (SUB - 1)) | SUB) << shift;
    low as f64 + ((1u64 << shift) - 1) as f64 / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_is_bounded_everywhere() {
        let mut nanos: u64 = 1;
        while nanos < u64::MAX / 3 {
            for n in [nanos, nanos + nanos / 3, nanos.saturating_mul(2) - 1] {
                let error = (middle(class(n)) - n as f64).abs() / n as f64;
                assert!(error <= 0.004, "{n}: {error}");
            }
            nanos *= 2;
        }
        assert_eq!(class(u64::MAX), CLASSES - 1);
        assert!((0..2 * SUB).all(|n| class(n) as u64 == n));
        assert_eq!(middle(class(0)), 0.0);
    }
}
