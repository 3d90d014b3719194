//! One of several replicas behind one name: which of them an attempt goes to, and which a client leaves out for a while.
//!
//! Who balances is the world's: a name server, a proxy or the client's library, all of which choose alike. What a client does about a replica that
//! fails is its own: it may retry elsewhere (Envoy's `previous_hosts`), and it may eject one that failed too often (Envoy's outlier detection,
//! Finagle's failure accrual).

use crate::entry::Entry;
use crate::protocol::Outcome;
use crate::retry::OutcomeSet;
use crate::rng::KeyedRng;
use crate::units::{SimTime, Span};

/// What is said of ejection.
pub const ENTRY: Entry = Entry {
    name: "ejection",
    summary: "leaves a replica out that has failed too often",
    rule: "After `failures` failures in a row (default 5; retry_on, or failures_are) a replica is left out of this client's choice for `for` (30 s) times \
           the number of its ejections so far, as long as at most `most` (10%) of the server's replicas are out, and one in any case. What ends at it \
           while it is out does not count. When all are out, nobody is. Together with retry_host = \"other\" a retry goes to a replica that is neither \
           out nor tried.",
    source: "Envoy's outlier detection (consecutive_5xx, base_ejection_time, max_ejection_percent), without its success rates.",
    example: "ejection = { failures = 5, for = \"30s\" }",
};

/// Which replica an attempt goes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(rename_all = "kebab-case")
)]
pub enum Balance {
    /// Drawn by operation and attempt.
    #[default]
    Random,
    /// In turn.
    RoundRobin,
    /// Where fewest attempts are open, the first of them.
    LeastInFlight,
    /// Of two drawn the one where fewer are open, the first drawn if both have the same (Mitzenmacher, "The Power of Two Choices in Randomized Load
    /// Balancing", 2001).
    TwoChoices,
}

/// Where retries and hedges go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(rename_all = "lowercase")
)]
pub enum RetryHost {
    /// Wherever `balance` says.
    #[default]
    Any,
    /// To a replica that this call has not tried yet, as long as there is one.
    Other,
}

/// `ejection`: which replicas a client leaves out, and for how long.
#[derive(Clone, Debug, PartialEq)]
pub struct EjectionConfig {
    /// So many failures in a row eject a replica; at least 1.
    pub failures: u32,
    /// What failures are; `None`: what the policy retries.
    pub failures_are: Option<OutcomeSet>,
    /// How long, times the number of its ejections so far.
    pub time: Span,
    /// The largest share of all that is out at once; one may be in any case.
    pub most: f64,
}

impl Default for EjectionConfig {
    /// Envoy's: five failures, thirty seconds, a tenth (`consecutive_5xx`, `base_ejection_time`, `max_ejection_percent`).
    fn default() -> EjectionConfig {
        EjectionConfig { failures: 5, failures_are: None, time: Span::secs(30), most: 0.1 }
    }
}

/// What a client does about replicas.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EndpointRules {
    /// Where retries and hedges go.
    pub retry_host: RetryHost,
    /// Which replicas it leaves out.
    pub ejection: Option<EjectionConfig>,
}

/// What one client knows of one replica.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// In a row.
    failures: u32,
    ejections: u32,
    /// It is out until then.
    until: SimTime,
}

/// What all clients with the same rules know of replicas.
#[derive(Clone, Debug)]
pub struct Ejector {
    config: EjectionConfig,
    endpoints: u32,
    /// By client and endpoint.
    seen: Vec<Seen>,
}

impl Ejector {
    /// Nothing is known of so many endpoints.
    pub fn new(config: &EjectionConfig, clients: u32, endpoints: u32) -> Ejector {
        let seen = vec![Seen::default(); clients as usize * endpoints as usize];
        Ejector { config: config.clone(), endpoints, seen }
    }

