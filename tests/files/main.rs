//! Files as users meet them: which folders take a report, what of them stays, and what is there after a kill.
//!
//! Kills and pairs of writers have a long form: `SIMLAB_KILLS=500 cargo test --locked --release --test files`.

#![cfg(unix)]

mod kills;
mod place;

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use place::{Place, ended, simlab, tree};

const RUN: &str = "run tiny.toml --quiet --out";

#[test]
fn a_folder_of_something_else_is_refused() {
    for name in ["report.html", "manifest.json", "summary.json", "notes.txt", "charts/storm.svg", ".git/config"] {
        for content in ["mine", "{}", "{ \"total\": { \"lines\": 3 } }", "{ \"schema_version\": 1 }"] {
            let place = Place::new("foreign");
            place.write(&format!("out/{name}"), content);
            place.refused(&format!("{RUN} out"), "holds other files and no report of simlab");
        }
    }
    let place = Place::new("file");
    place.write("out", "mine");
    place.refused(&format!("{RUN} out"), "cannot write the report to `out`");
    place.refused(&format!("{RUN} out/within"), "cannot write the report to `out/within`");
}

#[test]
fn a_way_that_leads_nowhere_is_refused() {
    let place = Place::new("nowhere");
    place.write("foreign/report.html", "mine");
    place.refused(&format!("{RUN} missing/../foreign"), "there is no folder `missing`");
    place.refused(&format!("{RUN} missing/../new"), "there is no folder `missing`");
    symlink("nothing", place.at("dangling")).expect("a link");
    place.refused(&format!("{RUN} dangling"), "`dangling` is a link to something that does not exist");
    place.refused(&format!("{RUN} dangling/out"), "`dangling` is a link to something that does not exist");
    symlink("loop", place.at("loop")).expect("a link");
    place.refused(&format!("{RUN} loop"), "cannot write the report to `loop`");
    let long = "x".repeat(300);
    place.refused(&format!("{RUN} {long}"), "cannot write the report");
    place.refused(&format!("{RUN} new/{long}"), "cannot write the report");
    // A name of the greatest length is none too long.
    place.run(&format!("{RUN} {} --no-charts", "y".repeat(255)), 0);
    place.run(&format!("{RUN} {} --no-charts", "y".repeat(255)), 0);
    assert_eq!(place.names("").len(), 5, "{:?}", place.names(""));
}

#[test]
fn a_link_to_a_folder_is_the_folder() {
    let place = Place::new("link");
    fs::create_dir(place.at("elsewhere")).expect("a folder");
    symlink("elsewhere", place.at("out")).expect("a link");
    for seed in 1..3 {
        place.run(&format!("{RUN} out --no-charts --seed {seed}"), 0);
        assert!(place.at("out").symlink_metadata().expect("it stays").is_symlink());
        assert!(place.at("elsewhere/report.html").is_file());
    }
    assert_eq!(place.names(""), ["elsewhere", "out", "tiny.toml"]);
}

#[test]
fn what_simlab_did_not_write_stays() {
    let place = Place::new("stays");
    place.run(&format!("{RUN} out"), 0);
    let (whole, other) = (tree(&place.at("out")), place.at("other"));
    place.run(&format!("{RUN} other --no-charts --seed 2"), 0);
    let plain = tree(&other);
    let listed: serde_json::Value = serde_json::from_str(&place.read("out/manifest.json").expect("it")).expect("JSON");
    let listed: Vec<&str> =
        listed["files"].as_array().expect("a list").iter().filter_map(|name| name.as_str()).collect();
    let is_listed = |name: &String| listed.contains(&name.as_str()) || name == "manifest.json" || name == "charts";
    assert!(whole.keys().all(is_listed) && listed.len() + 2 == whole.len(), "{listed:?} of {:?}", whole.keys());

    let foreign =
        ["notes.txt", "charts/mine.png", "charts/more/mine.svg", "sub/summary.json", "sub/deep/x", ".git/config"];
    for name in foreign {
        place.write(&format!("out/{name}"), name);
    }
    symlink("/nowhere", place.at("out/sub/link")).expect("a link");
    let mine: Vec<_> = tree(&place.at("out")).into_iter().filter(|(name, _)| !whole.contains_key(name)).collect();
    // On both ways: from outside, and from within the folder.
    for (index, line) in ["run tiny.toml --quiet --out out", "run ../tiny.toml --quiet --out ."].iter().enumerate() {
        let replace = |more: &str| {
            let mut command = place.command(&format!("{line} {more}"));
            command.current_dir(if index == 0 { place.0.clone() } else { place.at("out") });
            ended(command, 0);
            tree(&place.at("out"))
        };
        let mut expected = plain.clone();
        expected.extend(mine.clone());
        expected.insert("charts".to_owned(), None);
        assert_eq!(replace("--no-charts --seed 2"), expected, "{line}");
        let mut expected = whole.clone();
        expected.extend(mine.clone());
        assert_eq!(replace(""), expected, "{line}");
    }
    assert_eq!(place.names(""), ["other", "out", "tiny.toml"]);
    // What stands where a file of the report would, and is none.
    place.run(&format!("{RUN} out --no-charts"), 0);
    place.write("out/charts/storm.svg", "mine");
    place.refused(&format!("{RUN} out"), "`out/charts/storm.svg` is in the way");
    place.run(&format!("{RUN} out --no-charts"), 0);
    assert_eq!(place.read("out/charts/storm.svg").as_deref(), Some("mine"));
}

