//! What costs what: the event queue, one decision of a policy, one draw, one attempt at a server, what is counted of an operation, a whole run.

use std::hint::black_box;
use std::sync::atomic::AtomicBool;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use simlab::call::Verdict;
use simlab::distribution::Distribution;
use simlab::key::CallKey;
use simlab::metrics::Recorder;
use simlab::metrics::recorder::Levels;
use simlab::protocol::{Failure, Outcome};
use simlab::retry::{Backoff, History, Policy, RetryPolicy};
use simlab::rng::{KeyedRng, Purpose};
use simlab::scenario::{Arrivals, Scenario, ServerConfig};
use simlab::server::job::Job;
use simlab::server::{Floor, Output, Server};
use simlab::sim::event::Event;
use simlab::sim::queue::Queue;
use simlab::sim::{self, Limits};
use simlab::slab::Slab;
use simlab::units::{SimTime, Span};
use simlab::window::Window;

/// Pop one, push one a random while later, with this many pending.
fn queue(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("queue");
    for pending in [1_000u32, 100_000] {
        group.throughput(Throughput::Elements(1_000));
        group.bench_function(format!("hold {pending}"), |bencher| {
            let mut rng = KeyedRng::new(1, Purpose::Think, 0, 0);
            let mut queue = Queue::default();
            for row in 0..pending {
                queue.push(SimTime(rng.below(1 << 30)), Event::WakeUp { row });
            }
            bencher.iter(|| {
                for _ in 0..1_000 {
                    let (time, event) = queue.pop().expect("the queue holds its size");
                    queue.push(time + Span(rng.below(1 << 30)), black_box(event));
                }
            });
        });
    }
    group.finish();
}

fn decision(criterion: &mut Criterion) {
    let policy = RetryPolicy {
        attempts: Some(5),
        timeout: Some(Span::secs(2)),
        backoff: Backoff::full_jitter(Span::millis(500), 2.0, Some(Span::secs(8))),
        ..RetryPolicy::default()
    };
    let failure = Failure::new(Outcome::Status(503));
    criterion.bench_function("decision/full-jitter", |bencher| {
        let mut operation = 0;
        bencher.iter(|| {
            operation += 1;
            let mut history = History { attempts: 3, ..History::default() };
            let mut rng = KeyedRng::new(1, Purpose::Jitter, operation, 3);
            black_box(policy.on_failure(black_box(&failure), &mut history, &mut rng))
        });
    });
}

fn draw(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("draw");
    for (name, distribution) in [
        ("exponential", Distribution::Exponential { mean: Span::millis(12) }),
        ("lognormal", Distribution::lognormal_p50_p99(Span::millis(120), Span::millis(900))),
    ] {
        group.bench_function(name, |bencher| {
            let mut operation = 0;
            bencher.iter(|| {
                operation += 1;
                black_box(distribution.sample(&mut KeyedRng::new(1, Purpose::Service, operation, 1)))
            });
        });
    }
    group.finish();
}

/// An attempt arrives, and the work of one ends: its own where nobody waits, and that of the one which came so many before it otherwise.
fn server(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("server");
    let config = ServerConfig {
        workers: Some(1),
        service_time: Distribution::Exponential { mean: Span::millis(12) },
        ..ServerConfig::named("s")
    };
    for waiting in [0, 100] {
        group.bench_function(format!("receive and complete, {waiting} waiting"), |bencher| {
            let window = Window { from: SimTime::ZERO, until: SimTime::NEVER };
            let mut server = Server::new(&config, 1, 1, window);
            let (mut jobs, mut out) = (Slab::default(), Vec::new());
            let (mut now, mut operation, mut ends) = (SimTime::ZERO, 0, None);
            let mut step = |complete: bool| {
                operation += 1;
                let id =
                    jobs.insert(Job::new(CallKey::operation(operation), 1, 0, 0, simlab::server::job::Keyed::Passes));
                server.receive(now, id, &mut Floor { jobs: &mut jobs, out: &mut out, beside: None });
                for pass in 0..2 {
                    for output in out.drain(..) {
                        match output {
                            Output::Started { job, at, .. } => ends = Some((job, at)),
                            Output::Answer { job, .. } => drop(black_box(jobs.remove(job))),
                            _ => {}
                        }
                    }
                    if let (0, true, Some((job, at))) = (pass, complete, ends) {
                        now = at;
                        server.complete(now, job, &mut Floor { jobs: &mut jobs, out: &mut out, beside: None });
                    }
                }
            };
            (0..waiting).for_each(|_| step(false));
            bencher.iter(|| step(true));
        });
    }
    group.finish();
}

/// All that is counted in the life of one operation that succeeds at its first attempt.
fn recorder(criterion: &mut Criterion) {
    let mut recorder = Recorder::new(closed_loop(100, u64::MAX).common(), None);
    let (mut now, mut operation) = (SimTime::ZERO, 0);
    criterion.bench_function("recorder/operation", |bencher| {
        bencher.iter(|| {
            operation += 1;
            let start = now;
            now = black_box(now + Span::nanos(10_000));
            if now >= recorder.next_tick() {
                recorder.tick(now, Levels::default());
            }
            let measured = recorder.measures();
            recorder.operation_started();
            recorder.attempt_sent(measured, 1);
            recorder.attempts_arrived(1);
            recorder.taken_up(start, now);
            recorder.reply_received(Span::nanos(10_000));
            recorder.attempt_ended(now, CallKey::operation(operation), 1, black_box(Outcome::OK), measured);
            recorder.operation_ended(now, start, (1, 1), black_box(Verdict::Succeeded), measured);
            recorder.operation_released(measured, Some(Verdict::Succeeded), black_box(1));
        });
    });
}

/// Closed loop: `clients` think for 1 s on average; a server with 1 worker per 100 clients, and as many waiting places.
fn closed_loop(clients: u32, seconds: u64) -> Scenario {
    let server = ServerConfig {
        workers: Some(clients / 100),
        queue: Some(clients / 100),
        service_time: Distribution::Exponential { mean: Span::millis(12) },
        ..ServerConfig::named("s")
    };
    let policy = RetryPolicy {
        attempts: Some(4),
        timeout: Some(Span::millis(30)),
        backoff: Backoff::full_jitter(Span::millis(100), 2.0, Some(Span::secs(10))),
        ..RetryPolicy::default()
    };
    let think = Distribution::Exponential { mean: Span::secs(1) };
    Scenario::new(Span::secs(seconds), Arrivals::Closed { think }, server)
        .in_world(|world| world.clients = clients)
        .with_policy("full-jitter", policy, &[])
}

fn whole_run(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("run");
    group.sample_size(10);
    for (clients, seconds) in [(1_000, 100), (100_000, 1)] {
        let scenario = closed_loop(clients, seconds);
        let limits = Limits { memory: 4 << 30, interrupted: &AtomicBool::new(false) };
        let attempts = sim::run(&scenario, 0, 0, limits).expect("the run comes to its end").attempts;
        group.throughput(Throughput::Elements(attempts));
        group.bench_function(format!("closed loop, {clients} clients (per attempt)"), |bencher| {
            bencher.iter_batched(|| 0, |r| sim::run(&scenario, 0, r, limits), BatchSize::PerIteration);
        });
    }
    group.finish();
}

criterion_group!(benches, queue, decision, draw, server, recorder, whole_run);
criterion_main!(benches);
