//! What is replayed from a log: an error rate that changes from window to window.

use std::sync::Arc;

use simlab::scenario::{Arrivals, Fates, Fault, Scenario, Series, ServerConfig};
use simlab::units::SimTime;

use super::{MS, at, check, fault, run, tries};

/// A request each 100 ms, from 0 to 10 s, at a server that is always quick.
fn world(faults: Vec<Fault>) -> Scenario {
    let server = ServerConfig { ..ServerConfig::named("s") };
    Scenario::new(MS(10_000), Arrivals::Constant { rate: 10.0 }, server).in_world(|world| world.faults = faults)
}

fn series(steps: &[(u64, &[(u16, f64)])]) -> Option<Arc<Series>> {
    let steps = steps.iter().map(|(from, shares)| (at(*from), shares.to_vec())).collect();
    Some(Arc::new(Series { file: "log.csv".to_owned(), steps }))
}

#[test]
fn errors_change_with_the_window() {
    let steps: [(u64, &[(u16, f64)]); 4] = [(0, &[]), (2_000, &[(503, 1.0)]), (3_000, &[(500, 1.0)]), (5_000, &[])];
    let fault = |from, until| Fault { series: series(&steps), ..fault(from, until) };
    let all = run(&world(vec![Fault { until: SimTime::NEVER, ..fault(0, 1) }]), tries(1));
    check(
        "all of it",
        &all,
        &[("outcome_503", 10.0), ("outcome_500", 20.0), ("succeeded", 70.0), ("executions", 70.0)],
    );
    // The fault's window cuts the series and does not move it.
    let cut = run(&world(vec![fault(2_500, 4_000)]), tries(1));
    check("cut", &cut, &[("outcome_503", 5.0), ("outcome_500", 10.0), ("succeeded", 85.0)]);
    // At the instant of a step it holds: the operation at 2 s fails, that at 5 s does not.
    let one: [(u64, &[(u16, f64)]); 2] = [(2_000, &[(503, 1.0)]), (2_001, &[])];
    let instant = run(&world(vec![Fault { series: series(&one), ..fault(0, 9_000) }]), tries(1));
    check("an instant", &instant, &[("outcome_503", 1.0), ("succeeded", 99.0)]);
}

/// Shares of a series stand beside those of its fault, of others and of the server.
#[test]
fn errors_add_up() {
    let half: [(u64, &[(u16, f64)]); 1] = [(0, &[(503, 0.5)])];
    let own = Fates { errors: vec![(500, 0.5)], ..Fates::default() };
    let together = Fault { series: series(&half), fates: own.clone(), ..fault(0, 10_000) };
    check("of one fault", &run(&world(vec![together]), tries(1)), &[("succeeded", 0.0)]);
    let replayed = Fault { series: series(&half), ..fault(0, 10_000) };
    let other = Fault { fates: own.clone(), ..fault(0, 10_000) };
    check("of two", &run(&world(vec![replayed.clone(), other]), tries(1)), &[("succeeded", 0.0)]);
    let full: [(u64, &[(u16, f64)]); 1] = [(0, &[(503, 1.0)])];
    let mut server = world(vec![Fault { series: series(&full), ..fault(0, 10_000) }]);
    server.world_mut().servers[0].fates = own;
    check("the server yields", &run(&server, tries(1)), &[("outcome_503", 100.0), ("outcome_500", 0.0)]);
}
