//! Where the ticks of an axis stand and what is written beside them.

use super::font;
use super::ink::TEXT;
use crate::experiment::{Comparison, PolicyResult};
use crate::report::name::harmless;
use crate::report::number::Notation;

/// The policies' names beside the rows of a chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Names {
    /// One for each policy, in their order.
    pub texts: Vec<String>,
    /// That of the widest.
    pub width: f64,
}

impl Names {
    /// Whole names, but for those that are wider than `room`.
    pub fn within(room: f64, comparison: &Comparison) -> Names {
        let fit = |policy: &PolicyResult| font::shorten(&harmless(&policy.name), room, TEXT, false);
        let texts: Vec<String> = comparison.policies.iter().map(fit).collect();
        let width = widest(texts.iter());
        Names { texts, width }
    }
}

/// Width of the widest of some texts.
pub fn widest<'a>(texts: impl Iterator<Item = &'a String>) -> f64 {
    texts.map(|text| font::width(text, TEXT, false)).fold(0.0, f64::max)
}

/// True if the labels of ascending ticks stand apart when they are centred below them.
pub fn have_room(ticks: &[Tick], at: impl Fn(f64) -> f64) -> bool {
    let half = |tick: &Tick| font::width(&tick.label, TEXT, false) / 2.0;
    let apart = |pair: &[Tick]| at(pair[1].value) - at(pair[0].value) - half(&pair[0]) - half(&pair[1]);
    ticks.windows(2).all(|pair| apart(pair) >= 6.0)
}

/// A tick: the value and its label.
#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    /// In the axis's unit.
    pub value: f64,
    /// Beside the tick.
    pub label: String,
}

/// A linear axis: values and where they lie in the picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// Value at `start`.
    pub low: f64,
    /// Value at `end`.
    pub high: f64,
    /// Coordinate of `low`.
    pub start: f64,
    /// Coordinate of `high`.
    pub end: f64,
}

impl Scale {
    /// Where `value` lies, inside the axis or beyond.
    pub fn at(self, value: f64) -> f64 {
        self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)
    }

    /// Where `value` lies, kept inside the axis.
    pub fn within(self, value: f64) -> f64 {
        self.at(value.clamp(self.low, self.high))
    }
}

/// A logarithmic axis; its values are above 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogScale {
    /// Value at `start`.
    pub low: f64,
    /// Value at `end`.
    pub high: f64,
    /// Coordinate of `low`.
    pub start: f64,
    /// Coordinate of `high`.
    pub end: f64,
}

impl LogScale {
    /// Where `value` lies, kept inside the axis.
    pub fn within(self, value: f64) -> f64 {
        let share = libm::log(value.clamp(self.low, self.high) / self.low) / libm::log(self.high / self.low);
        self.start + share * (self.end - self.start)
    }

    /// The multiples by `steps` (1 to 10) of powers of ten on the axis, ascending.
    pub fn steps(self, steps: &[f64]) -> Vec<f64> {
        let mut power = 1.0;
        while power > self.low {
            power /= 10.0;
        }
        while power * 10.0 <= self.low {
            power *= 10.0;
        }
        let mut values = Vec::new();
        while power <= self.high * (1.0 + 1e-9) {
            values.extend(steps.iter().map(|step| power * step));
            power *= 10.0;
        }
        values.retain(|value| *value >= self.low * (1.0 - 1e-9) && *value <= self.high * (1.0 + 1e-9));
        values
    }
}

/// 1, 2 or 5 times a power of ten, or 25, 250 and so on: the smallest such step that fits no more than `most` times into `range`.
pub fn round_step(range: f64, most: f64) -> f64 {
    // Well below any step; dividing is exact where multiplying by 0.1 is not.
    let mut power = 1.0;
    while power * most > range && power > 1e-9 {
        power /= 10.0;
    }
    loop {
        let quarters = (power >= 10.0).then_some(power * 2.5);
        for step in [Some(power), Some(power * 2.0), quarters, Some(power * 5.0)].into_iter().flatten() {
            // Twice 0.1 and ten times 0.02 are not exact.
            if ((range / step) * (1.0 + 1e-9)).floor() <= most {
                return step;
            }
        }
        power *= 10.0;
    }
}

