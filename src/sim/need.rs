//! What is known of a run before anything happens: how much will be open at once, at the least.

use crate::distribution::Distribution;
use crate::scenario::{Arrivals, World};

/// What will be open at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    /// Operations.
    pub operations: u64,
    /// Attempts at the server, with a worker or in the queue.
    pub attempts: u64,
}

/// An estimate from means, which keeps to what is sure to come: retries, faults and a queue that grows come on top.
pub fn open_at_once(world: &World) -> Open {
    let server = world.called();
    let served_in = server.service_time.mean_seconds() + 2.0 * server.network.mean_seconds();
    let clients = f64::from(world.clients);
    let of_all = |each: u32| u64::from(each) * u64::from(server.replicas);
    let workers = server.workers.map(of_all);
    let places = workers.zip(server.queue).map(|(workers, queue)| workers + of_all(queue));
    let operations = match &world.arrivals {
        // An operation that takes no time ends before the next one starts.
        _ if served_in <= 0.0 => 0,
        Arrivals::Burst { operations, .. } => *operations,
        // All think equally long, and start together.
        Arrivals::Closed { think: Distribution::Constant(_) } => u64::from(world.clients),
        Arrivals::Closed { think } => {
            let think = think.mean_seconds();
            // Who does not think has an operation open. Nobody's takes less time than its work.
            let share = if think.is_finite() { think / (think + served_in) } else { 1.0 };
            let thinking = clients * share;
            // And if all of them find a place, no more go back to thinking than the workers let go (Little's law).
            let places = places.map(|places| places as f64);
            let released = workers.map(|workers| workers as f64 / server.service_time.mean_seconds() * think);
            let turned_away = places.is_some_and(|places| places < clients);
            let thinking = released.filter(|_| !turned_away).map_or(thinking, |most| most.min(thinking));
            (clients - thinking) as u64
        }
        // An open loop holds what it cannot serve, and how much that is depends on the run.
        Arrivals::Poisson { .. } | Arrivals::Constant { .. } | Arrivals::Profile(_) | Arrivals::Trace(_) => 0,
    };
    Open { operations, attempts: places.map_or(operations, |places| places.min(operations)) }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::retry::RetryPolicy;
    use crate::scenario::{Scenario, ServerConfig};
    use crate::sim::{self, Limits};
    use crate::units::Span;

    const SECOND: Distribution = Distribution::Exponential { mean: Span::secs(1) };

    /// A thousand clients, or whatever demand is given, and ten workers who need 12 ms.
    fn scenario(arrivals: Arrivals, queue: Option<u32>) -> Scenario {
        let server = ServerConfig {
            workers: Some(10),
            queue,
            service_time: Distribution::Exponential { mean: Span::millis(12) },
            ..ServerConfig::named("s")
        };
        Scenario::new(Span::secs(200), arrivals, server).in_world(|world| world.clients = 1_000)
    }

    fn check(scenario: &Scenario, operations: u64, attempts: u64) {
        assert_eq!(open_at_once(&scenario.world), Open { operations, attempts }, "{:?}", scenario.world.arrivals);
    }

    #[test]
    fn what_is_sure_to_be_open() {
        let closed = |think| Arrivals::Closed { think };
        // 1 - 1 / 1.012 of the clients, for as long as there is a place for all.
        check(&scenario(closed(SECOND), Some(10)), 11, 11);
        // The workers let 833 go in a second.
        check(&scenario(closed(SECOND), None), 166, 166);
        check(&scenario(closed(SECOND), Some(990)), 166, 166);
        // All at once.
        check(&scenario(closed(Distribution::Constant(Span::secs(1))), Some(10)), 1_000, 20);
        check(&scenario(Arrivals::Burst { operations: 5_000, at: Span::ZERO, every: None }, Some(10)), 5_000, 20);
        check(&scenario(Arrivals::Burst { operations: 5_000, at: Span::ZERO, every: None }, None), 5_000, 5_000);
        // Nobody knows.
        check(&scenario(Arrivals::Poisson { rate: 1e9 }, None), 0, 0);
        // No time: nothing is open when the next one comes.
        let mut at_once = scenario(closed(SECOND), None);
        at_once.world_mut().servers[0].service_time = Distribution::ZERO;
        check(&at_once, 0, 0);
        // Means that do not exist, on either side and on both.
        let endless = Distribution::Pareto { min: Span::secs(1), shape: 0.5 };
        let mut stuck = scenario(closed(SECOND), None);
        stuck.world_mut().servers[0].service_time = endless.clone();
        check(&stuck, 1_000, 1_000);
        stuck.world_mut().arrivals = closed(endless.clone());
        check(&stuck, 0, 0);
        check(&scenario(closed(endless), None), 0, 0);
    }

    /// In a run, as many are open as was expected.
    #[test]
    fn what_is_open_in_a_run() {
        let scenario =
            scenario(Arrivals::Closed { think: SECOND }, None).with_policy("none", RetryPolicy::default(), &[]);
        let limits = Limits { memory: 1 << 30, interrupted: &AtomicBool::new(false) };
        let result = sim::run(&scenario, 0, 0, limits).expect("the run comes to its end");
        let open = result.value(crate::scenario::metric::Metric::InFlightMean);
        let expected = open_at_once(&scenario.world).operations as f64;
        assert!(open.is_some_and(|open| (open / expected - 1.0).abs() < 0.05), "{open:?}, {expected} expected");
    }
}
