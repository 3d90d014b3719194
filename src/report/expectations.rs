//! Expectations as they are shown: the limit, what was observed with its interval, and how far it lies from the limit.

use super::ReportInput;
use super::name::harmless;
use super::number::Notation;
use crate::experiment::expectation::Judgement;
use crate::metrics::statistics::nine_digits;
use crate::scenario::expectation::Limit;
use crate::scenario::metric::Unit;

/// One expectation, in words and numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// It was met.
    pub met: bool,
    /// "peak_ratio".
    pub metric: String,
    /// The policy's name.
    pub policy: String,
    /// "at most 6".
    pub limit: String,
    /// "11.4".
    pub observed: String,
    /// "11.2 to 11.6"; empty if all replications agree, and with only one.
    pub interval: String,
    /// "−5.4", in the unit of the limit; negative if it was not met. Empty without a value.
    pub margin: String,
    /// " points" for a share, else as of what was observed.
    pub margin_unit: &'static str,
}

impl Line {
    /// "11.4 (11.2 to 11.6)".
    pub fn result(&self) -> String {
        let interval = if self.interval.is_empty() { String::new() } else { format!(" ({})", self.interval) };
        format!("{}{interval}", self.observed)
    }

    /// "−5.4 points"; empty without a value.
    pub fn margin_in_words(&self) -> String {
        if self.margin.is_empty() { String::new() } else { format!("{}{}", self.margin, self.margin_unit) }
    }
}

/// All expectations, in the scenario's order. `names` are the policies' as they are shown.
pub fn lines(input: &ReportInput, names: &[String], notation: Notation) -> Vec<Line> {
    let line = |judgement: &Judgement| {
        let figures = Figures::of(judgement, notation);
        let observed = &judgement.observed;
        let interval = observed.ci_low.zip(observed.ci_high);
        Line {
            met: judgement.met,
            metric: judgement.name.clone(),
            policy: names[judgement.policy].clone(),
            limit: figures.limit(judgement.limit),
            observed: observed.mean.map_or_else(|| notation.null.to_owned(), |mean| figures.with_unit(mean)),
            interval: interval
                .filter(|(low, high)| low < high)
                .map_or_else(String::new, |(low, high)| notation.interval(&figures.number(low), &figures.number(high))),
            margin: judgement.margin().map_or_else(String::new, |margin| figures.distance(margin, judgement.limit)),
            margin_unit: figures.margin_unit,
        }
    };
    input.comparison.expectations.iter().map(line).collect()
}

/// "2 met, 1 not met".
pub fn tally(lines: &[Line]) -> String {
    let met = lines.iter().filter(|line| line.met).count();
    match lines.len() - met {
        0 => format!("{met} met"),
        missed => format!("{met} met, {missed} not met"),
    }
}

/// Expectations that were not met, in a line for whoever reads only the end: "1 of 3 expectations not met (peak_ratio of immediate: 11.4,
/// at most 6)". `None` if all were met.
pub fn failure(input: &ReportInput) -> Option<String> {
    /// A long list helps nobody at the end of a screen.
    const MOST: usize = 3;
    let names: Vec<String> = input.comparison.policies.iter().map(|policy| harmless(&policy.name)).collect();
    let lines = lines(input, &names, Notation::ASCII);
    let missed: Vec<&Line> = lines.iter().filter(|line| !line.met).collect();
    let mut shown: Vec<String> = missed
        .iter()
        .take(MOST)
        .map(|line| format!("{} of {}: {}, {}", line.metric, line.policy, line.observed, line.limit))
        .collect();
    if missed.len() > MOST {
        shown.push(format!("and {} more", missed.len() - MOST));
    }
    let noun = if lines.len() == 1 { "expectation" } else { "expectations" };
    (!missed.is_empty()).then(|| format!("{} of {} {noun} not met ({})", missed.len(), lines.len(), shown.join("; ")))
}

/// How the numbers of one line are written: in one unit, with as many decimals as tell the mean from the limit.
struct Figures {
    notation: Notation,
    scale: f64,
    unit: &'static str,
    margin_unit: &'static str,
    decimals: usize,
}

/// The least number with three digits before its point: so many a mean that is not whole is shown with.
const THREE_DIGITS: f64 = 99.95;
/// More decimals than this tell nothing apart: numbers are rounded to nine digits.
const MOST_DECIMALS: usize = 9;

impl Figures {
    fn of(judgement: &Judgement, notation: Notation) -> Figures {
        let mean = judgement.observed.mean.map_or(0.0, nine_digits);
        let limit = judgement.limit.value();
        let (scale, symbol, margin_unit) = match judgement.measure.metric.unit() {
            Unit::Share => (100.0, "%", " points"),
            Unit::PerSecond => (1.0, "/s", "/s"),
            Unit::Seconds | Unit::SecondsOrNever if mean.max(limit) < 1.0 => (1e3, " ms", " ms"),
            Unit::Seconds | Unit::SecondsOrNever => (1.0, " s", " s"),
            _ => (1.0, "", ""),
        };
        let mut figures = Figures { notation, scale, unit: symbol, margin_unit, decimals: 0 };
        let shown = mean * scale;
        if nine_digits(shown).fract() != 0.0 {
            let mut digits = shown.abs();
            while digits < THREE_DIGITS && figures.decimals < MOST_DECIMALS {
                digits *= 10.0;
                figures.decimals += 1;
            }
        }
        // 79.96% must not look like the 80% that it misses.
        while mean != limit && figures.decimals < MOST_DECIMALS && figures.number(mean) == figures.number(limit) {
            figures.decimals += 1;
        }
        // Nor must a share that is not known to the digit look as if it were.
        let ends = judgement.observed.ci_low.zip(judgement.observed.ci_high).filter(|_| symbol == "%");
        while let Some((low, high)) = ends
            && nine_digits(low) < nine_digits(high)
            && figures.decimals < MOST_DECIMALS
            && figures.number(low) == figures.number(high)
        {
            figures.decimals += 1;
        }
        figures
    }

