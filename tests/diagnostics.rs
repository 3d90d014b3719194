//! Broken scenarios: each file in `tests/broken/` is wrong for a reason of its own, and the whole message is kept beside it.
//!
//! `UPDATE_SNAPSHOTS=1 cargo test --test diagnostics` writes the messages anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn broken() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken");
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .expect("there are broken scenarios")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    files
}

fn simlab(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_simlab"))
        .args(arguments)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken"))
        .output()
        .expect("simlab starts")
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).expect("a plain name")
}

#[test]
fn every_broken_scenario_is_explained() {
    let files = broken();
    assert!(files.len() >= 45, "{} broken scenarios", files.len());
    let mut differing = Vec::new();
    for path in &files {
        let output = simlab(&["check", name(path)]);
        let stderr = String::from_utf8(output.stderr).expect("messages are text");
        assert_eq!(output.status.code(), Some(3), "{}: {stderr}", path.display());
        assert!(output.stdout.is_empty(), "{}: nothing goes to stdout", path.display());
        let snapshot = path.with_extension("stderr");
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            fs::write(&snapshot, &stderr).expect("the snapshot is written");
        }
        let expected = fs::read_to_string(&snapshot).unwrap_or_default();
        if stderr != expected {
            differing.push(format!("== {}\n-- expected\n{expected}-- got\n{stderr}", path.display()));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

/// A reason is a kind of error with what it says, whatever the file is called and wherever it stands.
#[test]
fn no_two_for_the_same_reason() {
    let mut reasons: BTreeMap<String, String> = BTreeMap::new();
    for path in broken() {
        let text = fs::read_to_string(path.with_extension("stderr")).expect("a snapshot");
        let lines = text.lines().filter(|line| line.starts_with("error[") || line.contains('^'));
        let reason: String =
            lines.map(|line| line.trim_start_matches(['|', ' ', '^', '-'])).collect::<Vec<_>>().join("\n");
        if let Some(other) = reasons.insert(reason.clone(), name(&path).to_owned()) {
            panic!("{} and {other} are broken for the same reason:\n{reason}", name(&path));
        }
    }
}

/// `run` says the same, and leaves nothing behind.
#[test]
fn run_writes_nothing() {
    for path in broken() {
        let out = std::env::temp_dir().join(format!("simlab-broken-{}-{}", std::process::id(), name(&path)));
        let output = simlab(&["run", name(&path), "--out", out.to_str().expect("a plain path")]);
        assert_eq!(output.status.code(), Some(3), "{}", path.display());
        assert!(output.stdout.is_empty(), "{}: nothing goes to stdout", path.display());
        let expected = fs::read_to_string(path.with_extension("stderr")).expect("a snapshot");
        assert_eq!(String::from_utf8_lossy(&output.stderr), expected, "{}", path.display());
        assert!(!out.exists(), "{}: something was written", path.display());
    }
}
