//! What an attempt came to, and why a call failed.

use std::error::Error;
use std::fmt;
use std::time::SystemTime;

use crate::protocol::{Failure, HintFormat, Outcome};
use crate::retry::GiveUp;
use crate::units::Span;

/// Says what an attempt came to, by what it returned. Closures do: `|result: &Result<Reply, Error>| …`.
pub trait Classify<T> {
    /// Its outcome, and what the server has said about another attempt. With a status of 2xx it has succeeded.
    fn reply(&self, returned: &T) -> Failure;
}

impl<T, C: Fn(&T) -> Failure> Classify<T> for C {
    fn reply(&self, returned: &T) -> Failure {
        self(returned)
    }
}

/// What is `Ok` has succeeded; every error is a connection that broke (`"reset"`).
#[derive(Clone, Copy, Debug, Default)]
pub struct AnyError;

impl<T, E> Classify<Result<T, E>> for AnyError {
    fn reply(&self, returned: &Result<T, E>) -> Failure {
        Failure::new(if returned.is_ok() { Outcome::OK } else { Outcome::Reset })
    }
}

/// What an HTTP reply with this status came to. `header` looks a header up by its name, in lower case.
///
/// Hints are `retry-after` in seconds or as a date (RFC 9110, section 10.2.3), `retry-after-ms`, `x-ms-retry-after-ms` and `x-amz-retry-after` in milliseconds, and
/// `x-ratelimit-reset` as a second of the clock, the first of them that can be read, and at most 10^9 s; `stripe-should-retry` and `x-should-retry` say whether to
/// try again. Whether any of it counts, is the policy's to say.
///
/// ```
/// use simlab::units::Span;
/// let header = |name: &str| (name == "retry-after").then_some("3");
/// assert_eq!(simlab::live::http(429, header).retry_after, Some(Span::secs(3)));
/// ```
pub fn http<'h>(status: u16, header: impl Fn(&str) -> Option<&'h str>) -> Failure {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    at(now, status, header)
}

/// What is longer can hardly be meant, and an instant that never comes would be waited for.
const LONGEST: Span = Span::secs(1_000_000_000);

/// The same when the clock shows this time.
fn at<'h>(now: std::time::Duration, status: u16, header: impl Fn(&str) -> Option<&'h str>) -> Failure {
    let number = |name: &str| {
        let value = header(name)?.trim();
        value.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0)
    };
    let until = |second: f64| Span::from_seconds((second - now.as_secs_f64()).max(0.0));
    let date = |name: &str| {
        let date = httpdate::parse_http_date(header(name)?.trim()).ok()?;
        Some(date.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64())
    };
    let ms = || ["retry-after-ms", "x-ms-retry-after-ms", "x-amz-retry-after"].iter().find_map(|name| number(name));
    let hint = number("retry-after").map(|seconds| (Span::from_seconds(seconds), HintFormat::Seconds));
    let hint = hint.or_else(|| Some((until(date("retry-after")?), HintFormat::Date)));
    let hint = hint.or_else(|| Some((Span::from_seconds(ms()? / 1_000.0), HintFormat::Milliseconds)));
    let hint = hint.or_else(|| Some((until(number("x-ratelimit-reset")?), HintFormat::Reset)));
    let should_retry = ["stripe-should-retry", "x-should-retry"].iter().find_map(|name| header(name));
    Failure {
        retry_after: hint.map(|(wait, _)| wait.min(LONGEST)),
        format: hint.map_or(HintFormat::Seconds, |(_, format)| format),
        should_retry: should_retry.and_then(|word| word.trim().parse().ok()),
        ..Failure::new(Outcome::Status(status))
    }
}

/// A call that has failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed<T, E> {
    /// Why there is no further attempt.
    pub why: GiveUp,
    /// Attempts that were sent, hedges among them.
    pub attempts: u32,
    /// How the last attempt ended that did; [`Outcome::Open`]: none did.
    pub outcome: Outcome,
    /// What it returned; `None` where nothing had come of it in time, or none was sent.
    pub last: Option<Result<T, E>>,
}

