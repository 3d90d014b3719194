//! Streams that fail, interrupts, names that hide something, and inputs without measure.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::Place;

/// Whatever becomes of stderr, the exit code is what it would have been. A stdout that cannot be written is an error of its own.
#[cfg(target_os = "linux")]
#[test]
fn a_full_stderr_changes_no_exit_code() {
    let place = Place::new("full");
    fs::write(place.0.join("broken.toml"), "duration = 3").expect("written");
    let full = || fs::OpenOptions::new().write(true).open("/dev/full").expect("a full device");
    for (line, code) in [
        ("run shop.toml --set server.payments.workers=99 --replications 2 --no-charts", 0),
        ("run shop.toml --replications 2 --format json --no-charts", 0),
        ("check shop.toml", 0),
        ("check broken.toml", 3),
        ("run broken.toml", 3),
        ("run shop.toml --policy nope", 2),
        ("run shop.toml --set x", 2),
        ("run shop.toml --no-such-option", 2),
        ("policies nope", 2),
        ("run missing.toml", 4),
        ("run shop.toml --memory 1", 3),
    ] {
        let status = place.command(line).stdout(Stdio::null()).stderr(full()).status().expect("simlab starts");
        assert_eq!(status.code(), Some(code), "simlab {line} 2>/dev/full");
        // Nobody reads any more.
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let status = place.command(line).stdout(Stdio::null()).stderr(writer).status().expect("simlab starts");
        assert_eq!(status.code(), Some(code), "simlab {line} 2>&1 | true");
    }
    for line in [
        "run shop.toml --replications 2 --no-charts --out full",
        "show shop.toml",
        "policies",
        "--help",
        "--version",
        "schema",
    ] {
        let output = place.command(line).stdout(full()).output().expect("simlab starts");
        assert_eq!(output.status.code(), Some(4), "simlab {line} >/dev/full");
        assert!(String::from_utf8_lossy(&output.stderr).contains("stdout"), "simlab {line} >/dev/full");
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let status = place.command(line).stdout(writer).status().expect("simlab starts");
        assert_eq!(status.code(), Some(0), "simlab {line} | true");
    }
    assert!(place.0.join("full/report.html").is_file(), "the report was there before the table");
}

/// An interrupt is heard where nothing looks for it: in a read that blocks, and in one long sentence of a long file.
#[cfg(unix)]
#[test]
fn interrupts_are_heard_everywhere() {
    let place = Place::new("heard");
    let fifo = Command::new("mkfifo").arg(place.0.join("never.toml")).status().expect("mkfifo runs");
    assert!(fifo.success());
    for line in ["check never.toml", "run never.toml", "show never.toml"] {
        let child = place.command(line).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("simlab starts");
        std::thread::sleep(Duration::from_millis(300));
        let sent = Instant::now();
        assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill runs").success());
        let output = child.wait_with_output().expect("simlab ends");
        assert_eq!(output.status.code(), Some(130), "simlab {line}");
        assert_eq!(output.stderr, b"interrupted\n", "simlab {line}");
        assert!(sent.elapsed() < Duration::from_secs(5), "simlab {line}: {:?}", sent.elapsed());
    }
}

/// Names of files, and what is in them, steer no terminal and hide nothing.
#[cfg(unix)]
#[test]
fn names_that_hide_something() {
    let place = Place::new("hide");
    let name = "a\u{1b}[31m\n\u{202e}b\u{200b}\u{9b}'c.toml";
    fs::copy(place.0.join("shop.toml"), place.0.join(name)).expect("copied");
    fs::write(place.0.join(format!("bad{name}")), "duration = 3 # \u{200b}\u{202e}\u{feff}").expect("written");
    let shop = fs::read_to_string(place.0.join("shop.toml")).expect("the scenario");
    let description = "description = \"a\u{200b}\u{202e}b\u{fffe}\u{1d173}\u{e0041}\"\n";
    fs::write(place.0.join("within.toml"), description.to_owned() + &shop).expect("written");
    let unseen = ['\u{1b}', '\u{202e}', '\u{200b}', '\u{9b}', '\u{feff}', '\u{fffe}', '\u{1d173}', '\u{e0041}'];
    let missing = format!("missing{name}");
    let bad = format!("bad{name}");
    let lines: [(&[&str], i32); 14] = [
        (&["check", name], 0),
        (&["check", "--strict", name], 0),
        (&["check", &bad], 3),
        (&["check", &missing], 4),
        (&["run", name, "--replications", "2", "--no-charts"], 0),
        (&["run", name, "--replications", "2", "--no-charts", "--format", "json", "--out", "a\u{202e}\nb"], 0),
        (&["run", "shop.toml", "--policy", name], 2),
        (&["run", "shop.toml", "--set", name], 2),
        (&["run", "shop.toml", "--seed", name], 2),
        (&["run", name, &format!("./{name}")], 2),
        (&["show", "within.toml"], 0),
        (&["run", "within.toml", "--format", "json", "--replications", "2", "--no-charts"], 0),
        (&["policies", name], 2),
        (&["bench", name, "--runs", "1"], 0),
    ];
    for (arguments, code) in lines {
        let output = place.command("").args(arguments).output().expect("simlab starts");
        let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
        assert!(!text.contains(unseen), "{arguments:?}: {text:?}");
        assert!(!text.contains("[31m\n"), "{arguments:?}: a line ends within a name: {text}");
    }
    // What is written out means the same.
    let shown = place.run("show within.toml", 0).stdout;
    fs::write(place.0.join("again.toml"), &shown).expect("written");
    let describe = |file: &str| {
        let summary = place.run(&format!("run {file} --format json --replications 2 --no-charts --out {file}.out"), 0);
        let summary: serde_json::Value = serde_json::from_slice(&summary.stdout).expect("JSON");
        summary["scenario"]["description"].as_str().map(str::to_owned)
    };
    assert_eq!(describe("again.toml").as_deref(), Some("a\u{200b}\u{202e}b\u{fffe}\u{1d173}\u{e0041}"));
}

