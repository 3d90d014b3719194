//! A validated question: the world, the demand, and the policies to try in it.
//!
//! A [`Scenario`] is plain data. It is built from a file by [`mod@file`] (feature `scenario-files`) or in code. It builds, it never runs.

pub mod call;
mod chance;
mod crash;
pub mod decide;
mod demand;
pub mod expectation;
mod fault;
#[cfg(feature = "scenario-files")]
pub mod file;
pub mod metric;
pub mod nearest;
mod row;
mod scene;
mod server;
mod store;
mod things;
pub mod warning;
mod world;

use std::sync::Arc;

use crate::gate::GateConfig;
use crate::hedge::HedgeConfig;
use crate::retry::Policy;
use crate::units::{SimTime, Span};
use call::ClientRules;
pub use crash::{ClientCrashes, CrashAtStep, CrashWhen, InProgress, Meanwhile, RandomCrash};
use decide::Decide;
pub(crate) use demand::profile_rate;
pub use demand::{Arrivals, Cut, ProfilePoint, Trace};
use expectation::Expectation;
pub use fault::{Fault, Flapping, QueueFault, Series, StoreFault};
use metric::Names;
pub use row::{Member, PolicyConfig};
pub use scene::Scene;
pub use server::{AbandonedWork, Ban, Discipline, Fates, Per, RateLimit, RowLock, Scripted, ServerConfig};
pub use store::{
    Asked, CacheConfig, FreedBy, Idempotency, LockConfig, LockOnFailure, OnConflict, StoreRules, StoreScope, Stores,
    WhenDown,
};
pub use things::{Contend, Locks, Reads, Repeat, RowUse, Same, Writes};
pub(crate) use world::workers_left;
pub use world::{JournalConfig, Operation, World};

/// A scenario: policies, each in a world, in one frame. See `docs/CONTRACT.md`, section 3, for the meaning of each field.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What all rows have in common whatever their worlds.
    pub frame: Frame,
    /// The world of every row that has none of its own.
    pub world: Arc<World>,
    /// The rows of the comparison; at least one.
    pub policies: Vec<PolicyConfig>,
    /// What the results should be.
    pub expectations: Vec<Expectation>,
    /// What the choice is made by.
    pub decide: Decide,
    /// Codes of warnings that are meant.
    pub allow: Vec<String>,
}

/// What a comparison is called, how long it goes on, and what is measured in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// Shown in every output.
    pub title: String,
    /// What it is about.
    pub description: String,
    /// Replication r draws from mix(seed, r).
    pub seed: u64,
    /// Demand is offered for this long.
    pub duration: Span,
    /// Then at most this long until nothing is in flight.
    pub drain: Span,
    /// Operations that start earlier are simulated but not measured.
    pub warmup: Span,
    /// Independent runs per policy; at least 1.
    pub replications: u32,
    /// Index of the policy that others are compared with.
    pub baseline: usize,
    /// Successes within this time are counted apart; `None`: they are not.
    pub slo: Option<Span>,
    /// Window of peaks and timelines.
    pub peak_window: Span,
    /// Every run goes the whole way, also where the plain one would do. That changes nothing but the time it takes, and tests hold it to that.
    pub whole_way: bool,
}

impl Frame {
    /// A frame with the contract's defaults: one replication, drain as long as the duration.
    pub fn lasting(duration: Span) -> Frame {
        Frame {
            title: String::new(),
            description: String::new(),
            seed: 0,
            duration,
            drain: duration,
            warmup: Span::ZERO,
            replications: 1,
            baseline: 0,
            slo: None,
            peak_window: Span::secs(1),
            whole_way: false,
        }
    }

    /// The first instant without demand.
    pub fn demand_end(&self) -> SimTime {
        SimTime::ZERO + self.duration
    }

    /// The first instant at which a run is over whatever happens.
    pub fn end(&self) -> SimTime {
        self.demand_end() + self.drain
    }
}

impl Scenario {
    /// A scenario with the contract's defaults: one client, one replication, drain as long as the duration.
    pub fn new(duration: Span, arrivals: Arrivals, server: ServerConfig) -> Scenario {
        Scenario::from_parts(Frame::lasting(duration), World::new(arrivals, server))
    }

    /// A world in a frame, and no policy yet.
    pub fn from_parts(frame: Frame, world: World) -> Scenario {
        Scenario {
            frame,
            world: Arc::new(world),
            policies: Vec::new(),
            expectations: Vec::new(),
            decide: Decide::default(),
            allow: Vec::new(),
        }
    }

    /// The same in a changed frame.
    pub fn framed(mut self, change: impl FnOnce(&mut Frame)) -> Scenario {
        change(&mut self.frame);
        self
    }

    /// The same in a changed world. Rows with a world of their own keep that.
    pub fn in_world(mut self, change: impl FnOnce(&mut World)) -> Scenario {
        change(self.world_mut());
        self
    }

    /// Adds a row to the comparison, in the common world.
    pub fn with_policy(mut self, name: &str, policy: impl Policy + 'static, gates: &[GateConfig]) -> Scenario {
        let rules = ClientRules { policy: Arc::new(policy), gates: gates.to_vec(), ..ClientRules::default() };
        self.policies.push(PolicyConfig::new(name, rules));
        self
    }

    /// Adds a row of clients of several kinds, in the common world. What is measured of members goes by their names.
    pub fn with_mix(mut self, name: &str, members: Vec<Member>) -> Scenario {
        let mut names: Vec<String> = self.member_names().into_iter().map(str::to_owned).collect();
        let number = |mut member: Member| {
            if !names.contains(&member.name) {
                names.push(member.name.clone());
            }
            member.number = names.iter().position(|name| *name == member.name).expect("it is among them") as u32;
            member
        };
        let members = members.into_iter().map(number).collect();
        self.policies.push(PolicyConfig { name: name.to_owned(), members, world: None });
        self
    }