    /// Bytes that it will take.
    pub fn bytes_for(clients: u32, endpoints: u32) -> u64 {
        u64::from(clients) * u64::from(endpoints) * size_of::<Seen>() as u64
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> usize {
        self.seen.capacity() * size_of::<Seen>()
    }

    fn place(&self, client: u32, endpoint: u32) -> usize {
        client as usize * self.endpoints as usize + endpoint as usize
    }

    /// True if a client leaves this endpoint out.
    pub fn is_out(&self, now: SimTime, client: u32, endpoint: u32) -> bool {
        now < self.seen[self.place(client, endpoint)].until
    }

    /// An attempt at an endpoint has ended. `retried`: with an outcome that the policy would retry. `group`: the endpoints of the same server.
    pub fn saw(
        &mut self,
        now: SimTime,
        client: u32,
        endpoint: u32,
        group: std::ops::Range<u32>,
        outcome: Outcome,
        retried: bool,
    ) {
        let place = self.place(client, endpoint);
        if now < self.seen[place].until {
            // What was sent before says nothing new.
            return;
        }
        let failed = self.config.failures_are.as_ref().map_or(retried, |set| set.contains(outcome));
        if !failed {
            self.seen[place].failures = 0;
            return;
        }
        self.seen[place].failures = self.seen[place].failures.saturating_add(1);
        let most = (f64::from(group.end - group.start) * self.config.most + 1e-9) as usize;
        let out = group.filter(|other| self.is_out(now, client, *other)).count();
        if self.seen[place].failures >= self.config.failures && out < most.max(1) {
            let Seen { ejections, .. } = self.seen[place];
            let ejections = ejections.saturating_add(1);
            let time = Span(self.config.time.0.saturating_mul(u64::from(ejections)));
            self.seen[place] = Seen { failures: 0, ejections, until: now + time };
        }
    }
}

/// Chooses among the first `replicas` numbers those that `may`; `None` if none may. `turn` is whose turn it is, `in_flight` what is open at each.
pub fn choose(
    balance: Balance,
    replicas: u32,
    turn: u32,
    may: impl Fn(u32) -> bool,
    in_flight: impl Fn(u32) -> u32,
    rng: &mut KeyedRng,
) -> Option<u32> {
    match balance {
        Balance::Random => draw(replicas, may, rng),
        Balance::RoundRobin => (turn..replicas).chain(0..turn.min(replicas)).find(|replica| may(*replica)),
        Balance::LeastInFlight => {
            (0..replicas).filter(|replica| may(*replica)).min_by_key(|replica| in_flight(*replica))
        }
        Balance::TwoChoices => {
            let first = draw(replicas, &may, rng)?;
            let second = draw(replicas, |replica| replica != first && may(replica), rng);
            Some(second.filter(|second| in_flight(*second) < in_flight(first)).unwrap_or(first))
        }
    }
}

/// Any of those that may, with the same probability. The first draw is among all: as long as that one may, it does not matter who else may not.
fn draw(replicas: u32, may: impl Fn(u32) -> bool, rng: &mut KeyedRng) -> Option<u32> {
    let first = rng.below(u64::from(replicas)) as u32;
    if may(first) {
        return Some(first);
    }
    let count = (0..replicas).filter(|replica| may(*replica)).count();
    let place = if count == 0 { return None } else { rng.below(count as u64) as usize };
    (0..replicas).filter(|replica| may(*replica)).nth(place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Outcome;
    use crate::rng::Purpose;

    /// Shares of choices among four, of which some may not, with so much in flight.
    fn check(balance: Balance, may: [bool; 4], in_flight: [u32; 4], expected: [f64; 4]) {
        let (draws, mut got, mut turn) = (40_000, [0u32; 4], 0);
        for number in 0..draws {
            let mut rng = KeyedRng::new(7, Purpose::Replica, number, 1);
            let chosen = choose(balance, 4, turn, |one| may[one as usize], |one| in_flight[one as usize], &mut rng);
            let Some(chosen) = chosen else { continue };
            got[chosen as usize] += 1;
            turn = (chosen + 1) % 4;
        }
        for (got, expected) in got.iter().zip(expected) {
            let share = f64::from(*got) / draws as f64;
            // Four standard deviations of a share of one half.
            assert!((share - expected).abs() < 0.01, "{balance:?} {may:?} {in_flight:?}: {share} for {expected}");
        }
    }

    #[test]
    fn choices() {
        let (all, none) = ([true; 4], [false; 4]);
        let three = [true, false, true, true];
        let third = 1.0 / 3.0;
        for balance in [Balance::Random, Balance::RoundRobin] {
            check(balance, all, [0, 9, 0, 0], [0.25; 4]);
            check(balance, three, [0; 4], [third, 0.0, third, third]);
        }
        for balance in [Balance::Random, Balance::RoundRobin, Balance::LeastInFlight, Balance::TwoChoices] {
            check(balance, none, [0; 4], [0.0; 4]);
            check(balance, [false, false, true, false], [9; 4], [0.0, 0.0, 1.0, 0.0]);
        }
        check(Balance::LeastInFlight, all, [2, 1, 1, 3], [0.0, 1.0, 0.0, 0.0]);
        check(Balance::LeastInFlight, three, [2, 1, 1, 3], [0.0, 0.0, 1.0, 0.0]);
        // Of six pairs the fullest wins none, the emptiest the three in which it is.
        check(Balance::TwoChoices, all, [0, 1, 2, 3], [0.5, third, third / 2.0, 0.0]);
        check(Balance::TwoChoices, all, [4; 4], [0.25; 4]);
        check(Balance::TwoChoices, three, [0, 0, 1, 2], [2.0 * third, 0.0, third, 0.0]);
    }

    /// As long as the one that was drawn may, it does not matter who else may not: policies that eject meet the same replicas as others.
    #[test]
    fn who_may_not_changes_nobody_elses_draw() {
        for number in 0..1_000 {
            let drawn = |may: &dyn Fn(u32) -> bool| {
                let mut rng = KeyedRng::new(7, Purpose::Replica, number, 1);
                choose(Balance::Random, 10, 0, may, |_| 0, &mut rng).expect("some may")
            };
            let (free, without) = (drawn(&|_| true), drawn(&|one| one != 3));
            assert!(without == free || free == 3 && without != 3, "{free} and {without}");
        }
    }

    /// Steps: (seconds, endpoint, failed). Who is out at these seconds, as far as it was known then.
    fn ejected(config: EjectionConfig, steps: &[(u64, u32, bool)], at: &[u64]) -> String {
        let mut ejector = Ejector::new(&config, 2, 5);
        let time = |seconds| SimTime::ZERO + Span::secs(seconds);
        let (mut steps, mut told) = (steps.iter().peekable(), Vec::new());
        for seconds in at {
            while let Some((then, endpoint, failed)) = steps.next_if(|(then, _, _)| then <= seconds) {
                let outcome = if *failed { Outcome::Status(503) } else { Outcome::OK };
                ejector.saw(time(*then), 1, *endpoint, 1..5, outcome, *failed);
            }
            let out = (1..5).filter(|one| ejector.is_out(time(*seconds), 1, *one));
            told.push(out.map(|one| one.to_string()).collect::<String>());
        }
        assert!((0..5).all(|endpoint| !ejector.is_out(time(0), 0, endpoint)), "the other client knows nothing of it");
        told.join(" ")
    }

    #[test]
    fn ejections() {
        let config = EjectionConfig { failures: 2, ..EjectionConfig::default() };
        assert_eq!(ejected(config.clone(), &[(1, 3, true)], &[1]), "");
        assert_eq!(ejected(config.clone(), &[(1, 3, true), (2, 3, true)], &[1, 2, 31, 32]), " 3 3 ");
        assert_eq!(ejected(config.clone(), &[(1, 3, true), (2, 3, false), (3, 3, true)], &[3]), "");
        // While it is out nothing counts; the second time is twice as long, after as many failures.
        let again = [(1, 3, true), (2, 3, true), (3, 3, true), (40, 3, true), (41, 3, true)];
        assert_eq!(ejected(config.clone(), &again, &[39, 40, 41, 100, 101]), "  3 3 ");
        // A tenth of four is one in any case; half of them are two.
        let two = [(1, 3, true), (1, 4, true), (2, 3, true), (2, 4, true), (3, 1, true), (3, 1, true)];
        assert_eq!(ejected(config.clone(), &two, &[3]), "3");
        let half = EjectionConfig { most: 0.5, ..config.clone() };
        assert_eq!(ejected(half, &two, &[3]), "34");
        let view = OutcomeSet::new(vec![crate::retry::OutcomeClass::Timeout]);
        let own = EjectionConfig { failures_are: Some(view), ..config };
        assert_eq!(ejected(own, &[(1, 3, true), (2, 3, true)], &[2]), "");
    }
}
