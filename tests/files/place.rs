//! A folder of its own for one test, the program to run in it, and what a report's folder holds.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A scenario that takes no time.
const TINY: &str = "seed = 1\nduration = \"10s\"\nreplications = 1\n[load]\narrivals.poisson = { rate = \"5/s\" }\n\
    [server.s]\nservice_time.constant = \"10ms\"\n[policy.p]\ntimeout = \"1s\"\n";

/// Removed at the end.
pub struct Place(pub PathBuf);

impl Place {
    pub fn new(name: &str) -> Place {
        let path = std::env::temp_dir().join(format!("simlab-files-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a folder for the test");
        fs::write(path.join("tiny.toml"), TINY).expect("written");
        Place(fs::canonicalize(path).expect("it exists"))
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn write(&self, name: &str, content: &str) {
        let path = self.at(name);
        fs::create_dir_all(path.parent().expect("within")).expect("a folder");
        fs::write(path, content).expect("written");
    }

    pub fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.at(name)).ok()
    }

    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(simlab());
        command.args(line.split_whitespace()).current_dir(&self.0);
        command
    }

    /// Runs a command line, which must end with this exit code.
    pub fn run(&self, line: &str, code: i32) -> Output {
        ended(self.command(line), code)
    }

    /// Runs a command line that must be refused, before anything runs, with these words.
    pub fn refused(&self, line: &str, words: &str) {
        let before = tree(&self.0);
        let output = self.run(line, 4);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains(words), "simlab {line}: {stderr}");
        assert!(output.stdout.is_empty(), "simlab {line} has run something");
        assert_eq!(tree(&self.0), before, "simlab {line} has changed something");
    }

    /// What stands in the place, links and folders too.
    pub fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.at(folder)).expect("a folder");
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub fn simlab() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_simlab"))
}

/// Runs a command, which must end with this exit code.
pub fn ended(mut command: Command, code: i32) -> Output {
    let output = command.output().expect("it starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{command:?}: {stderr}");
    assert!(!stderr.contains("panicked"), "{command:?}: {stderr}");
    output
}

/// Everything below a folder: the content of files, where links lead, `None` for folders. Of a manifest, what is the same in every run.
pub fn tree(folder: &Path) -> BTreeMap<String, Option<String>> {
    fn walk(folder: &Path, root: &Path, found: &mut BTreeMap<String, Option<String>>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.strip_prefix(root).expect("below the root").to_string_lossy().into_owned();
            let is = path.symlink_metadata().expect("it exists");
            if is.is_symlink() {
                found.insert(name, Some(format!("-> {}", fs::read_link(&path).expect("a link").display())));
            } else if is.is_dir() {
                found.insert(name, None);
                walk(&path, root, found);
            } else {
                let bytes = fs::read(&path).expect("a file");
                let text = if name.ends_with("manifest.json") { lasting(&bytes) } else { brief(&bytes) };
                found.insert(name, Some(text));
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(folder, folder, &mut found);
    found
}

/// A manifest without the time that the run took.
fn lasting(manifest: &[u8]) -> String {
    let Ok(mut value) = serde_json::from_slice::<serde_json::Value>(manifest) else { return brief(manifest) };
    value.as_object_mut().map(|object| object.remove("wall_seconds"));
    value.to_string()
}

/// Enough to tell two contents apart, and to be read when they differ.
fn brief(bytes: &[u8]) -> String {
    let hash =
        bytes.iter().fold(7_u64, |hash, byte| hash.wrapping_mul(0x0100_0000_01b3).wrapping_add(u64::from(*byte)));
    let begin: String = String::from_utf8_lossy(bytes).chars().take(40).collect();
    format!("{} bytes, {hash:016x}: {begin}", bytes.len())
}
