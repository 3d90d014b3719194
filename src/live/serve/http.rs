//! HTTP/1.1: requests in, replies and broken connections out.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{HOST, HeaderMap, ORIGIN};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::time::sleep;

use super::identity::{Hash, Identity, Papers};
use super::world::Heard;
use super::{Admin, Tell, Told};
use crate::live::gates::duration;
use crate::protocol::{HintFormat, Outcome};

/// How long a client may take to send the head of a request.
const HEAD: Duration = Duration::from_secs(30);
/// The longest head of a request, in bytes.
const LONGEST_HEAD: usize = 64 << 10;
/// How long to wait until a port is tried again that cannot be had.
const AGAIN: Duration = Duration::from_millis(20);
/// The prefix of what is about the lab itself.
const ADMIN: &str = "/__simlab/";

type Reply = Response<Full<Bytes>>;

/// The connection is to break.
#[derive(Debug, thiserror::Error)]
#[error("the connection breaks")]
struct Cut;

/// Takes connections for a server as long as it is not down.
pub async fn listen(
    listener: std::net::TcpListener,
    address: SocketAddr,
    server: usize,
    tell: Tell,
    mut is_down: watch::Receiver<bool>,
) {
    let mut listener = TcpListener::from_std(listener).ok();
    loop {
        let Some(open) = &listener else {
            if is_down.wait_for(|is_down| !is_down).await.map(drop).is_err() {
                return;
            }
            // The same port again.
            listener = TcpListener::bind(address).await.ok();
            if listener.is_none() {
                sleep(AGAIN).await;
            }
            continue;
        };
        tokio::select! {
            changed = async { is_down.wait_for(|is_down| *is_down).await.map(drop) } => match changed {
                Ok(()) => listener = None,
                Err(_) => return,
            },
            accepted = open.accept() => match accepted {
                Ok((stream, peer)) => _ = tokio::spawn(connection(stream, peer, address, server, tell.clone())),
                // There are too many; some will go.
                Err(_) => sleep(AGAIN).await,
            },
        }
    }
}

async fn connection(stream: TcpStream, peer: SocketAddr, address: SocketAddr, server: usize, tell: Tell) {
    let _ = stream.set_nodelay(true);
    // How a connection ends is a property of the socket: this is another name of the same one.
    let Ok((stream, socket)) = two_names(stream) else { return };
    let socket = Arc::new(socket);
    let service = service_fn(|request| {
        let (socket, tell) = (Arc::clone(&socket), tell.clone());
        async move { handle(request, peer, address, server, &tell, &socket).await }
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(LONGEST_HEAD);
    // It breaks where that is what was asked for, or the client has gone.
    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
}

/// The same socket twice.
fn two_names(stream: TcpStream) -> std::io::Result<(TcpStream, std::net::TcpStream)> {
    let stream = stream.into_std()?;
    let other = stream.try_clone()?;
    Ok((TcpStream::from_std(stream)?, other))
}

async fn handle(
    request: Request<Incoming>,
    peer: SocketAddr,
    address: SocketAddr,
    server: usize,
    tell: &Tell,
    socket: &std::net::TcpStream,
) -> Result<Reply, Cut> {
    if let Some(what) = request.uri().path().strip_prefix(ADMIN) {
        let what = what.to_owned();
        return admin(&what, &request, address, tell).await;
    }
    let papers = papers(request, peer).await.map_err(|_| Cut)?;
    let ticket = tell.tickets.fetch_add(1, Ordering::Relaxed);
    let mut there = There { ticket, tell, is_over: false };
    let (answer, heard) = oneshot::channel();
    tell.told.send(Told::Asked { ticket, server, papers, answer }).map_err(|_| Cut)?;
    let (heard, identity) = heard.await.map_err(|_| Cut)?;
    there.is_over = heard.reply.outcome != Outcome::Open;
    match heard.reply.outcome {
        Outcome::Status(status) => Ok(reply(status, &heard, &identity)),
        // Silence, until the client leaves: then this is dropped.
        Outcome::Open => std::future::pending().await,
        _ => {
            if !heard.is_late {
                // With nothing to linger for, closing resets.
                let _ = socket2::SockRef::from(socket).set_linger(Some(Duration::ZERO));
            }
            Err(Cut)
        }
    }
}

/// A request whose client is there.
struct There<'a> {
    ticket: u64,
    tell: &'a Tell,
    is_over: bool,
}

impl Drop for There<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            let _ = self.tell.told.send(Told::Left(self.ticket));
        }
    }
}

