//! Numbers in warnings.

/// A whole number with its thousands apart, or one with three digits that count.
pub fn number(value: f64) -> String {
    if value < 99.95 {
        let decimals = if value < 0.995 {
            3
        } else if value < 9.995 {
            2
        } else {
            1
        };
        let text = format!("{value:.decimals$}");
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A rate, per second where that is a number to read.
pub fn rate(per_second: f64) -> String {
    if per_second > 0.0 && per_second < 0.01 {
        return format!("{}/h", number(per_second * 3_600.0));
    }
    format!("{}/s", number(per_second))
}

/// A share, by name if it has one.
pub fn share(share: f64) -> String {
    const NAMES: [(f64, &str); 8] = [
        (1.0, "all of it"),
        (0.75, "three quarters"),
        (2.0 / 3.0, "two thirds"),
        (0.5, "half"),
        (1.0 / 3.0, "a third"),
        (0.25, "a quarter"),
        (0.2, "a fifth"),
        (0.1, "a tenth"),
    ];
    let named = NAMES.iter().find(|(value, _)| (value - share).abs() < 5e-4);
    named.map_or_else(|| format!("{}%", number(share * 100.0)), |(_, name)| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        for (value, expected) in [
            (1_000.0, "1,000"),
            (1_234_567.8, "1,234,568"),
            (99.96, "100"),
            (66.666, "66.7"),
            (2.0, "2"),
            (0.0125, "0.013"),
        ] {
            assert_eq!(number(value), expected);
        }
        for (value, expected) in
            [(0.2, "a fifth"), (0.5, "half"), (0.205, "20.5%"), (1.0, "all of it"), (0.001, "0.1%")]
        {
            assert_eq!(share(value), expected);
        }
    }
}
