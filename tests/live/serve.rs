//! Servers on real sockets: what a client meets of every fate, what it is told, and whose draws it has.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc;
use std::thread::sleep;
use std::time::Instant;

use serde_json::Value;
use simlab::live::serve::{NotServed, Served};
use simlab::metrics::notes::{Wanted, What};
use simlab::scenario::Scenario;
use simlab::scenario::file::{self, Overrides, Source};
use simlab::sim::{self, Limits};

use super::*;

fn scenario(text: &str) -> Scenario {
    let text = format!("duration=\"10m\"\n[load]\narrivals.constant={{rate=\"10/s\"}}\n{text}\n[policy.p]\n");
    let loaded = file::parse(Source::new("served.toml", text), "served", Path::new(""), &Overrides::default());
    loaded.unwrap_or_else(|error| panic!("{}", error.render(false))).scenario
}

/// Serves these tables, and does this meanwhile with the addresses.
fn serving<T>(tables: &str, work: impl FnOnce(&[SocketAddr]) -> T) -> T {
    let served = Served::listen(scenario(tables), "127.0.0.1:0".parse().expect("an address")).expect("it listens");
    let addresses: Vec<SocketAddr> = served.addresses.iter().map(|(_, address)| *address).collect();
    served.serve_while(None, Some(|| work(&addresses))).expect("there are threads").expect("the work is done")
}

/// What a client has met.
#[derive(Debug, PartialEq, Eq)]
enum Met {
    /// A status, a header `Retry-After`, and whether it was executed.
    Reply(u16, Option<String>, bool),
    /// The connection is closed without a byte.
    Closed,
    Reset,
    Silence,
    Refused,
}

use Met::{Closed, Refused, Reply, Reset, Silence};

/// Sends a request and reads what comes of it, for 300 ms at most after it was sent.
fn ask(at: SocketAddr, line: &str, headers: &str) -> (Met, String) {
    let Ok(mut stream) = TcpStream::connect(at) else { return (Refused, String::new()) };
    stream.set_read_timeout(Some(MS(300))).expect("a time-out");
    let host = if headers.to_lowercase().contains("host:") { "" } else { "Host: localhost\r\n" };
    let request = format!("{line} HTTP/1.1\r\n{host}Connection: close\r\nContent-Length: 0\r\n{headers}\r\n");
    if stream.write_all(request.as_bytes()).is_err() {
        return (Reset, String::new());
    }
    let mut text = String::new();
    match stream.read_to_string(&mut text) {
        Ok(0) => return (Closed, text),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => return (Reset, text),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return (Silence, text),
        Err(error) => panic!("{error}"),
    }
    let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let hint = head.lines().find_map(|line| line.strip_prefix("retry-after: ")).map(str::to_owned);
    let told: Value = serde_json::from_str(body).unwrap_or_default();
    (Reply(status, hint, told["simlab"]["executed"] == true), body.to_owned())
}

fn post(at: SocketAddr, operation: u64, attempt: u32) -> Met {
    ask(at, "POST /charge", &format!("Simlab-Operation: {operation}\r\nSimlab-Attempt: {attempt}\r\n")).0
}

fn state(at: SocketAddr) -> Value {
    serde_json::from_str(&ask(at, "GET /__simlab/state", "").1).expect("JSON")
}

#[test]
fn every_fate() {
    let script = r#"["ok", 503, "refused", "reset", "late-reset", "lost-reply", "lost-request", 429, "hang"]"#;
    let tables = format!(
        "[server.api]\nscript={script}\nretry_after={{503=\"2s\",429=\"1500ms\"}}\nservice_time.constant=\"20ms\""
    );
    serving(&tables, |at| {
        let hint = |text: &str| Some(text.to_owned());
        let expected = [
            Reply(200, None, true),
            Reply(503, hint("2"), false),
            Reset,
            Reset,
            Closed,
            Silence,
            Silence,
            Reply(429, hint("2"), false),
            Silence,
        ];
        for (attempt, expected) in (1..).zip(expected) {
            assert_eq!(post(at[0], 7, attempt), expected, "attempt {attempt}");
        }
        let lines = ask(at[0], "GET /__simlab/requests", "").1;
        let lost =
            lines.lines().filter(|line| line.contains("\"left\"")).map(|line| line.contains("\"executed\":true"));
        assert_eq!(lost.collect::<Vec<bool>>(), [true, false, false], "the lost reply was to an execution");
        let counts = state(at[0])["servers"][0].clone();
        assert_eq!((&counts["requests"], &counts["executions"]), (&9.into(), &3.into()), "{counts}");
        assert_eq!(counts["open"], 0, "whoever has left is no more");
    });
}

