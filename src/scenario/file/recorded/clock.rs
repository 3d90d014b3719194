//! A time in the words of a log: seconds, a number of the clock, ISO 8601, or that of the Common Log Format.

use std::fmt;

use crate::units::{NANOS_PER_SECOND, Span};

/// From here on a number of seconds is one of the clock: 2001-09-09. A run of so many seconds would last 31 years.
const CLOCK_FROM: i64 = 1_000_000_000;

/// How a time is written. All times of a file are written alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Seconds from a beginning that nobody names.
    Seconds,
    /// A number of such parts of a second since 1970.
    Unix {
        /// 1, 1,000, 1,000,000 or 1,000,000,000.
        per_second: u32,
    },
    /// `2026-01-01T00:00:00Z`.
    Iso {
        /// It says how far from UTC it is.
        zone: bool,
    },
    /// `10/Oct/2000:13:55:36 -0700`.
    CommonLog {
        /// It says how far from UTC it is.
        zone: bool,
    },
}

impl Kind {
    /// True for a time of the clock, false for one that counts from the beginning of a run.
    pub fn is_clock(self) -> bool {
        self != Kind::Seconds
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Seconds => "seconds from the beginning",
            Kind::Unix { per_second: 1 } => "seconds since 1970",
            Kind::Unix { per_second: 1_000 } => "milliseconds since 1970",
            Kind::Unix { per_second: 1_000_000 } => "microseconds since 1970",
            Kind::Unix { .. } => "nanoseconds since 1970",
            Kind::Iso { zone: true } => "an ISO 8601 time",
            Kind::Iso { zone: false } => "an ISO 8601 time without a zone",
            Kind::CommonLog { zone: true } => "a time of the Common Log Format",
            Kind::CommonLog { zone: false } => "a time of the Common Log Format without a zone",
        })
    }
}

/// A time that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// How it was written.
    pub kind: Kind,
    /// Nanoseconds since 1970, or since the beginning.
    pub nanos: i64,
}

impl Moment {
    /// Reads a time; `None` if it is none, or one of before 1678 or after 2261.
    pub fn parse(text: &str) -> Option<Moment> {
        number(text).or_else(|| iso(text)).or_else(|| common_log(text))
    }
}

/// A number: of seconds if it is small, else of the unit that puts it into our days.
fn number(text: &str) -> Option<Moment> {
    if !text.as_bytes().first()?.is_ascii_digit() && !text.starts_with(['.', '+']) {
        return None;
    }
    let value = text.parse::<f64>().ok().filter(|value| value.is_finite())?;
    if value < CLOCK_FROM as f64 {
        return Some(Moment { kind: Kind::Seconds, nanos: Span::from_seconds(value).0 as i64 });
    }
    let per_second = match value {
        _ if value < 1e12 => 1,
        _ if value < 1e15 => 1_000,
        _ if value < 1e18 => 1_000_000,
        _ => 1_000_000_000,
    };
    let unit = i128::from(NANOS_PER_SECOND / u64::from(per_second));
    // Digits are exact: a floating-point number of today's seconds is 200 ns wide.
    let nanos = match text.split_once('.').unwrap_or((text, "")) {
        (whole, fraction) if digits(whole) && digits(fraction) => {
            let nanos = whole.parse::<i128>().ok()? * unit;
            nanos
                + (0..)
                    .zip(fraction.bytes().take(9))
                    .fold(0, |sum, (place, digit)| sum + i128::from(digit - b'0') * unit / 10i128.pow(place + 1))
        }
        _ => (value * unit as f64) as i128,
    };
    Some(Moment { kind: Kind::Unix { per_second }, nanos: i64::try_from(nanos).ok()? })
}

