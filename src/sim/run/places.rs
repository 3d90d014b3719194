//! Where calls are made: the steps of an operation, and below each the calls that its server makes, and so on. Worked out once for a run.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use crate::endpoint::{Ejector, EndpointRules, RetryHost};
use crate::flow::Step;
use crate::gate::{GateChain, Scope};
use crate::hedge::{HedgeConfig, Hedger};
use crate::protocol::Method;
use crate::retry::Policy;
use crate::scenario::call::{CallConfig, ClientRules, MOST_PLACES};
use crate::scenario::{Locks, Operation, PolicyConfig, RowUse, World};

/// Where a call is made. Calls at one place are about one thing that somebody wants done once, however often they are made.
#[derive(Clone, Debug)]
pub(super) struct Place<'a> {
    /// As it is configured; `None`: the only call of an operation without steps.
    pub call: Option<&'a CallConfig>,
    /// Index of the server that is called.
    pub server: usize,
    /// Whose rules are followed, among [`Places::clients`].
    pub client: usize,
    /// The first replica of the server among the endpoints of that client.
    pub first_endpoint: u32,
    /// Most effects of executions here, whatever is executed. What a server with calls of its own changes, it changes below.
    pub most_effects: u32,
    /// Places of the calls that the server makes, in order.
    pub below: Range<usize>,
    /// What is done with the row of the operation's thing.
    pub row: RowUse,
    /// It is a step: its client is that of the operation, and not a server.
    pub is_step: bool,
    /// Its number among the steps that are measured.
    pub step: Option<usize>,
    /// Place of the step that it is, or is below of.
    pub root: usize,
}

/// Somebody's rules, with their state.
#[derive(Debug)]
pub(super) struct Client {
    pub policy: Arc<dyn Policy>,
    pub gates: GateChain,
    pub hedger: Hedger,
    pub retry_host: RetryHost,
    /// It has a breaker for each replica.
    pub breaks_by_replica: bool,
    /// Which replicas it leaves out, if it does.
    pub ejector: Option<Ejector>,
}

impl Client {
    fn new(&Draft { rules, clients, ref endpoints }: &Draft) -> Client {
        let (never, endpoints) = (HedgeConfig::never(), endpoints.count);
        let EndpointRules { retry_host, ejection } = &rules.endpoints;
        Client {
            policy: Arc::clone(&rules.policy),
            gates: GateChain::of_endpoints(&rules.gates, clients, endpoints),
            retry_host: *retry_host,
            breaks_by_replica: rules.gates.iter().any(|gate| gate.scope == Scope::Replica),
            ejector: ejection.as_ref().map(|ejection| Ejector::new(ejection, clients, endpoints)),
            hedger: Hedger::new(rules.hedge.as_ref().unwrap_or(&never), clients),
        }
    }
}

/// All places of a world, and all who call.
#[derive(Debug)]
pub(super) struct Places<'a> {
    /// Steps first, member by member, in order.
    pub all: Vec<Place<'a>>,
    /// By member: the place of the first step.
    pub members: Vec<usize>,
    /// What follows what among the steps of each member.
    pub flows: Vec<Vec<Step>>,
    /// Every operation is one call, and nothing else: it is made in any case, and over when that is.
    pub is_one_call: bool,
    /// Servers where transactions stay open across steps.
    pub keepers: Vec<usize>,
    /// The members' own rules first.
    pub clients: Vec<Client>,
}

/// Somebody's rules, and which servers are called by them.
struct Draft<'r> {
    rules: &'r ClientRules,
    clients: u32,
    endpoints: Endpoints,
}

/// Servers that are called by the same rules, with the number of the first replica of each among all of theirs.
#[derive(Debug, Default)]
struct Endpoints {
    of: Vec<(usize, u32)>,
    count: u32,
}

impl Endpoints {
    /// The number of the first replica of this server.
    fn first(&mut self, world: &World, server: usize) -> u32 {
        if let Some((_, first)) = self.of.iter().find(|(other, _)| *other == server) {
            return *first;
        }
        let first = self.count;
        self.of.push((server, first));
        self.count += world.servers[server].replicas;
        first
    }
}

/// How many replicas are called by rules that the steps of an operation follow of which `follow` says so.
pub(super) fn endpoints(world: &World, operation: &Operation, follow: &dyn Fn(usize) -> bool) -> u32 {
    let mut endpoints = Endpoints::default();
    let steps = operation.steps.iter().enumerate().filter(|(number, _)| follow(*number));
    steps.for_each(|(_, step)| _ = endpoints.first(world, step.server));
    if operation.steps.is_empty() {
        endpoints.first(world, operation.called_index());
    }
    endpoints.count
}

