//! The command line as users meet it: sessions kept as snapshots, and what no snapshot can show.

#[path = "cli/bad_times.rs"]
mod bad_times;
#[path = "cli/help.rs"]
mod help;
#[cfg(unix)]
#[path = "cli/readme.rs"]
mod readme;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// `TRYCMD=overwrite cargo test --test cli` writes the sessions anew.
#[test]
fn sessions() {
    trycmd::TestCases::new().case("tests/cli/*.trycmd");
}

/// A folder of its own for one test, with the scenario of the sessions in it; removed at the end.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Place {
        let path = std::env::temp_dir().join(format!("simlab-cli-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a folder for the test");
        let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/run.in/shop.toml");
        fs::copy(scenario, path.join("shop.toml")).expect("the scenario is there");
        Place(path)
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_simlab"));
        command.args(line.split_whitespace()).current_dir(&self.0);
        command
    }

    /// Runs a command line, which must end with this exit code.
    fn run(&self, line: &str, code: i32) -> Output {
        let output = self.command(line).output().expect("simlab starts");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "simlab {line}: {stderr}");
        assert!(!stderr.contains("panicked"), "simlab {line}: {stderr}");
        output
    }

    /// All files below a folder but the manifest, with their content, in order.
    fn files(&self, folder: &str) -> Vec<(PathBuf, Vec<u8>)> {
        fn walk(folder: &Path, root: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
            for entry in fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    walk(&path, root, files);
                } else if path.file_name().is_some_and(|name| name != "manifest.json") {
                    let name = path.strip_prefix(root).expect("below the root").to_owned();
                    files.push((name, fs::read(&path).expect("a readable file")));
                }
            }
        }
        let root = self.0.join(folder);
        let mut files = Vec::new();
        walk(&root, &root, &mut files);
        files.sort();
        files
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_same_bytes_again_and_with_any_number_of_threads() {
    let place = Place::new("bytes");
    place.run("run shop.toml --out first", 0);
    let first = place.files("first");
    assert!(first.len() > 5, "{} files", first.len());
    for (index, threads) in ["1", "2", "7"].iter().enumerate() {
        let out = format!("again{index}");
        place.run(&format!("run shop.toml --out {out} --threads {threads}"), 0);
        for ((name, one), (other_name, other)) in first.iter().zip(place.files(&out)) {
            assert_eq!(*name, other_name);
            assert!(*one == other, "{} differs with --threads {threads}", name.display());
        }
    }
}

#[test]
fn what_show_prints_gives_the_same_results() {
    let place = Place::new("show");
    let shown = place.run("show shop.toml", 0).stdout;
    fs::write(place.0.join("shown.toml"), &shown).expect("written");
    assert_eq!(place.run("show shown.toml", 0).stdout, shown, "shown twice");
    let summary = |file: &str| place.run(&format!("run {file} --format json --no-charts --out {file}.out"), 0).stdout;
    assert!(summary("shop.toml") == summary("shown.toml"), "the resolved scenario is another question");
}

#[test]
fn json_is_the_summary_and_balances() {
    let place = Place::new("json");
    let stdout = place.run("run shop.toml --format json", 0).stdout;
    assert_eq!(stdout, fs::read(place.0.join("reports/shop/summary.json")).expect("the summary"));
    let summary: serde_json::Value = serde_json::from_slice(&stdout).expect("JSON");
    assert_eq!(summary["schema_version"], 1);
    assert_eq!(summary["seed"], 5);
    assert_eq!(summary["baseline"], "no-retry");
    let policies = summary["policies"].as_array().expect("policies");
    assert_eq!(policies.len(), 3);
    for policy in policies {
        let metrics = policy["metrics"].as_object().expect("metrics");
        let mean = |name: &str| metrics[name]["mean"].as_f64().unwrap_or_else(|| panic!("{name} has a value"));
        assert!((mean("operations") - mean("succeeded") - mean("failed") - mean("unresolved")).abs() < 1e-5);
        let outcomes: f64 = metrics.keys().filter(|name| name.starts_with("outcome_")).map(|name| mean(name)).sum();
        assert!((mean("attempts") - outcomes).abs() < 1e-5);
        for (name, metric) in metrics {
            assert_eq!(metric["values"].as_array().map(Vec::len), Some(5), "{name}");
        }
    }
    // A key makes duplicates impossible, without one the lost replies make some.
    assert_eq!(policies[2]["metrics"]["duplicates"]["mean"], 0);
    assert!(policies[1]["metrics"]["duplicates"]["mean"].as_f64() > Some(0.0));
    // summary.csv holds the same numbers, a row per policy.
    let csv = String::from_utf8(place.run("run shop.toml --format csv --quiet", 0).stdout).expect("text");
    let rows: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.len(), 4);
    let column = rows[0].iter().position(|name| *name == "success_rate_ci_low").expect("the column");
    let low = policies[2]["metrics"]["success_rate"]["ci_low"].as_f64().expect("a value");
    assert_eq!((rows[3][0], rows[3][column].parse()), ("full-jitter", Ok(low)));
    // One replication has no interval.
    let one = place.run("run shop.toml --format json --replications 1", 0).stdout;
    let one: serde_json::Value = serde_json::from_slice(&one).expect("JSON");
    assert!(one["policies"][1]["metrics"]["success_rate"]["ci_low"].is_null());
    assert!(one["policies"][1]["versus_baseline"]["success_rate"]["ci_high"].is_null());
}

