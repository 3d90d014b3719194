//! Two worlds side by side: the same server under the same load, from a closed loop and from an open one.
//! Sources: Schroeder, Wierman and Harchol-Balter, "Open versus closed: a cautionary tale", NSDI 2006, principle (i); the machine repairman
//! model and M/M/1 in Kleinrock, "Queueing Systems", vol. 1 (1975).

use simlab::distribution::Distribution;
use simlab::retry::RetryPolicy;
use simlab::scenario::{Arrivals, Frame, Scenario, ServerConfig, World};
use simlab::units::Span;

use super::{check, check_values, compare, values};

/// Twenty clients that think for 1 s wait far less than as many requests per second that come from nowhere: whoever waits sends nothing.
#[test]
fn a_closed_loop_hides_the_queue() {
    const LOAD: f64 = 16.822_2;
    let server = ServerConfig {
        workers: Some(1),
        service_time: Distribution::Exponential { mean: Span::millis(50) },
        ..ServerConfig::named("s")
    };
    let closed = Arrivals::Closed { think: Distribution::Exponential { mean: Span::secs(1) } };
    let mut scenario = Scenario::from_parts(
        Frame { seed: 20_261_126, warmup: Span::secs(1_000), replications: 10, ..Frame::lasting(Span::secs(100_000)) },
        World { clients: 20, ..World::new(closed, server) },
    )
    .with_policy("closed", RetryPolicy::default(), &[])
    .with_policy("open", RetryPolicy::default(), &[]);
    scenario.own_world_mut(1).arrivals = Arrivals::Poisson { rate: LOAD };
    let comparison = compare(&scenario);
    let [closed, open] = &comparison.policies[..] else { panic!("two rows") };
    check("closed", closed, "goodput", LOAD, 0.005 * LOAD);
    check("open", open, "goodput", LOAD, 0.005 * LOAD);
    check("closed", closed, "latency_mean", 0.188_908, 0.015 * 0.188_908);
    check("open", open, "latency_mean", 0.314_679, 0.015 * 0.314_679);
    let times: Vec<f64> = values(open, "latency_mean")
        .iter()
        .zip(values(closed, "latency_mean"))
        .map(|(open, closed)| open / closed)
        .collect();
    check_values("open ÷ closed: latency_mean", &times, 1.666, 0.025);
}