impl<'a> Places<'a> {
    /// Those of a row in its world.
    ///
    /// # Panics
    /// If there are more than [`MOST_PLACES`], as where servers call each other in a circle.
    pub(super) fn new(world: &'a World, row: &'a PolicyConfig) -> Places<'a> {
        let draft = |rules, clients| Draft { rules, clients, endpoints: Endpoints::default() };
        let mut drafts: Vec<Draft> = row.members.iter().map(|member| draft(&member.rules, world.clients)).collect();
        let mut places = Places {
            all: Vec::new(),
            members: Vec::new(),
            flows: Vec::new(),
            is_one_call: false,
            keepers: Vec::new(),
            clients: Vec::new(),
        };
        for (index, member) in row.members.iter().enumerate() {
            let operation = member.operation(world);
            places.members.push(places.all.len());
            let flow = operation.steps.iter().map(|call| call.step.clone());
            places.flows.push(if operation.steps.is_empty() { vec![Step::default()] } else { flow.collect() });
            // Steps that only some have are not measured apart.
            let measured = member.operation.is_none();
            if operation.steps.is_empty() {
                places.add(
                    world,
                    None,
                    (operation.called_index(), operation.method),
                    index,
                    Some(measured.then_some(0)),
                );
                places.all.last_mut().expect("it was added").row = operation.row;
            }
            for (number, step) in operation.steps.iter().enumerate() {
                let client = match member.rules_of(number, step) {
                    None => index,
                    Some(rules) => {
                        drafts.push(draft(rules, world.clients));
                        drafts.len() - 1
                    }
                };
                places.add(world, Some(step), (step.server, step.method), client, Some(measured.then_some(number)));
            }
        }
        let keepers = places.all.iter().filter(|place| place.row.locks == Locks::UntilOver).map(|place| place.server);
        places.keepers = keepers.collect::<BTreeSet<usize>>().into_iter().collect();
        places.is_one_call = !world.may_go_on()
            && places.keepers.is_empty()
            && !row.is_durable()
            && places.flows.iter().all(|steps| matches!(&steps[..], [only] if only.is_plain()));
        // The clients of a server's calls are its replicas, wherever they are reached from.
        let default = ClientRules::default();
        let mut known: Vec<Option<usize>> = vec![None; world.servers.len()];
        let mut next = 0;
        while next < places.all.len() {
            let server = places.all[next].server;
            let calls = &world.servers[server].calls;
            let first = *known[server].get_or_insert_with(|| {
                let first = drafts.len();
                let rules = calls.iter().map(|call| call.rules.as_ref().unwrap_or(&default));
                drafts.extend(rules.map(|rules| draft(rules, world.servers[server].replicas)));
                first
            });
            let below = places.all.len();
            for (number, call) in calls.iter().enumerate() {
                places.add(world, Some(call), (call.server, call.method), first + number, None);
            }
            places.all[next].below = below..places.all.len();
            let root = places.all[next].root;
            places.all[below..].iter_mut().for_each(|place| place.root = root);
            next += 1;
        }
        for place in &mut places.all {
            place.first_endpoint = drafts[place.client].endpoints.first(world, place.server);
        }
        places.clients = drafts.iter().map(Client::new).collect();
        places
    }

    fn add(
        &mut self,
        world: &World,
        call: Option<&'a CallConfig>,
        (server, method): (usize, Method),
        client: usize,
        step: Option<Option<usize>>,
    ) {
        assert!(self.all.len() < MOST_PLACES, "servers call each other at more than {MOST_PLACES} places");
        let most_effects = if world.servers[server].calls.is_empty() { method.effects(u32::MAX) } else { 0 };
        let (is_step, step) = (step.is_some(), step.flatten());
        let row = call.map_or_else(RowUse::default, |call| call.row);
        let root = self.all.len();
        self.all.push(Place {
            call,
            server,
            client,
            first_endpoint: 0,
            most_effects,
            below: 0..0,
            row,
            is_step,
            step,
            root,
        });
    }

    /// What they are called: the step or the call, or the server where there are none.
    pub(super) fn names(&self, world: &World) -> Vec<String> {
        let name = |place: &Place| place.call.map_or(&world.servers[place.server].name, |call| &call.name).clone();
        self.all.iter().map(name).collect()
    }

    /// True if some of them have keys that other operations may have too.
    pub(super) fn share_keys(&self) -> bool {
        self.clients.iter().any(|client| !client.policy.key().is_own())
    }

    pub(super) fn bytes(&self) -> usize {
        let of = |client: &Client| {
            let ejector = client.ejector.as_ref().map_or(0, Ejector::bytes);
            client.gates.bytes() + client.hedger.bytes() + ejector
        };
        self.clients.iter().map(of).sum()
    }
}