#[test]
fn a_policy_left_out_changes_nothing_for_the_others() {
    let place = Place::new("left-out");
    let digest = |line: &str| -> Vec<(String, String)> {
        let summary: serde_json::Value = serde_json::from_slice(&place.run(line, 0).stdout).expect("JSON");
        let policies = summary["policies"].as_array().expect("policies").clone();
        policies.iter().map(|policy| (policy["name"].to_string(), policy["digest"].to_string())).collect()
    };
    let all = digest("run shop.toml --format json");
    let some = digest("run shop.toml --format json --policy full-jitter");
    assert_eq!(some, [all[0].clone(), all[2].clone()], "the baseline is always there");
}

#[test]
fn folders() {
    let place = Place::new("folders");
    // An earlier report is replaced, what is not ours stays.
    place.run("run shop.toml --out out", 0);
    assert!(place.0.join("out/charts").is_dir());
    fs::write(place.0.join("out/notes.txt"), "mine").expect("written");
    place.run("run shop.toml --out out --no-charts --seed 9", 0);
    assert!(!place.0.join("out/charts").exists(), "charts of another run stay behind");
    assert_eq!(fs::read_to_string(place.0.join("out/notes.txt")).expect("still there"), "mine");
    // Something that is no report is left alone.
    fs::create_dir(place.0.join("precious")).expect("a folder");
    fs::write(place.0.join("precious/notes.txt"), "mine").expect("written");
    place.run("run shop.toml --out precious", 4);
    assert_eq!(fs::read_dir(place.0.join("precious")).expect("a folder").count(), 1);
    place.run("run shop.toml --out shop.toml", 4);
    // Several files have a folder each.
    fs::copy(place.0.join("shop.toml"), place.0.join("stall.toml")).expect("copied");
    place.run("run shop.toml stall.toml --out both --no-charts", 0);
    assert!(place.0.join("both/shop/report.html").is_file() && place.0.join("both/stall/report.html").is_file());
    // Nothing runs unless all are valid.
    fs::write(place.0.join("broken.toml"), "duration = 3").expect("written");
    place.run("run shop.toml broken.toml --out none", 3);
    assert!(!place.0.join("none").exists());
}

/// Warnings are told on stderr, kept in the summary and on the page, and change no exit code.
#[test]
fn warnings_are_told_and_kept() {
    let place = Place::new("warnings");
    let run =
        |more: &str| place.run(&format!("run shop.toml --set server.payments.workers=99 --replications 2{more}"), 0);
    let loud = run("");
    let stderr = String::from_utf8(loud.stderr).expect("text");
    let summary = fs::read(place.0.join("reports/shop/summary.json")).expect("the summary");
    let summary: serde_json::Value = serde_json::from_slice(&summary).expect("JSON");
    let page = fs::read_to_string(place.0.join("reports/shop/report.html")).expect("the page");
    let warnings = summary["warnings"].as_array().expect("warnings");
    let codes = ["few-replications", "never-saturates"];
    assert_eq!(warnings.len(), codes.len(), "{warnings:?}");
    for (warning, code) in warnings.iter().zip(codes) {
        assert!(warning.as_str().is_some_and(|text| text.starts_with(&format!("{code}: "))), "{warning}");
        assert!(stderr.contains(&format!("warning[{code}]: ")), "{stderr}");
        assert!(page.contains(code), "the page says nothing of {code}");
    }
    assert!(run(" --quiet").stderr.is_empty());
}