#[test]
fn links_are_not_followed() {
    let place = Place::new("links");
    place.write("elsewhere/storm.svg", "mine");
    place.write("elsewhere/report.html", "mine");
    place.run(&format!("{RUN} out --no-charts"), 0);
    symlink("../elsewhere", place.at("out/charts")).expect("a link");
    place.refused(&format!("{RUN} out"), "`out/charts` is in the way");
    place.run(&format!("{RUN} out --no-charts --seed 2"), 0);
    assert!(place.at("out/charts").symlink_metadata().expect("it stays").is_symlink());
    fs::remove_file(place.at("out/report.html")).expect("removed");
    symlink("../elsewhere/report.html", place.at("out/report.html")).expect("a link");
    place.refused(&format!("{RUN} out --no-charts"), "`out/report.html` is in the way");
    fs::remove_file(place.at("out/report.html")).expect("removed");
    place.run(&format!("{RUN} out --no-charts"), 0);
    for name in [".simlab-lock", ".simlab-commit"] {
        symlink("../elsewhere/made", place.at("out").join(name)).expect("a link");
        place.refused(&format!("{RUN} out --no-charts"), &format!("`out/{name}` is in the way"));
        fs::remove_file(place.at("out").join(name)).expect("removed");
    }
    assert_eq!(place.names("elsewhere"), ["report.html", "storm.svg"]);
}

#[test]
fn a_report_without_a_list_is_replaced_as_a_whole() {
    let place = Place::new("older");
    place.run(&format!("{RUN} new --no-charts --seed 2"), 0);
    for manifest in [true, false] {
        place.run(&format!("{RUN} out"), 0);
        if manifest {
            place.write("out/manifest.json", "{ \"simlab_version\": \"0.1.0\" }");
        } else {
            fs::remove_file(place.at("out/manifest.json")).expect("removed");
        }
        place.write("out/charts/mine.png", "mine");
        place.run(&format!("{RUN} out --no-charts --seed 2"), 0);
        assert_eq!(place.names("out/charts"), ["mine.png"]);
        fs::remove_dir_all(place.at("out/charts")).expect("removed");
        assert_eq!(tree(&place.at("out")), tree(&place.at("new")));
    }
}

#[test]
fn mode_and_group_stay() {
    let place = Place::new("mode");
    place.run(&format!("{RUN} out"), 0);
    let group = if is_root() { 12 } else { place.at("out").metadata().expect("it").gid() };
    for (name, mode) in [("out", 0o2750), ("out/charts", 0o700)] {
        chown(place.at(name), None, Some(group)).expect("a group");
        fs::set_permissions(place.at(name), fs::Permissions::from_mode(mode)).expect("a mode");
    }
    place.write("out/charts/mine.png", "mine");
    let look = |name: &str| place.at(name).metadata().map(|is| (is.uid(), is.gid(), is.mode())).expect("it");
    let before = (look("out"), look("out/charts"));
    for seed in 2..4 {
        place.run(&format!("{RUN} out --seed {seed}"), 0);
        assert_eq!((look("out"), look("out/charts")), before);
    }
    assert_eq!(place.at("out/report.html").metadata().expect("it").gid(), group, "the group of the folder");
}

/// A run that stops leaves nothing, and neither does one that is refused for its memory.
#[test]
fn nothing_is_made_before_there_is_a_report() {
    let place = Place::new("nothing");
    let before = tree(&place.0);
    place.run("run tiny.toml --out deep/er/out --memory 1", 3);
    place.run("run tiny.toml --memory 1", 3);
    assert_eq!(tree(&place.0), before);
}