fn digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// What is left of a text that is read from its beginning.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    /// A number of exactly so many digits.
    fn number(&mut self, length: usize) -> Option<i64> {
        let (digits, rest) = self.0.split_at_checked(length)?;
        let number = digits
            .iter()
            .try_fold(0, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0')))?;
        self.0 = rest;
        Some(number)
    }

    /// The first byte, if it is one of these.
    fn one_of(&mut self, wanted: &[u8]) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        wanted.contains(first).then(|| {
            self.0 = rest;
            *first
        })
    }

    /// `:00` or `00`.
    fn part(&mut self, colon: bool) -> Option<i64> {
        if colon {
            self.one_of(b":")?;
        }
        self.number(2)
    }

    /// The digits behind a point or a comma, in nanoseconds.
    fn fraction(&mut self) -> Option<i64> {
        if self.one_of(b".,").is_none() {
            return Some(0);
        }
        let (mut nanos, mut unit) = (0, NANOS_PER_SECOND as i64);
        let length = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        for digit in &self.0[..length] {
            unit /= 10;
            nanos += i64::from(digit - b'0') * unit;
        }
        self.0 = &self.0[length..];
        (length > 0).then_some(nanos)
    }

    /// Seconds east of UTC; `None` inside if nothing is said.
    fn zone(&mut self) -> Option<Option<i64>> {
        let space = self.one_of(b" ").is_some();
        match self.one_of(b"Zz+-") {
            None => (!space).then_some(None),
            Some(b'Z' | b'z') => Some(Some(0)),
            Some(sign) => {
                let hours = self.number(2)?;
                let colon = self.one_of(b":").is_some();
                let minutes = if colon || !self.0.is_empty() { self.number(2)? } else { 0 };
                let seconds = (hours * 60 + minutes) * 60;
                (hours <= 23 && minutes <= 59).then_some(Some(if sign == b'-' { -seconds } else { seconds }))
            }
        }
    }
}

/// ISO 8601: a date, or a date and a time of day, with dashes and colons or without.
fn iso(text: &str) -> Option<Moment> {
    let mut rest = Rest(text.as_bytes());
    let year = rest.number(4)?;
    let extended = rest.one_of(b"-").is_some();
    let month = rest.number(2)?;
    if extended {
        rest.one_of(b"-")?;
    }
    let day = days(year, month, rest.number(2)?)?;
    let (mut nanos, mut zone) = (0, None);
    if !rest.0.is_empty() {
        rest.one_of(b"Tt ")?;
        let (hour, minute) = (rest.number(2)?, rest.part(extended)?);
        let has_seconds =
            if extended { rest.0.starts_with(b":") } else { rest.0.first().is_some_and(u8::is_ascii_digit) };
        let second = if has_seconds { rest.part(extended)? } else { 0 };
        nanos = time_of_day(hour, minute, second)? * NANOS_PER_SECOND as i64 + rest.fraction()?;
        zone = rest.zone()?;
    } else if !extended {
        return None;
    }
    rest.0.is_empty().then_some(())?;
    moment(Kind::Iso { zone: zone.is_some() }, day, nanos, zone)
}