impl<T, E> fmt::Display for Failed<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.why {
            GiveUp::NotRetryable => "this is not retried",
            GiveUp::AttemptsExhausted => "no attempts are left",
            GiveUp::Deadline => "no time is left",
            GiveUp::Gate(_) => "a gate has refused another one",
            GiveUp::Crashed => "its client has crashed",
        };
        match self.attempts {
            0 => write!(f, "not sent: {}", if let GiveUp::Gate(_) = self.why { "a gate has refused it" } else { why }),
            1 => write!(f, "failed after 1 attempt ({}): {why}", self.outcome),
            n => write!(f, "failed after {n} attempts, the last with {}: {why}", self.outcome),
        }
    }
}

impl<T: fmt::Debug, E: Error + 'static> Error for Failed<T, E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.last {
            Some(Err(error)) => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn check(headers: &[(&str, &str)], wait: Option<Span>, format: HintFormat, should_retry: Option<bool>) {
        // 1994-11-06 08:49:37 of the RFC's example, 500 ms later.
        let now = Duration::from_millis(784_111_777_500);
        let find = |name: &str| headers.iter().find(|(own, _)| *own == name).map(|(_, value)| *value);
        let expected = Failure { outcome: Outcome::Status(429), retry_after: wait, format, should_retry };
        let got = at(now, 429, find);
        let near = |a: Option<Span>, b: Option<Span>| match (a, b) {
            (Some(a), Some(b)) => a.0.abs_diff(b.0) < 1_000,
            (a, b) => a == b,
        };
        assert!(near(got.retry_after, wait), "{headers:?}: {got:?}");
        assert_eq!(Failure { retry_after: None, ..got }, Failure { retry_after: None, ..expected }, "{headers:?}");
    }

    #[test]
    fn hints() {
        use HintFormat::{Date, Milliseconds, Reset, Seconds};
        check(&[], None, Seconds, None);
        check(&[("retry-after", "7")], Some(Span::secs(7)), Seconds, None);
        check(&[("retry-after", " 0 ")], Some(Span::ZERO), Seconds, None);
        check(&[("retry-after", "1.5")], Some(Span::millis(1_500)), Seconds, None);
        check(&[("retry-after", "-1")], None, Seconds, None);
        check(&[("retry-after", "NaN")], None, Seconds, None);
        check(&[("retry-after", "inf")], None, Seconds, None);
        check(&[("retry-after", "soon")], None, Seconds, None);
        check(&[("retry-after", "1e300")], Some(LONGEST), Seconds, None);
        check(&[("retry-after-ms", "250")], Some(Span::millis(250)), Milliseconds, None);
        check(&[("retry-after-ms", "250"), ("retry-after", "7")], Some(Span::secs(7)), Seconds, None);
        check(&[("x-amz-retry-after", "250")], Some(Span::millis(250)), Milliseconds, None);
        check(&[("retry-after-ms", "250"), ("retry-after", "?")], Some(Span::millis(250)), Milliseconds, None);
        check(&[("retry-after", "Sun, 06 Nov 1994 08:49:47 GMT")], Some(Span::millis(9_500)), Date, None);
        check(&[("retry-after", "Sunday, 06-Nov-94 08:49:47 GMT")], Some(Span::millis(9_500)), Date, None);
        check(&[("retry-after", "Sun, 06 Nov 1994 08:49:27 GMT")], Some(Span::ZERO), Date, None);
        check(&[("x-ratelimit-reset", "784111787")], Some(Span::millis(9_500)), Reset, None);
        check(&[("stripe-should-retry", "false")], None, Seconds, Some(false));
        check(&[("x-should-retry", "true")], None, Seconds, Some(true));
        check(&[("x-should-retry", "maybe")], None, Seconds, None);
    }

    #[test]
    fn failures_say_why() {
        let failed =
            |why, attempts, outcome| Failed::<(), std::io::Error> { why, attempts, outcome, last: None }.to_string();
        let timeout = Outcome::Timeout;
        assert_eq!(failed(GiveUp::Gate(0), 0, Outcome::Open), "not sent: a gate has refused it");
        assert_eq!(failed(GiveUp::Deadline, 0, Outcome::Open), "not sent: no time is left");
        assert_eq!(
            failed(GiveUp::NotRetryable, 1, Outcome::Status(402)),
            "failed after 1 attempt (402): this is not retried"
        );
        let last = "failed after 3 attempts, the last with timeout: no attempts are left";
        assert_eq!(failed(GiveUp::AttemptsExhausted, 3, timeout), last);
    }
}
