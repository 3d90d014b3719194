//! `simlab serve` on the command line: what it says first, and how it ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

const FILE: &str = "scenarios/retry-everything.toml";

fn serve(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_simlab"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).arg("serve").args(arguments).stdin(Stdio::null());
    command
}

/// The addresses are the first lines, a client can ask there at once, and each request is a line of the log.
#[test]
fn first_lines() {
    let mut child = serve(&[FILE, "--log", "-"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it runs");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
    let first = lines.next().expect("a line");
    let (name, url) = first.split_once(' ').expect("a name and a URL");
    assert!(!name.is_empty());
    let address = url.strip_prefix("http://127.0.0.1:").map(|port| format!("127.0.0.1:{port}")).expect("a port");
    let said: Vec<String> = lines.by_ref().take_while(|line| line != "ready").collect();
    assert!(said.contains(&format!("export OPENAI_BASE_URL=http://{address}/v1")), "{said:?}");
    let mut stream = TcpStream::connect(&address).expect("it listens");
    let request =
        "GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nSimlab-Operation: 4\r\nSimlab-Attempt: 1\r\n\r\n";
    stream.write_all(request.as_bytes()).expect("it is sent");
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    let log = lines.next().expect("a line of the log");
    assert!(log.contains("\"operation\":\"4\"") && log.contains("\"attempt\":1"), "{log}");
    child.kill().expect("it is there");
    child.wait().expect("it ends");
}

/// It ends as its command does, which finds the addresses in its environment.
#[cfg(unix)]
#[test]
fn it_ends_with_its_command() {
    let ends = |script: &str| {
        let output = serve(&[FILE, "--", "sh", "-c", script]).output().expect("it runs");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (code, text) = ends("echo at $SIMLAB_URL; echo $AWS_ENDPOINT_URL; exit 7");
    assert_eq!(code, Some(7));
    let url = text.lines().next().and_then(|line| line.split_once(' ')).map(|(_, url)| url.to_owned()).expect("a URL");
    assert!(text.contains(&format!("at {url}\n{url}\n")), "{text}");
    assert_eq!(ends("exit 0").0, Some(0));
    assert_eq!(ends("kill -TERM $$").0, Some(128 + 15));
    let missing = serve(&[FILE, "--", "no-such-command"]).output().expect("it runs");
    assert_eq!(missing.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("cannot run `no-such-command`"));
}

/// An interrupt ends the command too.
#[cfg(target_os = "linux")]
#[test]
fn an_interrupt_ends_both() {
    let script = ["--", "sh", "-c", "echo pid $$; exec sleep 600"];
    let mut child =
        serve(&[&[FILE], &script[..]].concat()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it runs");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
    let pid = lines.find_map(|line| line.strip_prefix("pid ").map(str::to_owned)).expect("the command says who it is");
    let process = std::path::Path::new("/proc").join(pid);
    assert!(process.exists());
    let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill runs");
    assert!(killed.success());
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    assert!(!process.exists(), "the command is gone");
}

/// What cannot be served is said before anything is begun.
#[test]
fn what_is_refused() {
    let refused = |arguments: &[&str]| {
        let output = serve(arguments).output().expect("it runs");
        assert!(output.stdout.is_empty());
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = refused(&["scenarios/retry-pyramid.toml"]);
    assert_eq!(code, Some(3));
    assert!(said.contains("scenarios/retry-pyramid.toml: not served yet: "), "{said}");
    assert_eq!(refused(&["scenarios/no-such.toml"]).0, Some(4));
    assert_eq!(refused(&[FILE, "--listen", "localhost"]).0, Some(2));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = taken.local_addr().expect("an address").to_string();
    let (code, said) = refused(&[FILE, "--listen", &at]);
    assert_eq!(code, Some(4));
    assert!(said.contains(&format!("cannot listen at {at}")), "{said}");
}