/// A request has the draws of the simulator's own operation, if it says so; and of itself otherwise.
#[test]
fn whose_draws() {
    let tables = "[server.api]\nfailures={500=\"20%\"}\nerrors={503=\"30%\"}\n";
    let limits = Limits { memory: 1 << 30, interrupted: &AtomicBool::new(false) };
    let (_, account) = sim::tell(&scenario(tables), 0, 0, limits, Wanted::All).expect("the run comes to its end");
    let outcome = |number: u64| {
        let (_, told) = account.told.iter().find(|(_, told)| told.number == number).expect("there is one");
        told.notes.iter().find_map(|note| match note.what {
            What::Reads(Outcome::Status(status)) => Some(status),
            _ => None,
        })
    };
    serving(tables, |at| {
        let statuses: Vec<u16> = (0..40)
            .map(|number| match post(at[0], number, 1) {
                Reply(status, ..) => status,
                other => panic!("{other:?}"),
            })
            .collect();
        let simulated: Vec<u16> = (0..40).filter_map(outcome).collect();
        assert_eq!(statuses, simulated);
        assert!([200, 500, 503].iter().all(|status| statuses.contains(status)), "{statuses:?}");
        // Without a word of that, the k-th with one key is attempt k; after a reset it is the first again.
        let of = |key: &str| (0..6).map(|_| ask(at[0], "POST /x", &format!("Idempotency-Key: {key}\r\n")).0).collect();
        let (one, other): (Vec<Met>, Vec<Met>) = (of("a"), of("b"));
        assert_ne!(one, other);
        assert_eq!(ask(at[0], "POST /__simlab/reset", "").0, Reply(200, None, false));
        assert_eq!((of("a"), of("b")), (one, other));
    });
}

/// Who has the key of another request, has its reply.
#[test]
fn keys_are_known() {
    let tables = "[server.api]\nservice_time.constant=\"20ms\"\nidempotency.lock={}\n";
    serving(tables, |at| {
        let with_key = |key: &str| ask(at[0], "POST /charge", &format!("Idempotency-Key: {key}\r\n")).0;
        assert_eq!(
            [with_key("a"), with_key("a"), with_key("b")],
            [true, false, true].map(|executed| Reply(200, None, executed))
        );
        assert_eq!(state(at[0])["servers"][0]["executions"], 2);
    });
}

/// The same key for something else is no repeat, where the store compares.
#[test]
fn fingerprints() {
    let tables = "[server.api]\nidempotency.lock={mismatch=422}\n";
    serving(tables, |at| {
        let with_key = |path: &str| ask(at[0], &format!("POST {path}"), "Idempotency-Key: a\r\n").0;
        let of = |status, executed| Reply(status, None, executed);
        assert_eq!([with_key("/a"), with_key("/b"), with_key("/a")], [of(200, true), of(422, false), of(200, false)]);
    });
}

/// A server that is down listens to nobody, and has the same port again afterwards. Time begins with the first request, or when it is told to.
#[test]
fn down_and_up_again() {
    let tables = "[server.api]\n[fault.f]\ncrash=true\nfrom=\"300ms\"\nfor=\"500ms\"\n";
    serving(tables, |at| {
        sleep(MS(500));
        let ok = Reply(200, None, true);
        assert_eq!(post(at[0], 0, 1), ok, "no time has passed");
        sleep(MS(450));
        assert_eq!(post(at[0], 1, 1), Refused);
        sleep(MS(500));
        assert_eq!(post(at[0], 2, 1), ok);
        assert_eq!(ask(at[0], "POST /__simlab/clock", "").0, Reply(200, None, false));
        sleep(MS(450));
        assert_eq!(post(at[0], 3, 1), Refused);
    });
}

/// Servers have a port each, and requests wait for workers.
#[test]
fn workers_and_ports() {
    let tables = "[operation.step.one]\nserver=\"api\"\n[operation.step.two]\nserver=\"db\"\n[server.api]\nworkers=1\nservice_time.constant=\"100ms\"\n[server.db]\nerrors={503=\"100%\"}\n";
    serving(tables, |at| {
        assert_eq!(post(at[1], 0, 1), Reply(503, None, false));
        let (tell, told) = mpsc::channel();
        std::thread::scope(|scope| {
            for operation in 0..2 {
                let tell = tell.clone();
                scope.spawn(move || {
                    let began = Instant::now();
                    assert_eq!(post(at[0], operation, 1), Reply(200, None, true));
                    tell.send(began.elapsed())
                });
            }
        });
        let mut took: Vec<Duration> = told.try_iter().collect();
        took.sort_unstable();
        assert!(took[0] >= MS(100) && took[1] >= MS(200), "{took:?}");
        // Whoever waits no more, leaves the line.
        assert_eq!(state(at[0])["servers"][0]["open"], 0);
    });
}