/// 1, 2 or 5 times a power of ten: the largest such number up to `high`.
pub fn round_below(high: f64) -> f64 {
    let mut power = 1.0;
    while power * 10.0 <= high {
        power *= 10.0;
    }
    while power > high && power > 1e-9 {
        power /= 10.0;
    }
    [power * 5.0, power * 2.0].into_iter().find(|round| *round <= high).unwrap_or(power)
}

/// Multiples of a round step from 0 to `high`, at most `most` besides 0.
pub fn count_ticks(high: f64, most: f64) -> Vec<Tick> {
    let step = round_step(high, most);
    let count = (high / step * (1.0 + 1e-9)).floor() as usize;
    (0..=count).map(|i| i as f64 * step).map(|value| Tick { value, label: short(value, step) }).collect()
}

/// A tick's label: as many decimals as the step needs, thousands and millions as `k` and `M` from 10,000 on.
pub fn short(value: f64, step: f64) -> String {
    let (value, step, unit) = match value {
        v if v >= 1e10 => (v / 1e9, step / 1e9, "G"),
        v if v >= 1e7 => (v / 1e6, step / 1e6, "M"),
        v if v >= 1e4 => (v / 1e3, step / 1e3, "k"),
        v => (v, step, ""),
    };
    let mut decimals = 0;
    let mut fraction = step;
    while (fraction - fraction.round()).abs() > 1e-6 * fraction && decimals < 6 {
        fraction *= 10.0;
        decimals += 1;
    }
    let text = format!("{value:.decimals$}");
    match (text.strip_suffix(".0"), value >= 1e3) {
        (_, true) if decimals == 0 && unit.is_empty() => format!("{},{:03}", value as u64 / 1000, value as u64 % 1000),
        _ if value == 0.0 => "0".to_owned(),
        _ => text + unit,
    }
}

/// A unit of a time axis: its symbol, its length in seconds, and steps that readers count in.
const TIME_UNITS: [(&str, f64, &[f64]); 5] = [
    ("ms", 1e-3, &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 250.0, 500.0]),
    ("s", 1.0, &[1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0]),
    ("min", 60.0, &[1.0, 2.0, 3.0, 5.0, 10.0, 15.0, 20.0, 30.0]),
    ("h", 3600.0, &[1.0, 2.0, 3.0, 4.0, 6.0, 12.0]),
    ("d", 86_400.0, &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0]),
];

/// Ticks of a run: at its quarters if those are whole, else at a round step; only the last one carries the unit.
///
/// `duration` is that of the demand, `end` the end of the axis, both in seconds.
pub fn time_ticks(duration: f64, end: f64) -> Vec<Tick> {
    let unit = TIME_UNITS.iter().rev().find(|(_, length, _)| duration >= 2.0 * length).unwrap_or(&TIME_UNITS[0]);
    let (symbol, length, steps) = *unit;
    let quarter = duration / length / 4.0;
    // An axis that goes on far beyond the demand has its ticks from its own length.
    let in_quarters = quarter >= 1.0 && quarter.fract() == 0.0 && end < duration * 1.3;
    let step = if in_quarters {
        quarter
    } else {
        let fits = |step: &f64| end / length / step <= 5.6;
        steps.iter().copied().find(fits).unwrap_or_else(|| round_step(end / length, 5.0))
    };
    let last = (end / length / step * (1.0 + 1e-9)).floor() as usize;
    let tick = |i: usize| {
        let value = i as f64 * step;
        let number = short(value, step);
        Tick { value: value * length, label: if i == last { format!("{number}\u{a0}{symbol}") } else { number } }
    };
    (0..=last).map(tick).collect()
}

