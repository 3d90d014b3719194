//! How numbers are written for readers: one precision per quantity, the same in the terminal, in Markdown and on the page.

/// The characters that sentences and tables are written with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notation {
    /// Before a negative number.
    pub minus: &'static str,
    /// After a multiple.
    pub times: &'static str,
    /// For a value that does not exist.
    pub null: &'static str,
    /// Before half the width of an interval.
    pub plus_minus: &'static str,
    /// Between the ends of an interval in a sentence.
    pub to: &'static str,
    /// Between a number and its unit in a sentence.
    pub unit_space: &'static str,
    /// In place of what was cut out of a name.
    pub ellipsis: &'static str,
    /// Most characters of a policy's name.
    pub name_chars: usize,
}

impl Notation {
    /// For the page and for Markdown: typographic signs, whole names.
    pub const PAGE: Notation = Notation {
        minus: "\u{2212}",
        times: "×",
        null: "–",
        plus_minus: "±",
        to: "–",
        unit_space: "\u{a0}",
        ellipsis: "…",
        name_chars: usize::MAX,
    };
    /// For a terminal that shows UTF-8. Minus and times are ASCII, so that numbers can be pasted.
    pub const TERMINAL: Notation =
        Notation { minus: "-", times: "x", to: " to ", unit_space: " ", name_chars: 24, ..Notation::PAGE };
    /// For any other terminal.
    pub const ASCII: Notation = Notation { null: "-", plus_minus: "+-", ellipsis: "..", ..Notation::TERMINAL };

    /// A share of 0..=1 as a per cent: one decimal, two above 99%; 100% only if nothing is missing, 0% only if there is nothing.
    pub fn percent(&self, share: f64) -> String {
        let percent = share * 100.0;
        if share >= 1.0 {
            return "100.0%".to_owned();
        }
        if percent > 99.99 {
            return ">99.99%".to_owned();
        }
        if share > 0.0 && percent < 0.05 {
            return "<0.1%".to_owned();
        }
        self.fixed(percent, share_decimals(share)) + "%"
    }

    /// A difference of shares in points, always with its sign, with this many decimals.
    pub fn signed_points(&self, difference: f64, decimals: usize) -> String {
        self.signed(difference * 100.0, decimals)
    }

    /// The size of a difference of shares in points, without its sign.
    pub fn points(&self, difference: f64, decimals: usize) -> String {
        self.fixed(difference.abs() * 100.0, decimals)
    }

    /// A share of operations, counted per 10,000 of them: one decimal below 10, then whole; 0 only if there is none.
    pub fn per_10_000(&self, share: f64) -> String {
        let count = share * 10_000.0;
        match count {
            0.0 => "0".to_owned(),
            c if c > 0.0 && c < 0.05 => "<0.1".to_owned(),
            // 9.96 would be written as 10.0.
            c if c < 9.95 => self.fixed(c, 1),
            c => self.fixed(c, 0),
        }
    }

    /// Attempts per operation.
    pub fn ratio(&self, value: f64) -> String {
        self.fixed(value, 2)
    }

    /// A multiple without its sign: one decimal, from 100 none.
    pub fn multiple(&self, value: f64) -> String {
        self.fixed(value, if value < 99.95 { 1 } else { 0 })
    }

    /// A multiple with its sign, as in `11.4×`.
    pub fn times(&self, value: f64) -> String {
        self.multiple(value) + self.times
    }

    /// Seconds, in the unit of their column.
    pub fn latency(&self, seconds: f64, unit: LatencyUnit) -> String {
        match unit {
            LatencyUnit::Seconds if seconds >= 99.95 => self.fixed(seconds, 0),
            LatencyUnit::Seconds if seconds >= 0.995 || seconds == 0.0 => self.fixed(seconds, 1),
            LatencyUnit::Seconds => self.fixed(seconds, two_digits(seconds)),
            LatencyUnit::Millis if seconds == 0.0 => "0".to_owned(),
            LatencyUnit::Millis => self.fixed(seconds * 1e3, two_digits(seconds * 1e3)),
        }
    }

    /// A count with commas between thousands.
    pub fn count(&self, value: f64) -> String {
        self.fixed(value, 0)
    }

    /// An instant or a length as `m:ss`, from one hour `h:mm:ss`.
    pub fn clock(&self, seconds: f64) -> String {
        // `as` saturates; negative times do not occur.
        let whole = (seconds + 0.5) as u64;
        let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
        if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
    }

