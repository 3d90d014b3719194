//! Help is whole and fits, whatever the width of the terminal.

use std::process::Command;

const COMMANDS: [&str; 11] =
    ["", "run", "trace", "serve", "check", "show", "policies", "new", "schema", "bench", "completions"];

fn help(command: &str, option: &str, columns: usize) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_simlab"))
        .args(command.split_whitespace().chain([option]))
        .env("COLUMNS", columns.to_string())
        .output()
        .expect("simlab starts");
    assert_eq!(output.status.code(), Some(0), "simlab {command} {option}");
    String::from_utf8(output.stdout).expect("text")
}

/// The words of a text, whatever lines they stand on.
fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

#[test]
fn help_fits_every_width() {
    for command in COMMANDS {
        for option in ["-h", "--help"] {
            let widest = help(command, option, 500);
            for columns in [60, 80, 120] {
                let text = help(command, option, columns);
                assert_eq!(words(&text), words(&widest), "simlab {command} {option} loses words at {columns} columns");
                for line in text.lines() {
                    let length = line.chars().count();
                    assert!(length <= columns, "simlab {command} {option}, {columns} columns: {length} in\n{line}");
                }
            }
        }
    }
}

/// Each argument, option and command has a sentence, and the list of commands above is complete.
#[test]
fn help_leaves_nothing_out() {
    let all = help("", "--help", 120);
    let listed =
        all.split("Commands:\n").nth(1).and_then(|rest| rest.split("\n\n").next()).expect("a list of commands");
    let names: Vec<&str> = listed.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names, [&COMMANDS[1..], &["help"]].concat());
    for command in COMMANDS {
        // So wide that a sentence stands on the line of its option.
        let text = help(command, "-h", 500);
        for line in text.lines().filter(|line| line.starts_with("  ") && !line.trim_start().starts_with("simlab ")) {
            let (name, sentence) = line.trim_start().split_once("  ").unwrap_or((line, ""));
            assert!(!sentence.trim().is_empty(), "simlab {command} -h says nothing of {name}");
        }
    }
}

/// Without sockets `serve` says how to get them, whatever it is asked.
#[cfg(not(feature = "live"))]
#[test]
fn how_to_get_sockets() {
    let output =
        std::process::Command::new(env!("CARGO_BIN_EXE_simlab")).args(["serve", "any.toml"]).output().expect("it runs");
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(said, "error: this simlab was built without sockets\nhelp: cargo install simlab --features live\n");
}