/// Warnings that are meant are not told, but listed in the summary and on the page.
#[test]
fn warnings_that_are_allowed_are_listed() {
    let place = Place::new("allowed");
    let allow = "--set allow=[\"few-replications\",\"never-saturates\",\"overload\"]";
    let run = place.run(&format!("run shop.toml --set server.payments.workers=99 --replications 2 {allow}"), 0);
    assert!(!String::from_utf8_lossy(&run.stderr).contains("warning"), "{}", String::from_utf8_lossy(&run.stderr));
    let summary = fs::read(place.0.join("reports/shop/summary.json")).expect("the summary");
    let summary: serde_json::Value = serde_json::from_slice(&summary).expect("JSON");
    let page = fs::read_to_string(place.0.join("reports/shop/report.html")).expect("the page");
    assert_eq!(summary["warnings"], serde_json::json!([]));
    let allowed = summary["allowed"].as_array().expect("a list");
    assert_eq!(allowed.len(), 2, "{allowed:?}");
    for (warning, code) in allowed.iter().zip(["few-replications", "never-saturates"]) {
        assert!(warning.as_str().is_some_and(|text| text.starts_with(&format!("{code}: "))), "{warning}");
        assert!(page.contains(&format!("<b>Allowed.</b> {code}: ")), "the page says nothing of {code}");
    }
}

/// A log with the times of a clock is replayed from its first line on; where nothing of it would be, nothing runs.
#[test]
fn a_log_is_replayed() {
    let place = Place::new("log");
    let lines: String = (0..40).map(|i| format!("{}.{:03},200\n", 1_767_225_600 + i / 10, i % 10 * 100)).collect();
    fs::write(place.0.join("log.csv"), format!("timestamp,status\n{lines}")).expect("written");
    let text = "duration = \"30s\"\nreplications = 5\nallow = [\"trace-retries\"]\n[load]\narrivals.trace = { file = \"log.csv\" }\n\
                [server.api]\nservice_time.constant = \"10ms\"\n[policy.once]\n";
    fs::write(place.0.join("log.toml"), text).expect("written");
    let run = place.run("run log.toml --no-charts --format csv", 0);
    let csv = String::from_utf8(run.stdout).expect("text");
    let column = csv.lines().next().expect("a header").split(',').position(|name| name == "operations_mean");
    let values: Vec<&str> = csv.lines().nth(1).expect("a row").split(',').collect();
    assert_eq!(values[column.expect("a column")], "40");
    // 20 of them before the beginning: the rest is replayed, and it is told.
    let cut = place.run("run log.toml --no-charts --set load.arrivals.trace.origin=1767225602 --out cut", 0);
    let said = String::from_utf8_lossy(&cut.stderr).into_owned();
    assert!(said.contains("warning[trace-cut]: 20 of 40 recorded instants are left out"), "{said}");
    let late = place.run("run log.toml --set load.arrivals.trace.origin=2025-12-31 --out late", 3);
    let said = String::from_utf8_lossy(&late.stderr).into_owned();
    assert!(
        said.contains("all 40 instants lie at or after 30s, the first at 1d") && said.contains("duration = \"1d 1m\""),
        "{said}"
    );
    assert!(!place.0.join("late").exists());
}

#[test]
fn scenarios_to_start_from() {
    let place = Place::new("new");
    // Its own folder may be another one; nothing is overwritten, of two files either.
    fs::create_dir(place.0.join("lab")).expect("a folder");
    place.run("new lab/first.toml --template brownout", 0);
    assert!(place.0.join("lab/first.toml").is_file() && !place.0.join("lab/simlab.schema.json").exists());
    place.run("new shop", 4);
    fs::write(place.0.join("simlab.schema.json"), "mine").expect("written");
    place.run("new second --schema", 4);
    assert!(!place.0.join("second.toml").exists());
    place.run("new nowhere/third", 4);
    for wrong in ["a.b", "..", "lab/", "é"] {
        place.run(&format!("new {wrong}"), 2);
    }
    place.run("new lab/fourth --schema", 0);
    let written = fs::read(place.0.join("lab/simlab.schema.json")).expect("the schema");
    assert_eq!(written, place.run("schema", 0).stdout);
}

