//! The natural logarithm of a uniform draw, without the cases that cannot occur, so that it is short enough to be compiled in place.
//!
//! The method is that of fdlibm (`e_log.c`, Sun Microsystems 1993), and so is every operation: x = 2^k·(1 + f) with 1 + f between √½ and √2,
//! s = f / (2 + f), and log(1 + f) = f − f²/2 + s·(f²/2 + R(s²)). The result is the same, bit for bit, as that of `libm::log`.

/// log 2 in two parts: the first has few enough bits for k·`LN2_HIGH` to be exact.
const LN2_HIGH: f64 = f64::from_bits(0x3fe6_2e42_fee0_0000);
const LN2_LOW: f64 = f64::from_bits(0x3dea_39ef_3579_3c76);
/// Coefficients of R.
const R: [f64; 7] = [
    f64::from_bits(0x3fe5_5555_5555_5593),
    f64::from_bits(0x3fd9_9999_9997_fa04),
    f64::from_bits(0x3fd2_4924_9422_9359),
    f64::from_bits(0x3fcc_71c5_1d8e_78af),
    f64::from_bits(0x3fc7_4664_96cb_03de),
    f64::from_bits(0x3fc3_9a09_d078_c69f),
    f64::from_bits(0x3fc2_f112_df3e_5244),
];
/// The upper half of √½.
const ROOT_HALF: u64 = 0x3fe6_a09e;
const ONE: u64 = 0x3ff0_0000;

/// log `x` for a normal number `x` in (0, 1).
#[inline(always)]
pub fn log_of_unit(x: f64) -> f64 {
    let bits = x.to_bits();
    let upper = (bits >> 32) + (ONE - ROOT_HALF);
    let k = (upper >> 20) as i64 - 0x3ff;
    let significand = (upper & 0x000f_ffff) + ROOT_HALF;
    let f = f64::from_bits(significand << 32 | (bits & 0xffff_ffff)) - 1.0;
    let half_square = 0.5 * f * f;
    let s = f / (2.0 + f);
    let z = s * s;
    let w = z * z;
    let even = w * (R[1] + w * (R[3] + w * R[5]));
    let odd = z * (R[0] + w * (R[2] + w * (R[4] + w * R[6])));
    let k = k as f64;
    s * (half_square + (odd + even)) + k * LN2_LOW - half_square + f + k * LN2_HIGH
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{KeyedRng, Purpose};

    /// Against `libm::log`, bit for bit: draws, and the ends of what can be drawn.
    #[test]
    fn is_the_logarithm() {
        let mut rng = KeyedRng::new(1, Purpose::Service, 0, 0);
        let edges = [f64::from_bits(1 << 52), 0.5 / (1u64 << 52) as f64, 0.5, 1.0 - f64::EPSILON / 2.0, 0.707, 0.7072];
        let powers = (1..60).map(|n| 1.0 / (1u64 << n) as f64);
        for x in edges.into_iter().chain(powers).chain((0..1_000_000).map(|_| rng.open_unit())) {
            assert_eq!(log_of_unit(x).to_bits(), libm::log(x).to_bits(), "log {x}");
        }
    }
}