/// What is about the lab itself is for programs, and not for pages.
#[test]
fn admin() {
    serving("[server.api]\n", |at| {
        let get = |path: &str, headers: &str| match ask(at[0], &format!("GET /__simlab/{path}"), headers).0 {
            Reply(status, ..) => status,
            other => panic!("{other:?}"),
        };
        assert_eq!([get("health", ""), get("state", ""), get("requests", "")], [200; 3]);
        assert_eq!([get("nothing", ""), get("reset", "")], [404, 405]);
        for headers in [
            "Origin: http://evil.example\r\n",
            "Sec-Fetch-Site: cross-site\r\n",
            "Host: evil.example\r\n",
            "Host: evil.example:80\r\n",
        ] {
            assert_eq!(get("state", headers), 403, "{headers}");
        }
        for host in ["localhost", "localhost:1", "127.0.0.1", "[::1]:5", &at[0].to_string()] {
            assert_eq!(get("state", &format!("Host: {host}\r\n")), 200, "{host}");
        }
        assert_eq!(post(at[0], 3, 2), Reply(200, None, true));
        let lines = ask(at[0], "GET /__simlab/requests", "").1;
        let line: Value = serde_json::from_str(lines.lines().last().expect("a line")).expect("JSON");
        assert_eq!((&line["operation"], &line["attempt"], &line["outcome"]), (&"3".into(), &2.into(), &"200".into()));
        assert_eq!(
            (&line["by"], &line["executed"], &line["server"]),
            (&"simlab-operation".into(), &true.into(), &"api".into())
        );
    });
}

#[test]
fn what_is_not_served_is_said() {
    let told = |tables: &str| match Served::listen(scenario(tables), "127.0.0.1:0".parse().expect("an address")) {
        Err(error @ NotServed::Beyond(_)) => error.to_string(),
        _ => panic!("{tables}"),
    };
    assert!(told("[server.api]\n[server.api.call.db]\n[server.db]\n").contains("server `api` calls others"));
    assert!(told("[server.api]\nreplicas=2\n").contains("server `api` has replicas"));
    assert!(told("[operation]\nwrites=\"blind\"\n[server.api]\n").contains("rows"));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = taken.local_addr().expect("an address");
    let error = Served::listen(scenario("[server.api]\n"), at).err().expect("it is taken");
    assert!(error.to_string().starts_with(&format!("cannot listen at {at}: ")), "{error}");
}

/// Whatever comes over a socket, the next request is served, and nothing is left of it.
#[test]
fn bad_clients() {
    serving("[server.api]\nservice_time.constant=\"5ms\"\n", |at| {
        let send = |bytes: &[u8]| {
            let mut stream = TcpStream::connect(at[0]).expect("it listens");
            stream.set_read_timeout(Some(MS(2_000))).expect("a time-out");
            // It may be closed in the middle.
            let _ = stream.write_all(bytes);
            stream
        };
        let answer = |mut stream: TcpStream| {
            let mut bytes = Vec::new();
            let _ = stream.read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        };
        for garbage in [
            &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"[..],
            b"\r\n\r\n\r\n",
            b"GET\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ] {
            let stream = send(garbage);
            stream.shutdown(std::net::Shutdown::Write).expect("it is open");
            let answer = answer(stream);
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{garbage:?}: {answer}");
        }
        // A head without an end.
        let long = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
        assert!(!answer(send(long.as_bytes())).starts_with("HTTP/1.1 200"));
        // A long body is read and not kept; three requests at once are answered in turn.
        let body = vec![b'x'; 30 << 20];
        let mut stream = send(
            format!(
                "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                body.len()
            )
            .as_bytes(),
        );
        stream.write_all(&body).expect("it reads all");
        assert!(answer(stream).starts_with("HTTP/1.1 200"));
        let one = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let last = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        assert_eq!(answer(send(format!("{one}{one}{last}").as_bytes())).matches("HTTP/1.1 200").count(), 3);
        // Two hundred who send half a request and go, and two hundred who go without reading.
        (0..200).for_each(|_| drop(send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nab")));
        (0..200).for_each(|_| drop(send(one.as_bytes())));
        sleep(MS(300));
        let counts = state(at[0])["servers"][0].clone();
        assert_eq!(counts["open"], 0, "{counts}");
        assert_eq!(post(at[0], 1, 1), Reply(200, None, true));
    });
}