#[test]
fn leftovers_of_dead_runs_go() {
    let place = Place::new("leftovers");
    place.run(&format!("{RUN} out --no-charts"), 0);
    let mut gone = Command::new("true").spawn().expect("a process");
    gone.wait().expect("it ends");
    let (dead, alive) = (gone.id(), std::process::id());
    place.write("elsewhere/report.html", "mine");
    // Of versions that named them by their process.
    place.write(&format!(".out.simlab-{dead}/summary.json"), "old");
    place.write(&format!(".out.simlab-{dead}/charts/storm.svg"), "old");
    place.write(&format!(".out.simlab-{alive}/summary.json"), "in use");
    // What no run leaves.
    let odd = [
        ".out.simlab-0123456789abcdef/notes.txt",
        ".out.simlab-0123456789ABCDEF/summary.json",
        ".out.simlab-999999999/mine",
    ];
    odd.iter().for_each(|name| place.write(name, "mine"));
    symlink("elsewhere", place.at(".out.simlab-99999999")).expect("a link");
    fs::create_dir(place.at(".out.simlab-99999998")).expect("a folder");
    symlink("../elsewhere/report.html", place.at(".out.simlab-99999998/report.html")).expect("a link");
    // Of this version: locked by a run that lives, and left.
    for digits in ["00000000000000aa", "00000000000000bb"] {
        place.write(&format!(".out.simlab-{digits}/.simlab-lock"), "");
        place.write(&format!(".out.simlab-{digits}/summary.json"), "new");
    }
    let file = File::options().write(true).open(place.at(".out.simlab-00000000000000aa/.simlab-lock")).expect("it");
    file.try_lock().expect("a lock");
    place.write("out/.simlab-00000000000000cc/summary.json", "new");
    place.write(".outer.simlab-00000000000000bb/.simlab-lock", "");
    let mut expected = tree(&place.0);
    let goes =
        [format!(".out.simlab-{dead}"), ".out.simlab-00000000000000bb".into(), "out/.simlab-00000000000000cc".into()];
    expected.retain(|name, _| !goes.iter().any(|gone| name.starts_with(gone)));
    place.run(&format!("{RUN} out --no-charts"), 0);
    assert_eq!(tree(&place.0), expected);
}

/// A record that cannot be finished is discarded, and none leads out of its folder.
#[test]
fn a_record_is_finished_or_discarded() {
    let place = Place::new("record");
    place.run(&format!("{RUN} out --no-charts"), 0);
    let before = tree(&place.at("out"));
    place.write("victim", "mine");
    let stage = ".simlab-00000000000000cc";
    let record = |stage: &str, name: &str, removed: &str| {
        format!(
            "{{ \"stage\": \"{stage}\", \"files\": [{{ \"name\": \"{name}\", \"hash\": \"fnv1a64:cbf29ce484222325\" }}], \"removed\": [{removed}] }}"
        )
    };
    for text in [
        "nothing".to_owned(),
        record(stage, "summary.json", ""),
        record(stage, "../victim", ""),
        record(stage, "report.html", "\"../victim\""),
        record("..", "victim", ""),
        record("../out", "summary.json", ""),
    ] {
        place.write(&format!("out/{stage}/report.html"), "");
        place.write("out/.simlab-commit", &text);
        place.run("run tiny.toml --out out --memory 1", 3);
        assert_eq!(tree(&place.at("out")), before, "{text}");
        assert_eq!(place.read("victim").as_deref(), Some("mine"), "{text}");
    }
    // All there: an empty file has this hash.
    place.write(&format!("out/{stage}/report.html"), "");
    place.write("out/.simlab-commit", &record(stage, "report.html", "\"timeline.csv\""));
    place.run("run tiny.toml --out out --memory 1", 3);
    assert_eq!(place.read("out/report.html").as_deref(), Some(""));
    assert_eq!(place.names("out"), ["manifest.json", "report.html", "summary.csv", "summary.json"]);
}

#[test]
fn single_files_are_whole_and_links_are_not_followed() {
    let place = Place::new("single");
    place.write("elsewhere", "mine");
    symlink("elsewhere", place.at("link.svg")).expect("a link");
    place.run("policies full-jitter --chart link.svg", 0);
    assert!(place.at("link.svg").symlink_metadata().expect("it").is_file(), "the link is replaced");
    fs::set_permissions(place.at("link.svg"), fs::Permissions::from_mode(0o600)).expect("a mode");
    let (one, before) = (place.at("link.svg").metadata().expect("it").ino(), place.read("link.svg"));
    place.run("policies full-jitter --chart link.svg", 0);
    let is = place.at("link.svg").metadata().expect("it");
    assert!(is.ino() != one && is.mode() & 0o777 == 0o600 && place.read("link.svg") == before, "a file in its place");
    fs::create_dir(place.at("folder.svg")).expect("a folder");
    place.refused("policies full-jitter --chart folder.svg", "cannot write `folder.svg`");
    for target in ["elsewhere", "nothing"] {
        symlink(target, place.at("mine.toml")).expect("a link");
        place.refused("new mine", "`mine.toml` exists already");
        fs::remove_file(place.at("mine.toml")).expect("removed");
        symlink(target, place.at("simlab.schema.json")).expect("a link");
        place.refused("new mine --schema", "`simlab.schema.json` exists already");
        fs::remove_file(place.at("simlab.schema.json")).expect("removed");
    }
    place.write(".mine.toml.simlab-00000000000000aa", "half");
    place.run("new mine --schema", 0);
    assert_eq!(
        place.names(""),
        ["elsewhere", "folder.svg", "link.svg", "mine.toml", "simlab.schema.json", "tiny.toml"]
    );
    assert_eq!(place.read("elsewhere").as_deref(), Some("mine"));
}

