//! Open-loop demand: operation after operation, from streams that no policy can disturb.

use crate::distribution::unit_exponential;
use crate::rng::{KeyedRng, Purpose};
use crate::scenario::{Arrivals, ProfilePoint, Scene, profile_rate};
use crate::units::{NANOS_PER_SECOND, SimTime, Span};

/// An operation of an open-loop demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// When.
    pub at: SimTime,
    /// Its number, from 0.
    pub number: u64,
    /// At which client.
    pub client: u32,
}

/// The operations of an open-loop demand, one after the other.
#[derive(Clone, Debug)]
pub struct OpenLoop<'a> {
    scene: Scene<'a>,
    seed: u64,
    rng: KeyedRng,
    number: u64,
    at: SimTime,
    /// Profile: the segment that `at` lies in.
    segment: usize,
}

impl<'a> OpenLoop<'a> {
    /// The demand of `scene` in a run seeded with `seed`; nothing in a closed loop.
    pub fn new(scene: Scene<'a>, seed: u64) -> OpenLoop<'a> {
        let rng = KeyedRng::new(seed, Purpose::Arrivals, 0, 0);
        OpenLoop { scene, seed, rng, number: 0, at: SimTime::ZERO, segment: 0 }
    }

    fn start_time(&mut self) -> Option<SimTime> {
        match &self.scene.world.arrivals {
            Arrivals::Closed { .. } => None,
            Arrivals::Poisson { rate } => {
                let gap = unit_exponential(&mut self.rng) / rate * NANOS_PER_SECOND as f64;
                Some(self.at + Span::from_nanos_f64(gap))
            }
            // Nothing at no rate: the first operation stands at 0 divided by it.
            Arrivals::Constant { rate } => (*rate > 0.0)
                .then(|| SimTime::ZERO + Span::from_nanos_f64(self.number as f64 / rate * NANOS_PER_SECOND as f64)),
            Arrivals::Burst { operations, at, every } => {
                let round = self.number.checked_div(*operations)?;
                match every {
                    None if round > 0 => None,
                    None => Some(SimTime::ZERO + *at),
                    Some(every) => Some(SimTime::ZERO + *at + Span(every.0.saturating_mul(round))),
                }
            }
            Arrivals::Profile(points) => {
                let target = unit_exponential(&mut self.rng);
                profile_advance(points, self.at, &mut self.segment, target)
            }
            Arrivals::Trace(trace) => trace.at.get(self.number as usize).copied(),
        }
    }
}

impl Iterator for OpenLoop<'_> {
    type Item = Start;

    fn next(&mut self) -> Option<Start> {
        let at = self.start_time()?;
        if at >= self.scene.frame.demand_end() {
            return None;
        }
        self.at = at;
        let number = self.number;
        self.number += 1;
        let clients = u64::from(self.scene.world.clients);
        let client = match self.scene.world.arrivals {
            Arrivals::Constant { .. } | Arrivals::Burst { .. } => number % clients,
            _ => KeyedRng::new(self.seed, Purpose::Client, number, 0).below(clients),
        };
        Some(Start { at, number, client: client as u32 })
    }
}

