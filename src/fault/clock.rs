//! When faults begin, flap, change and end. It keeps no queue: who runs the world asks for the first edges and, at each, for the next one,
//! whether its time is simulated or real.

use super::InForce;
use super::flapping::Spells;
use crate::scenario::{Fault, Scene};
use crate::units::SimTime;

/// The faults of a run. They stand in the order of their names, so that nothing depends on their places in the scenario.
#[derive(Debug)]
pub struct FaultClock<'a> {
    scene: Scene<'a>,
    states: Vec<State<'a>>,
}

#[derive(Debug)]
struct State<'a> {
    fault: &'a Fault,
    active: bool,
    spells: Option<Spells>,
}

/// What has changed at an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// At which server something else is [in force](FaultClock::in_force).
    pub server: usize,
    /// At which of its replicas, if not at all of them.
    pub replica: Option<u32>,
    /// When the next edge of the same fault is, if there is one before the end of the run.
    pub next: Option<SimTime>,
}

impl<'a> FaultClock<'a> {
    /// No fault has begun.
    pub fn new(scene: Scene<'a>, seed: u64) -> FaultClock<'a> {
        let mut faults: Vec<&Fault> = scene.world.faults.iter().collect();
        faults.sort_by(|one, other| one.name.cmp(&other.name));
        let states = faults.into_iter().map(|fault| {
            let spells = fault.flapping.map(|flapping| Spells::new(seed, &fault.name, flapping));
            State { fault, active: false, spells }
        });
        FaultClock { states: states.collect(), scene }
    }

    /// The first edge of each fault, with its number. Edges of one instant happen in the order in which they were told.
    pub fn first_edges(&self) -> impl Iterator<Item = (SimTime, u32)> {
        self.states.iter().zip(0..).map(|(state, number)| (state.fault.from, number))
    }

    /// An edge of fault number `number` has come: it begins, ends, changes or flaps.
    pub fn edge(&mut self, now: SimTime, number: u32) -> Edge {
        let state = &mut self.states[number as usize];
        let fault = state.fault;
        let edge = Edge { server: fault.server, replica: fault.replica, next: None };
        if now >= fault.until {
            state.active = false;
            return edge;
        }
        let next = match &mut state.spells {
            None => {
                state.active = true;
                fault.series.as_ref().map_or(SimTime::NEVER, |series| series.next_after(now)).min(fault.until)
            }
            Some(spells) => {
                if now > fault.from {
                    spells.toggle();
                }
                state.active = spells.on();
                (now + spells.sojourn()).min(fault.until)
            }
        };
        Edge { next: Some(next).filter(|next| *next < self.scene.frame.end()), ..edge }
    }

    /// What is in force at a replica of a server from `now` on.
    pub fn in_force(&self, now: SimTime, server: usize, replica: u32) -> InForce {
        let here = |fault: &Fault| fault.server == server && fault.is_at(replica);
        let active = self.states.iter().filter(|state| state.active && here(state.fault));
        InForce::new(&self.scene.world.servers[server], active.map(|state| state.fault), now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retry::RetryPolicy;
    use crate::scenario::{Arrivals, Flapping, Scenario, ServerConfig};
    use crate::units::Span;

    /// Whoever keeps the edges in any order of time sees each fault in its window and nowhere else.
    #[test]
    fn edges_lead_from_one_to_the_next() {
        let at = |seconds| SimTime::ZERO + Span::secs(seconds);
        let scenario = Scenario::new(Span::secs(100), Arrivals::Constant { rate: 1.0 }, ServerConfig::named("s"))
            .with_policy("p", RetryPolicy::default(), &[]);
        let fault = |name: &str, from, until| Fault::named(name, 0, from, until);
        let spells = Flapping { mean_on: Span::secs(3), mean_off: Span::secs(2) };
        let faults = vec![
            Fault { slowdown: 2.0, ..fault("slow", at(10), at(40)) },
            Fault { freeze: true, flapping: Some(spells), ..fault("flapping", at(20), at(60)) },
            Fault { crash: true, replica: Some(0), ..fault("endless", at(90), SimTime::NEVER) },
        ];
        let scenario = scenario.in_world(|world| world.faults = faults);
        let mut clock = FaultClock::new(scenario.of(0), 7);
        let mut edges: Vec<(SimTime, u32)> = clock.first_edges().collect();
        assert_eq!(edges, [(at(90), 0), (at(20), 1), (at(10), 2)], "in the order of names");
        let (mut frozen, mut passed) = (Vec::new(), 0);
        while !edges.is_empty() {
            edges.sort();
            let (now, number) = edges.remove(0);
            let edge = clock.edge(now, number);
            assert_eq!(edge.server, 0);
            assert!(edge.next.is_none_or(|next| next > now && next < scenario.frame.end()), "{now:?}: {edge:?}");
            edges.extend(edge.next.map(|next| (next, number)));
            let in_force = clock.in_force(now, 0, 0);
            let other = clock.in_force(now, 0, 1);
            assert!(
                !other.crashed && other.slowdown == in_force.slowdown,
                "one of them is about the first replica alone"
            );
            assert_eq!(in_force.slowdown == 2.0, at(10) <= now && now < at(40), "{now:?}");
            assert_eq!(in_force.crashed, now >= at(90), "{now:?}");
            assert!(!in_force.frozen || at(20) <= now && now < at(60), "{now:?}");
            frozen.push(in_force.frozen);
            passed += 1;
        }
        assert!(passed > 8, "it flaps: {passed}");
        assert!(frozen.contains(&true) && frozen.last() == Some(&false), "{frozen:?}");
    }
}