/// The list for programs has everything that there is; a picture has the delays of what was asked for.
#[test]
fn policies_as_a_list_and_as_a_picture() {
    let place = Place::new("policies");
    let list: serde_json::Value = serde_json::from_slice(&place.run("policies --format json", 0).stdout).expect("JSON");
    let listed = String::from_utf8(place.run("policies", 0).stdout).expect("text");
    let list = list.as_array().expect("a list");
    for entry in list {
        let name = entry["name"].as_str().expect("a name");
        assert!(listed.contains(&format!("\n  {name} ")), "{name} is not in the list for people");
        let rows = entry["delays"].as_array().expect("delays").len();
        let expected = match (entry["kind"].as_str(), entry["attempts"].as_u64()) {
            (Some("gate" | "hedge" | "replica"), None) => 0,
            // Limits by cause may leave fewer retries than attempts do.
            (Some("preset"), Some(_)) => entry["total_wait"]["retries"].as_u64().expect("a number").min(10) as usize,
            (Some("preset"), None) if entry["attempts"] == "unlimited" => 8,
            (Some("backoff"), None) => 8,
            other => panic!("{name}: {other:?}"),
        };
        assert_eq!(rows, expected, "{name}");
        for key in ["family", "summary", "source"] {
            assert!(entry[key].is_string(), "{name}: {key}");
        }
    }
    assert_eq!(listed.lines().filter(|line| line.starts_with("  ")).count(), list.len());
    let google = list.iter().find(|entry| entry["name"] == "google-api-core").expect("a preset");
    assert!(google["deadline"].is_null());
    assert_eq!((google["retry_for"].as_f64(), google["total_wait"].is_null()), (Some(120.0), true));
    assert_eq!(google["delays"][6]["max"].as_f64(), Some(60.0));
    let azure = list.iter().find(|entry| entry["name"] == "azure-python").expect("a preset");
    assert_eq!(
        (azure["limits"]["reset or timeout"].as_u64(), azure["total_wait"]["retries"].as_u64()),
        (Some(3), Some(9))
    );
    let grpc = list.iter().find(|entry| entry["name"] == "grpc").expect("a preset");
    assert_eq!((grpc["free_retries"]["retries"].as_u64(), azure["free_retries"].is_null()), (Some(1), true));
    let unconfirmed = list.iter().filter(|entry| entry["confirmed"] == false).count();
    assert!((1..=10).contains(&unconfirmed), "{unconfirmed} presets are unconfirmed");
    for entry in list.iter().filter(|entry| entry["kind"] == "preset") {
        // Marked in the list, on its page, and for programs, with what could not be read.
        let (name, summary) = (entry["name"].as_str().expect("a name"), entry["summary"].as_str().expect("a summary"));
        let marked = entry["confirmed"] == false;
        let line = listed.lines().find(|line| line.trim_start().starts_with(&format!("{name} "))).expect("its line");
        let page = String::from_utf8(place.run(&format!("policies {name}"), 0).stdout).expect("text");
        assert_eq!(line.ends_with(&format!("{summary} (unconfirmed)")), marked, "{line}");
        assert_eq!(page.starts_with(&format!("{name}: {summary} (unconfirmed)\n")), marked, "{page}");
        assert_eq!(page.contains("\nUnconfirmed. "), marked, "{page}");
        assert_eq!((entry["confirmed"].is_boolean(), entry["unconfirmed"].is_string()), (true, marked), "{name}");
    }
    let memoryless = list.iter().find(|entry| entry["name"] == "memoryless").expect("a backoff");
    assert!(memoryless["delays"][0]["max"].is_null(), "no limit is no number");
    for (file, begin) in [("ladder.svg", &b"<svg "[..]), ("ladder.png", b"\x89PNG"), ("ladder.svg", b"<svg ")] {
        place.run(&format!("policies stripe-python full-jitter svix-webhook --chart {file}"), 0);
        assert!(fs::read(place.0.join(file)).expect("a picture").starts_with(begin), "{file}");
    }
    let svg = fs::read_to_string(place.0.join("ladder.svg")).expect("text");
    for text in ["stripe-python", "full-jitter", "svix-webhook after timeout or 429", "logarithmic"] {
        assert!(svg.contains(text), "no {text}");
    }
    place.run("policies stripe-python --chart nowhere/ladder.svg", 4);
}

/// A part of a name finds the same for programs and for pictures as for people.
#[test]
fn policies_by_a_part_of_their_names() {
    let place = Place::new("part");
    let names = |line: &str| -> Vec<String> {
        let list: serde_json::Value = serde_json::from_slice(&place.run(line, 0).stdout).expect("JSON");
        let name = |entry: &serde_json::Value| entry["name"].as_str().expect("a name").to_owned();
        list.as_array().expect("a list").iter().map(name).collect()
    };
    assert_eq!(names("policies polly-v8 Polly --format json"), ["polly-v8", "polly-jitter", "polly-hedging"]);
    assert_eq!(names("policies sidek --format json"), ["sidekiq"]);
    let said = |line: &str| String::from_utf8(place.run(line, 0).stderr).expect("text");
    assert_eq!(said("policies sidek --format json"), "`sidek` is taken for `sidekiq`\n");
    assert_eq!(said("policies sidekiq polly"), "");
    // What makes no delays is left out of a picture, unless a word finds nothing else.
    place.run("policies polly --chart polly.svg", 0);
    let svg = fs::read_to_string(place.0.join("polly.svg")).expect("a picture");
    assert!(svg.contains("polly-v8") && svg.contains("polly-jitter") && !svg.contains("polly-hedging"), "{svg}");
    place.run("policies polly breaker --chart none.svg", 2);
    place.run("policies polly nowhere --format json", 2);
    assert!(!place.0.join("none.svg").exists());
}