    /// A length of time in one unit: `250 ms`, `25 s`, `15 min`, `2:05 min`, `6 h`, `1:02:05 h`.
    pub fn length(&self, seconds: f64) -> String {
        let space = self.unit_space;
        let whole = |unit: f64| seconds >= unit && seconds % unit == 0.0;
        match seconds {
            s if whole(3_600.0) => format!("{}{space}h", self.count(s / 3_600.0)),
            s if whole(60.0) => format!("{}{space}min", self.count(s / 60.0)),
            s if s < 1.0 => format!("{}{space}ms", short(self, s * 1e3)),
            s if s < 120.0 => format!("{}{space}s", short(self, s)),
            s if s < 3_600.0 => format!("{}{space}min", self.clock(s)),
            s => format!("{}{space}h", self.clock(s)),
        }
    }

    /// Something per second: whole from 100, else as many decimals, at most two, as there are; below 0.1 two digits.
    pub fn rate(&self, per_second: f64) -> String {
        if per_second > 0.0 && per_second < 0.0995 {
            return self.fixed(per_second, two_digits(per_second)).trim_end_matches('0').to_owned();
        }
        short(self, per_second)
    }

    /// Two ends of an interval that were written already. A sign in front of either makes a dash unreadable.
    pub fn interval(&self, low: &str, high: &str) -> String {
        let signed = |text: &str| text.starts_with(self.minus) || text.starts_with('+');
        if low == high {
            low.to_owned()
        } else if signed(low) || signed(high) {
            format!("{low} to {high}")
        } else {
            format!("{low}{}{high}", self.to)
        }
    }

    /// The interval around a mean in brackets, " (1.2–2.1)"; nothing if it does not show at this precision.
    pub fn around(&self, mean: &str, low: &str, high: &str) -> String {
        if mean == low && mean == high { String::new() } else { format!(" ({})", self.interval(low, high)) }
    }

    /// A number with its sign; what rounds to zero is a plus.
    pub fn signed(&self, value: f64, decimals: usize) -> String {
        let text = self.fixed(value, decimals);
        if text.starts_with(self.minus) { text } else { format!("+{text}") }
    }

    /// A number with this many decimals and commas between thousands. Never a negative zero.
    pub fn fixed(&self, value: f64, decimals: usize) -> String {
        if !value.is_finite() {
            return self.null.to_owned();
        }
        let text = format!("{:.decimals$}", value.abs());
        let negative = value < 0.0 && text.bytes().any(|b| (b'1'..=b'9').contains(&b));
        let whole = text.find('.').unwrap_or(text.len());
        let mut written = String::with_capacity(text.len() + 8);
        if negative {
            written.push_str(self.minus);
        }
        for (index, digit) in text.chars().enumerate() {
            if index > 0 && index < whole && (whole - index).is_multiple_of(3) {
                written.push(',');
            }
            written.push(digit);
        }
        written
    }
}

/// Three digits without zeros at the end.
fn short(notation: &Notation, value: f64) -> String {
    let decimals = match value.abs() {
        v if v >= 99.95 => 0,
        v if v >= 9.995 => 1,
        _ => 2,
    };
    let text = notation.fixed(value, decimals);
    if decimals == 0 { text } else { text.trim_end_matches('0').trim_end_matches('.').to_owned() }
}

/// Decimals of a share in per cent: two if less than one in a hundred is missing.
pub fn share_decimals(share: f64) -> usize {
    if share > 0.99 && share < 1.0 { 2 } else { 1 }
}

/// Decimals of a difference between two shares: two if both are written with two, or are whole.
pub fn difference_decimals(a: f64, b: f64) -> usize {
    if a > 0.99 && b > 0.99 { 2 } else { 1 }
}

/// Decimals that leave two significant digits of a value below 100.
fn two_digits(value: f64) -> usize {
    let mut decimals = 0;
    let mut scaled = value.abs();
    while scaled < 9.95 && decimals < 6 {
        scaled *= 10.0;
        decimals += 1;
    }
    decimals
}

/// One unit for a whole column of latencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LatencyUnit {
    /// Seconds.
    Seconds,
    /// Milliseconds, if all are below one second.
    Millis,
}

impl LatencyUnit {
    /// The unit for these values in seconds.
    pub fn of(seconds: impl Iterator<Item = f64>) -> LatencyUnit {
        if seconds.fold(0.0, f64::max) >= 1.0 { LatencyUnit::Seconds } else { LatencyUnit::Millis }
    }