    fn number(&self, value: f64) -> String {
        self.notation.fixed(value * self.scale, self.decimals)
    }

    fn with_unit(&self, value: f64) -> String {
        self.number(value) + self.unit
    }

    /// A distance from the limit, with the digits of both ends.
    fn distance(&self, value: f64, limit: Limit) -> String {
        self.notation.signed(value * self.scale, self.decimals.max(self.limit_decimals(limit)))
    }

    fn limit_decimals(&self, limit: Limit) -> usize {
        let value = nine_digits(limit.value() * self.scale);
        (0..MOST_DECIMALS).find(|d| format!("{value:.d$}").parse() == Ok(value)).unwrap_or(MOST_DECIMALS)
    }

    /// The limit as it was meant: all its digits.
    fn limit(&self, limit: Limit) -> String {
        let words = match limit {
            Limit::AtLeast(_) => "at least",
            Limit::AtMost(_) => "at most",
        };
        let value = nine_digits(limit.value() * self.scale);
        format!("{words} {}{}", self.notation.fixed(value, self.limit_decimals(limit)), self.unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Estimate;
    use crate::report::fixture::{around, comparison, row, with_comparison};
    use crate::scenario::metric::Measure;

    fn measure(name: &str) -> Measure {
        Measure::parse(name, &crate::scenario::metric::Names::default()).expect("a metric")
    }

    /// One expectation about the only policy: how it is shown.
    fn check(metric: &str, limit: Limit, values: &[Option<f64>], expected: &str) {
        let observed = Estimate::of(values, 0.95);
        let met = observed.mean.is_some_and(|mean| limit.margin(nine_digits(mean)) >= 0.0);
        let mut comparison = comparison(vec![row("p", &around(0.9, 0.0))]);
        comparison.expectations =
            vec![Judgement { policy: 0, measure: measure(metric), name: metric.to_owned(), limit, observed, met }];
        with_comparison(comparison, |input| {
            let line = &lines(input, &["p".to_owned()], Notation::TERMINAL)[0];
            let status = if line.met { "met" } else { "NOT MET" };
            let margin = line.margin_in_words();
            assert_eq!(format!("{status} {}: {}, margin {margin}", line.limit, line.result()), expected);
            let end = failure(input);
            assert_eq!(end.is_none(), met, "{end:?}");
        });
    }

    #[test]
    fn each_in_its_unit() {
        let close = |mean: f64, by: f64| [Some(mean - by), Some(mean), Some(mean + by)];
        use Limit::{AtLeast, AtMost};
        check(
            "success_rate",
            AtLeast(0.8),
            &close(0.835, 0.004),
            "met at least 80%: 83.5% (82.5 to 84.5), margin +3.5 points",
        );
        check("success_rate", AtLeast(0.8), &[Some(0.7996)], "NOT MET at least 80%: 79.96%, margin -0.04 points");
        check(
            "success_rate",
            AtLeast(0.9),
            &close(1.0, 0.0001),
            "met at least 90%: 100.00% (99.98 to 100.02), margin +10.00 points",
        );
        check("success_rate", AtLeast(0.999), &[Some(0.999)], "met at least 99.9%: 99.9%, margin +0.0 points");
        check("peak_ratio", AtMost(6.0), &close(11.42, 0.1), "NOT MET at most 6: 11.4 (11.2 to 11.7), margin -5.4");
        check("duplicates", AtMost(0.0), &close(0.0, 0.0), "met at most 0: 0, margin +0");
        check("duplicates", AtMost(0.0), &[Some(1_341.0)], "NOT MET at most 0: 1,341, margin -1,341");
        check("latency_p99", AtMost(2.0), &[Some(0.5)], "met at most 2 s: 0.500 s, margin +1.500 s");
        check("latency_p99", AtMost(0.25), &[Some(0.5)], "NOT MET at most 250 ms: 500 ms, margin -250 ms");
        check("goodput", AtLeast(100.0), &[Some(98.76)], "NOT MET at least 100/s: 98.8/s, margin -1.2/s");
        check("latency_p99", AtMost(2.0), &[None], "NOT MET at most 2 s: –, margin ");
        check("outcome_503", AtMost(0.5), &[Some(0.0)], "met at most 0.5: 0.0, margin +0.5");
    }

    #[test]
    fn the_last_line_names_a_few() {
        let missed = Judgement {
            policy: 0,
            measure: measure("failed"),
            name: "failed".to_owned(),
            limit: Limit::AtMost(0.0),
            observed: Estimate::of(&[Some(3.0)], 0.95),
            met: false,
        };
        let check = |missed: Vec<Judgement>, expected: &str| {
            let mut comparison = comparison(vec![row("p\u{1b}", &around(0.9, 0.0))]);
            comparison.expectations = missed;
            with_comparison(comparison, |input| assert_eq!(failure(input).as_deref(), Some(expected)));
        };
        let one = "failed of p\u{fffd}: 3, at most 0";
        check(vec![missed.clone()], &format!("1 of 1 expectation not met ({one})"));
        let many = format!("5 of 5 expectations not met ({one}; {one}; {one}; and 2 more)");
        check(vec![missed; 5], &many);
    }
}
