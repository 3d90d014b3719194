//! Which faults are active: their edges in time, flapping included.

use super::event::Event;
use super::queue::Queue;
use crate::fault::InForce;
use crate::fault::flapping::Spells;
use crate::scenario::{Fault, Scenario};
use crate::units::SimTime;

/// The faults of a run. They stand in the order of their names, so that nothing depends on their places in the scenario.
#[derive(Debug)]
pub struct FaultClock<'a> {
    scenario: &'a Scenario,
    states: Vec<State<'a>>,
}

#[derive(Debug)]
struct State<'a> {
    fault: &'a Fault,
    active: bool,
    spells: Option<Spells>,
}

impl<'a> FaultClock<'a> {
    /// Schedules the beginning of every fault.
    pub fn new(scenario: &'a Scenario, seed: u64, queue: &mut Queue) -> FaultClock<'a> {
        let mut faults: Vec<&Fault> = scenario.faults.iter().collect();
        faults.sort_by(|one, other| one.name.cmp(&other.name));
        let states = faults.into_iter().enumerate().map(|(index, fault)| {
            queue.push(fault.from, Event::FaultEdge { fault: index as u32 });
            let spells = fault.flapping.map(|flapping| Spells::new(seed, &fault.name, flapping));
            State { fault, active: false, spells }
        });
        FaultClock { states: states.collect(), scenario }
    }

    /// An edge of `fault` has come: it begins, ends or flaps. Schedules its next edge and returns its server.
    pub fn edge(&mut self, now: SimTime, index: u32, queue: &mut Queue) -> usize {
        let state = &mut self.states[index as usize];
        let fault = state.fault;
        let event = Event::FaultEdge { fault: index };
        if now >= fault.until {
            state.active = false;
            return fault.server;
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
        if next < self.scenario.end() {
            queue.push(next, event);
        }
        fault.server
    }

    /// What is in force at a server from `now` on.
    pub fn in_force(&self, now: SimTime, server: usize) -> InForce {
        let active = self.states.iter().filter(|state| state.active && state.fault.server == server);
        InForce::new(&self.scenario.servers[server], active.map(|state| state.fault), now)
    }
}
