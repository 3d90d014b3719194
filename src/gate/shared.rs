//! One gate for everybody who follows the same rules: its terms once, and as many states as its scope says.

use super::{Ended, Gate, Permit, Scope};

/// One gate for everybody: its terms, and its state for each client or for the fleet.
#[derive(Clone, Debug)]
pub(super) struct Shared<G: Gate> {
    pub terms: G::Terms,
    pub states: Vec<G>,
    /// States of each client; 1 unless each replica has its own.
    endpoints: u32,
    /// Bytes that the states take beside their own size.
    pub heap: usize,
}

impl<G: Gate> Shared<G> {
    pub fn new(config: &G::Config, States { owners, endpoints }: States) -> Shared<G> {
        let terms = G::terms(config);
        let state = G::new(&terms);
        let states = owners as usize * endpoints as usize;
        Shared { heap: state.heap_bytes() * states, states: vec![state; states], endpoints, terms }
    }

    #[inline(always)]
    pub fn of(&mut self, client: u32) -> (&mut G, &G::Terms) {
        // One state serves the whole fleet.
        let index = if self.states.len() == 1 { 0 } else { client as usize };
        (&mut self.states[index], &self.terms)
    }

    /// True if each client has several states.
    #[inline(always)]
    fn is_divided(&self) -> bool {
        G::OF_REPLICAS && self.endpoints > 1
    }

    /// The state that an attempt at this endpoint asks.
    #[inline(always)]
    pub fn at(&mut self, client: u32, endpoint: u16) -> (&mut G, &G::Terms) {
        if !self.is_divided() {
            return self.of(client);
        }
        let index = client as usize * self.endpoints as usize + usize::from(endpoint);
        (&mut self.states[index], &self.terms)
    }

    /// The permit of an attempt at this endpoint, which is told with its end.
    #[inline(always)]
    pub fn given_at(&self, endpoint: u16, permit: Permit) -> Permit {
        if self.is_divided() { permit.at(endpoint) } else { permit }
    }

    /// The state that gave this permit, and what it gave.
    #[inline(always)]
    pub fn giver(&mut self, client: u32, permit: Permit) -> (&mut G, &G::Terms, Permit) {
        if !self.is_divided() {
            let (gate, terms) = self.of(client);
            return (gate, terms, permit);
        }
        let (given, endpoint) = permit.split();
        let (gate, terms) = self.at(client, endpoint);
        (gate, terms, given)
    }

    /// If a place has become free: notes whose turn it is.
    #[inline(always)]
    pub fn call_up(&mut self, client: u32, turns: &mut Vec<u32>) {
        if G::HAS_LINE {
            let (gate, terms) = self.of(client);
            turns.extend(gate.next_in_line(terms));
        }
    }

    /// An admitted attempt ended. True if that opened a breaker.
    #[inline(always)]
    pub fn on_outcome(&mut self, client: u32, permit: Permit, ended: Ended) -> bool {
        let (gate, terms, permit) = self.giver(client, permit);
        let (was_open, had) = (gate.is_open(), gate.heap_bytes());
        gate.pass_time(ended.now, terms);
        gate.on_outcome(permit, ended, terms);
        let (opened, grown) = (!was_open && gate.is_open(), gate.heap_bytes() - had);
        self.heap += grown;
        opened
    }

    /// The states of a client are as they were at first. Returns how many open breakers that has closed.
    pub fn forget(&mut self, client: u32) -> u64 {
        let (first, count) = match (self.is_divided(), self.states.len()) {
            (true, _) => (client as usize * self.endpoints as usize, self.endpoints as usize),
            (false, 1) => (0, 1),
            (false, _) => (client as usize, 1),
        };
        let mut open = 0;
        for state in &mut self.states[first..first + count] {
            open += u64::from(state.is_open());
            let had = state.heap_bytes();
            *state = G::new(&self.terms);
            self.heap = self.heap + state.heap_bytes() - had;
        }
        open
    }

    pub fn bytes(&self) -> usize {
        self.states.capacity() * size_of::<G>() + self.heap
    }
}

/// How many states a gate has.
#[derive(Clone, Copy, Debug)]
pub(super) struct States {
    /// Clients that have one of their own; 1 for the fleet.
    pub owners: u32,
    /// Of each.
    pub endpoints: u32,
}

impl States {
    pub fn of(scope: Scope, clients: u32, endpoints: u32) -> States {
        match scope {
            Scope::Client => States { owners: clients, endpoints: 1 },
            Scope::Fleet => States { owners: 1, endpoints: 1 },
            Scope::Replica => States { owners: clients, endpoints },
        }
    }
}
