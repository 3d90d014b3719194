//! What is there after a kill: the old report or the new one, what simlab did not write, and nothing else.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::place::{Place, simlab, tree};

/// Kills at random instants of writing, on each way; more in the long form.
fn kills() -> usize {
    std::env::var("SIMLAB_KILLS").ok().map_or(20, |number| number.parse().expect("SIMLAB_KILLS is a number"))
}

/// What simlab did not write.
const FOREIGN: [&str; 3] = ["notes.txt", "charts/mine.png", "sub/summary.json"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// The whole folder changes places with the new one.
    Exchange,
    /// The files are moved one by one: the run was started in the folder.
    Record,
}

/// A report to replace, one to replace it with, and the folder where this happens.
struct Lab {
    place: Place,
    way: Way,
    old: BTreeMap<String, Option<String>>,
    new: BTreeMap<String, Option<String>>,
    options: &'static str,
}

impl Lab {
    /// The new report has charts, or the old one has.
    fn new(name: &str, way: Way, charts: bool) -> Lab {
        let place = Place::new(&format!("{name}-{way:?}-{charts}"));
        let (before, options) = if charts { ("--no-charts", "--seed 2") } else { ("", "--seed 2 --no-charts") };
        for (folder, options) in [("old", before), ("new", options)] {
            place.run(&format!("run tiny.toml --quiet --out {folder} {options}"), 0);
            for name in FOREIGN {
                place.write(&format!("{folder}/{name}"), name);
            }
        }
        let (old, new) = (tree(&place.at("old")), tree(&place.at("new")));
        let lab = Lab { place, way, old, new, options };
        lab.reset();
        lab
    }

    /// The old report, as if nothing had happened.
    fn reset(&self) {
        let _ = fs::remove_dir_all(self.place.at("a"));
        copy(&self.place.at("old"), &self.place.at("a/out"));
    }

    /// Arguments of a run, and where it starts.
    fn run(&self, options: &str) -> (Vec<String>, PathBuf) {
        let (line, folder) = match self.way {
            Way::Exchange => (format!("run ../tiny.toml --quiet --out out {options}"), "a"),
            Way::Record => (format!("run ../../tiny.toml --quiet --out . {options}"), "a/out"),
        };
        (line.split_whitespace().map(str::to_owned).collect(), self.place.at(folder))
    }

    fn start(&self, program: &Path, before: &[&str], options: &str) -> std::process::Child {
        self.start_telling(program, before, options, Stdio::null())
    }

    /// The same; what it says goes there.
    fn start_telling(&self, program: &Path, before: &[&str], options: &str, told: Stdio) -> std::process::Child {
        let (args, folder) = self.run(options);
        let mut command = Command::new(program);
        command.args(before).args(args).current_dir(folder);
        command.stdout(Stdio::null()).stderr(told).spawn().expect("it starts")
    }

    /// What stands in the folder, without what is there for the time of writing.
    fn seen(&self) -> BTreeMap<String, Option<String>> {
        let mut seen = tree(&self.place.at("a/out"));
        seen.retain(|name, _| !name.starts_with(".simlab-") && !name.starts_with("charts/.simlab-"));
        seen
    }

    fn is_whole(&self) -> bool {
        let seen = self.seen();
        seen == self.old || seen == self.new
    }

    /// True if a run stopped in the midst of writing.
    fn is_in_the_midst(&self) -> bool {
        // The run goes on meanwhile, so that a folder may be gone that was there.
        let folders = ["a", "a/out", "a/out/charts"].map(|name| self.place.at(name));
        let entries = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
        entries.map(|entry| entry.file_name()).any(|name| name.to_string_lossy().contains(".simlab-"))
    }

    /// After a kill: on the first way at once, and then after a command that writes no report, being wrong, there is one report and nothing left over.
    fn check(&self, what: &str) {
        if self.way == Way::Exchange {
            assert!(self.is_whole(), "{what}: at once there is {:#?}", self.seen());
        }
        let status = self.start(&simlab(), &[], "--set nope=1").wait().expect("it ends");
        assert_eq!(status.code(), Some(3), "{what}: the next command");
        assert!(self.is_whole(), "{what}: then there is {:#?}", self.seen());
        let left: Vec<String> =
            tree(&self.place.at("a")).into_keys().filter(|name| name.contains(".simlab-")).collect();
        assert!(left.is_empty(), "{what}: {left:?} is left over");
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).expect("copied");
        }
    }
}

