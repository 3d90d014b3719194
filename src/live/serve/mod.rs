//! A scenario's servers on real sockets. One task has the servers and the clock; connections tell it what comes and are told what to answer.

mod http;
mod identity;
mod world;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};

use identity::{Identity, Known, Papers};
use world::{Asked, CLIENTS, Heard, World};

use crate::protocol::Outcome;
use crate::rng::replication_seed;
use crate::scenario::Scenario;
use crate::units::SimTime;

/// One has the servers, and one the connections, mostly.
const THREADS: usize = 2;

/// Requests that are remembered.
const REMEMBERED: usize = 10_000;

/// A scenario whose servers are listening.
pub struct Served {
    /// By server: its name and its address.
    pub addresses: Vec<(String, SocketAddr)>,
    listeners: Vec<std::net::TcpListener>,
    scenario: Scenario,
}

/// Why a scenario is not served.
#[derive(Debug, thiserror::Error)]
pub enum NotServed {
    /// It has something that is not served yet.
    #[error("not served yet: {0}")]
    Beyond(String),
    /// An address cannot be listened at.
    #[error("cannot listen at {address}: {source}")]
    Address {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// What is written of each request, once it is over.
pub type Log = Box<dyn FnMut(&str) + Send>;

/// What connections tell whoever has the servers.
enum Told {
    /// A request has come.
    Asked { ticket: u64, server: usize, papers: Papers, answer: oneshot::Sender<Answer> },
    /// Its client has gone.
    Left(u64),
    /// Somebody wants to know, or to change something.
    Admin { what: Admin, answer: oneshot::Sender<Value> },
}

/// What can be asked for beside the servers' own work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Admin {
    Health,
    State,
    Requests,
    Clock,
    Reset,
}

/// What a connection is told of its request.
type Answer = (Heard, Identity);

/// How connections tell it.
#[derive(Clone)]
struct Tell {
    told: mpsc::UnboundedSender<Told>,
    /// Requests so far.
    tickets: Arc<AtomicU64>,
}

/// A request that is not over.
struct Waiting {
    server: usize,
    identity: Identity,
    came: SimTime,
    executed: bool,
    answer: Option<oneshot::Sender<Answer>>,
}

impl Served {
    /// Listens for the servers of a scenario: at this port and those after it, or at any free ones.
    ///
    /// # Errors
    /// If it has something that is not served, or an address cannot be had.
    pub fn listen(scenario: Scenario, at: SocketAddr) -> Result<Served, NotServed> {
        if let Some(beyond) = World::not_served(&scenario) {
            return Err(NotServed::Beyond(beyond));
        }
        let (mut addresses, mut listeners) = (Vec::new(), Vec::new());
        for (number, server) in (0..).zip(&scenario.common().world.servers) {
            let port = if at.port() == 0 { 0 } else { at.port().saturating_add(number) };
            let address = SocketAddr::new(at.ip(), port);
            let cannot = |source| NotServed::Address { address, source };
            let listener = std::net::TcpListener::bind(address).map_err(cannot)?;
            listener.set_nonblocking(true).map_err(cannot)?;
            addresses.push((server.name.clone(), listener.local_addr().map_err(cannot)?));
            listeners.push(listener);
        }
        Ok(Served { addresses, listeners, scenario })
    }

    /// Serves until this work is done, which goes on beside it; without any, for ever.
    ///
    /// # Errors
    /// If the system has no threads to give.
    pub fn serve_while<T>(self, log: Option<Log>, work: Option<impl FnOnce() -> T>) -> io::Result<Option<T>> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build()?;
        let serving = self.serve(log);
        let Some(work) = work else {
            runtime.block_on(serving);
            return Ok(None);
        };
        let task = runtime.spawn(serving);
        let done = work();
        task.abort();
        runtime.shutdown_background();
        Ok(Some(done))
    }

    /// Serves for ever. It needs a runtime of tokio with sockets and time.
    pub async fn serve(self, log: Option<Log>) {
        let Served { addresses, listeners, scenario } = self;
        let (sender, told) = mpsc::unbounded_channel();
        let tell = Tell { told: sender, tickets: Arc::default() };
        let mut downs = Vec::new();
        for (number, (listener, (_, address))) in listeners.into_iter().zip(&addresses).enumerate() {
            let (down, is_down) = watch::channel(false);
            downs.push(down);
            tokio::spawn(http::listen(listener, *address, number, tell.clone(), is_down));
        }
        drop(tell);
        run(&scenario, told, &downs, log).await;
    }
}

