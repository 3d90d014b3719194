//! Replicas: which of them an attempt goes to, what is open at each, and what they have in common.
//!
//! A run has a [`Server`] for each replica of each server, and knows them by their numbers in the order of the world. What replicas of one server have in
//! common, its store and its buckets, stands with the one that was told something last, and goes to whom the next word is for.

use super::going::Going;
use super::whole::CallSide;
use super::*;
use crate::endpoint::{Balance, Ejector, RetryHost, choose};
use crate::rng::KeyedRng;
use crate::scenario::World;

/// All replicas of a run.
#[derive(Debug)]
pub(super) struct Hosts {
    /// By server.
    pub servers: Vec<Replicas>,
    /// By replica: how many attempts are open there for whoever sent them. Counted where there is a choice.
    in_flight: Vec<u32>,
}

/// Those of one server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Replicas {
    /// The number of the first; the others follow.
    pub first: u32,
    pub count: u32,
    balance: Balance,
    /// Whose turn it is.
    turn: u32,
    /// Who has at hand what all have in common.
    at_hand: u32,
}

impl Hosts {
    pub(super) fn new(world: &World) -> Hosts {
        let mut first = 0;
        let servers = world.servers.iter().map(|server| {
            let of = Replicas { first, count: server.replicas, balance: server.balance, turn: 0, at_hand: first };
            first += server.replicas;
            of
        });
        let servers = servers.collect();
        Hosts { servers, in_flight: vec![0; first as usize] }
    }

    /// Which of its server's replicas the one with this number is, from 0.
    pub(super) fn replica(&self, number: u32) -> u32 {
        let server = self.servers.iter().rfind(|replicas| replicas.first <= number);
        number - server.expect("it is one of them").first
    }

    pub(super) fn bytes(&self) -> usize {
        self.in_flight.capacity() * size_of::<u32>()
    }
}

/// What a client knows of replicas when it chooses one.
pub(super) struct Known<'a> {
    pub now: SimTime,
    pub client: u32,
    /// The number of the server's first replica among all endpoints of the client.
    pub first: u32,
    pub ejector: Option<&'a Ejector>,
    pub retry_host: RetryHost,
    /// Replicas that the call has tried.
    pub tried: &'a [u32],
}

impl Replicas {
    /// This one has had its turn, whether it was sent anything or a gate has refused.
    pub(super) fn passed(&mut self, host: u32) {
        self.turn = (host + 1) % self.count;
    }

    /// The replica that the next attempt of a call would go to: of those that are not ejected one that was not tried, if that is asked for.
    pub(super) fn choose(self, in_flight: &[u32], known: &Known, rng: &KeyedRng) -> u32 {
        let is_in = |replica: u32| {
            known.ejector.is_none_or(|ejector| !ejector.is_out(known.now, known.client, known.first + replica))
        };
        let is_new = |replica: u32| known.retry_host == RetryHost::Any || !known.tried.contains(&replica);
        let at = |replica: u32| in_flight[(self.first + replica) as usize];
        let among = |may: &dyn Fn(u32) -> bool| choose(self.balance, self.count, self.turn, may, at, &mut rng.clone());
        among(&|replica| is_in(replica) && is_new(replica))
            .or_else(|| among(&is_in))
            .or_else(|| among(&is_new))
            .or_else(|| among(&|_| true))
            .expect("a server has a replica")
    }
}

impl CallSide {
    /// The replica that this attempt was sent to, where there is a choice.
    pub(super) fn host(&self, attempt: u32) -> Option<u32> {
        self.hosts.get(attempt as usize - 1).copied()
    }
}

impl<'a> Run<'a> {
    /// The next attempt of a call would go to this replica of its server.
    pub(super) fn next_host(&self, row_id: u32) -> u32 {
        let whole = self.whole.as_ref().expect("only what goes the whole way comes here");
        let side = &whole.sides[row_id as usize];
        let place = &whole.places.all[side.place];
        let replicas = whole.hosts.servers[place.server];
        if replicas.count == 1 {
            return 0;
        }
        let row = &self.rows[row_id];
        let client = &whole.places.clients[place.client];
        if client.breaks_by_replica && row.call.sends_again() {
            // It is the same attempt for the breaker, which has admitted it there.
            return side.hosts.last().copied().unwrap_or(0);
        }
        let known = Known {
            now: self.now,
            client: row.client,
            first: place.first_endpoint,
            ejector: client.ejector.as_ref(),
            retry_host: client.retry_host,
            tried: &side.hosts,
        };
        // What gates have refused counts too: who tries again draws anew.
        let attempt = u64::from(row.call.used()) + u64::from(side.tries.asked()) + 1;
        let rng = self.streams.at(Purpose::Replica, row.key, attempt);
        replicas.choose(&whole.hosts.in_flight, &known, &rng)
    }