    /// The names of all members of mixes, in the order of their numbers.
    pub fn member_names(&self) -> Vec<&str> {
        let members = self.policies.iter().filter(|row| row.is_mix()).flat_map(|row| &row.members);
        let names: std::collections::BTreeMap<u32, &str> =
            members.map(|member| (member.number, member.name.as_str())).collect();
        names.into_values().collect()
    }

    /// What everything is called.
    pub fn names(&self) -> Names<'_> {
        Names { members: self.member_names(), ..self.world.names() }
    }

    /// The same with hedging in its last row.
    pub fn hedged(mut self, hedge: HedgeConfig) -> Scenario {
        if let Some(policy) = self.policies.last_mut() {
            policy.rules_mut().hedge = Some(hedge);
        }
        self
    }

    /// The common world, to be changed for every row that has none of its own.
    pub fn world_mut(&mut self) -> &mut World {
        Arc::make_mut(&mut self.world)
    }

    /// The own world of row number `policy`, to be changed for that row alone; it begins as the one that the row meets.
    pub fn own_world_mut(&mut self, policy: usize) -> &mut World {
        Arc::make_mut(self.policies[policy].world.get_or_insert_with(|| Arc::clone(&self.world)))
    }

    /// The common world in its frame.
    pub fn common(&self) -> Scene<'_> {
        Scene { frame: &self.frame, world: &self.world }
    }

    /// What row number `policy` meets: its own world if it has one, or else the common one.
    pub fn of(&self, policy: usize) -> Scene<'_> {
        let world = self.policies[policy].world.as_ref().unwrap_or(&self.world);
        Scene { frame: &self.frame, world }
    }

    /// True if row number `policy` does not meet the common world.
    pub fn has_own_world(&self, policy: usize) -> bool {
        self.policies[policy].world.is_some()
    }

    /// Bytes of all that is recorded, which runs share: instants of traces, and values that distributions draw from.
    pub fn recorded_bytes(&self) -> u64 {
        let own = self.policies.iter().filter_map(|policy| policy.world.as_ref());
        // Each list once, by where it stands.
        let lists: std::collections::BTreeMap<usize, usize> =
            std::iter::once(&self.world).chain(own).flat_map(|world| world.recorded()).collect();
        lists.values().map(|bytes| *bytes as u64).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distribution::Distribution;
    use crate::retry::RetryPolicy;

    fn rows() -> Scenario {
        let scenario = Scenario::new(Span::secs(10), Arrivals::Constant { rate: 1.0 }, ServerConfig::named("s"));
        ["a", "b", "c"].into_iter().fold(scenario, |all, name| all.with_policy(name, RetryPolicy::default(), &[]))
    }

    fn clients(scenario: &Scenario) -> [u32; 3] {
        [0, 1, 2].map(|row| scenario.of(row).world.clients)
    }

    /// No row is left behind in a world that was changed.
    #[test]
    fn rows_share_the_common_world_whatever_becomes_of_it() {
        let mut scenario = rows();
        let before = scenario.clone();
        scenario.world_mut().clients = 2;
        assert_eq!((clients(&scenario), clients(&before)), ([2; 3], [1; 3]));
        scenario.world = Arc::new(World { clients: 3, ..World::clone(&scenario.world) });
        assert_eq!(clients(&scenario), [3; 3]);
        let scenario = scenario.in_world(|world| world.clients = 4).with_policy("d", RetryPolicy::default(), &[]);
        assert_eq!((clients(&scenario), scenario.of(3).world.clients), ([4; 3], 4));
        let common = std::ptr::from_ref(scenario.common().world);
        assert!((0..4).all(|row| std::ptr::eq(scenario.of(row).world, common)), "one world, and no copy of it");
    }

    #[test]
    fn a_row_has_a_world_of_its_own_once_it_is_changed_for_it() {
        let mut scenario = rows().in_world(|world| world.clients = 5);
        scenario.own_world_mut(1).operation.method = crate::protocol::Method::Get;
        scenario.own_world_mut(1).clients = 7;
        assert_eq!(clients(&scenario), [5, 7, 5]);
        scenario.world_mut().clients = 6;
        assert_eq!(clients(&scenario), [6, 7, 6]);
        assert_eq!([0, 1, 2].map(|row| scenario.has_own_world(row)), [false, true, false]);
        // Two rows may share one that is not the common one, until it is changed for one of them.
        scenario.policies[2].world = scenario.policies[1].world.clone();
        assert_eq!(clients(&scenario), [6, 7, 7]);
        scenario.own_world_mut(2).clients = 8;
        assert_eq!(clients(&scenario), [6, 7, 8]);
    }

    /// A changed world still draws from the same lists.
    #[test]
    fn what_is_recorded_counts_once() {
        let trace = |count| {
            let at = vec![SimTime::ZERO; count];
            Arrivals::Trace(Arc::new(Trace { file: String::new(), at, cut: Cut::default(), keyed: false }))
        };
        let mut scenario = rows().in_world(|world| world.arrivals = trace(5));
        let instants = size_of::<SimTime>() as u64;
        assert_eq!(scenario.recorded_bytes(), 5 * instants);
        scenario.own_world_mut(1).servers[0].service_time = Distribution::Constant(Span::secs(1));
        assert_eq!(scenario.recorded_bytes(), 5 * instants);
        scenario.own_world_mut(2).arrivals = trace(3);
        assert_eq!(scenario.recorded_bytes(), 8 * instants);
    }
}