/// The servers in time.
async fn run(
    scenario: &Scenario,
    mut told: mpsc::UnboundedReceiver<Told>,
    downs: &[watch::Sender<bool>],
    log: Option<Log>,
) {
    let seed = replication_seed(scenario.frame.seed, 0);
    let mut keeper = Keeper {
        world: World::new(scenario, seed),
        known: Known::default(),
        origin: None,
        waiting: BTreeMap::new(),
        requests: VecDeque::new(),
        log,
    };
    loop {
        let due = keeper.due();
        tokio::select! {
            told = told.recv() => match told {
                Some(told) => keeper.hear(told, scenario, seed),
                None => return,
            },
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => keeper.advance(),
        }
        keeper.answer();
        for (number, down) in downs.iter().enumerate() {
            down.send_if_modified(|is_down| std::mem::replace(is_down, keeper.world.is_down(number)) != *is_down);
        }
    }
}

/// Has the servers, and knows who waits for what.
struct Keeper<'a> {
    world: World<'a>,
    known: Known,
    /// When the first request came.
    origin: Option<Instant>,
    waiting: BTreeMap<u64, Waiting>,
    requests: VecDeque<String>,
    log: Option<Log>,
}

impl<'a> Keeper<'a> {
    fn now(&self) -> SimTime {
        self.origin.map_or(SimTime::ZERO, |origin| SimTime(origin.elapsed().as_nanos() as u64))
    }

    fn due(&self) -> Option<Instant> {
        Some(self.origin? + Duration::from_nanos(self.world.next_due()?.0))
    }

    fn advance(&mut self) {
        let now = self.now();
        self.world.advance(now);
    }

    fn hear(&mut self, told: Told, scenario: &'a Scenario, seed: u64) {
        match told {
            Told::Asked { ticket, server, papers, answer } => {
                self.origin.get_or_insert_with(Instant::now);
                self.asked(ticket, server, &papers, answer);
            }
            Told::Left(ticket) => {
                let now = self.now();
                self.world.leave(now, ticket);
                if let Some(waiting) = self.waiting.remove(&ticket) {
                    self.over(&waiting, "left");
                }
            }
            Told::Admin { what, answer } => {
                let value = match what {
                    Admin::Health => json!({ "status": "ok" }),
                    Admin::State => self.state(),
                    Admin::Requests => self.requests.iter().map(|line| Value::from(line.as_str())).collect(),
                    Admin::Clock => {
                        self.origin = Some(Instant::now());
                        self.begin_anew(scenario, seed);
                        json!({ "clock": "started" })
                    }
                    Admin::Reset => {
                        self.origin = None;
                        self.begin_anew(scenario, seed);
                        self.known = Known::default();
                        self.requests.clear();
                        json!({ "reset": true })
                    }
                };
                // Whoever asked may have gone.
                let _ = answer.send(value);
            }
        }
    }

    /// Servers at the beginning: what is open is cut off.
    fn begin_anew(&mut self, scenario: &'a Scenario, seed: u64) {
        self.world = World::new(scenario, seed);
        self.waiting.clear();
    }

    fn asked(&mut self, ticket: u64, server: usize, papers: &Papers, answer: oneshot::Sender<Answer>) {
        let identity = self.known.identify(papers);
        let asked = Asked {
            server,
            key: identity.key,
            action: papers.action(),
            attempt: identity.attempt,
            client: self.known.client(papers, CLIENTS),
            idempotency: papers.idempotency.clone(),
        };
        let now = self.now();
        self.waiting.insert(ticket, Waiting { server, identity, came: now, executed: false, answer: Some(answer) });
        self.world.send(now, ticket, &asked);
    }

    /// Tells connections what has come of their requests.
    fn answer(&mut self) {
        for heard in self.world.take_heard() {
            let Some(waiting) = self.waiting.get_mut(&heard.ticket) else { continue };
            waiting.executed = heard.executed;
            if let Some(answer) = waiting.answer.take() {
                // Whoever asked may have gone, and is going to say so.
                let _ = answer.send((heard, waiting.identity.clone()));
            }
            if heard.reply.outcome != Outcome::Open {
                let waiting = self.waiting.remove(&heard.ticket).expect("it is there");
                self.over(&waiting, &heard.reply.outcome.to_string());
            }
        }
    }

    /// A request is over: it is remembered.
    fn over(&mut self, waiting: &Waiting, outcome: &str) {
        let Waiting { server, identity, came, executed, .. } = waiting;
        let line = json!({
            "at": came.seconds(),
            "took": self.now().since(*came).seconds(),
            "server": self.world.name(*server),
            "operation": identity.name,
            "by": identity.by,
            "attempt": identity.attempt,
            "outcome": outcome,
            "executed": executed,
        })
        .to_string();
        if let Some(log) = &mut self.log {
            log(&line);
        }
        if self.requests.len() == REMEMBERED {
            self.requests.pop_front();
        }
        self.requests.push_back(line);
    }

    fn state(&self) -> Value {
        let servers = self.world.counts().iter().enumerate().map(|(number, counts)| {
            json!({
                "server": self.world.name(number),
                "is_down": self.world.is_down(number),
                "requests": counts.requests,
                "executions": counts.executions,
                "open": counts.open,
            })
        });
        json!({ "clock": self.origin.map(|_| self.now().seconds()), "servers": servers.collect::<Vec<_>>() })
    }
}