    /// An attempt is sent there: the number of the replica.
    pub(super) fn sent_to(&mut self, row_id: u32, host: u32) -> u32 {
        let whole = self.whole();
        let side = &mut whole.sides[row_id as usize];
        let replicas = &mut whole.hosts.servers[whole.places.all[side.place].server];
        let number = replicas.first + host;
        if replicas.count > 1 {
            replicas.passed(host);
            let had = side.hosts.capacity();
            side.hosts.push(host);
            whole.heap += (side.hosts.capacity() - had) * size_of::<u32>();
            whole.hosts.in_flight[number as usize] += 1;
        }
        number
    }

    /// An attempt has ended for its client.
    pub(super) fn done_at(&mut self, row_id: u32, attempt: u32, outcome: Outcome) {
        let now = self.now;
        let client = self.rows[row_id].client;
        let whole = self.whole();
        let side = &whole.sides[row_id as usize];
        let Some(host) = side.host(attempt) else { return };
        let place = &whole.places.all[side.place];
        let replicas = whole.hosts.servers[place.server];
        whole.hosts.in_flight[(replicas.first + host) as usize] -= 1;
        let of = &mut whole.places.clients[place.client];
        if let Some(ejector) = &mut of.ejector
            && !matches!(outcome, Outcome::Cancelled | Outcome::Open)
        {
            let group = place.first_endpoint..place.first_endpoint + replicas.count;
            let retried = of.policy.is_failure(outcome);
            ejector.saw(now, client, place.first_endpoint + host, group, outcome, retried);
        }
    }

    /// The replica with this number, with all that it needs at hand.
    pub(super) fn server(&mut self, number: u32) -> &mut Server<'a> {
        let called = self.called;
        let whole = self.whole.as_mut().expect("only what goes the whole way comes here");
        if whole.has_common && numbered(called, number as usize, &mut self.server, &mut self.others).has_common() {
            let hosts = &mut whole.hosts;
            let replicas = hosts.servers.iter_mut().rfind(|replicas| replicas.first <= number);
            let before = std::mem::replace(&mut replicas.expect("it is one of them").at_hand, number);
            if before != number {
                let (server, other) = two(called, (number, before), &mut self.server, &mut self.others);
                server.take_common(other);
            }
        }
        numbered(called, number as usize, &mut self.server, &mut self.others)
    }

    /// What is known of a key at this server is forgotten.
    pub(super) fn forget(&mut self, server: usize, slot: u32) {
        let Replicas { first, count, at_hand, .. } = self.whole().hosts.servers[server];
        let config = &self.scene.world.servers[server];
        let numbers = if config.idempotency.is_per_replica() { first..first + count } else { at_hand..at_hand + 1 };
        for number in numbers {
            numbered(self.called, number as usize, &mut self.server, &mut self.others).forget(slot);
        }
    }

    /// A thing is over: what its row was at each server, is forgotten.
    pub(super) fn forget_rows(&mut self, thing: u32) {
        for server in 0..self.scene.world.servers.len() {
            let number = self.whole().hosts.servers[server].at_hand;
            numbered(self.called, number as usize, &mut self.server, &mut self.others).forget_row(thing);
        }
    }

    /// Who makes a course has done with it, or has gone: so have its transactions.
    pub(super) fn leave_transactions(&mut self, course: u32) {
        for index in 0..self.whole().places.keepers.len() {
            let whole = self.whole();
            let Going { order, transaction, .. } = whole.courses[course];
            let thing = whole.orders.all[order].thing;
            let number = whole.hosts.servers[whole.places.keepers[index]].at_hand;
            self.tell_whole(number, |server, now, floor| server.end_transaction_of(now, thing, transaction, floor));
        }
    }

    /// Something else is in force at a server, or at one of its replicas.
    pub(super) fn change_whole(&mut self, server: usize, replica: Option<u32>) {
        let Replicas { first, count, .. } = self.whole().hosts.servers[server];
        let were_down = self.are_down(first, count);
        let chosen = replica.map_or(0..count, |replica| replica..replica + 1);
        for replica in chosen {
            let in_force = self.faults.in_force(self.now, server, replica);
            self.tell_whole(first + replica, |server, now, floor| server.set_in_force(now, in_force, floor));
        }
        if self.whole().queues.iter().any(Option::is_some) {
            self.change_queues();
        }
        if !were_down && self.are_down(first, count) {
            self.server(first).all_have_crashed();
        }
    }

    fn are_down(&mut self, first: u32, count: u32) -> bool {
        let mut is_down =
            |number: u32| numbered(self.called, number as usize, &mut self.server, &mut self.others).is_crashed();
        (first..first + count).all(&mut is_down)
    }
}

/// Two different ones.
fn two<'s, 'a>(
    called: usize,
    (one, other): (u32, u32),
    server: &'s mut Server<'a>,
    others: &'s mut [Server<'a>],
) -> (&'s mut Server<'a>, &'s mut Server<'a>) {
    let place =
        |number: u32| (number as usize != called).then(|| number as usize - usize::from(number as usize > called));
    match (place(one), place(other)) {
        (None, Some(other)) => (server, &mut others[other]),
        (Some(one), None) => (&mut others[one], server),
        (Some(one), Some(other)) => {
            let [one, other] = others.get_disjoint_mut([one, other]).expect("two different ones");
            (one, other)
        }
        (None, None) => unreachable!("two different ones"),
    }
}