/// The same numbers in every run: xorshift (Marsaglia, 2003).
struct Random(u64);

impl Random {
    /// 0 to 1.
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Kills runs at random instants until so many were in the midst of writing.
fn at_random(way: Way, charts: bool, kills: usize) {
    let lab = Lab::new("random", way, charts);
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let started = Instant::now();
    assert!(lab.start(&simlab(), &[], lab.options).wait().expect("it ends").success());
    let mut typical = started.elapsed();
    assert_eq!(lab.seen(), lab.new, "a run that nobody kills");
    let (mut hits, mut tries, mut turned) = (0, 0, 0);
    while hits < kills {
        tries += 1;
        assert!(tries < 100 * (kills + 1), "{hits} of {tries} kills were in the midst of writing");
        lab.reset();
        let started = Instant::now();
        let mut child = lab.start(&simlab(), &[], lab.options);
        // From the first sign that it writes, or from its start.
        while tries % 2 == 0 && !lab.is_in_the_midst() && child.try_wait().expect("it runs").is_none() {}
        let rest = typical.saturating_sub(started.elapsed()).max(Duration::from_millis(2));
        std::thread::sleep(rest.mul_f64(random.next()));
        let over = child.try_wait().expect("it runs").is_some();
        let _ = child.kill();
        child.wait().expect("it ends");
        if over {
            typical = (typical * 3 + started.elapsed()) / 4;
        }
        hits += usize::from(lab.is_in_the_midst());
        turned += usize::from(lab.is_in_the_midst() && lab.seen() != lab.old);
        lab.check(&format!("{way:?}, kill {tries}"));
    }
    println!(
        "{way:?}, charts {charts}: {hits} kills in the midst of writing, {turned} of them after the first change; {tries} tries"
    );
}

#[test]
fn at_random_instants_of_an_exchange() {
    at_random(Way::Exchange, false, kills() * 9 / 10);
    at_random(Way::Exchange, true, kills().div_ceil(10));
}

#[test]
fn at_random_instants_of_moves() {
    at_random(Way::Record, false, kills() * 9 / 10);
    at_random(Way::Record, true, kills().div_ceil(10));
}

/// strace, or a line that says that there is none.
fn strace() -> Option<PathBuf> {
    if let Some(given) = std::env::var_os("SIMLAB_STRACE") {
        return Some(PathBuf::from(given));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join("strace")).find(|file| file.is_file());
    let works = |file: &PathBuf| {
        Command::new(file).args(["-o", "/dev/null", "true"]).status().is_ok_and(|status| status.success())
    };
    let found = found.filter(works);
    if found.is_none() {
        println!("skipped: no strace on the path that works; SIMLAB_STRACE can name one");
    }
    found
}

/// What changes names, and what waits for the disk.
const CALLS: [&str; 8] = ["rename", "renameat2", "linkat", "unlink", "rmdir", "mkdir", "fsync", "fchmodat"];

/// How often a run makes each of these calls.
fn counted(lab: &Lab, strace: &Path) -> Vec<(&'static str, usize)> {
    let log = lab.place.at("log");
    let trace = format!("trace={}", CALLS.map(|call| format!("?{call}")).join(","));
    let (program, log_name) = (simlab(), log.to_string_lossy().into_owned());
    let program = program.to_string_lossy();
    let status = lab.start(strace, &["-f", "-o", &log_name, "-e", &trace, &program], lab.options).wait();
    assert!(status.is_ok_and(|status| status.success()), "strace works");
    let log = fs::read_to_string(log).expect("a log");
    let count = |call: &&str| log.lines().filter(|line| line.contains(&format!(" {call}("))).count();
    CALLS.iter().map(|call| (*call, count(call))).filter(|(_, count)| *count > 0).collect()
}

/// Something happens to the n-th of these calls, for n from `from` in steps.
fn aim(lab: &Lab, strace: &Path, what: &str, step: usize, ends: impl Fn(ExitStatus) -> bool) -> usize {
    lab.reset();
    let mut aimed = 0;
    for (call, count) in counted(lab, strace) {
        // Where names change is where it matters most.
        let step = if call.starts_with("rename") { 1 } else { step };
        for n in (1..=count).step_by(step) {
            lab.reset();
            let inject = format!("inject={call}:{what}:when={n}");
            let program = simlab();
            let before = ["-f", "-o", "/dev/null", "-e", &inject, &program.to_string_lossy()];
            let status = lab.start(strace, &before, lab.options).wait().expect("it ends");
            assert!(ends(status), "{:?}, {inject}: {status}", lab.way);
            lab.check(&format!("{:?}, {inject}", lab.way));
            aimed += 1;
        }
    }
    aimed
}

#[cfg(target_os = "linux")]
#[test]
fn at_every_call_that_changes_a_name() {
    let Some(strace) = strace() else { return };
    let long = kills() >= 500;
    for way in [Way::Exchange, Way::Record] {
        for charts in [false, true].into_iter().filter(|charts| long || !charts) {
            let lab = Lab::new("aimed", way, charts);
            let killed =
                aim(&lab, &strace, "signal=SIGKILL", if long { 1 } else { 7 }, |status| status.code().is_none());
            // A call that fails is no kill: an error, or another way is found.
            let failed = aim(&lab, &strace, "error=EIO", if long { 1 } else { 11 }, |status| {
                matches!(status.code(), Some(0 | 4))
            });
            println!("{way:?}, charts {charts}: {killed} aimed kills, {failed} calls that fail");
        }
    }
}

/// From some call on no name can be changed: what was begun is finished by the next command.
#[cfg(target_os = "linux")]
#[test]
fn when_every_rename_fails() {
    let Some(strace) = strace() else { return };
    let lab = Lab::new("fails", Way::Record, false);
    for n in 1..=6 {
        lab.reset();
        let inject = format!("inject=rename:error=EIO:when={n}+");
        let program = simlab();
        let before = ["-f", "-o", "/dev/null", "-e", &inject, &program.to_string_lossy()];
        assert_eq!(lab.start(&strace, &before, lab.options).wait().expect("it ends").code(), Some(4), "{inject}");
        // The first is that of the record: nothing has happened before.
        lab.check(&inject);
        assert_eq!(lab.seen() == lab.old, n == 1, "{inject}");
    }
}

/// Two runs into one folder at once, whether it exists or not.
#[test]
fn two_writers() {
    let pairs = if kills() >= 500 { 100 } else { 6 };
    let lab = Lab::new("pairs", Way::Exchange, false);
    let within =
        Lab { place: Place(lab.place.0.clone()), way: Way::Record, old: lab.old.clone(), new: lab.new.clone(), ..lab };
    // What the first of a pair writes: the old report once more, without its charts.
    assert!(lab.start(&simlab(), &[], "--no-charts").wait().expect("it ends").success());
    let plain = lab.seen();
    let mut won = [0, 0];
    for pair in 0..pairs {
        let (first, second) = match pair % 3 {
            0 => (&lab, &lab),
            1 => (&within, &lab),
            _ => (&within, &within),
        };
        lab.reset();
        let missing = pair % 6 == 3;
        if missing {
            fs::remove_dir_all(lab.place.at("a/out")).expect("removed");
        }
        let one = first.start_telling(&simlab(), &[], "--no-charts", Stdio::piped());
        let other = second.start_telling(&simlab(), &[], lab.options, Stdio::piped());
        for child in [one, other] {
            let ended = child.wait_with_output().expect("it ends");
            let told = String::from_utf8_lossy(&ended.stderr);
            assert_eq!(ended.status.code(), Some(0), "pair {pair}: {told}");
        }
        assert!(!lab.is_in_the_midst(), "pair {pair}: something is left over");
        if missing {
            FOREIGN.iter().for_each(|name| lab.place.write(&format!("a/out/{name}"), name));
        }
        let seen = lab.seen();
        assert!(seen == plain || seen == lab.new, "pair {pair}: there is {seen:#?}");
        won[usize::from(seen == lab.new)] += 1;
    }
    println!("{pairs} pairs; the first came last {} times, the second {} times", won[0], won[1]);
    std::mem::forget(within);
}
