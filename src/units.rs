//! Time as integer nanoseconds, and the small number types of a scenario.
//!
//! Two nouns: a [`SimTime`] is an instant, a [`Span`] a length. Both are `u64` nanoseconds, so that
//! 0.1 s added fifty times is 5 s exactly, and so that instants compare the same on every machine.
//! Arithmetic saturates: the last instant is 584 years after the first and never wraps.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};

/// Nanoseconds in a second.
pub const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// An instant: nanoseconds since the run began, virtual or real. Holders cannot tell which.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SimTime(pub u64);

/// A length of time in nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(pub u64);

impl SimTime {
    /// The beginning of a run.
    pub const ZERO: SimTime = SimTime(0);
    /// Later than everything that happens.
    pub const NEVER: SimTime = SimTime(u64::MAX);

    /// Seconds since the run began.
    pub fn seconds(self) -> f64 {
        self.0 as f64 / NANOS_PER_SECOND as f64
    }

    /// The length from `earlier` to here; zero if `earlier` is later.
    pub fn since(self, earlier: SimTime) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl Span {
    /// No time at all.
    pub const ZERO: Span = Span(0);
    /// The longest length there is, about 584 years.
    pub const MAX: Span = Span(u64::MAX);

    /// A length of whole nanoseconds.
    pub const fn nanos(n: u64) -> Span {
        Span(n)
    }

    /// A length of whole milliseconds.
    pub const fn millis(n: u64) -> Span {
        Span(n.saturating_mul(1_000_000))
    }

    /// A length of whole seconds.
    pub const fn secs(n: u64) -> Span {
        Span(n.saturating_mul(NANOS_PER_SECOND))
    }

    /// `nanos` rounded to the nearest nanosecond; negative and NaN become zero, too long becomes the longest.
    pub fn from_nanos_f64(nanos: f64) -> Span {
        // `as` saturates and maps NaN to 0; adding one half first rounds, since the value is not negative. Most lengths fit a signed
        // number, which processors make faster; what is negative or long has one of its upper bits set.
        let rounded = nanos + 0.5;
        let whole = rounded as i64 as u64;
        Span(if whole >> 62 == 0 { whole } else { saturated(rounded) })
    }

    /// Rounded up to a whole multiple of `unit`, which is above zero.
    pub fn up_to_whole(self, unit: Span) -> Span {
        Span(self.0.div_ceil(unit.0).saturating_mul(unit.0))
    }

    /// A length of `seconds`, rounded to the nearest nanosecond.
    pub fn from_seconds(seconds: f64) -> Span {
        Span::from_nanos_f64(seconds * NANOS_PER_SECOND as f64)
    }

    /// In seconds.
    pub fn seconds(self) -> f64 {
        self.0 as f64 / NANOS_PER_SECOND as f64
    }

    /// This length times `factor`, rounded to the nearest nanosecond.
    pub fn scaled(self, factor: f64) -> Span {
        Span::from_nanos_f64(self.0 as f64 * factor)
    }
}

#[cold]
fn saturated(nanos: f64) -> u64 {
    nanos as u64
}

impl Add<Span> for SimTime {
    type Output = SimTime;
    fn add(self, span: Span) -> SimTime {
        SimTime(self.0.saturating_add(span.0))
    }
}

impl Add for Span {
    type Output = Span;
    fn add(self, other: Span) -> Span {
        Span(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Span {
    fn add_assign(&mut self, other: Span) {
        *self = *self + other;
    }
}

impl Sub for Span {
    type Output = Span;
    fn sub(self, other: Span) -> Span {
        Span(self.0.saturating_sub(other.0))
    }
}

/// Units of a duration, longest first: suffix and nanoseconds.
const UNITS: [(&str, u64); 8] = [
    ("w", 604_800 * NANOS_PER_SECOND),
    ("d", 86_400 * NANOS_PER_SECOND),
    ("h", 3_600 * NANOS_PER_SECOND),
    ("m", 60 * NANOS_PER_SECOND),
    ("s", NANOS_PER_SECOND),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// Prints the shortest exact form that [`Span::parse`] reads: `1m30s` as `1m 30s`, 0.25 s as `250ms`.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let mut left = self.0;
        let mut first = true;
        for (suffix, nanos) in UNITS {
            let count = left / nanos;
            if count > 0 {
                if !first {
                    f.write_str(" ")?;
                }
                write!(f, "{count}{suffix}")?;
                first = false;
                left %= nanos;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for SimTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == SimTime::NEVER {
            return f.write_str("never");
        }
        fmt::Display::fmt(&Span(self.0), f)
    }
}

impl Span {
    /// Reads a duration such as `250ms`, `1.5s` or `1m 30s`.
    ///
    /// # Errors
    /// Says in words what is wrong: no unit, an unknown unit, no number, negative, or longer than 584 years.
    pub fn parse(text: &str) -> Result<Span, String> {
        let mut total: u64 = 0;
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err("empty; a duration is a number with a unit, such as \"250ms\" or \"1m 30s\"".into());
        }
        while !rest.is_empty() {
            if rest.starts_with('-') {
                return Err("a duration cannot be negative".into());
            }
            let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_').unwrap_or(rest.len());
            let (number, tail) = rest.split_at(number_end);
            let unit_end = tail.find(|c: char| !c.is_alphabetic()).unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(unit_end);
            if number.is_empty() {
                return Err(format!(
                    "`{text}` is not a duration; write a number with a unit, such as \"250ms\" or \"1m 30s\""
                ));
            }
            if unit.is_empty() {
                return Err(format!("`{number}` has no unit; one of ns us ms s m h d w"));
            }
            let Some((_, nanos)) = UNITS.iter().find(|(suffix, _)| *suffix == unit) else {
                return Err(format!("unknown unit `{unit}`; one of ns us ms s m h d w"));
            };
            let part = decimal_times(number, *nanos)
                .ok_or_else(|| format!("`{number}{unit}` is not a number, or longer than 584 years"))?;
            total = total
                .checked_add(part)
                .ok_or_else(|| format!("`{text}` is longer than 584 years, the longest time there is"))?;
            rest = tail.trim_start();
        }
        Ok(Span(total))
    }
}

/// `number` (digits with at most one point) times `unit` in whole nanoseconds, exactly; a remainder below 1 ns is dropped.
fn decimal_times(number: &str, unit: u64) -> Option<u64> {
    let digits: String = number.chars().filter(|c| *c != '_').collect();
    let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut nanos = whole.checked_mul(u128::from(unit))?;
    let mut numerator: u128 = 0;
    let mut denominator: u128 = 1;
    for digit in fraction.bytes().take(18) {
        numerator = numerator * 10 + u128::from(digit - b'0');
        denominator *= 10;
    }
    nanos = nanos.checked_add(numerator * u128::from(unit) / denominator)?;
    u64::try_from(nanos).ok()
}

/// Reads a rate such as `200/s`, `10/m`, `164/d` and returns it per second.
///
/// # Errors
/// Says in words what is wrong.
pub fn parse_rate(text: &str) -> Result<f64, String> {
    rate_parts(text).map(|(count, unit)| count / unit.seconds())
}

/// The same as a number and the time that it is for.
///
/// # Errors
/// Says in words what is wrong.
pub fn rate_parts(text: &str) -> Result<(f64, Span), String> {
    let wrong = || format!("`{text}` is not a rate; write a number per unit, such as \"200/s\" (/s /m /h /d)");
    let (number, unit) = text.trim().split_once('/').ok_or_else(wrong)?;
    let seconds = match unit.trim() {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let count: f64 = number.trim().replace('_', "").parse().map_err(|_| wrong())?;
    if !count.is_finite() || count < 0.0 {
        return Err(format!("`{text}`: a rate is a finite number that is not negative"));
    }
    Ok((count, Span::secs(seconds)))
}

/// Reads a probability written as text: `"0.5%"` or `"0.005"`.
///
/// # Errors
/// Says in words what is wrong, a value outside 0..1 included.
pub fn parse_probability(text: &str) -> Result<f64, String> {
    let trimmed = text.trim();
    let value = match trimmed.strip_suffix('%') {
        Some(number) => parse_percentage(number),
        None => trimmed.parse().ok(),
    };
    check_probability(value.ok_or_else(|| format!("`{text}` is not a probability; write 0.005 or \"0.5%\""))?)
}

/// Reads the number before a `%` as a share: `19.52` is the number nearest to 0.1952, which 19.52 ÷ 100 is not.
pub fn parse_percentage(number: &str) -> Option<f64> {
    let number = number.trim();
    let percent: f64 = number.parse().ok()?;
    // Nothing is gained where there is an exponent already.
    format!("{number}e-2").parse().ok().or(Some(percent / 100.0))
}

/// A probability must be a number in 0..=1.
///
/// # Errors
/// Says so in words.
pub fn check_probability(value: f64) -> Result<f64, String> {
    if (0.0..=1.0).contains(&value) { Ok(value) } else { Err(format!("{value} is outside 0 to 1 (0% to 100%)")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, nanos: Result<u64, &str>) {
        match (Span::parse(text), nanos) {
            (Ok(span), Ok(expected)) => assert_eq!(span.0, expected, "{text}"),
            (Err(message), Err(part)) => assert!(message.contains(part), "{text}: {message}"),
            (got, expected) => panic!("{text}: got {got:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn durations() {
        check("250ms", Ok(250_000_000));
        check("1m 30s", Ok(90_000_000_000));
        check("1m30s", Ok(90_000_000_000));
        check("1.5s", Ok(1_500_000_000));
        check("0.1s", Ok(100_000_000));
        check(".5ms", Ok(500_000));
        check("5.05s", Ok(5_050_000_000));
        check("2w", Ok(1_209_600_000_000_000));
        check("1_000ms", Ok(1_000_000_000));
        check("0s", Ok(0));
        check("0.0000000001s", Ok(0));
        check("0.123456789123456789123456789s", Ok(123_456_789));
        check("", Err("empty"));
        check("5", Err("no unit"));
        check("5 s", Err("no unit"));
        check("5y", Err("unknown unit `y`"));
        check("1.2.3s", Err("not a number"));
        check("-5s", Err("negative"));
        check("ms", Err("not a duration"));
        check("1000000000000d", Err("584 years"));
        check("200000d 200000d", Err("584 years"));
    }

    #[test]
    fn what_is_printed_is_read_back() {
        for nanos in [0, 1, 999, 1_500, 250_000_000, 90_000_000_000, 604_800_000_000_001, u64::MAX] {
            let text = Span(nanos).to_string();
            assert_eq!(Span::parse(&text), Ok(Span(nanos)), "{text}");
        }
        assert_eq!(Span::millis(1_500).to_string(), "1s 500ms");
    }

    #[test]
    fn rates_and_probabilities() {
        assert_eq!(parse_rate("200/s"), Ok(200.0));
        assert_eq!(parse_rate("30/m"), Ok(0.5));
        assert!(parse_rate("200").is_err());
        assert!(parse_rate("-1/s").is_err());
        assert!(parse_rate("inf/s").is_err());
        assert_eq!(parse_probability("0.5%"), Ok(0.005));
        assert_eq!(parse_probability("0.25"), Ok(0.25));
        assert!(parse_probability("101%").is_err());
        assert!(parse_probability("NaN").is_err());
    }

    #[test]
    fn rounding_saturates() {
        assert_eq!(Span::from_nanos_f64(-3.0), Span::ZERO);
        assert_eq!(Span::from_nanos_f64(f64::NAN), Span::ZERO);
        assert_eq!(Span::from_nanos_f64(f64::INFINITY), Span::MAX);
        assert_eq!(Span::from_nanos_f64(1.5), Span(2));
    }

    /// Whatever way it takes, a number is rounded as `as` does it: at every power of two, beside it, and at any bits.
    #[test]
    fn rounding_is_that_of_the_language() {
        let check = |nanos: f64| assert_eq!(Span::from_nanos_f64(nanos).0, (nanos + 0.5) as u64, "{nanos:e}");
        for exponent in 0..=0x7ff_u64 {
            let power = exponent << 52;
            for bits in [power, power + 1, power.wrapping_sub(1), power + (1 << 51), power | 0xf_ffff_ffff_ffff] {
                check(f64::from_bits(bits));
                check(-f64::from_bits(bits));
            }
        }
        for whole in (0..1_000u64).chain((0..64).flat_map(|bit| [1 << bit, (1 << bit) - 1, u64::MAX >> bit])) {
            for part in [-0.5, 0.0, 0.25, 0.499_999_999_999_999_94, 0.5, 0.75] {
                check(whole as f64 + part);
            }
        }
        let mut rng = crate::rng::KeyedRng::new(1, crate::rng::Purpose::Jitter, 0, 0);
        for _ in 0..1_000_000 {
            check(f64::from_bits(rng.bits()));
            check(rng.unit() * (1u64 << (rng.bits() % 64)) as f64);
        }
    }
}
