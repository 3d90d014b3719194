//! `summary.csv`: a row per policy.

use super::ReportInput;
use crate::metrics::statistics::nine_digits;

/// The summary as CSV; null is an empty field.
pub fn csv(input: &ReportInput) -> String {
    let policies = &input.comparison.policies;
    let names = policies.first().map_or(&[][..], |policy| &policy.metrics);
    let mut header = vec!["policy".to_owned()];
    for metric in names {
        header.extend(["mean", "ci_low", "ci_high"].map(|part| format!("{}_{part}", metric.name)));
        header.extend(metric.never().map(|_| format!("{}_never", metric.name)));
    }
    let rows = policies.iter().map(|policy| {
        let mut row = vec![policy.name.clone()];
        for metric in &policy.metrics {
            let estimate = metric.estimate;
            row.extend([estimate.mean, estimate.ci_low, estimate.ci_high].map(field));
            row.extend(metric.never().map(|never| never.to_string()));
        }
        row
    });
    lines(std::iter::once(header).chain(rows))
}

/// A number, rounded once; an empty field if there is none.
pub(super) fn field(value: Option<f64>) -> String {
    value.filter(|value| value.is_finite()).map_or_else(String::new, |value| nine_digits(value).to_string())
}

/// Rows as text: quoted where needed, LF at every end of line.
pub(super) fn lines(rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut writer = ::csv::WriterBuilder::new().terminator(::csv::Terminator::Any(b'\n')).from_writer(Vec::new());
    for row in rows {
        writer.write_record(&row).expect("a row is as long as the header, and memory takes what it is given");
    }
    let bytes = writer.into_inner().expect("memory takes what it is given");
    String::from_utf8(bytes).expect("fields are text")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::{around, row, with_input};

    /// A field of the row of `policy`, found by its column's name.
    fn check(policy: &str, column: &str, expected: &str) {
        let odd = row("a,\"b\"", &around(0.8, 0.001))
            .set("recovery", &[0.0, 5.0, f64::INFINITY, 0.0, 0.0, f64::INFINITY, 0.0, 0.0, 0.0, 0.0])
            .maybe("time_to_recover", vec![None; 10])
            .set("peak_ratio", &[f64::INFINITY; 10])
            .all("duplicate_rate", 1.0 / 3.0);
        let base = row("base", &around(0.7, 0.0)).all("time_to_recover", 0.0).all("peak_ratio", 3.0);
        let text = with_input(vec![base, odd], csv);
        assert!(text.ends_with('\n') && !text.contains('\r'), "{text:?}");
        let mut reader = ::csv::Reader::from_reader(text.as_bytes());
        let at = reader.headers().expect("a header").iter().position(|name| name == column).expect("the column");
        let rows: Vec<::csv::StringRecord> = reader.records().map(|row| row.expect("a row")).collect();
        assert_eq!(rows.len(), 2);
        let row = rows.iter().find(|row| &row[0] == policy).expect("the policy");
        assert_eq!(&row[at], expected, "{column}");
    }

    #[test]
    fn a_row_per_policy() {
        check("base", "operations_mean", "10000");
        check("base", "success_rate_mean", "0.7");
        check("a,\"b\"", "duplicate_rate_mean", "0.333333333");
        check("a,\"b\"", "success_rate_ci_low", "0.793420099");
        check("a,\"b\"", "success_rate_ci_high", "0.806579901");
        check("a,\"b\"", "time_to_recover_mean", "");
        check("a,\"b\"", "time_to_recover_ci_high", "");
        check("a,\"b\"", "peak_ratio_mean", "");
        // Never in some run: there is no mean, and the runs are counted.
        check("a,\"b\"", "recovery_mean", "");
        check("a,\"b\"", "recovery_never", "2");
        check("base", "recovery_mean", "0");
        check("base", "recovery_never", "0");
    }

    #[test]
    fn the_header_is_the_contract_s() {
        let text = with_input(vec![row("base", &[0.7])], csv);
        assert!(
            text.starts_with("policy,operations_mean,operations_ci_low,operations_ci_high,success_rate_mean,"),
            "{text}"
        );
        assert!(text.contains("\nbase,10000,,,0.7,,,"), "{text}");
    }
}
