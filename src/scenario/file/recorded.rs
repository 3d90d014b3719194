//! Files that a scenario names: recorded values in the first column, in seconds.

use std::path::Path;

use toml::de::DeTable;

use super::Parts;
use super::diagnostic::Diagnostic;
use super::shape::distribution::{DistributionChoice, Recorded};
use super::shape::load::ArrivalsChoice;
use super::tree;
use crate::units::Span;

/// Reads every file that `parts` name and puts the values in place. Returns the files with a hash of their content.
pub fn read_all(
    parts: &mut Parts,
    folder: &Path,
    root: &DeTable<'_>,
) -> Result<Vec<(String, String)>, Vec<Diagnostic>> {
    let (mut files, mut errors) = (Vec::new(), Vec::new());
    for (keys, recorded) in named(parts) {
        match read(recorded, folder) {
            Ok(hash) if files.iter().all(|(file, _)| *file != recorded.file) => {
                files.push((recorded.file.clone(), hash));
            }
            Ok(_) => {}
            Err(problem) => {
                let file_key: Vec<&str> = keys.iter().map(String::as_str).chain(["file"]).collect();
                let title = format!("`{}` holds no recorded values", recorded.file);
                let place = tree::value_place(root, &file_key);
                errors.push(Diagnostic::error("recorded-values", title, place, problem));
            }
        }
    }
    if errors.is_empty() { Ok(files) } else { Err(errors) }
}

/// Every file that `parts` name, with the path of the table that names it.
fn named(parts: &mut Parts) -> Vec<(Vec<String>, &mut Recorded)> {
    let mut all: Vec<(Vec<String>, &mut Recorded)> = Vec::new();
    let mut drawn: Vec<([&str; 3], &mut DistributionChoice)> = Vec::new();
    let path = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
    match parts.load.as_mut().map(|load| &mut load.arrivals) {
        Some(ArrivalsChoice::Closed { think }) => {
            let keys = ["load", "arrivals", "closed", "think", "empirical"];
            all.extend(think.recorded().into_iter().map(|recorded| (path(&keys), recorded)));
        }
        Some(ArrivalsChoice::Trace(recorded)) => all.push((path(&["load", "arrivals", "trace"]), recorded)),
        _ => {}
    }
    for server in &mut parts.servers {
        let table = &mut server.table;
        drawn.push((["server", &server.name, "service_time"], &mut table.service_time));
        drawn.push((["server", &server.name, "network"], &mut table.network));
        drawn.extend(table.max_wait.0.as_mut().map(|wait| (["server", &server.name, "max_wait"], wait)));
        for (status, hint) in &mut table.retry_after.0 {
            let keys = path(&["server", &server.name, "retry_after", &status.to_string(), "empirical"]);
            all.extend(hint.0.recorded().into_iter().map(|recorded| (keys.clone(), recorded)));
        }
    }
    for fault in &mut parts.faults {
        drawn.push((["fault", &fault.name, "added_latency"], &mut fault.table.added_latency));
    }
    for (keys, distribution) in drawn {
        let keys = path(&[keys[0], keys[1], keys[2], "empirical"]);
        all.extend(distribution.recorded().into_iter().map(|recorded| (keys.clone(), recorded)));
    }
    all
}

fn read(recorded: &mut Recorded, folder: &Path) -> Result<String, String> {
    let bytes = super::read(&folder.join(&recorded.file)).map_err(|error| format!("cannot be read: {error}"))?;
    recorded.values = values(&bytes)?;
    Ok(format!("fnv1a64:{:016x}", fnv1a(&bytes)))
}

/// The first column as durations. A first line without a number is a header.
fn values(bytes: &[u8]) -> Result<Vec<Span>, String> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .comment(Some(b'#'))
        .from_reader(bytes);
    let mut values = Vec::new();
    for (index, record) in reader.records().enumerate() {
        let record = record.map_err(|error| error.to_string())?;
        let line = record.position().map_or(0, csv::Position::line);
        let field = record.get(0).unwrap_or_default();
        match field.parse::<f64>() {
            Ok(seconds) if seconds.is_finite() && seconds >= 0.0 => values.push(Span::from_seconds(seconds)),
            Ok(_) => return Err(format!("line {line}: {field} is not a duration in seconds")),
            Err(_) if index == 0 => {}
            Err(_) => return Err(format!("line {line}: `{field}` is not a number of seconds")),
        }
    }
    if values.is_empty() { Err("no value in its first column".into()) } else { Ok(values) }
}

/// The 64-bit hash FNV-1a (Fowler, Noll, Vo): tells whether two files are the same, not whether somebody meant them to look so.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&[u64], &str>) {
        match (values(text.as_bytes()), expected) {
            (Ok(got), Ok(millis)) => {
                assert_eq!(got, millis.iter().map(|ms| Span::millis(*ms)).collect::<Vec<_>>(), "{text:?}")
            }
            (Err(message), Err(part)) => assert!(message.contains(part), "{text:?}: {message}"),
            (got, _) => panic!("{text:?}: {got:?}"),
        }
    }

    #[test]
    fn first_column_in_seconds() {
        check("0.1\n0.25\n", Ok(&[100, 250]));
        check("seconds,host\n0.1, a\n# a remark\n\n2,b\n", Ok(&[100, 2_000]));
        check("0.1\nx\n", Err("line 2: `x`"));
        check("0.1\n-3\n", Err("line 2: -3"));
        check("nan\n", Err("not a duration"));
        check("seconds\n", Err("no value"));
        check("", Err("no value"));
    }

    /// Published vectors of FNV-1a.
    #[test]
    fn hashes() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