fn is_root() -> bool {
    Path::new("/proc/self").metadata().is_ok_and(|is| is.uid() == 0)
}

/// Where one may not write beside the folder, but in it; and where one may not write in it.
#[test]
fn rights_are_known_before_anything_runs() {
    let place = Place::new("rights");
    // Root may write everywhere: somebody else is asked for, with a program that everybody may run.
    let program = place.at("simlab");
    fs::copy(simlab(), &program).expect("a copy");
    let nobody = if is_root() { 65_534 } else { place.0.metadata().expect("it").uid() };
    let as_nobody = |line: &str, code: i32| {
        let mut command = Command::new(&program);
        command.args(line.split_whitespace()).current_dir(&place.0);
        if is_root() {
            command.uid(nobody).gid(nobody);
        }
        ended(command, code)
    };
    let mode = |name: &str, mode: u32| {
        fs::set_permissions(place.at(name), fs::Permissions::from_mode(mode)).expect("a mode");
    };
    let made = |name: &str| {
        fs::create_dir(place.at(name)).expect("a folder");
        chown(place.at(name), Some(nobody), None).expect("an owner");
    };
    for name in ["closed", "closed/out"] {
        made(name);
    }
    mode("closed", 0o555);
    mode("", 0o555);
    let refused = |line: &str| assert!(as_nobody(line, 4).stdout.is_empty(), "{line} has run something");
    for seed in 1..3 {
        as_nobody(&format!("{RUN} closed/out --seed {seed}"), 0);
        assert!(place.at("closed/out/report.html").is_file());
    }
    assert_eq!(place.names("closed"), ["out"]);
    for line in ["closed/other", "closed/out/../other", "new/out"] {
        refused(&format!("{RUN} {line}"));
    }
    mode("closed/out/charts", 0o555);
    refused(&format!("{RUN} closed/out"));
    mode("closed/out/charts", 0o755);
    mode("closed/out", 0o555);
    refused(&format!("{RUN} closed/out"));
    ["closed/out", "closed", ""].iter().for_each(|name| mode(name, 0o755));
    if is_root() {
        // Everybody may write here, and nobody may replace what is somebody else's.
        mode("closed/out", 0o1777);
        for path in [place.at("closed/out"), place.at("closed/out/summary.json")] {
            chown(path, Some(0), None).expect("an owner");
        }
        refused(&format!("{RUN} closed/out --no-charts"));
    }
}

/// A mount point, of another file system or of this one, takes a report as any folder does.
#[cfg(target_os = "linux")]
#[test]
fn a_mount_point_takes_a_report() {
    let place = Place::new("mount");
    for name in ["out", "elsewhere"] {
        fs::create_dir(place.at(name)).expect("a folder");
    }
    let script = |mount: &str| {
        let twice =
            "\"$0\" run tiny.toml --quiet --out out && \"$0\" run tiny.toml --quiet --out out --seed 2 --no-charts";
        format!("{mount} || exit 77; ({twice}) >/dev/null && ls -A out . elsewhere")
    };
    for mount in ["mount -t tmpfs none out", "mount --bind elsewhere out"] {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", &script(mount)]).arg(simlab()).current_dir(&place.0);
        let output = command.output().expect("unshare starts");
        let said = String::from_utf8_lossy(&output.stdout);
        if output.status.code() != Some(0) && (!is_root() || output.status.code() == Some(77)) {
            println!("skipped: one may not mount here");
            return;
        }
        assert_eq!(output.status.code(), Some(0), "{mount}: {}", String::from_utf8_lossy(&output.stderr));
        let files = "manifest.json\nreport.html\nsummary.csv\nsummary.json\ntimeline.csv\n";
        let expected = if mount.contains("bind") { files } else { "" };
        assert_eq!(said, format!(".:\nelsewhere\nout\ntiny.toml\n\nelsewhere:\n{expected}\nout:\n{files}"), "{mount}");
    }
}