/// What a request says of itself. Its body is read to the end, and not kept.
async fn papers(request: Request<Incoming>, peer: SocketAddr) -> Result<Papers, hyper::Error> {
    let (head, mut body) = request.into_parts();
    let mut hash = Hash::default();
    while let Some(frame) = body.frame().await {
        if let Some(data) = frame?.data_ref() {
            hash.add(data);
        }
    }
    let text = |name: &str| text(&head.headers, name).map(str::to_owned);
    let number = |name: &str| self::text(&head.headers, name)?.parse::<u64>().ok();
    let attempt =
        number("simlab-attempt").and_then(|attempt| u32::try_from(attempt).ok()).filter(|attempt| *attempt > 0);
    Ok(Papers {
        simlab: number("simlab-operation").zip(attempt),
        idempotency: text("idempotency-key"),
        request: text("x-request-id"),
        traceparent: text("traceparent"),
        client: text("simlab-client").unwrap_or_else(|| peer.ip().to_string()),
        line: format!("{} {}", head.method, head.uri.path()),
        body: hash.value(),
    })
}

/// A header that can be read.
fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

fn reply(status: u16, heard: &Heard, identity: &Identity) -> Reply {
    let body = json!({
        "status": status,
        "simlab": { "operation": identity.name, "by": identity.by, "attempt": identity.attempt, "executed": heard.executed },
    });
    let mut reply = as_json(status, &body);
    let headers = reply.headers_mut();
    if let Some(wait) = heard.reply.retry_after {
        let (name, value) = match heard.reply.format {
            HintFormat::Seconds => ("retry-after", wait.seconds().ceil().to_string()),
            HintFormat::Milliseconds => ("x-amz-retry-after", (wait.seconds() * 1_000.0).ceil().to_string()),
            HintFormat::Date => {
                let at = std::time::SystemTime::now() + duration(wait);
                ("retry-after", httpdate::fmt_http_date(at))
            }
            HintFormat::Reset => {
                let at = std::time::SystemTime::now() + duration(wait);
                let since = at.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
                ("x-ratelimit-reset", since.as_secs().to_string())
            }
        };
        if let Ok(value) = value.parse() {
            headers.insert(name, value);
        }
    }
    if let Some(should) = heard.reply.should_retry {
        headers.insert("stripe-should-retry", if should { "true" } else { "false" }.parse().expect("a word"));
    }
    reply
}

fn as_json(status: u16, body: &Value) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from(body.to_string() + "\n")));
    *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    reply.headers_mut().insert("content-type", "application/json".parse().expect("a type"));
    reply
}

/// What is asked about the lab itself.
async fn admin(what: &str, request: &Request<Incoming>, address: SocketAddr, tell: &Tell) -> Result<Reply, Cut> {
    if is_of_a_page(request.headers(), address) {
        return Ok(as_json(403, &json!({ "error": "pages may not ask this" })));
    }
    let (method, what) = match what {
        "health" => (Method::GET, Admin::Health),
        "state" => (Method::GET, Admin::State),
        "requests" => (Method::GET, Admin::Requests),
        "clock" => (Method::POST, Admin::Clock),
        "reset" => (Method::POST, Admin::Reset),
        _ => return Ok(as_json(404, &json!({ "error": "there are health, state, requests, clock and reset" }))),
    };
    if request.method() != method {
        let mut reply = as_json(405, &json!({ "error": format!("it is a {method}") }));
        reply.headers_mut().insert("allow", method.as_str().parse().expect("a method"));
        return Ok(reply);
    }
    let (answer, heard) = oneshot::channel();
    tell.told.send(Told::Admin { what, answer }).map_err(|_| Cut)?;
    let value = heard.await.map_err(|_| Cut)?;
    Ok(match value {
        Value::Array(lines) => {
            let lines: String = lines.iter().filter_map(Value::as_str).flat_map(|line| [line, "\n"]).collect();
            let mut reply = Response::new(Full::new(Bytes::from(lines)));
            reply.headers_mut().insert("content-type", "application/x-ndjson".parse().expect("a type"));
            reply
        }
        value => as_json(200, &value),
    })
}

/// True if a browser asks on behalf of a page: it says so, or has been led here under another name.
fn is_of_a_page(headers: &HeaderMap, address: SocketAddr) -> bool {
    let is_own = |host: &str| {
        let name = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|digit| digit.is_ascii_digit()));
        let name = name.map_or(host, |(name, _)| name).trim_start_matches('[').trim_end_matches(']');
        name == "localhost" || name.parse().is_ok_and(|ip: IpAddr| ip == address.ip() || ip.is_loopback())
    };
    let is_led_here = headers.get(HOST).is_none_or(|host| !host.to_str().is_ok_and(is_own));
    headers.contains_key(ORIGIN) || headers.contains_key("sec-fetch-site") || is_led_here
}
