//! The names of what is measured, and in which unit (contract, section 4.3): what an expectation may be about.
//!
//! They stand here and not beside the counters because a scenario is checked before anything runs; a test holds both against each other.

use crate::units::{Span, parse_probability, parse_rate};

/// What the number of a metric means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// How many.
    Count,
    /// A part of a whole, from 0 to 1.
    Share,
    /// A ratio of anything.
    Ratio,
    /// Per second.
    PerSecond,
    /// Seconds.
    Seconds,
}

/// All metrics but those of single statuses, in the contract's order.
pub const METRICS: [(&str, Unit); 58] = [
    ("operations", Unit::Count),
    ("succeeded", Unit::Count),
    ("failed", Unit::Count),
    ("unresolved", Unit::Count),
    ("success_rate", Unit::Share),
    ("in_time_rate", Unit::Share),
    ("first_attempt_success_rate", Unit::Share),
    ("attempts", Unit::Count),
    ("retries", Unit::Count),
    ("attempts_per_operation", Unit::Ratio),
    ("attempts_per_call", Unit::Ratio),
    ("goodput", Unit::PerSecond),
    ("peak_goodput", Unit::PerSecond),
    ("load_mean", Unit::PerSecond),
    ("peak_load", Unit::PerSecond),
    ("peak_ratio", Unit::Ratio),
    ("recovery_peak", Unit::PerSecond),
    ("dispersion", Unit::Ratio),
    ("time_to_recover", Unit::Seconds),
    ("latency_mean", Unit::Seconds),
    ("latency_p50", Unit::Seconds),
    ("latency_p90", Unit::Seconds),
    ("latency_p99", Unit::Seconds),
    ("latency_p999", Unit::Seconds),
    ("latency_max", Unit::Seconds),
    ("failure_latency_p50", Unit::Seconds),
    ("failure_latency_p99", Unit::Seconds),
    ("wait_mean", Unit::Seconds),
    ("wait_p99", Unit::Seconds),
    ("waited", Unit::Share),
    ("in_flight_mean", Unit::Ratio),
    ("executions", Unit::Count),
    ("effects", Unit::Count),
    ("duplicates", Unit::Count),
    ("duplicate_rate", Unit::Ratio),
    ("duplicated_operations", Unit::Count),
    ("phantom_successes", Unit::Count),
    ("wasted_work", Unit::Share),
    ("utilisation", Unit::Ratio),
    ("queue_max", Unit::Count),
    ("outcome_cancelled", Unit::Count),
    ("outcome_connection", Unit::Count),
    ("outcome_open", Unit::Count),
    ("outcome_timeout", Unit::Count),
    ("breaker_opened", Unit::Count),
    ("breaker_refused", Unit::Count),
    ("budget_refused", Unit::Count),
    ("throttled", Unit::Count),
    ("limiter_refused", Unit::Count),
    ("concurrency_refused", Unit::Count),
    ("failed_by_breaker", Unit::Count),
    ("failed_by_budget", Unit::Count),
    ("failed_by_throttle", Unit::Count),
    ("failed_by_limiter", Unit::Count),
    ("failed_by_concurrency", Unit::Count),
    ("failed_without_attempt", Unit::Count),
    ("hedges", Unit::Count),
    ("hedges_refused", Unit::Count),
];

/// The unit of a metric; `None` if there is none of this name.
pub fn unit(name: &str) -> Option<Unit> {
    let is_status =
        |text: &str| text.len() == 3 && text.parse::<u16>().is_ok_and(|status| (100..600).contains(&status));
    if name.strip_prefix("outcome_").is_some_and(is_status) {
        return Some(Unit::Count);
    }
    METRICS.iter().find(|(own, _)| *own == name).map(|(_, unit)| *unit)
}

impl Unit {
    /// A limit that is written as a text with a unit.
    ///
    /// # Errors
    /// Says what would fit.
    pub fn parse(self, text: &str) -> Result<f64, String> {
        match self {
            Unit::Share => parse_probability(text),
            Unit::Ratio => parse_percent(text).ok_or_else(|| "a ratio: a number, or a string such as \"150%\"".into()),
            Unit::PerSecond => parse_rate(text).map_err(|problem| format!("a rate: {problem}")),
            Unit::Seconds => Span::parse(text).map(Span::seconds).map_err(|problem| format!("a time: {problem}")),
            Unit::Count => Err("a count: a number without a unit".into()),
        }
    }

    /// A limit that is written as a number.
    ///
    /// # Errors
    /// Says what would fit.
    pub fn check(self, number: f64) -> Result<f64, String> {
        match self {
            _ if !number.is_finite() || number < 0.0 => Err("must be a finite number of at least 0".into()),
            Unit::Share if number > 1.0 => Err(format!("a share is from 0 to 1: \"{number}%\" or {}", number / 100.0)),
            _ => Ok(number),
        }
    }
}

/// A per cent that may exceed 100.
fn parse_percent(text: &str) -> Option<f64> {
    let number: f64 = text.trim().strip_suffix('%')?.trim().parse().ok()?;
    (number.is_finite() && number >= 0.0).then_some(number / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(metric: &str, text: &str, expected: Option<f64>) {
        let unit = unit(metric).unwrap_or_else(|| panic!("{metric} is no metric"));
        let got = text.parse().map_or_else(|_| unit.parse(text), |number: f64| unit.check(number)).ok();
        assert_eq!(got, expected, "{metric}: {text}");
    }

    #[test]
    fn limits_fit_their_metrics() {
        check("success_rate", "99%", Some(0.99));
        check("success_rate", "0.99", Some(0.99));
        check("success_rate", "99", None);
        check("success_rate", "2s", None);
        check("peak_ratio", "6", Some(6.0));
        check("utilisation", "150%", Some(1.5));
        check("peak_ratio", "100/s", None);
        check("latency_p99", "250ms", Some(0.25));
        check("latency_p99", "2", Some(2.0));
        check("latency_p99", "99%", None);
        check("goodput", "6000/m", Some(100.0));
        check("duplicates", "0", Some(0.0));
        check("duplicates", "-1", None);
        check("duplicates", "1%", None);
        check("outcome_503", "10", Some(10.0));
        for name in ["outcome_99", "outcome_600", "outcome_5xx", "success", ""] {
            assert_eq!(unit(name), None, "{name}");
        }
    }
}
