//! What the README shows is what happens: its sessions are run one after another, in one folder that has the scenarios.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::Place;

/// `UPDATE_SNAPSHOTS=1 cargo test --test cli readme` writes the sessions anew.
///
/// Of a `console` block, lines after `$ ` are commands for sh, and the others what they print. A command ends with 0 unless `echo $?` says
/// otherwise after it. A block of ```` ```toml NAME ```` is added to the file NAME.
#[test]
fn readme() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let place = Place::new("readme");
    fs::create_dir(place.0.join("scenarios")).expect("a folder");
    for entry in fs::read_dir(root.join("scenarios")).expect("scenarios") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            fs::copy(&path, place.0.join("scenarios").join(path.file_name().expect("a name"))).expect("copied");
        }
    }
    let readme = fs::read_to_string(root.join("README.md")).expect("a README");
    let (mut expected, mut commands) = (String::new(), 0);
    let mut lines = readme.lines();
    while let Some(line) = lines.next() {
        let _ = writeln!(expected, "{line}");
        let Some(info) = line.strip_prefix("```").filter(|info| !info.is_empty()) else { continue };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        if info == "console" {
            let asked: Vec<&str> = block.iter().filter_map(|line| line.strip_prefix("$ ")).collect();
            assert!(!asked.is_empty(), "a session without a command: {block:?}");
            commands += asked.len();
            expected.push_str(&session(&place, &asked));
        } else {
            if let Some(file) = info.strip_prefix("toml ") {
                let path = place.0.join(file);
                let before = fs::read_to_string(&path).unwrap_or_default();
                fs::write(&path, format!("{before}\n{}\n", block.join("\n"))).expect("written");
            }
            block.iter().for_each(|line| expected.push_str(&format!("{line}\n")));
        }
        expected.push_str("```\n");
    }
    assert!(commands >= 5, "{commands} commands were found");
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::write(root.join("README.md"), &expected).expect("the README is written");
    }
    let found = fs::read_to_string(root.join("README.md")).expect("a README");
    assert!(found == expected, "the README's sessions are not what happens; it should be\n{expected}");
}

/// Commands with what they print, on stdout and then on stderr.
fn session(place: &Place, commands: &[&str]) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_simlab")).parent().expect("a folder");
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default());
    let mut text = String::new();
    let mut code = 0;
    for command in commands {
        let asks = *command == "echo $?";
        assert!(code == 0 || asks, "exit code {code}, and nothing says so before: {command}\n{text}");
        let output = Command::new("sh")
            .args(["-c", &format!("(exit {code}); {command}")])
            .current_dir(&place.0)
            .env("PATH", &path)
            .env("LC_ALL", "C.UTF-8")
            .output()
            .expect("there is a shell");
        code = output.status.code().expect("it ends by itself");
        let printed = [output.stdout, output.stderr].concat();
        let _ = writeln!(text, "$ {command}");
        for line in String::from_utf8(printed).expect("text").trim_end().lines() {
            let _ = writeln!(text, "{}", line.trim_end());
        }
    }
    assert_eq!(code, 0, "an exit code that nothing tells:\n{text}");
    text
}
