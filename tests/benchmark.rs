//! The benchmark of `simlab bench`: its scenarios say what they are to say, and the command knows them. None of them is run to its end
//! here: each has twenty million events.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use simlab::experiment;
use simlab::scenario::file::{self, Loaded, Overrides};

const FAMILIES: [&str; 5] = ["closed-loop", "timeouts", "herd-instant", "herd-microsecond", "every-gate"];
const SIZES: [(&str, u64); 4] = [("1k", 1_000), ("10k", 10_000), ("100k", 100_000), ("1m", 1_000_000)];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/bench")
}

fn load(path: &Path) -> Loaded {
    file::load(path, &Overrides::default()).unwrap_or_else(|error| panic!("{}", error.render(false)))
}

/// What every policy of a family has, and what it adds to it, as `show` prints it.
fn policy(family: &str, clients: u64) -> Value {
    let full_jitter = json!({ "full-jitter": { "base": "100ms", "factor": 2.0, "cap": "10s" } });
    let mut keys = json!({ "attempts": 4, "timeout": "none", "key": "none", "backoff": full_jitter });
    match family {
        "closed-loop" => {}
        "timeouts" => keys["timeout"] = json!("30ms"),
        "herd-instant" => keys["backoff"] = json!({ "fixed": { "delay": "1s" } }),
        "herd-microsecond" => keys["backoff"]["full-jitter"] = json!({ "base": "1us", "factor": 2.0, "cap": "1us" }),
        _ => {
            keys["timeout"] = json!("30ms");
            keys["key"] = json!("per-operation");
            keys["breaker"]["rate"]["calls"] = json!(clients / 5);
            keys["breaker"]["rate"]["scope"] = json!("fleet");
            keys["budget"]["tokens"]["scope"] = json!("client");
        }
    }
    keys
}

/// True if `found` has all that `expected` has.
fn holds(found: &Value, expected: &Value) -> bool {
    match expected {
        Value::Object(keys) => keys.iter().all(|(key, value)| holds(&found[key], value)),
        other => found == other,
    }
}

#[test]
fn the_scenarios_say_what_the_table_says() {
    for (family, (size, clients)) in FAMILIES.iter().flat_map(|family| SIZES.map(|size| (*family, size))) {
        let name = format!("{family}-{size}");
        let path = folder().join(format!("{name}.toml"));
        let loaded = load(&path);
        let found = &loaded.resolved_json;
        let (think, service) = match family {
            "herd-instant" | "herd-microsecond" => (json!({ "constant": "1s" }), json!({ "constant": "1s" })),
            _ => (json!({ "exponential": { "mean": "1s" } }), json!({ "exponential": { "mean": "12ms" } })),
        };
        let mut expected = json!({
            "seed": 1,
            "replications": 1,
            "load": { "clients": clients, "arrivals": { "closed": { "think": think } } },
            "server": { "api": { "workers": clients / 100, "queue": clients / 100, "service_time": service } },
        });
        if family == "every-gate" {
            let (rate, burst) = (format!("{}/s", clients * 11 / 10), clients as f64 / 20.0);
            expected["server"]["api"]["rate_limit"] = json!({ "rate": rate, "burst": burst });
            expected["server"]["api"]["idempotency"]["lock"] = json!({});
        }
        assert!(holds(found, &expected), "{name} is {found:#}, not {expected:#}");
        let policies: Vec<&Value> = found["policy"].as_object().expect("policies").values().collect();
        assert_eq!(policies.len(), 1, "{name} compares nothing");
        let expected = policy(family, clients);
        assert!(holds(policies[0], &expected), "{name} has the policy {:#}, not {expected:#}", policies[0]);
        // It opens with its question, and says where its numbers come from.
        let text = fs::read_to_string(&path).expect("a readable file");
        let opening: Vec<&str> = text.lines().take_while(|line| line.starts_with('#')).collect();
        let question = opening.split(|line| *line == "#").next().expect("a first paragraph").join(" ");
        assert!(question.ends_with('?'), "{name} opens with: {question}");
        assert!(opening.contains(&"# Where the numbers come from"), "{name} does not say where its numbers come from");
        assert!(opening.iter().all(|line| line.chars().count() <= 120), "{name} has lines that are too long");
    }
}

fn simlab(line: &str, folder: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_simlab"));
    command.args(line.split_whitespace()).current_dir(folder).output().expect("simlab starts")
}