/// The command on the page gives the same report in a shell, whatever the file is called and whatever was set.
#[cfg(unix)]
#[test]
fn the_command_on_the_page_can_be_repeated() {
    let place = Place::new("repeat");
    let title = "title=it's \"$HOME\" `x` \\ & <b>  two";
    for name in ["two words.toml", "it's $(here).toml", "-q.toml", "a\u{1b}\u{202e}  b.toml", "plain.scenario"] {
        fs::copy(place.0.join("shop.toml"), place.0.join(name)).expect("copied");
        let run = |out: &str| {
            let file = format!("./{name}");
            let mut command = place.command("run");
            command.args([&file, "--set", title, "--replications", "2", "--policy", "full-jitter", "--out", out]);
            let output = command.arg("--no-charts").output().expect("simlab starts");
            assert_eq!(output.status.code(), Some(0), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        };
        run("first");
        let page = fs::read_to_string(place.0.join("first/report.html")).expect("the page");
        let (_, command) = page.split_once("<h2>How to repeat this</h2>").expect("how to repeat it");
        let (command, _) =
            command.split_once("<code>").and_then(|(_, rest)| rest.split_once("</code>")).expect("a command");
        let command =
            ["&lt;<", "&gt;>", "&quot;\"", "&#39;'", "&amp;&"].iter().fold(command.to_owned(), |text, pair| {
                let (escaped, plain) = pair.split_at(pair.len() - 1);
                text.replace(escaped, plain)
            });
        let simlab = env!("CARGO_BIN_EXE_simlab");
        let folder = std::path::Path::new(simlab).parent().expect("a folder").display().to_string();
        let path = format!("{folder}:{}", std::env::var("PATH").unwrap_or_default());
        let again = Command::new("bash")
            .args(["-c", &format!("{command} --no-charts --out again")])
            .current_dir(&place.0)
            .env("PATH", path)
            .output()
            .expect("bash runs");
        assert_eq!(again.status.code(), Some(0), "{command}: {}", String::from_utf8_lossy(&again.stderr));
        assert!(place.files("first") == place.files("again"), "{command}: another report");
    }
}

/// Every picture and page is well-formed, whatever the title: XML knows no control characters and no U+FFFE or U+FFFF.
#[test]
fn every_title_can_be_drawn() {
    let place = Place::new("xml");
    let shop = fs::read_to_string(place.0.join("shop.toml")).expect("the scenario");
    let body = shop.split_once('\n').map_or("", |(_, rest)| rest);
    let odd = r"\u0001\u001f\u007f\u0085\u009f\uFDD0\uFFFE\uFFFF\U0001FFFE\U0010FFFF]]>&<!--\u2028\uFFFC";
    fs::write(place.0.join("odd.toml"), format!("title = \"a {odd} z\"\ndescription = \"{odd}\"\n{body}"))
        .expect("written");
    place.run("run odd.toml --replications 2", 0);
    let mut pictures = 0;
    for (name, content) in place.files("reports/odd") {
        let Ok(text) = String::from_utf8(content) else { continue };
        pictures += usize::from(name.extension().is_some_and(|ends| ends == "svg"));
        let wrong = |c: &char| {
            c.is_control() && *c != '\n'
                || matches!(*c as u32 & 0xffff, 0xfffe | 0xffff)
                || matches!(*c as u32, 0xfdd0..=0xfdef)
        };
        assert_eq!(text.chars().find(wrong), None, "{}", name.display());
    }
    assert!(pictures > 2, "{pictures} pictures");
}

/// Errors are explained in a time that grows with the file, the first of them in full.
#[test]
fn many_errors_are_counted() {
    let place = Place::new("many");
    let check = |name: &str, text: String| {
        fs::write(place.0.join(name), text).expect("written");
        let begun = Instant::now();
        let output = place.run(&format!("check {name}"), 3);
        assert!(begun.elapsed() < Duration::from_secs(20), "{name}: {:?}", begun.elapsed());
        let text = String::from_utf8(output.stderr).expect("text");
        assert!(text.len() < 50_000, "{name}: {} bytes", text.len());
        text
    };
    let text = check("lines.toml", "wrong line\n".repeat(40_000));
    assert_eq!(text.matches("error[").count(), 20, "{text}");
    assert!(text.contains("\nand 39,980 more errors\n"), "{text}");
    assert!(text.ends_with("error: 40000 errors in lines.toml; nothing was run\n"), "{text}");
    let shop = fs::read_to_string(place.0.join("shop.toml")).expect("the scenario");
    let tables = |kind: &str, count: usize, body: &str| {
        let table = |n| format!("\n[{kind}.{kind}{n}]\n{body}");
        shop.clone() + &(0..count).map(table).collect::<String>()
    };
    let overlapping = "server = \"payments\"\nfrom = \"1m\"\nuntil = \"2m\"\nrefused = 0.5\n";
    assert!(check("faults.toml", tables("fault", 10_000, overlapping)).contains("there can be at most 1000"));
    assert!(check("policies.toml", tables("policy", 10_000, "atempts = 3\n")).contains("there can be at most 200"));
    assert!(check("servers.toml", tables("server", 40_000, "")).contains("there can be at most 100"));
    let expectation = "\n[[expect]]\npolicy = \"x\"\nmetric = \"y\"\n";
    assert!(check("expect.toml", shop.clone() + &expectation.repeat(40_000)).contains("there can be at most 1000"));
    check("fewer-faults.toml", tables("fault", 900, overlapping));
    check("fewer-policies.toml", tables("policy", 190, "atempts = 3\n"));
    check("fewer-expectations.toml", shop.clone() + &expectation.repeat(1_000));
    check("long.toml", format!("duration = \"{}\"", "1".repeat(8_000_000)));
    check("long-key.toml", format!("{} = 1", "k".repeat(8_000_000)));
    check("long-name.toml", format!("{shop}\n[policy.{}]\n", "k".repeat(8_000_000)));
    check("long-path.toml", format!("{} = 1", ["k"; 1_000_000].join(".")));
    check("long-table.toml", format!("[{}]", ["k"; 1_000_000].join(".")));
    check("wide.toml", format!("{shop}\nx = [{}]", "1, ".repeat(1_000_000)));
    check("keys.toml", format!("{shop}\n[x]\n{}", (0..200_000).map(|n| format!("k{n} = 1\n")).collect::<String>()));
}

/// An assignment says where it is wrong, in few words, however much was assigned and however often.
#[test]
fn assignments_are_shown_in_part() {
    let place = Place::new("assign");
    let long = "9".repeat(100_000);
    for (set, code) in [
        (format!("duration={long}"), 3),
        (format!("title=\"{long}\""), 3),
        (format!("{long}=1"), 3),
        (long.clone(), 2),
        (format!("policy.{long}.attempts=1"), 2),
        (format!("policy.full-jitter.backoff={long}"), 3),
        (format!("policy.full-jitter.retry_on=[\"{long}\"]"), 3),
        (format!("load.arrivals.trace.file=\"{long}\""), 3),
        (format!("policy.full-jitter.should_retry=\"{long}\""), 3),
        (format!("server.payments.errors={{ {long} = 1 }}"), 3),
    ] {
        let output = place.command("run shop.toml --set").arg(&set).output().expect("simlab starts");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{}: {stderr}", &set[..20]);
        assert!(stderr.len() < 3_000, "{}: {} bytes", &set[..20], stderr.len());
    }
    // Each has its place behind all others: that takes memory for each of them only.
    let mut big = fs::read(place.0.join("shop.toml")).expect("the scenario");
    big.extend(b"#".repeat(8 << 20));
    fs::File::create(place.0.join("big.toml")).and_then(|mut file| file.write_all(&big)).expect("written");
    let mut command = place.command("run big.toml --replications 2 --no-charts");
    for _ in 0..1_000 {
        command.args(["--set", "policy.full-jitter.attempts=3"]);
    }
    command.args(["--set", "policy.full-jitter.attempts=0"]);
    let output = command.output().expect("simlab starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains("--set:1:31") && stderr.contains("at least 1"), "{stderr}");
}
