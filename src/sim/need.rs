//! What is known of a run before anything happens: how much will be open at once, at the least.

use crate::distribution::Distribution;
use crate::scenario::{Arrivals, Scenario};

/// What will be open at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    /// Operations.
    pub operations: u64,
    /// Attempts at the server, with a worker or in the queue.
    pub attempts: u64,
}

/// An estimate from means, which keeps to what is sure to come: retries, faults and a queue that grows come on top.
pub fn open_at_once(scenario: &Scenario) -> Open {
    let server = &scenario.servers[scenario.operation.server];
    let served_in = server.service_time.mean_seconds() + 2.0 * server.network.mean_seconds();
    let clients = f64::from(scenario.clients);
    let operations = match &scenario.arrivals {
        // An operation that takes no time ends before the next one starts.
        _ if served_in <= 0.0 => 0,
        Arrivals::Burst { operations, .. } => *operations,
        // All think equally long, and start together.
        Arrivals::Closed { think: Distribution::Constant(_) } => u64::from(scenario.clients),
        Arrivals::Closed { think } => {
            let think = think.mean_seconds();
            // Who does not think has an operation open. Nobody's takes less time than its work.
            let share = if think.is_finite() { think / (think + served_in) } else { 1.0 };
            let thinking = clients * share;
            // And if all of them find a place, no more go back to thinking than the workers let go (Little's law).
            let places = server.workers.zip(server.queue).map(|(workers, queue)| f64::from(workers) + f64::from(queue));
            let released =
                server.workers.map(|workers| f64::from(workers) / server.service_time.mean_seconds() * think);
            let turned_away = places.is_some_and(|places| places < clients);
            let thinking = released.filter(|_| !turned_away).map_or(thinking, |most| most.min(thinking));
            (clients - thinking) as u64
        }
        // An open loop holds what it cannot serve, and how much that is depends on the run.
        Arrivals::Poisson { .. } | Arrivals::Constant { .. } | Arrivals::Profile(_) | Arrivals::Trace(_) => 0,
    };
    let places = server.workers.zip(server.queue).map(|(workers, queue)| u64::from(workers) + u64::from(queue));
    Open { operations, attempts: places.map_or(operations, |places| places.min(operations)) }
}