#[test]
fn every_shell_has_its_completions() {
    let place = Place::new("completions");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = String::from_utf8(place.run(&format!("completions {shell}"), 0).stdout).expect("text");
        for word in ["simlab", "replications", "policies"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    place.run("completions tcsh", 2);
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let place = Place::new("pipe");
    let mut child = place
        .command("run shop.toml --format json --quiet")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("simlab starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("simlab ends");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

/// An interrupt ends a long run soon, with its own exit code, and leaves the earlier report as it was.
#[cfg(unix)]
#[test]
fn an_interrupt_leaves_the_old_report() {
    let place = Place::new("interrupt");
    place.run("run shop.toml --no-charts", 0);
    let before = place.files("reports/shop");
    let child = place
        .command("run shop.toml --set duration=5d --replications 2")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("simlab starts");
    std::thread::sleep(std::time::Duration::from_millis(500));
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill runs");
    assert!(killed.success());
    let output = child.wait_with_output().expect("simlab ends");
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(place.files("reports/shop") == before, "the earlier report has changed");
    assert_eq!(fs::read_dir(place.0.join("reports")).expect("a folder").count(), 1, "something temporary stayed");
}

/// Whatever is given as a scenario ends with an exit code and a reason.
#[test]
fn input_that_is_no_scenario() {
    let place = Place::new("input");
    let deep = format!("x = {}{}", "[".repeat(100_000), "]".repeat(100_000));
    let wide = "a".repeat(1 << 20);
    for (name, content) in [
        ("binary", &b"\x00\x01\xff\xfe\x7fELF"[..]),
        ("empty", b""),
        ("deep", deep.as_bytes()),
        ("wide", wide.as_bytes()),
    ] {
        fs::write(place.0.join(format!("{name}.toml")), content).expect("written");
        let output = place.run(&format!("run {name}.toml"), 3);
        assert!(String::from_utf8_lossy(&output.stderr).contains("error"), "{name}");
    }
    place.run("run .", 4);
    place.run("run /dev/zero", 4);
    assert!(!place.0.join("reports").exists());
}

/// What a title says stays text in every output, and the report stays in its folder.
#[test]
fn titles_and_descriptions_are_harmless_in_every_output() {
    let place = Place::new("harmless");
    let shop = fs::read_to_string(place.0.join("shop.toml")).expect("the scenario");
    let hostile = r"</title><script>alert(1)</script> ../../etc/passwd C:\\x \u001B[31mred\u001B]0;owned\u0007 \u202Egnp.exe\u200F | a";
    let body = shop.split_once('\n').map_or("", |(_, rest)| rest);
    fs::write(place.0.join("hostile.toml"), format!("title = \"{hostile}\"\ndescription = \"{hostile}\"\n{body}"))
        .expect("written");
    let unseen = ['\u{1b}', '\u{7}', '\u{202e}', '\u{200f}'];
    for format in ["table", "markdown", "json", "csv"] {
        let output = place.run(&format!("run hostile.toml --format {format}"), 0);
        for text in [output.stdout, output.stderr] {
            let text = String::from_utf8(text).expect("text");
            assert!(!text.contains(unseen), "--format {format}: {text}");
            // A backslash makes it text in Markdown.
            assert!(format != "markdown" || !text.replace("\\<", "").contains('<'), "{text}");
        }
    }
    assert_eq!(fs::read_dir(place.0.join("reports")).expect("reports").count(), 1, "one folder, named by the file");
    let files = place.files("reports/hostile");
    assert!(files.len() > 8, "{} files", files.len());
    for (name, content) in files {
        let ends = name.extension().and_then(|ends| ends.to_str()).expect("a file with an ending").to_owned();
        assert!(name.components().count() <= 2 && !name.display().to_string().contains(unseen), "{}", name.display());
        let Ok(text) = String::from_utf8(content) else { continue };
        assert!(!text.contains(unseen), "{}", name.display());
        let markup = ["html", "svg"].contains(&ends.as_str());
        assert!(!markup || !text.contains("<script>alert"), "{}", name.display());
        assert!(ends != "html" || text.contains("&lt;script&gt;alert(1)"), "it is shown all the same");
    }
}
