//! `summary.csv`: a row per policy.

use super::ReportInput;
use crate::metrics::statistics::nine_digits;

/// The summary as CSV; null is an empty field.
pub fn csv(input: &ReportInput) -> String {
    let policies = &input.comparison.policies;
    let names = policies.first().map_or(&[][..], |policy| &policy.metrics);
    let mut header = vec!["policy".to_owned()];
    header.extend(names.iter().flat_map(|m| ["mean", "ci_low", "ci_high"].map(|part| format!("{}_{part}", m.name))));
    let rows = policies.iter().map(|policy| {
        let mut row = vec![policy.name.clone()];
        for metric in &policy.metrics {
            let estimate = metric.estimate;
            row.extend([estimate.mean, estimate.ci_low, estimate.ci_high].map(field));
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