/// An instant of a run that lasts `run` seconds: `5:01`, in runs below a minute `0.25 s`.
pub fn instant(seconds: f64, run: f64) -> String {
    let n = Notation::PAGE;
    if run < 60.0 { format!("{}{}s", n.rate(seconds), n.unit_space) } else { n.clock(seconds) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(ticks: &[Tick]) -> String {
        ticks.iter().map(|tick| tick.label.replace('\u{a0}', " ")).collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn counts_have_round_steps() {
        for (high, expected) in [
            (478.0, "0 | 100 | 200 | 300 | 400"),
            (1.0, "0 | 0.2 | 0.4 | 0.6 | 0.8 | 1.0"),
            (3.7, "0 | 1 | 2 | 3"),
            (0.013, "0 | 0.005 | 0.010"),
            (6_400.0, "0 | 2,000 | 4,000 | 6,000"),
            (121.0, "0 | 25 | 50 | 75 | 100"),
            (26_000.0, "0 | 5,000 | 10k | 15k | 20k | 25k"),
            (2_300_000.0, "0 | 500k | 1000k | 1500k | 2000k"),
        ] {
            assert_eq!(labels(&count_ticks(high, 5.0)), expected, "{high}");
        }
    }

    #[test]
    fn runs_are_quartered_where_that_is_round() {
        for (duration, end, expected) in [
            (1200.0, 1260.0, "0 | 5 | 10 | 15 | 20 min"),
            (1620.0, 1680.0, "0 | 5 | 10 | 15 | 20 | 25 min"),
            (900.0, 945.0, "0 | 3 | 6 | 9 | 12 | 15 min"),
            (60.0, 63.0, "0 | 15 | 30 | 45 | 60 s"),
            (600.0, 900.0, "0 | 3 | 6 | 9 | 12 | 15 min"),
            (10.0, 10.5, "0 | 2 | 4 | 6 | 8 | 10 s"),
            (1.0, 1.05, "0 | 250 | 500 | 750 | 1,000 ms"),
            (28_800.0, 28_860.0, "0 | 2 | 4 | 6 | 8 h"),
            (259_200.0, 259_260.0, "0 | 1 | 2 | 3 d"),
            (3.0e13, 3.1e13, "0 | 100M | 200M | 300M d"),
        ] {
            assert_eq!(labels(&time_ticks(duration, end)), expected, "{duration}");
        }
    }

    #[test]
    fn one_tick_is_as_high_as_it_can_be() {
        for (high, expected) in [(263.0, 200.0), (499.0, 200.0), (500.0, 500.0), (6.75, 5.0), (1.0, 1.0), (0.07, 0.05)]
        {
            assert!((round_below(high) - expected).abs() < 1e-12, "{high}: {}", round_below(high));
        }
    }

    #[test]
    fn instants_of_short_runs_are_not_rounded_away() {
        assert_eq!([instant(301.2, 600.0), instant(0.25, 10.0), instant(0.25, 600.0)], ["5:01", "0.25\u{a0}s", "0:00"]);
    }

    #[test]
    fn a_logarithmic_scale_has_equal_steps_for_equal_factors() {
        let scale = LogScale { low: 0.03, high: 30.0, start: 0.0, end: 300.0 };
        let at: Vec<f64> = [0.0, 0.03, 0.3, 3.0, 30.0, 99.0].map(|v| (scale.within(v) * 1e6).round() / 1e6).to_vec();
        assert_eq!(at, [0.0, 0.0, 100.0, 200.0, 300.0, 300.0]);
        let steps: Vec<String> = scale.steps(&[1.0, 3.0]).iter().map(|v| format!("{v:.2}")).collect();
        assert_eq!(steps, ["0.03", "0.10", "0.30", "1.00", "3.00", "10.00", "30.00"]);
    }

    #[test]
    fn a_scale_is_linear() {
        let scale = Scale { low: 0.0, high: 10.0, start: 150.0, end: 50.0 };
        assert_eq!([scale.at(0.0), scale.at(5.0), scale.at(20.0), scale.within(20.0)], [150.0, 100.0, -50.0, 50.0]);
    }
}