/// All files are in the program under their names, and valid there: with so little memory each is refused before it runs.
#[test]
fn the_program_has_all_of_them() {
    let files: BTreeSet<String> = fs::read_dir(folder())
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path().file_stem().expect("a name").to_string_lossy().into_owned())
        .collect();
    let names: BTreeSet<String> =
        FAMILIES.iter().flat_map(|family| SIZES.map(|(size, _)| format!("{family}-{size}"))).collect();
    assert_eq!(files, names);
    let elsewhere = std::env::temp_dir();
    for name in &names {
        let output = simlab(&format!("bench {name} --memory 1"), &elsewhere);
        let stderr = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(3), "{name}: {stderr}");
        assert!(stderr.starts_with(&format!("error: {name}: its state needs about ")), "{stderr}");
    }
    // Without names, the same in their order.
    let stderr = simlab("bench --memory 1", &elsewhere).stderr;
    assert!(String::from_utf8(stderr).expect("text").starts_with("error: closed-loop-1k: "));
    assert_eq!(simlab("bench closed-loop-2k", &elsewhere).status.code(), Some(4));
}

/// What is measured, for programs: every policy, and these names only.
#[test]
fn measures_every_policy() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/bench.in");
    let output = simlab("bench shop.toml --runs 2 --format json", &folder);
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let list: Vec<Value> = serde_json::from_slice(&output.stdout).expect("a list");
    let policies: Vec<&Value> = list.iter().map(|entry| &entry["policy"]).collect();
    assert_eq!(policies, ["no-retry", "immediate", "full-jitter"]);
    for entry in &list {
        let keys: Vec<&str> = entry.as_object().expect("a table").keys().map(String::as_str).collect();
        let expected = [
            "scenario",
            "policy",
            "model_events",
            "attempts",
            "wall_seconds",
            "ns_per_model_event",
            "bytes_per_client",
        ];
        assert_eq!(keys, expected);
        let number = |key: &str| entry[key].as_f64().unwrap_or_else(|| panic!("{key} is no number: {entry}"));
        assert_eq!(entry["scenario"], "shop");
        assert!(number("model_events") > number("attempts") && number("attempts") > 1_000.0, "{entry}");
        let nanos = number("wall_seconds") * 1e9 / number("model_events");
        assert!((number("ns_per_model_event") / nanos - 1.0).abs() < 1e-6, "{entry}");
        assert!(number("bytes_per_client") > 0.0, "{entry}");
    }
}

/// An interrupt ends a run that would go on for long, with its own exit code and without half a list.
#[cfg(unix)]
#[test]
fn an_interrupt_ends_it() {
    let child = Command::new(env!("CARGO_BIN_EXE_simlab"))
        .args(["bench", "herd-instant-1k", "--runs", "1000", "--format", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("simlab starts");
    std::thread::sleep(std::time::Duration::from_millis(500));
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill runs");
    assert!(killed.success());
    let output = child.wait_with_output().expect("simlab ends");
    assert_eq!(output.status.code(), Some(130));
    assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(output.stderr, b"interrupted\n");
}

/// Ten million clients in a closed loop fit into 4 GB and not into 100 MB, and both is known before anything is set up.
#[test]
fn ten_million_clients() {
    let path = folder().join("closed-loop-1m.toml");
    let text = fs::read_to_string(&path).expect("a readable file");
    let text = text.replace("= 1000000\n", "= 10000000\n").replace("= 10000\n", "= 100000\n");
    let place = std::env::temp_dir().join(format!("simlab-ten-million-{}", std::process::id()));
    fs::create_dir_all(&place).expect("a folder for the test");
    // Nobody has thought within a nanosecond: that it is accepted can be seen without running it.
    let duration = text.lines().find(|line| line.starts_with("duration")).expect("a duration");
    fs::write(place.join("short.toml"), text.replace(duration, "duration = \"1us\"")).expect("written");
    fs::write(place.join("ten.toml"), &text).expect("written");
    let scenario = load(&place.join("ten.toml")).scenario;
    assert_eq!((scenario.world.clients, scenario.world.servers[0].workers), (10_000_000, Some(100_000)));
    let need = experiment::memory_needed(&scenario, &[0], 1);
    assert!(need.at_once == 1 && need.bytes > 100_000_000 && need.bytes < 4_000_000_000, "{need:?}");
    for command in ["run", "bench"] {
        let run = |line: &str| {
            let output = simlab(&format!("{command} {line} --quiet"), &place);
            (output.status.code(), String::from_utf8(output.stderr).expect("text"))
        };
        let (code, stderr) = run("ten.toml --memory 100MB");
        assert_eq!(code, Some(3), "{stderr}");
        let told = stderr.contains("ten: its state needs about ")
            && stderr.contains("there are 100.0 MB for it; nothing was run");
        assert!(told && stderr.contains("--memory"), "{stderr}");
        assert_eq!(run("short.toml --memory 4GB"), (Some(0), String::new()), "{command}");
    }
    fs::remove_dir_all(place).expect("removed");
}