    /// Its symbol.
    pub fn symbol(self) -> &'static str {
        match self {
            LatencyUnit::Seconds => "s",
            LatencyUnit::Millis => "ms",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(got: String, expected: &str) {
        assert_eq!(got, expected);
    }

    const T: Notation = Notation::TERMINAL;
    const P: Notation = Notation::PAGE;

    #[test]
    fn shares_are_whole_only_if_nothing_is_missing() {
        for (share, expected) in [
            (0.85213, "85.2%"),
            (0.99, "99.0%"),
            (0.9949, "99.49%"),
            (0.9997, "99.97%"),
            (0.99994, ">99.99%"),
            (0.999_999_9, ">99.99%"),
            (1.0, "100.0%"),
            (0.0, "0.0%"),
            (0.0004, "<0.1%"),
            (0.0006, "0.1%"),
        ] {
            check(T.percent(share), expected);
        }
    }

    #[test]
    fn differences_have_a_sign() {
        check(T.signed_points(0.13, 1), "+13.0");
        check(P.signed_points(-0.112, 1), "\u{2212}11.2");
        check(T.signed_points(-0.112, 1), "-11.2");
        check(T.signed_points(-0.000_01, 1), "+0.0");
        check(T.points(-0.017, 1), "1.7");
        assert_eq!([difference_decimals(0.9997, 1.0), difference_decimals(0.9997, 0.7)], [2, 1]);
    }

    #[test]
    fn zero_is_exact() {
        for (share, expected) in [
            (0.0, "0"),
            (0.000_001, "<0.1"),
            (0.000_04, "0.4"),
            (0.000_994, "9.9"),
            (0.000_996, "10"),
            (0.1341, "1,341"),
            (123.4, "1,234,000"),
        ] {
            check(T.per_10_000(share), expected);
        }
    }

    #[test]
    fn multiples_latencies_and_times() {
        check(P.times(11.43), "11.4×");
        check(T.times(99.96), "100x");
        check(T.times(1234.0), "1,234x");
        check(T.ratio(1.017), "1.02");
        for (seconds, unit, expected) in [
            (1.46, LatencyUnit::Seconds, "1.5"),
            (11.31, LatencyUnit::Seconds, "11.3"),
            (0.996, LatencyUnit::Seconds, "1.0"),
            (0.0456, LatencyUnit::Seconds, "0.046"),
            (0.0, LatencyUnit::Seconds, "0.0"),
            (128.4, LatencyUnit::Seconds, "128"),
            (0.0456, LatencyUnit::Millis, "46"),
            (0.004_56, LatencyUnit::Millis, "4.6"),
            (0.456, LatencyUnit::Millis, "456"),
            (0.0, LatencyUnit::Millis, "0"),
        ] {
            check(T.latency(seconds, unit), expected);
        }
        check(T.clock(301.2), "5:01");
        check(T.clock(59.7), "1:00");
        check(T.clock(3_725.0), "1:02:05");
        for (seconds, expected) in [
            (0.25, "250 ms"),
            (5.0, "5 s"),
            (1.25, "1.25 s"),
            (60.0, "1 min"),
            (900.0, "15 min"),
            (7_200.0, "2 h"),
            (119.6, "120 s"),
            (125.0, "2:05 min"),
            (3_725.0, "1:02:05 h"),
        ] {
            check(T.length(seconds), expected);
        }
        for (rate, expected) in
            [(40.0, "40"), (86.96, "87"), (63.44, "63.4"), (0.333, "0.33"), (12_345.6, "12,346"), (0.0, "0")]
        {
            check(T.rate(rate), expected);
        }
        assert_eq!(LatencyUnit::of([0.2, 0.9].into_iter()), LatencyUnit::Millis);
        assert_eq!(LatencyUnit::of([0.2, 1.9].into_iter()), LatencyUnit::Seconds);
    }

    #[test]
    fn intervals_and_what_is_no_number() {
        check(P.interval("1.2", "2.1"), "1.2–2.1");
        check(T.interval("1.2", "2.1"), "1.2 to 2.1");
        check(P.interval("+1.2", "+2.1"), "+1.2 to +2.1");
        check(P.interval("2.1", "2.1"), "2.1");
        check(P.around("1.7", "1.7", "1.8"), " (1.7–1.8)");
        check(P.around("1.7", "1.7", "1.7"), "");
        check(P.fixed(f64::NAN, 1), "–");
        check(Notation::ASCII.fixed(f64::INFINITY, 1), "-");
        check(T.fixed(-1234.5, 1), "-1,234.5");
    }
}
