//! Where calls are made: the steps of an operation, and below each the calls that its server makes, and so on. Worked out once for a run.

use std::ops::Range;
use std::sync::Arc;

use crate::gate::GateChain;
use crate::hedge::{HedgeConfig, Hedger};
use crate::protocol::Method;
use crate::retry::Policy;
use crate::scenario::call::{CallConfig, ClientRules, MOST_PLACES};
use crate::scenario::{PolicyConfig, World};

/// Where a call is made. Calls at one place are about one thing that somebody wants done once, however often they are made.
#[derive(Debug)]
pub(super) struct Place<'a> {
    /// As it is configured; `None`: the only call of an operation without steps.
    pub call: Option<&'a CallConfig>,
    /// Index of the server that is called.
    pub server: usize,
    /// Whose rules are followed, among [`Places::clients`].
    pub client: usize,
    /// Most effects of executions here, whatever is executed. What a server with calls of its own changes, it changes below.
    pub most_effects: u32,
    /// Places of the calls that the server makes, in order.
    pub below: Range<usize>,
    /// It is a step: its client is that of the operation, and not a server.
    pub is_step: bool,
}

/// Somebody's rules, with their state.
#[derive(Debug)]
pub(super) struct Client {
    pub policy: Arc<dyn Policy>,
    pub gates: GateChain,
    pub hedger: Hedger,
    /// It is the row's, and not a server's.
    pub is_row: bool,
}

impl Client {
    fn new(rules: &ClientRules, clients: u32, is_row: bool) -> Client {
        let never = HedgeConfig::never();
        Client {
            policy: Arc::clone(&rules.policy),
            gates: GateChain::new(&rules.gates, clients),
            hedger: Hedger::new(rules.hedge.as_ref().unwrap_or(&never), clients),
            is_row,
        }
    }
}

/// All places of a world, and all who call.
#[derive(Debug)]
pub(super) struct Places<'a> {
    /// Steps first, in order.
    pub all: Vec<Place<'a>>,
    /// The row's own rules first.
    pub clients: Vec<Client>,
}

impl<'a> Places<'a> {
    /// Those of a row in its world.
    ///
    /// # Panics
    /// If there are more than [`MOST_PLACES`], as where servers call each other in a circle.
    pub(super) fn new(world: &'a World, row: &'a PolicyConfig) -> Places<'a> {
        let rules = ClientRules { policy: Arc::clone(&row.policy), gates: row.gates.clone(), hedge: row.hedge.clone() };
        let mut places = Places { all: Vec::new(), clients: vec![Client::new(&rules, world.clients, true)] };
        let steps = &world.operation.steps;
        if steps.is_empty() {
            places.add(world, None, world.called_index(), world.operation.method, 0, true);
        }
        for (number, step) in steps.iter().enumerate() {
            let own = row.steps.iter().find(|(of, _)| *of == number).map(|(_, rules)| rules);
            let client = match own.or(step.rules.as_ref()) {
                None => 0,
                Some(rules) => places.add_client(Client::new(rules, world.clients, true)),
            };
            places.add(world, Some(step), step.server, step.method, client, true);
        }
        // Of each server's calls there is one client, wherever they are reached from.
        let mut known: Vec<Option<usize>> = vec![None; world.servers.len()];
        let mut next = 0;
        while next < places.all.len() {
            let server = places.all[next].server;
            let calls = &world.servers[server].calls;
            let first = *known[server].get_or_insert_with(|| {
                let default = ClientRules::default();
                let first = places.clients.len();
                let rules = calls.iter().map(|call| call.rules.as_ref().unwrap_or(&default));
                places.clients.extend(rules.map(|rules| Client::new(rules, 1, false)));
                first
            });
            let below = places.all.len();
            for (number, call) in calls.iter().enumerate() {
                places.add(world, Some(call), call.server, call.method, first + number, false);
            }
            places.all[next].below = below..places.all.len();
            next += 1;
        }
        places
    }

    fn add(
        &mut self,
        world: &World,
        call: Option<&'a CallConfig>,
        server: usize,
        method: Method,
        client: usize,
        is_step: bool,
    ) {
        assert!(self.all.len() < MOST_PLACES, "servers call each other at more than {MOST_PLACES} places");
        let most_effects = if world.servers[server].calls.is_empty() { method.effects(u32::MAX) } else { 0 };
        self.all.push(Place { call, server, client, most_effects, below: 0..0, is_step });
    }

    fn add_client(&mut self, client: Client) -> usize {
        self.clients.push(client);
        self.clients.len() - 1
    }

    pub(super) fn bytes(&self) -> usize {
        self.clients.iter().map(|client| client.gates.bytes() + client.hedger.bytes()).sum()
    }
}
