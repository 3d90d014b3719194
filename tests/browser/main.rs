//! The report in a browser: headless Chromium opens it on a phone and on a desk, in bright and in dark, uses it, and tells what is wrong.
//!
//! Chromium is the program in `SIMLAB_CHROMIUM`, or the first of `chromium`, `chromium-browser` and `google-chrome` on the path. Where there is
//! none, nothing is tested and a line says so.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// What looks at a page from within; it reports to the page around it.
const CHECKS: &str = include_str!("checks.js");

/// A phone and a desk.
const WIDTHS: [u64; 2] = [390, 1440];

/// Shows the page in frames of both widths and collects what the checks say.
const FRAMES: &str = "<!doctype html><title>frames</title>\
    <iframe width=\"390\" height=\"844\" src=\"page.html\"></iframe><iframe width=\"1440\" height=\"900\" src=\"page.html\"></iframe>\
    <script>addEventListener('message', event => {\
      const said = document.body.appendChild(document.createElement('pre')); said.textContent = JSON.stringify(event.data);\
    })</script>";

/// Chromium, or a line that says that there is none.
fn browser() -> Option<PathBuf> {
    if let Some(given) = std::env::var_os("SIMLAB_CHROMIUM") {
        return Some(PathBuf::from(given));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let found =
        std::env::split_paths(&path).flat_map(|folder| names.map(|name| folder.join(name))).find(|file| file.is_file());
    if found.is_none() {
        println!("skipped: no Chromium on the path; SIMLAB_CHROMIUM can name one");
    }
    found
}

/// A folder of its own for one test; removed at the end.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Place {
        let path = std::env::temp_dir().join(format!("simlab-browser-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a folder for the test");
        Place(path)
    }

    /// The page and the summary of a scenario's report.
    fn report(&self, scenario: &Path, more: &[&str]) -> (String, Value) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_simlab"));
        command.arg("run").arg(scenario).args(["--quiet", "--no-charts", "--out", "report"]).args(more);
        let output = command.current_dir(&self.0).output().expect("simlab starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let read = |name: &str| fs::read_to_string(self.0.join("report").join(name)).expect("a file of the report");
        let page = read("report.html");
        assert!(page.len() < 2_000_000, "{} bytes", page.len());
        (page, serde_json::from_str(&read("summary.json")).expect("JSON"))
    }

    /// What the checks say about a page, one answer for each width.
    fn look(&self, browser: &Path, page: &str, dark: bool) -> Vec<Value> {
        // After the page's own policy, which then holds for the checks too.
        let checked = page.replacen("<title>", &format!("<script>{CHECKS}</script><title>"), 1);
        fs::write(self.0.join("page.html"), checked).expect("written");
        fs::write(self.0.join("frames.html"), FRAMES).expect("written");
        let (dom, log) = self.dump(browser, dark);
        let said = dom.split("<pre>").skip(1).filter_map(|rest| rest.split("</pre>").next());
        let plain = |text: &str| {
            text.replace("&lt;", "<").replace("&gt;", ">").replace("&nbsp;", "\u{a0}").replace("&amp;", "&")
        };
        let mut answers: Vec<Value> = said.map(|text| serde_json::from_str(&plain(text)).expect("an answer")).collect();
        answers.sort_by_key(|answer| answer["width"].as_u64());
        let widths: Vec<u64> = answers.iter().filter_map(|answer| answer["width"].as_u64()).collect();
        assert_eq!(widths, WIDTHS, "an answer for each width; Chromium says: {log}\n{dom}");
        assert!(answers.iter().all(|answer| answer["dark"] == dark), "the colour scheme that was asked for");
        let console: Vec<&str> = log.lines().filter(|line| line.contains("CONSOLE")).collect();
        if answers.iter().all(|answer| answer["problems"] == serde_json::json!([])) {
            assert!(console.is_empty(), "{console:?}");
        }
        answers
    }

    /// The frames after everything has happened, and what Chromium had to say.
    fn dump(&self, browser: &Path, dark: bool) -> (String, String) {
        let (dom, log) = (self.0.join("dom.html"), self.0.join("log.txt"));
        let scheme = if dark { 0 } else { 1 };
        let mut child = Command::new(browser)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"])
            .args(["--disable-background-networking", "--disable-component-update", "--enable-logging=stderr"])
            .args(["--virtual-time-budget=60000", "--window-size=1500,1000", "--dump-dom"])
            .arg(format!("--blink-settings=preferredColorScheme={scheme}"))
            .arg(format!("--user-data-dir={}", self.0.join("profile").display()))
            .arg(format!("file://{}", self.0.join("frames.html").display()))
            .stdout(Stdio::from(fs::File::create(&dom).expect("a file")))
            .stderr(Stdio::from(fs::File::create(&log).expect("a file")))
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", browser.display()));
        let begin = Instant::now();
        while child.try_wait().expect("a child of this test").is_none() {
            if begin.elapsed() > Duration::from_secs(180) {
                child.kill().expect("a child of this test");
                panic!("Chromium takes too long: {}", fs::read_to_string(&log).unwrap_or_default());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let read = |path: &Path| String::from_utf8_lossy(&fs::read(path).expect("written")).into_owned();
        (read(&dom), read(&log))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Nothing is wrong on either width, and the numbers are those of the summary.
fn check(answers: &[Value], summary: &Value) {
    for answer in answers {
        assert_eq!(answer["problems"], serde_json::json!([]), "at {} pixels", answer["width"]);
        let cells = answer["cells"].as_array().expect("cells");
        let policies = summary["policies"].as_array().expect("policies");
        assert!(cells.len() >= policies.len() * 5, "{} cells", cells.len());
        for cell in cells {
            let policy =
                policies.iter().find(|policy| policy["name"] == cell["policy"]).expect("a policy of the summary");
            check_cell(cell, policy);
        }
    }
}

/// A number of the table is the summary's, both as it is sorted and, rounded, as it is shown.
fn check_cell(cell: &Value, policy: &Value) {
    let mean = |name: &str| policy["metrics"][name]["mean"].as_f64();
    let head = cell["head"].as_str().expect("a head");
    let (expected, factor) = match head {
        "Succeeded" => (mean("success_rate"), 100.0),
        "Attempts" => (mean("attempts_per_operation"), 1.0),
        "Peak load" => (mean("peak_of_demand"), 1.0),
        "Duplicates" => (mean("duplicate_rate"), 10_000.0),
        "Phantom" => (mean("phantom_rate"), 10_000.0),
        "Gone wrong" => (mean("gone_wrong_rate"), 10_000.0),
        "p50" | "p99" => {
            let millis = cell["unit"].as_str().is_some_and(|unit| unit.starts_with("ms"));
            (mean(&format!("latency_all_{head}")), if millis { 1_000.0 } else { 1.0 })
        }
        "In time" => (mean("in_time_rate"), 100.0),
        "Recovered" => (recovered_runs(policy), 1.0),
        versus if versus.starts_with("vs ") => (policy["versus_baseline"]["success_rate"]["mean"].as_f64(), 100.0),
        other => panic!("a column this test does not know: {other}"),
    };
    let (Some(expected), Some(shown)) = (expected, cell["shown"].as_str()) else { return };
    let number: String = shown.replace('−', "-").chars().filter(|c| c.is_ascii_digit() || ".-<".contains(*c)).collect();
    if head == "Recovered" {
        assert!(shown.starts_with(&format!("{expected} of ")), "{cell}");
        return;
    }
    let value: f64 = cell["value"].as_str().and_then(|value| value.parse().ok()).expect("a number to sort by");
    assert!((value - expected).abs() <= expected.abs() * 1e-8, "sorted by {value}, not {expected}: {cell}");
    if let Some(bound) = number.strip_prefix('<') {
        assert!(expected * factor < bound.parse().expect("a number"), "{cell}");
        return;
    }
    let decimals = number.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let half = 0.5 * 0.1_f64.powi(decimals as i32) + 1e-6;
    let shown: f64 = number.parse().expect("a number");
    assert!((shown - expected * factor).abs() <= half, "shows {shown}, not {}: {cell}", expected * factor);
}

fn recovered_runs(policy: &Value) -> Option<f64> {
    let times = policy["metrics"]["recovery"]["values"].as_array()?;
    Some(times.iter().filter(|time| !time.is_null()).count() as f64)
}

/// A short run with everything that a small one has, and a title that would like to be more than text.
const SMALL: &str = r#"
title = "</title><script>document.title='owned'</script><img src=x onerror=alert(1)>"
description = "\"><svg onload=alert(2)> & so on"
seed = 3
duration = "4m"
replications = 4

[load]
clients = 4
arrivals.poisson = { rate = "10/s" }

[server.payments]
workers = 2
queue = 40
service_time.exponential = { mean = "100ms" }
lost_replies = "2%"

[fault.outage]
from = "1m"
for = "40s"
errors = { 503 = "70%" }

[policy.no-retry]
timeout = "1s"

[policy.immediate]
attempts = 6
timeout = "1s"

[policy.breaker]
attempts = 3
timeout = "1s"
backoff.full-jitter = { base = "200ms", cap = "5s" }
breaker.consecutive = { failures = 3, open = "10s" }

[policy.a-name-that-is-as-long-as-names-of-real-services-are]
attempts = 4
timeout = "1s"
backoff.exponential = { base = "500ms", factor = 2.0, cap = "5s" }
key = "per-operation"
"#;

#[test]
fn a_small_report_works_on_phone_and_desk_in_bright_and_in_dark() {
    let Some(browser) = browser() else { return };
    let place = Place::new("small");
    fs::write(place.0.join("small.toml"), SMALL).expect("written");
    let (page, summary) = place.report(Path::new("small.toml"), &[]);
    for dark in [false, true] {
        check(&place.look(&browser, &page, dark), &summary);
    }
    // One replication has no intervals, one policy nothing to be compared with.
    for more in [&["--replications", "1"][..], &["--policy", "no-retry"][..]] {
        let (page, summary) = place.report(Path::new("small.toml"), more);
        check(&place.look(&browser, &page, false), &summary);
    }
}

#[test]
fn the_report_of_the_main_job_works_on_phone_and_desk() {
    let Some(browser) = browser() else { return };
    let place = Place::new("main");
    let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/stripe-outage.toml");
    let (page, summary) = place.report(&scenario, &[]);
    check(&place.look(&browser, &page, false), &summary);
}

/// Many policies: everything has to find its room.
#[test]
fn a_report_of_many_policies_works_on_phone_and_desk() {
    let Some(browser) = browser() else { return };
    let place = Place::new("many");
    let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/sdk-shootout.toml");
    let (page, summary) = place.report(&scenario, &["--replications", "5"]);
    check(&place.look(&browser, &page, true), &summary);
}

/// The checks see what they are there for: a page with every mistake has every complaint.
#[test]
fn a_broken_page_is_called_broken() {
    let Some(browser) = browser() else { return };
    let place = Place::new("broken");
    fs::write(place.0.join("small.toml"), SMALL).expect("written");
    let (page, _) = place.report(Path::new("small.toml"), &["--replications", "2"]);
    let mistakes = "<main><h4>skipped</h4><a href=\"#nowhere\">link</a><p id=\"table\" style=\"width:3000px;color:#aaa;background:#fff\">wide and pale</p>\
        <svg role=\"img\" aria-label=\"\" viewBox=\"0 0 100 20\" width=\"100\" height=\"20\"><text x=\"2\" y=\"12\">one text</text>\
        <text x=\"8\" y=\"14\">another</text><text x=\"90\" y=\"14\">far outside</text></svg>\
        <img src=\"https://example.invalid/x.png\"><script>console.error('said'); thrown()</script>";
    let broken = page
        .replacen("<main>", mistakes, 1)
        .replacen("hiding.textContent =", "hiding.title =", 1)
        .replacen("sort(compare)", "sort()", 1)
        .replacen("event.shiftKey ? minute : 1", "2", 1)
        .replacen("details.open = true", "0", 1)
        .replacen(".swipe{display:inline}", "", 1)
        .replacen(".cmp{width:1080px}", ".cmp{width:3000px}", 1);
    for answer in place.look(&browser, &broken, false) {
        let problems: Vec<&str> =
            answer["problems"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
        for kind in [
            "headings",
            "links",
            "ids",
            "names",
            "overflow",
            "columns",
            "paper",
            "contrast",
            "overlap",
            "outside",
            "request",
            "console",
            "script",
            "chips",
            "sort",
            "cross-hair",
            "print",
        ] {
            assert!(
                problems.iter().any(|problem| problem.starts_with(kind)),
                "no complaint about {kind}: {problems:#?}"
            );
        }
    }
}
