//! Recorded files beside a scenario: what is read of them, what is printed, and what is wrong.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;

use super::*;
use crate::scenario::Arrivals;
use crate::scenario::file::{LoadError, Loaded, Overrides, Source, load_within, parse};

/// A folder with recorded files, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Folder {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("simlab-recorded-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        files.iter().for_each(|(name, text)| std::fs::write(path.join(name), text).expect("written"));
        Folder(path)
    }

    fn parse(&self, text: &str) -> Result<Loaded, LoadError> {
        parse(Source::new("test.toml", text.to_owned()), "test", &self.0, &Overrides::default())
    }

    fn read(&self, text: &str) -> Loaded {
        self.parse(text).unwrap_or_else(|error| panic!("{}", error.render(false)))
    }

    fn check_wrong(&self, text: &str, parts: &[&str]) {
        let shown = self.parse(text).err().unwrap_or_else(|| panic!("{text} is read")).render(false);
        parts.iter().for_each(|part| assert!(shown.contains(part), "no `{part}` in\n{shown}"));
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn trace(keys: &str, more: &str) -> String {
    format!(
        "duration = \"10s\"\n{more}\n[load]\narrivals.trace = {{ file = \"t.csv\"{keys} }}\n[server.api]\n[policy.p]\n"
    )
}

fn seconds(loaded: &Loaded) -> Vec<f64> {
    let Arrivals::Trace(trace) = &loaded.scenario.world.arrivals else { panic!("no trace") };
    trace.at.iter().map(|at| at.seconds()).collect()
}

#[test]
fn values_are_what_is_drawn_from() {
    let folder = Folder::new(&[("times.csv", "host,seconds\na,0.25\nb,0.75\n")]);
    let world = "duration = \"10s\"\n[load]\narrivals.poisson = { rate = \"10/s\" }\n[server.api]\n";
    for column in ["2", "\"seconds\""] {
        let line = format!("service_time.empirical = {{ file = \"times.csv\", column = {column} }}");
        let loaded = folder
            .read(&format!("{world}{line}\nnetwork.empirical = {{ file = \"times.csv\", column = 2 }}\n[policy.p]\n"));
        assert_eq!(loaded.scenario.world.servers[0].service_time.mean_seconds(), 0.5);
        assert_eq!(loaded.files.len(), 1);
        assert_eq!(loaded.files[0].0, "times.csv");
        assert!(loaded.resolved.contains(&line), "{}", loaded.resolved);
        assert_eq!(folder.read(&loaded.resolved).resolved, loaded.resolved);
    }
}

/// Instants are sorted and cut; what is printed is read as the same.
#[test]
fn instants_are_read() {
    let folder = Folder::new(&[("t.csv", "t,host\n0.5,a\n0.25,b\n11,a\n")]);
    for (keys, expected) in [
        ("", &[0.25, 0.5][..]),
        (", column = \"t\"", &[0.25, 0.5]),
        (", column = 1, key = \"host\"", &[0.25, 0.5]),
        (", origin = 0.25", &[0.0, 0.25]),
        (", origin = \"2\"", &[9.0]),
    ] {
        let loaded = folder.read(&trace(keys, ""));
        assert_eq!(seconds(&loaded), expected, "{keys}");
        assert_eq!(loaded.files.len(), 1);
        let again = folder.read(&loaded.resolved);
        assert_eq!((seconds(&again), again.resolved), (expected.to_vec(), loaded.resolved), "{keys}");
    }
    let line = "arrivals.trace = { file = \"t.csv\", column = 1, origin = \"none\", key = \"none\" }";
    assert!(folder.read(&trace("", "")).resolved.contains(line));
}

#[test]
fn an_origin_is_a_number_a_text_or_a_date() {
    let folder = Folder::new(&[("t.csv", "1767225601\n1767225603.5\n")]);
    for origin in [
        "1767225600",
        "1767225600.0",
        "\"1767225600\"",
        "2026-01-01T00:00:00Z",
        "\"2026-01-01 00:00:00\"",
        "2026-01-01",
    ] {
        let loaded = folder.read(&trace(&format!(", origin = {origin}"), ""));
        assert_eq!(seconds(&loaded), [1.0, 3.5], "{origin}");
        assert_eq!(seconds(&folder.read(&loaded.resolved)), [1.0, 3.5], "{origin}");
    }
    for origin in ["true", "\"yesterday\"", "-5"] {
        folder.check_wrong(&trace(&format!(", origin = {origin}"), ""), &["invalid-value", "time", "test.toml:4:"]);
    }
    folder.check_wrong(
        &trace(", origin = 5", ""),
        &["error[recorded-values]", "is seconds from the beginning, and the file has"],
    );
}

#[test]
fn nothing_to_measure() {
    let late = Folder::new(&[("t.csv", "3700\n3800\n")]);
    late.check_wrong(
        &trace("", ""),
        &[
            "error[nothing-measured]",
            "all 2 instants lie at or after 10s, the first at 1h 1m 40s",
            "duration = \"1h 4m\"",
        ],
    );
    assert_eq!(seconds(&late.read(&trace("", "").replace("10s", "1h 4m"))), [3_700.0, 3_800.0]);
    assert_eq!(seconds(&late.read(&trace(", origin = 3700", ""))), [0.0]);
    late.check_wrong(&trace(", origin = 4000", ""), &["all 2 instants lie before the beginning, the last by 3m 20s"]);
    late.check_wrong(&trace(", origin = 3750", ""), &["1 instants lie before the beginning and 1 at or after 10s"]);
    let early = Folder::new(&[("t.csv", "1\n2\n")]);
    early.check_wrong(&trace("", "warmup = \"5s\""), &["error[nothing-measured]", "lie in the warm-up of 5s"]);
    // A world of a row is held against the same.
    let row = trace("", "") + "with.load.arrivals.burst = { operations = 5, at = \"11s\" }\n";
    early.check_wrong(&row, &["a burst at 11s, and none before 10s", "in the world of policy `p`"]);
}

#[test]
fn nothing_to_measure_of_any_demand() {
    let check = |arrivals: &str, warmup: &str, nothing: bool| {
        let text = format!(
            "duration = \"10s\"\nwarmup = \"{warmup}\"\n[load]\narrivals.{arrivals}\n[server.api]\n[policy.p]\n"
        );
        let read = Folder::new(&[]).parse(&text);
        let code = read.err().map(|error| error.render(false)).unwrap_or_default();
        assert_eq!(code.contains("error[nothing-measured]"), nothing, "{arrivals}, {warmup}: {code}");
    };
    check("constant = { rate = \"1/m\" }", "0s", false);
    check("constant = { rate = \"1/m\" }", "1s", true);
    check("constant = { rate = \"1/s\" }", "9s", false);
    check("constant = { rate = \"1/s\" }", "9.1s", true);
    check("burst = { operations = 5, at = \"9.9s\" }", "0s", false);
    check("burst = { operations = 5, at = \"10s\" }", "0s", true);
    check("burst = { operations = 5, at = \"1s\" }", "2s", true);
    check("burst = { operations = 5, at = \"1s\", every = \"3s\" }", "2s", false);
    check("burst = { operations = 5, at = \"1s\", every = \"3s\" }", "8s", true);
    check("profile = [{ at = \"0s\", rate = \"5/s\" }, { at = \"5s\", rate = \"0/s\" }]", "4s", false);
    check("profile = [{ at = \"0s\", rate = \"5/s\" }, { at = \"5s\", rate = \"0/s\" }]", "5s", true);
    check("profile = [{ at = \"20s\", rate = \"0/s\" }, { at = \"20s\", rate = \"9/s\" }]", "0s", true);
    check("profile = [{ at = \"9s\", rate = \"0/s\" }, { at = \"20s\", rate = \"9/s\" }]", "0s", false);
    check("closed.think.constant = \"9s\"", "0s", false);
    check("closed.think.constant = \"10s\"", "0s", true);
    check("closed.think.constant = \"5s\"", "6s", true);
    check("closed.think.uniform = { min = \"10s\", max = \"20s\" }", "0s", true);
    check("closed.think.exponential = { mean = \"20s\" }", "0s", false);
    check("poisson = { rate = \"1/d\" }", "0s", false);
}

/// Errors of a log, in the same time as the demand of the same log.
#[test]
fn a_series_fits_the_trace() {
    let lines: String =
        (0..40).map(|i| format!("2026-01-01T00:00:{i:02}Z,{}\n", if i >= 30 { 503 } else { 200 })).collect();
    let folder = Folder::new(&[("t.csv", &format!("time,status\n{lines}"))]);
    let text = |origin: &str, keys: &str| {
        format!(
            "duration = \"60s\"\n[load]\narrivals.trace = {{ file = \"t.csv\"{origin} }}\n[server.api]\n\
             [fault.log]\nseries = {{ file = \"t.csv\", status = \"status\", window = \"20s\"{keys} }}\n[policy.p]\n"
        )
    };
    let steps = |text: &str| {
        let loaded = folder.read(text);
        assert_eq!(folder.read(&loaded.resolved).resolved, loaded.resolved);
        let series = loaded.scenario.world.faults[0].series.clone().expect("a series");
        series.steps.iter().map(|(at, shares)| (at.seconds(), shares.clone())).collect::<Vec<_>>()
    };
    assert_eq!(steps(&text("", "")), [(0.0, vec![]), (20.0, vec![(503, 0.5)]), (40.0, vec![])]);
    // 20 seconds later in the trace are 20 seconds later here, unless it has an origin of its own.
    let later = ", origin = 2026-01-01T00:00:20Z";
    assert_eq!(steps(&text(later, "")), [(0.0, vec![(503, 0.5)]), (20.0, vec![])]);
    let own = steps(&text(later, ", origin = 2026-01-01T00:00:00Z"));
    assert_eq!(own, [(0.0, vec![]), (20.0, vec![(503, 0.5)]), (40.0, vec![])]);
    // A row's trace has its own.
    let row = text("", "") + "with.load.arrivals.trace.origin = 2026-01-01T00:00:20Z\n";
    let world = folder.read(&row).scenario.of(0).world.faults[0].series.clone().expect("a series");
    assert_eq!(world.steps[0], (SimTime::ZERO, vec![(503, 0.5)]));
    for (keys, part) in [
        (", of = [\"timeout\"]", "no line has the status `timeout`"),
        (", origin = 2027-01-01", "none of its 40 lines lies in the run"),
        (", origin = 5", "is seconds from the beginning"),
    ] {
        folder.check_wrong(&text("", keys), &[part]);
    }
    folder.check_wrong(&text("", "").replace("20s", "0s"), &["longer than 0s"]);
    let shares = text("", "").replace("[fault.log]", "[fault.log]\nerrors = { 500 = 0.6 }");
    folder.check_wrong(&shares, &["error[shares-above-1]", "110%", "at 20s"]);
    let two = text("", "") + "[fault.other]\nfrom = \"25s\"\nfor = \"5s\"\nrefused = 0.6\n";
    folder.check_wrong(&two, &["error[faults-above-1]", "110%", "at 25s"]);
    folder.read(&two.replace("25s", "10s"));
    let flaps = text("", "").replace("[fault.log]", "[fault.log]\nflapping = { mean_on = \"1s\", mean_off = \"1s\" }");
    folder.check_wrong(&flaps, &["error[misplaced]", "flapping"]);
}

#[test]
fn a_file_that_is_no_list_of_values() {
    let folder =
        Folder::new(&[("t.csv", "timestamp;status\n1767225600.014;200\n"), ("quote.csv", "time,agent\n1,\"x\n2,y\n")]);
    folder
        .check_wrong(&trace("", ""), &["line 1: columns are separated by semicolons; write commas", "test.toml:4:27"]);
    folder.check_wrong(
        &trace("", "").replace("t.csv", "quote.csv"),
        &["line 2: a quote (\") opens there and is never closed"],
    );
    folder.check_wrong(&trace("", "").replace("t.csv", "no.csv"), &["cannot be read: No such file"]);
    folder.check_wrong(&trace("", "").replace("t.csv", "."), &["cannot be read: Is a directory"]);
    folder.check_wrong(&trace(", column = \"tim\"", ""), &["semicolons"]);
    folder.check_wrong(&trace(", column = 0", ""), &["columns are counted from 1"]);
    // Larger than it may be, and nothing of it is read.
    let large = std::fs::File::create(folder.0.join("large.csv")).expect("created");
    large.set_len((4 << 30) + 1).expect("no byte is written");
    folder.check_wrong(&trace("", "").replace("t.csv", "large.csv"), &["larger than 4 GiB"]);
}

#[test]
fn reading_has_limits() {
    let folder = Folder::new(&[("t.csv", &"1\n".repeat(100_000)), ("test.toml", &trace("", ""))]);
    let load = |reading: Reading| load_within(&folder.0.join("test.toml"), &Overrides::default(), reading);
    assert_eq!(seconds(&load(Reading::default()).expect("read")).len(), 100_000);
    let shown = load(Reading { memory: 500_000, ..Reading::default() }).expect_err("too much").render(false);
    assert!(shown.contains("too many for the 0 MB of memory"), "{shown}");
    let interrupted = AtomicBool::new(true);
    let stopped = load(Reading { interrupted: &interrupted, ..Reading::default() });
    assert!(matches!(stopped, Err(LoadError::Interrupted)), "{stopped:?}");
    assert!(load_within(Path::new("nowhere.toml"), &Overrides::default(), Reading::default()).is_err());
}