/// The first instant after `from` at which the integral of the rate has grown by `target`: exact inversion, piece by piece.
fn profile_advance(points: &[ProfilePoint], from: SimTime, segment: &mut usize, mut target: f64) -> Option<SimTime> {
    let mut at = Span(from.0);
    while *segment < points.len() && points[*segment].at <= at {
        *segment += 1;
    }
    loop {
        let rate = profile_rate(points, at);
        let Some(next) = points.get(*segment) else {
            // Constant beyond the last point.
            return (rate > 0.0).then(|| SimTime(at.0) + Span::from_seconds(target / rate));
        };
        let length = (next.at - at).seconds();
        // Before the first point the rate is constant too.
        let end_rate = if *segment == 0 { rate } else { next.rate };
        let area = (rate + end_rate) / 2.0 * length;
        if target < area {
            // rate·x + (end_rate - rate)/(2·length)·x² = target, in the form that keeps its digits when the slope is small.
            let slope = (end_rate - rate) / length;
            let root = libm::sqrt((rate * rate + 2.0 * slope * target).max(0.0));
            return Some(SimTime(at.0) + Span::from_seconds(2.0 * target / (rate + root)));
        }
        target -= area;
        at = next.at;
        *segment += 1;
        while *segment < points.len() && points[*segment].at <= at {
            *segment += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::scenario::{Cut, Scenario, ServerConfig, Trace};

    fn scenario(arrivals: Arrivals, seconds: u64, clients: u32) -> Scenario {
        Scenario::new(Span::secs(seconds), arrivals, ServerConfig::named("s")).in_world(|world| world.clients = clients)
    }

    fn starts(scenario: &Scenario) -> Vec<Start> {
        OpenLoop::new(scenario.common(), 5).collect()
    }

    #[test]
    fn constant_and_burst_take_clients_in_turn() {
        let constant = starts(&scenario(Arrivals::Constant { rate: 4.0 }, 2, 3));
        let at: Vec<u64> = constant.iter().map(|s| s.at.0 / 1_000_000).collect();
        assert_eq!(at, [0, 250, 500, 750, 1_000, 1_250, 1_500, 1_750]);
        assert_eq!(constant.iter().map(|s| s.client).collect::<Vec<_>>(), [0, 1, 2, 0, 1, 2, 0, 1]);
        let every = Some(Span::secs(60));
        let burst = starts(&scenario(Arrivals::Burst { operations: 2, at: Span::secs(5), every }, 130, 10));
        let at: Vec<f64> = burst.iter().map(|s| s.at.seconds()).collect();
        assert_eq!(at, [5.0, 5.0, 65.0, 65.0, 125.0, 125.0]);
        assert_eq!(starts(&scenario(Arrivals::Burst { operations: 7, at: Span::ZERO, every: None }, 130, 10)).len(), 7);
    }

    /// Recorded instants, those from the end of the demand on left out; clients as for a Poisson demand.
    #[test]
    fn recorded_instants() {
        let at = [0, 250, 250, 1_999, 2_000, 2_500].map(|ms| SimTime::ZERO + Span::millis(ms)).to_vec();
        let trace =
            Arrivals::Trace(Arc::new(Trace { file: "t.csv".to_owned(), at, cut: Cut::default(), keyed: false }));
        let all = starts(&scenario(trace, 2, 7));
        let ms: Vec<u64> = all.iter().map(|start| start.at.0 / 1_000_000).collect();
        assert_eq!(ms, [0, 250, 250, 1_999]);
        let poisson = starts(&scenario(Arrivals::Poisson { rate: 100.0 }, 2, 7));
        assert!(all.iter().zip(&poisson).all(|(a, b)| (a.number, a.client) == (b.number, b.client)), "{all:?}");
        assert!(all.iter().any(|start| start.client != all[0].client), "{all:?}");
    }

    #[test]
    fn no_demand_is_no_operation() {
        for arrivals in [
            Arrivals::Poisson { rate: 0.0 },
            Arrivals::Constant { rate: 0.0 },
            Arrivals::Burst { operations: 0, at: Span::ZERO, every: Some(Span::secs(1)) },
            Arrivals::Burst { operations: 9, at: Span::secs(10), every: None },
            Arrivals::Profile(vec![ProfilePoint { at: Span::secs(1), rate: 0.0 }]),
        ] {
            assert_eq!(starts(&scenario(arrivals.clone(), 10, 3)), [], "{arrivals:?}");
        }
    }

    /// Counts per second of a Poisson demand: mean as asked, variance equal to it; z-scores below 4.
    fn check_poisson(arrivals: Arrivals, rate_at: impl Fn(f64) -> f64) {
        let seconds = 4_000;
        let all = starts(&scenario(arrivals, seconds, 50));
        let mut counts = vec![0.0; seconds as usize];
        for start in &all {
            counts[start.at.seconds() as usize] += 1.0;
        }
        let expected: Vec<f64> = (0..seconds).map(|s| rate_at(s as f64 + 0.5)).collect();
        let total: f64 = expected.iter().sum();
        let z = (all.len() as f64 - total) / total.sqrt();
        assert!(z.abs() < 4.0, "{} operations, expected {total}: z {z}", all.len());
        let chi: f64 = counts.iter().zip(&expected).map(|(c, e)| (c - e) * (c - e) / e).sum();
        let chi_z = (chi - seconds as f64) / (2.0 * seconds as f64).sqrt();
        assert!(chi_z.abs() < 4.5, "dispersion is {chi_z} standard errors off");
        assert!(all.windows(2).all(|pair| pair[0].at <= pair[1].at));
        let mean_client = all.iter().map(|s| f64::from(s.client)).sum::<f64>() / all.len() as f64;
        let client_z = (mean_client - 24.5) / (50.0 / 12.0f64.sqrt() / (all.len() as f64).sqrt());
        assert!(client_z.abs() < 4.0, "clients are not drawn uniformly: z {client_z}");
    }

    #[test]
    fn poisson_and_profiles() {
        check_poisson(Arrivals::Poisson { rate: 20.0 }, |_| 20.0);
        let point = |at, rate| ProfilePoint { at: Span::secs(at), rate };
        let profile = vec![point(1_000, 10.0), point(2_000, 50.0), point(3_000, 50.0), point(3_000, 5.0)];
        check_poisson(Arrivals::Profile(profile), |t| match t {
            t if t < 1_000.0 => 10.0,
            t if t < 2_000.0 => 10.0 + 40.0 * (t - 1_000.0) / 1_000.0,
            t if t < 3_000.0 => 50.0,
            _ => 5.0,
        });
    }

    #[test]
    fn a_profile_that_ends_at_zero_ends() {
        let point = |at, rate| ProfilePoint { at: Span::secs(at), rate };
        let all = starts(&scenario(Arrivals::Profile(vec![point(0, 10.0), point(10, 0.0)]), 100, 1));
        assert!((20..80).contains(&all.len()), "{}", all.len());
        assert!(all.iter().all(|start| start.at < SimTime::ZERO + Span::secs(10)));
    }
}
