use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;
use crate::distribution::Distribution;
use crate::scenario::{Fault, LockConfig, Stores};

fn at(ms: u64) -> SimTime {
    SimTime::ZERO + Span::millis(ms)
}

/// Work of 100 ms; what its client gives up is cancelled.
fn config() -> ServerConfig {
    let service_time = Distribution::Constant(Span::millis(100));
    ServerConfig { service_time, abandoned_work: AbandonedWork::Cancel, ..ServerConfig::named("s") }
}

fn in_force(config: &ServerConfig, freeze: bool, crash: bool) -> InForce {
    let fault = Fault { freeze, crash, ..Fault::named("f", 0, SimTime::ZERO, SimTime::NEVER) };
    InForce::new(config, std::iter::once(&fault), SimTime::ZERO)
}

/// A server and its driver, who notes when what is due.
struct World<'a> {
    server: Server<'a>,
    jobs: Slab<Job>,
    out: Vec<Output>,
    due: BTreeMap<(SimTime, u32), bool>,
}

impl<'a> World<'a> {
    fn new(config: &'a ServerConfig, window: Window) -> World<'a> {
        let server = Server::new(config, 1, 1, window);
        World { server, jobs: Slab::default(), out: Vec::new(), due: BTreeMap::new() }
    }

    /// Tells the server something and takes what is done with off the floor. Returns the attempts it spoke of, in order.
    fn tell(&mut self, what: impl FnOnce(&mut Server, &mut Floor)) -> Vec<u32> {
        what(&mut self.server, &mut Floor { jobs: &mut self.jobs, out: &mut self.out, beside: None });
        let spoken_of = self.out.drain(..).filter_map(|output| match output {
            Output::Started { job, at, .. } | Output::CompletionAt { job, at } => {
                self.due.insert((at, job), true);
                Some(job)
            }
            Output::PatienceEndsAt { job, at } => {
                self.due.insert((at, job), false);
                None
            }
            Output::TakenUp { .. } | Output::Calls { .. } | Output::Effect { .. } | Output::Meets { .. } => None,
            Output::Answer { job, .. } | Output::Gone { job, .. } => {
                self.jobs.remove(job);
                Some(job)
            }
        });
        spoken_of.collect()
    }

    fn receive(&mut self, now: SimTime, operation: u64) -> Vec<u32> {
        let id = self.jobs.insert(Job::new(CallKey::operation(operation), 1, operation as u32, 0, Keyed::Known));
        self.tell(|server, floor| {
            server.receive(now, id, floor);
        })
    }
}

/// What began at one instant stays in its order through a freeze and in a crash, however places were reused.
#[test]
fn ties_are_broken_by_the_order_in_which_work_began() {
    let config = config();
    let mut world = World::new(&config, Window { from: SimTime::ZERO, until: SimTime::NEVER });
    for operation in 0..4 {
        world.receive(at(0), operation);
    }
    assert_eq!(world.tell(|server, floor| server.cancel(at(0), 0, floor)), [0]);
    assert_eq!(world.receive(at(0), 4), [0], "the place of the first is taken again");
    for (freeze, crash) in [(true, false), (false, false), (false, true)] {
        let order = world.tell(|server, floor| server.set_in_force(at(50), in_force(&config, freeze, crash), floor));
        let expected: &[u32] = if freeze { &[] } else { &[1, 2, 3, 0] };
        assert_eq!(order, expected, "freeze {freeze}, crash {crash}");
    }
    assert_eq!(world.server.load(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(5),
        ..ProptestConfig::default()
    })]

    /// The integrals, summed attempt by attempt, are those of the levels, summed instant by instant.
    #[test]
    fn integrals_are_those_of_the_levels(
        steps in proptest::collection::vec((0u8..7, 0u64..60, any::<prop::sample::Index>()), 1..80),
        (from, until) in (0u64..400, 0u64..1_500),
        lock in any::<bool>(),
    ) {
        let mut config = ServerConfig {
            workers: Some(2),
            queue: Some(3),
            max_wait: Some(Distribution::Constant(Span::millis(130))),
            ..config()
        };
        if lock {
            let retention = Span::millis(200);
            config.idempotency = Idempotency::Lock(LockConfig { retention, lock_ttl: None, stores: Stores::Everything, ..LockConfig::default() });
        }
        let window = Window { from: at(from), until: at(until) };
        let mut world = World::new(&config, window);
        let (mut now, mut expected) = (SimTime::ZERO, Integrals { busy: 0, held: 0 });
        let (mut freeze, mut crash) = (false, false);
        for (step, pause, which) in steps {
            let next = now + Span::millis(pause);
            // What is due on the way, then the step itself.
            let due: Vec<_> = world.due.range(..=(next, u32::MAX)).map(|(key, work)| (*key, *work)).collect();
            for (then, what) in due.into_iter().map(|(key, work)| (key.0, Some((key.1, work)))).chain([(next, None)]) {
                let length = u128::from(window.overlap(now, then).0);
                expected.busy += length * u128::from(world.server.working);
                expected.held += length * u128::from(world.server.load());
                now = then;
                if let Some((id, work)) = what {
                    world.due.remove(&(then, id));
                    world.tell(|server, floor| match work {
                        true => server.complete(then, id, floor),
                        false => server.lose_patience(then, id, floor),
                    });
                }
            }
            match step {
                0..=3 => {
                    world.receive(now, which.index(9) as u64);
                }
                4 if !world.jobs.is_empty() => {
                    let indices = world.jobs.iter().map(|(id, _)| id).collect::<Vec<u32>>();
                    let id = indices[which.index(indices.len())];
                    world.tell(|server, floor| server.cancel(now, id, floor));
                }
                5 => freeze = !freeze,
                _ => crash = !crash && which.index(3) == 0,
            }
            let in_force = in_force(&config, freeze, crash);
            world.tell(|server, floor| server.set_in_force(now, in_force, floor));
            prop_assert_eq!(world.server.integrals(now, &world.jobs, None), expected);
            prop_assert_eq!(world.server.load() as usize, world.jobs.len());
        }
    }
}