/// Apache's `%t`: day, month and year, and the time of day behind a colon.
fn common_log(text: &str) -> Option<Moment> {
    const MONTHS: [&[u8]; 12] =
        [b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"];
    let text = text.strip_prefix('[').unwrap_or(text);
    let mut rest = Rest(text.strip_suffix(']').unwrap_or(text).as_bytes());
    let day = rest.number(2)?;
    rest.one_of(b"/")?;
    let (name, behind) = rest.0.split_at_checked(3)?;
    let month = MONTHS.iter().position(|month| name.eq_ignore_ascii_case(month))? as i64 + 1;
    rest.0 = behind;
    rest.one_of(b"/")?;
    let day = days(rest.number(4)?, month, day)?;
    let (hour, minute, second) = (rest.part(true)?, rest.part(true)?, rest.part(true)?);
    let nanos = time_of_day(hour, minute, second)? * NANOS_PER_SECOND as i64 + rest.fraction()?;
    let zone = rest.zone()?;
    rest.0.is_empty().then_some(())?;
    moment(Kind::CommonLog { zone: zone.is_some() }, day, nanos, zone)
}

fn moment(kind: Kind, day: i64, nanos: i64, zone: Option<i64>) -> Option<Moment> {
    let seconds = day * 86_400 - zone.unwrap_or(0);
    let nanos = seconds.checked_mul(NANOS_PER_SECOND as i64)?.checked_add(nanos)?;
    Some(Moment { kind, nanos })
}

/// Seconds since midnight. A leap second is the one after it.
fn time_of_day(hour: i64, minute: i64, second: i64) -> Option<i64> {
    (hour <= 23 && minute <= 59 && second <= 60).then_some((hour * 60 + minute) * 60 + second)
}

/// Days since 1970-01-01 of a date that exists, in the Gregorian calendar (Hinnant, "chrono-compatible low-level date algorithms").
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=length).contains(&day) {
        return None;
    }
    // Years begin in March, so that the leap day is their last.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, kind: Kind, nanos: i64) {
        assert_eq!(Moment::parse(text), Some(Moment { kind, nanos }), "{text}");
    }

    const SECOND: i64 = 1_000_000_000;

    #[test]
    fn numbers() {
        check("0", Kind::Seconds, 0);
        check("0.25", Kind::Seconds, SECOND / 4);
        check("1e3", Kind::Seconds, 1_000 * SECOND);
        check("999999999.9", Kind::Seconds, 999_999_999_900_000_000);
        let unix = |per_second| Kind::Unix { per_second };
        check("1000000000", unix(1), 1_000_000_000 * SECOND);
        check("1767225600.014", unix(1), 1_767_225_600_014_000_000);
        check("1767225600.123456789123", unix(1), 1_767_225_600_123_456_789);
        check("1.7672256e9", unix(1), 1_767_225_600 * SECOND);
        check("1767225600014", unix(1_000), 1_767_225_600_014_000_000);
        check("1767225600014.5", unix(1_000), 1_767_225_600_014_500_000);
        check("1767225600014123", unix(1_000_000), 1_767_225_600_014_123_000);
        check("1767225600014123456", unix(1_000_000_000), 1_767_225_600_014_123_456);
    }

    /// Unix times from `date -u -d … +%s`.
    #[test]
    fn dates() {
        let (zone, local) = (Kind::Iso { zone: true }, Kind::Iso { zone: false });
        check("2026-01-01T00:00:00Z", zone, 1_767_225_600 * SECOND);
        check("2026-01-01 00:00:00.25 Z", zone, 1_767_225_600 * SECOND + SECOND / 4);
        check("2026-01-01t01:00:00,5+01:00", zone, 1_767_225_600 * SECOND + SECOND / 2);
        check("2025-12-31T16:00:00-0800", zone, 1_767_225_600 * SECOND);
        check("2026-01-01T05:30+0530", zone, 1_767_225_600 * SECOND);
        check("2026-01-01T01:00:00+01", zone, 1_767_225_600 * SECOND);
        check("20260101T000000Z", zone, 1_767_225_600 * SECOND);
        check("2026-01-01T00:00:00", local, 1_767_225_600 * SECOND);
        check("2026-01-01", local, 1_767_225_600 * SECOND);
        check("2024-02-29T12:00:00Z", zone, 1_709_208_000 * SECOND);
        check("2000-03-01T00:00:00Z", zone, 951_868_800 * SECOND);
        check("1969-12-31T23:59:59Z", zone, -SECOND);
        check("2016-12-31T23:59:60Z", zone, 1_483_228_800 * SECOND);
        let (zone, local) = (Kind::CommonLog { zone: true }, Kind::CommonLog { zone: false });
        check("10/Oct/2000:13:55:36 -0700", zone, 971_211_336 * SECOND);
        check("[10/Oct/2000:13:55:36 -0700]", zone, 971_211_336 * SECOND);
        check("[10/oct/2000:20:55:36.5 +0000]", zone, 971_211_336 * SECOND + SECOND / 2);
        check("10/Oct/2000:20:55:36", local, 971_211_336 * SECOND);
    }

    #[test]
    fn no_times() {
        for text in [
            "",
            "x",
            "-3",
            "nan",
            "inf",
            "1e400",
            "1767225600x",
            "2026-13-01T00:00:00Z",
            "2026-02-29",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:60:00Z",
            "2026-01-01T00:00:00 CET",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00Zx",
            "2026-01-01T",
            "2026-1-1",
            "9999-01-01T00:00:00Z",
            "32/Oct/2000:13:55:36 -0700",
            "10/Okt/2000:13:55:36 -0700",
            "10/Oct/2000 13:55:36",
            "127.0.0.1 - - [10/Oct/2000:13:55:36 -0700]",
            "99999999999999999999999999",
        ] {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
    }
}
