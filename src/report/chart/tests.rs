//! Every chart of worlds that are hard to draw, through one check.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::font;
use super::ink::{Role, TEXT};
use super::ladder::{self, Ladder, Rung};
use super::picture::{Extent, Picture, Shape};
use super::series::MOST_POINTS;
use super::{CHARTS, Chart, Ending, files, latency, lattice};
use crate::decision::Decision;
use crate::distribution::Distribution;
use crate::experiment::{self, Options};
use crate::metrics::ending;
use crate::protocol::Method;
use crate::report::ReportInput;
use crate::report::column::{Cells, Column};
use crate::report::number::{LatencyUnit, Notation};
use crate::retry::{Backoff, RetryPolicy};
use crate::scenario::file::{self, Overrides};
use crate::scenario::metric::Metric;
use crate::scenario::{Arrivals, Fates, Fault, Frame, ProfilePoint, Scenario, ServerConfig, World};
use crate::units::{SimTime, Span};

fn second(s: u64) -> SimTime {
    SimTime::ZERO + Span::secs(s)
}

/// Two minutes at 20/s, a server with room for 40/s, and an outage from 0:30 to 1:00.
fn world(policies: usize, replications: u32) -> Scenario {
    let server = ServerConfig {
        workers: Some(4),
        queue: Some(20),
        service_time: Distribution::Exponential { mean: Span::millis(100) },
        ..ServerConfig::named("api")
    };
    let outage = Fault {
        fates: Fates { errors: vec![(503, 0.8)], lost_replies: 0.1, ..Fates::default() },
        slowdown: 1.5,
        ..Fault::named("outage", 0, second(30), second(60))
    };
    let mut scenario = Scenario::from_parts(
        Frame { title: "Outage at checkout".to_owned(), replications, ..Frame::lasting(Span::secs(120)) },
        World { faults: vec![outage], ..World::new(Arrivals::Poisson { rate: 20.0 }, server) },
    );
    for index in 0..policies {
        let policy = RetryPolicy {
            attempts: Some(1 + index as u32 % 5),
            timeout: Some(Span::secs(2)),
            backoff: if index % 2 == 0 { Backoff::none() } else { Backoff::full_jitter(Span::millis(500), 2.0, None) },
            ..RetryPolicy::default()
        };
        let name = if index == 7 {
            "a-policy-whose-name-is-much-too-long-for-any-panel".to_owned()
        } else {
            format!("policy-{index}")
        };
        scenario = scenario.with_policy(&name, policy, &[]);
    }
    scenario
}

/// Runs `scenario` and gives `look` what a report is made from.
fn with_results<T>(scenario: &Scenario, look: impl FnOnce(&ReportInput) -> T) -> T {
    let options = Options { threads: 1, memory: 1 << 30, interrupted: &AtomicBool::new(false), progress: &|_| {} };
    let all: Vec<usize> = (0..scenario.policies.len()).collect();
    let comparison = experiment::run(scenario, &all, &options).expect("it comes to its end");
    let incidents = experiment::incidents(scenario, &comparison, |_| Some(0), 1 << 30, &AtomicBool::new(false))
        .expect("it ran before");
    look(&ReportInput {
        incidents: &incidents,
        comparison: &comparison,
        decision: &Decision::new(scenario, &comparison),
        scenario,
        name: "checkout",
        resolved_toml: "",
        resolved_json: &serde_json::Value::Null,
        files: &[],
        command: "simlab run checkout.toml",
        charts: true,
    })
}

/// A chart of the list.
fn chart(input: &ReportInput, name: &str) -> Chart {
    let listed = CHARTS.iter().find(|listed| listed.name == name).expect("it is in the list");
    (listed.chart)(input).expect("there is something to show")
}

/// All pictures of a report with their names: panels in every width, files.
fn pictures(input: &ReportInput) -> Vec<(String, Picture)> {
    let mut pictures = Vec::new();
    for listed in &CHARTS {
        let Some(chart) = (listed.chart)(input) else { continue };
        for (index, panel) in chart.panels.iter().enumerate() {
            let narrow = panel.narrow.iter().map(|narrow| (format!("{} {index}, narrow", listed.name), narrow.clone()));
            pictures.extend([(format!("{} {index}", listed.name), panel.picture.clone())].into_iter().chain(narrow));
        }
        for table in chart.tables.iter().chain(&chart.numbers) {
            let policies = input.comparison.policies.len();
            assert!(table.rows.len() == policies && table.rows.iter().all(|row| row.len() == table.heads.len()));
        }
        if !chart.panels.is_empty() {
            pictures.push((format!("file {}", listed.name), lattice::sheet(&input.title(), chart)));
        }
    }
    pictures
}

/// Every picture of a report about this world is well drawn.
fn check(world: &str, scenario: &Scenario) {
    with_results(scenario, |input| {
        pictures(input).iter().for_each(|(name, picture)| well_drawn(&format!("{world}, {name}"), picture));
        let storm = chart(input, "storm").panels;
        storm.iter().for_each(|panel| labels_are_clear(&format!("{world}, {}", panel.name), &panel.picture));
    });
}

/// Nothing outside the picture, no text on text, no line too long, and words for who cannot see it.
fn well_drawn(name: &str, picture: &Picture) {
    assert!(picture.words.len() > 20, "{name} has words");
    let mut texts: Vec<(&str, Extent)> = Vec::new();
    for mark in &picture.marks {
        let extent = mark.extent();
        let inside =
            extent.0 > -0.6 && extent.1 > -0.6 && extent.2 < picture.width + 0.6 && extent.3 < picture.height + 0.6;
        assert!(inside, "{name}: {mark:?} at {extent:?} in {} × {}", picture.width, picture.height);
        match &mark.shape {
            Shape::Text { text, .. } => {
                let other = texts.iter().find(|(_, other)| other.overlaps(extent));
                assert!(other.is_none(), "{name}: {text:?} on {other:?}");
                texts.push((text, extent));
            }
            Shape::Path(points) => assert!(points.len() <= MOST_POINTS, "{name}: {} points", points.len()),
            // There and back, with both ends of the base.
            Shape::Area(points) => {
                assert!(points.len() <= 2 * (MOST_POINTS + 1), "{name}: {} points", points.len())
            }
            Shape::Rect(..) | Shape::Circle(..) => {}
        }
    }
}

/// What is written in a panel of the storm covers neither the policy's own line nor the capacity's, nor the marks of its peaks.
fn labels_are_clear(name: &str, picture: &Picture) {
    let of = |roles: &'static [Role]| picture.marks.iter().filter(move |mark| roles.contains(&mark.ink.role));
    for label in of(&[Role::Annotation, Role::Note]) {
        let own = label.extent();
        for mark in of(&[Role::Mean, Role::Capacity, Role::Peak, Role::PeakRun]) {
            let points: Vec<(f64, f64)> = match &mark.shape {
                Shape::Path(points) => points.windows(2).flat_map(|step| between(step[0], step[1])).collect(),
                Shape::Circle(centre, _) => vec![*centre],
                _ => Vec::new(),
            };
            let covered = |(x, y): &&(f64, f64)| *x > own.0 && *x < own.2 && *y > own.1 && *y < own.3;
            assert!(!points.iter().any(|point| covered(&point)), "{name}: {label:?} on {:?}", mark.ink);
        }
    }
}

/// Points of a straight line.
fn between(from: (f64, f64), to: (f64, f64)) -> impl Iterator<Item = (f64, f64)> {
    let at = move |share: f64| (from.0 + (to.0 - from.0) * share, from.1 + (to.1 - from.1) * share);
    (0..=100).map(move |i| at(f64::from(i) / 100.0))
}

/// Ladders of seconds and of days, without jitter, without end, and without any delay.
#[test]
fn every_ladder() {
    let ladder = |name: &str, rungs: &[(f64, f64, f64)]| Ladder {
        name: name.to_owned(),
        rungs: (1..).zip(rungs).map(|(retry, &(min, mean, max))| Rung { retry, min, mean, max }).collect(),
    };
    let long = "a-preset-whose-name-is-much-too-long-for-any-panel after timeout or 429";
    let half = ladder("half", &[(0.25, 0.375, 0.5), (0.5, 0.75, 1.0)]);
    let full = ladder("full", &[(0.0, 0.5, 1.0), (0.0, 1.0, 2.0), (0.0, 10.0, 20.0)]);
    let none = ladder("none", &[(0.0, 0.0, 0.0); 8]);
    let memoryless = ladder("memoryless", &[(0.0, 0.5, f64::INFINITY); 8]);
    let hours = ladder(long, &[(4.0, 5.0, 6.0), (240.0, 300.0, 360.0), (28_800.0, 36_000.0, 43_200.0)]);
    let micros = ladder("micros", &[(5e-5, 5e-5, 5e-5), (1e-4, 1e-4, 1e-4), (0.2e-3, 0.2e-3, 0.2e-3)]);
    let grows: Vec<(f64, f64, f64)> = (0..10).map(|k| 10.0_f64 * f64::from(1 << (2 * k))).map(|w| (w, w, w)).collect();
    let days = ladder("days", &grows);
    for (name, ladders) in [
        ("linear", vec![half.clone(), full.clone()]),
        ("one", vec![memoryless.clone()]),
        ("nothing", vec![none.clone()]),
        ("micros", vec![micros.clone()]),
        ("all", vec![half, full, none, memoryless, hours, micros, days]),
    ] {
        let picture = lattice::sheet("", ladder::chart(&ladders));
        well_drawn(name, &picture);
        assert!(texts(&picture).len() > 2 * ladders.iter().map(|ladder| ladder.rungs.len()).sum::<usize>(), "{name}");
        for ending in [Ending::Svg, Ending::Png] {
            assert_eq!(super::ladders(&ladders, ending), super::ladders(&ladders, ending), "{name}");
        }
        well_formed(name, std::str::from_utf8(&super::ladders(&ladders, Ending::Svg)).expect("UTF-8"));
    }
}

/// A bar is where its delays are, and its numbers are those of the ladder.
#[test]
fn ladders_say_what_the_delays_are() {
    let rung = |retry, min, mean, max| Rung { retry, min, mean, max };
    let steps = Ladder { name: "steps".to_owned(), rungs: vec![rung(1, 0.5, 0.5, 0.5), rung(2, 0.5, 0.75, 1.0)] };
    let wait = Ladder { name: "wait".to_owned(), rungs: vec![rung(1, 0.0, 4.0, 8.0)] };
    let axis = ladder::Axis::new(&[steps.clone(), wait.clone()]);
    let panel = ladder::panel(&steps, 1, &axis);
    let at = |role: Role| -> Vec<Extent> {
        panel.marks.iter().filter(|mark| mark.ink == role.of(1)).map(super::picture::Mark::extent).collect()
    };
    let x = |seconds: f64| 24.0 + (274.0 - 24.0) * seconds / 8.0;
    let bars = at(Role::Band);
    assert_eq!(bars.len(), 1, "what is always the same has no bar");
    assert!((bars[0].0 - x(0.5)).abs() < 1e-9 && (bars[0].2 - x(1.0)).abs() < 1e-9, "{bars:?}");
    let dots: Vec<f64> = at(Role::Dot).iter().map(|dot| (dot.0 + dot.2) / 2.0).collect();
    assert!((dots[0] - x(0.5)).abs() < 1e-9 && (dots[1] - x(0.75)).abs() < 1e-9, "{dots:?}");
    assert_eq!(
        texts(&panel)[..4].iter().map(|text| text.replace('\u{a0}', " ")).collect::<Vec<_>>(),
        ["0", "2", "4", "6"]
    );
    assert!(texts(&panel).contains(&"750\u{a0}ms"), "{:?}", texts(&panel));
    assert_eq!(steps.in_all().replace('\u{a0}', " "), "1.25 s in 2 retries");
    assert_eq!(panel.words.replace('\u{a0}', " "), "steps, by retry: 1 always 500 ms; 2 500 ms to 1 s, mean 750 ms.");
    assert!(!axis.caption().contains("logarithmic"));
    let hour = Ladder { rungs: vec![rung(1, 0.0, 1.0, 2.0), rung(2, 3_000.0, 3_600.000_4, 4_200.0)], ..wait };
    let axis = ladder::Axis::new(std::slice::from_ref(&hour));
    assert!(axis.caption().contains("logarithmic"));
    assert!(texts(&ladder::panel(&hour, 0, &axis)).contains(&"1\u{a0}h"), "the noise of a mean is not shown");
}

#[test]
fn one_policy_many_policies_and_one_replication() {
    check("1 policy", &world(1, 3));
    check("9 policies", &world(9, 3));
    check("30 policies, 1 replication", &world(30, 1));
}

/// Scenarios as they are shipped, with curves that leave little room.
#[test]
fn scenarios_to_learn_from() {
    for name in ["stripe-outage", "metastable", "thundering-herd"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("scenarios/{name}.toml"));
        let few = Overrides { replications: Some(2), ..Overrides::default() };
        check(name, &file::load(&path, &few).expect("it is valid").scenario);
    }
}

#[test]
fn no_fault_many_faults_and_faults_without_end() {
    check("no fault", &world(2, 2).in_world(|world| world.faults = Vec::new()));
    let names = ["a", "slow-database", "a-fault-with-a-very-long-name-that-fits-nowhere", "b"];
    let many = (0..20u64).map(|i| Fault {
        slowdown: 1.2,
        ..Fault::named(names[i as usize % 4], 0, second(5 * i), second(5 * i + 1 + 3 * (i % 4)))
    });
    check("many faults", &world(2, 2).in_world(|world| world.faults = many.collect()));
    let endless = [
        Fault { freeze: true, ..Fault::named("freeze", 0, second(20), second(25)) },
        Fault { capacity: 0.5, ..Fault::named("half", 0, SimTime::ZERO, SimTime::NEVER) },
        Fault { crash: true, ..Fault::named("late", 0, second(119), SimTime::NEVER) },
    ];
    check("without end", &world(3, 2).in_world(|world| world.faults = endless.to_vec()));
}

#[test]
fn every_kind_of_demand() {
    let closed = Arrivals::Closed { think: Distribution::Exponential { mean: Span::secs(1) } };
    check(
        "closed",
        &world(3, 2).in_world(|world| {
            world.arrivals = closed;
            world.clients = 20;
        }),
    );
    let burst = Arrivals::Burst { operations: 500, at: Span::ZERO, every: None };
    check(
        "burst",
        &world(4, 2).framed(|frame| frame.duration = Span::secs(10)).in_world(|world| {
            world.arrivals = burst;
            world.faults = Vec::new();
        }),
    );
    let point = |s, rate| ProfilePoint { at: Span::secs(s), rate };
    let profile = Arrivals::Profile(vec![point(0, 1.0), point(60, 40.0), point(60, 5.0), point(90, 0.0)]);
    check("profile", &world(3, 2).in_world(|world| world.arrivals = profile));
    let hours = Arrivals::Constant { rate: 0.05 };
    check(
        "hours",
        &world(3, 2)
            .framed(|frame| {
                frame.duration = Span::secs(30_000);
                frame.peak_window = Span::secs(10);
            })
            .in_world(|world| world.arrivals = hours),
    );
}

#[test]
fn nothing_happens_and_no_limits() {
    let late = Arrivals::Burst { operations: 1, at: Span::secs(119), every: None };
    let nothing = world(2, 2).framed(|frame| frame.duration = Span::secs(60)).in_world(|world| world.arrivals = late);
    check("no attempt", &nothing);
    let mut unlimited = world(2, 2);
    unlimited.world_mut().servers[0].workers = None;
    unlimited.world_mut().servers[0].queue = None;
    check("no capacity", &unlimited);
    let mut roomy = world(2, 2);
    roomy.world_mut().servers[0].workers = Some(10_000);
    check("capacity above the axis", &roomy);
}

#[test]
fn every_result_there_can_be() {
    let mut read = world(3, 3);
    read.world_mut().operation.method = Method::Get;
    check("nothing has an effect", &read);
    let at_once = ServerConfig { workers: None, queue: None, ..ServerConfig::named("api") };
    let all = world(3, 2).in_world(|world| {
        world.faults = Vec::new();
        world.servers = vec![at_once.clone()];
    });
    check("all succeed at 0 s", &all);
    let fates = Fates { errors: vec![(503, 1.0)], ..Fates::default() };
    check("none succeeds", &all.clone().in_world(|world| world.servers = vec![ServerConfig { fates, ..at_once }]));
    let slow = ServerConfig {
        service_time: Distribution::Constant(Span::secs(4_000)),
        workers: None,
        ..ServerConfig::named("api")
    };
    let patient = RetryPolicy { attempts: Some(1), ..RetryPolicy::default() };
    let slow = Scenario {
        policies: Vec::new(),
        ..all.framed(|frame| frame.drain = Span::secs(9_000)).in_world(|world| world.servers = vec![slow])
    };
    check("an hour each", &slow.with_policy("patient", patient, &[]));
}

fn texts(picture: &Picture) -> Vec<&str> {
    picture
        .marks
        .iter()
        .filter_map(|mark| match &mark.shape {
            Shape::Text { text, .. } => Some(text.as_str()),
            _ => None,
        })
        .collect()
}

/// The numbers in the pictures are those of the results.
#[test]
fn pictures_say_what_the_results_say() {
    with_results(&world(5, 3), |input| {
        let n = Notation::PAGE;
        let waiting = chart(input, "latency").panels[0].narrow.clone().expect("there is one for phones");
        let bars = chart(input, "results").panels[0].picture.clone();
        let times: Vec<f64> = crate::metrics::histogram::grid().map(Span::seconds).collect();
        for policy in &input.comparison.policies {
            let name = &policy.name;
            let mean = |name: &str| policy.named(name).and_then(|m| m.estimate.mean).expect("it was measured");
            let rate = mean("success_rate");
            let first = policy.endings[ending::Ending::First] - mean("first_attempt_success_rate");
            let sum: f64 = ending::Ending::ALL.into_iter().map(|ending| policy.endings[ending]).sum();
            assert!(
                first.abs() < 1e-12 && (sum - 1.0).abs() < 1e-12,
                "every operation of {name} ends in one way: {sum}"
            );
            assert!((latency::level(policy) - (1.0 - rate)).abs() < 1e-12, "{name} ends level at its failure rate");
            let label = n.percent(1.0 - rate).trim_end_matches('%').to_owned();
            assert!(texts(&waiting).contains(&label.as_str()), "{label} in {:?}", texts(&waiting));
            let tick = bars.marks.iter().find(|mark| mark.ink == Role::Bound.of(policy.slot)).expect("a tick").extent();
            // Between the names, all of them whole, and the right end.
            let left = font::width("policy-0", TEXT, false) + 10.0;
            assert!((tick.0 - (left + rate * (519.0 - left))).abs() < 0.01, "the tick of {name} is at {}", tick.0);
            // Half of those that succeed do so within the median of their latencies.
            let half = policy.succeeded_within.iter().position(|within| *within >= rate / 2.0).expect("it gets there");
            let near = times[half - 1] * 0.95..times[half] * 1.05;
            assert!(near.contains(&mean("latency_p50")), "{name}: {} in {near:?}", mean("latency_p50"));
        }
        let differences = chart(input, "forest").panels;
        let cells = Cells::new(input.comparison, None, n);
        for (index, policy) in input.comparison.policies.iter().enumerate().skip(1) {
            let cell = cells.text(index, Column::VersusBaseline);
            let (mean, _) = cell.split_once(' ').expect("a mean and its interval");
            assert!(texts(&differences[0].picture).contains(&mean), "{mean} of {}", policy.name);
            let attempts =
                policy.metric(Metric::AttemptsPerOperation).and_then(|m| m.versus_baseline.mean).expect("paired");
            let attempts = n.signed(attempts, 2);
            assert!(texts(&differences[1].picture).contains(&attempts.as_str()), "{attempts} of {}", policy.name);
        }
        assert_eq!(differences.len(), 3, "success, attempts and phantoms; latency only where success is the same");
    });
}

/// The line of the policy itself in a panel of the storm, its uppermost one.
fn own_line(picture: &Picture) -> &[(f64, f64)] {
    let mark = picture.marks.iter().find(|mark| mark.ink.role == Role::Mean).expect("there is one");
    let Shape::Path(points) = &mark.shape else { panic!("it is a line") };
    points
}

/// A burst is over long before its run is. The axis is for what happens, and every curve goes on to its end.
#[test]
fn after_a_burst_the_axis_ends_with_the_last_that_happens() {
    let burst = Arrivals::Burst { operations: 500, at: Span::ZERO, every: None };
    let mut scenario = world(4, 2).framed(|frame| frame.duration = Span::secs(1800)).in_world(|world| {
        world.arrivals = burst;
        world.faults = Vec::new();
    });
    // All wait in one queue for as long as it takes: the last answer comes twelve seconds after the last attempt.
    scenario.world_mut().servers[0].queue = None;
    let patient = RetryPolicy { attempts: Some(1), ..RetryPolicy::default() };
    let scenario = Scenario { policies: Vec::new(), ..scenario }.with_policy("patient", patient, &[]);
    with_results(&scenario, |input| {
        let storm = chart(input, "storm");
        let end = storm.readings.split("\"end\":").nth(1).and_then(|rest| rest.split(',').next());
        let end: f64 = end.and_then(|end| end.parse().ok()).expect("a number");
        let last = input.comparison.policies.iter().map(|policy| policy.timeline.goodput.len()).max();
        let last = last.expect("there are policies") as f64 * input.comparison.policies[0].timeline.bin.seconds();
        assert!(end <= last * 1.1 && end > 11.0 && end < 30.0, "{end} s, and the last answer at {last} s");
        for panel in &storm.panels {
            let (x, y) = *own_line(&panel.picture).last().expect("it has points");
            assert!((x, y) == (330.0, 150.0) || x > 328.0, "{} ends at {x}, {y}", panel.name);
        }
    });
}

/// A thousand clients and an outage: what matters is how they come back, not that all of them came at first.
#[test]
fn the_wave_after_an_outage_is_not_hidden_by_the_burst_before_it() {
    let burst = Arrivals::Burst { operations: 1000, at: Span::ZERO, every: None };
    let outage =
        Fault { fates: Fates { refused: 1.0, ..Fates::default() }, ..Fault::named("outage", 0, second(0), second(5)) };
    let server = ServerConfig { workers: None, queue: None, ..ServerConfig::named("api") };
    let retry = |backoff: Backoff| RetryPolicy { attempts: None, backoff, ..RetryPolicy::default() };
    let base = Span::millis(100);
    let scenario = Scenario::from_parts(
        Frame { replications: 2, peak_window: base, ..Frame::lasting(Span::secs(6)) },
        World { faults: vec![outage], clients: 1000, ..World::new(burst, server) },
    )
    .with_policy("together", retry(Backoff::exponential(base, 2.0, None)), &[])
    .with_policy("apart", retry(Backoff::full_jitter(base, 2.0, None)), &[])
    .with_policy("wide", retry(Backoff::full_jitter(Span::secs(1), 2.0, None)), &[]);
    check("wave", &scenario);
    with_results(&scenario, |input| {
        let storm = chart(input, "storm");
        assert!(storm.caption.contains("after outage") && storm.caption.contains("cut off (▲)"), "{}", storm.caption);
        for panel in &storm.panels {
            let heads = panel.picture.marks.iter().filter(|mark| mark.ink.role == Role::Beyond).count();
            assert!(heads > 0, "{} begins above the axis", panel.name);
            let label = texts(&panel.picture).into_iter().find(|text| text.starts_with("up to "));
            assert!(panel.words.contains(label.expect("its wave has its number")), "{}", panel.words);
        }
        // It can be seen: a tenth of the plot at least.
        let after = own_line(&storm.panels[1].picture).iter().filter(|(x, _)| *x > 200.0).map(|(_, y)| 150.0 - y);
        assert!(after.fold(0.0, f64::max) > 13.0);
    });
}

/// Of many policies the two that matter most are the first.
#[test]
fn the_chosen_and_the_worst_stand_side_by_side_where_there_are_many() {
    // Two runs are not judged: nobody is the worst then.
    for (policies, runs, apart) in [(9, 6, false), (12, 2, false), (12, 6, true)] {
        with_results(&world(policies, runs), |input| {
            let storm = chart(input, "storm");
            let slots: Vec<usize> = storm.panels.iter().map(|panel| panel.slot.expect("a policy's")).collect();
            if !apart {
                assert_eq!(slots, (0..policies).collect::<Vec<_>>());
                return;
            }
            let (best, worst) = input.decision.extremes().expect("somebody is worse");
            assert_eq!(slots[..2], [best, worst]);
            let words = &storm.panels[1].words;
            assert!(words.starts_with("The worst by what goes wrong. Peak "), "{words}");
            assert!(slots[2..].is_sorted() && slots.len() == policies, "the others as in the file: {slots:?}");
        });
    }
}

/// A ring and nothing else tells nothing.
#[test]
fn a_phase_picture_of_what_stays_in_one_place_is_left_out() {
    let steady = world(3, 2).in_world(|world| {
        world.arrivals = Arrivals::Constant { rate: 20.0 };
        world.faults = Vec::new();
    });
    with_results(&steady, |input| assert!(super::phase::chart(input).is_none()));
    with_results(&world(3, 2), |input| assert_eq!(chart(input, "phase").panels.len(), 3));
}

/// A stall of ten seconds, and one retry: the run ends far from where it began, and the picture says so.
#[test]
fn a_metastable_collapse_stays_down() {
    let server = ServerConfig {
        workers: Some(30),
        service_time: Distribution::Constant(Span::millis(100)),
        ..ServerConfig::named("database")
    };
    let stall = Fault { freeze: true, ..Fault::named("stall", 0, second(60), second(70)) };
    let never = RetryPolicy { attempts: Some(1), timeout: Some(Span::secs(1)), ..RetryPolicy::default() };
    let once = RetryPolicy { attempts: Some(2), backoff: Backoff::none(), ..never.clone() };
    let load = Arrivals::Poisson { rate: 280.0 };
    let scenario = Scenario::from_parts(
        Frame { replications: 3, ..Frame::lasting(Span::secs(600)) },
        World { faults: vec![stall], ..World::new(load, server) },
    )
    .with_policy("never", never, &[])
    .with_policy("retry-once", once, &[]);
    // The end of the stall and the end of the demand are in one place, and each has a time to be written beside it.
    check("collapse", &scenario);
    with_results(&scenario, |input| {
        let policies = &input.comparison.policies;
        let example = &policies[1].example;
        assert!(example.stayed_down && !policies[0].example.stayed_down);
        let rates = &policies[1].metric(Metric::SuccessRate).expect("measured").values;
        assert!(rates.iter().all(|rate| *rate >= rates[example.replication as usize]), "the worst that stayed down");
        let phase = chart(input, "phase").panels;
        let shown: Vec<Option<usize>> = phase.iter().map(|panel| panel.slot).collect();
        assert_eq!(shown, [Some(1), Some(0)], "what stayed down comes first");
        let panel = &phase[0].picture;
        for text in ["10:00, still down", "1:00", "1:10"] {
            assert!(texts(panel).contains(&text), "{text}: {}", panel.words);
        }
        let at = |role: Role| panel.marks.iter().rfind(|mark| mark.ink.role == role).expect("drawn").extent();
        let (begin, end) = (at(Role::Before), at(Role::EndRing));
        assert!(end.0 > begin.2 + 20.0 && end.1 > begin.3 + 100.0, "right of its beginning and far below it: {end:?}");
        assert!(panel.marks.iter().any(|mark| mark.ink.role == Role::DuringHead), "arrows show the direction");
        assert!(!phase[1].picture.words.contains("still down"));
        let storm = chart(input, "storm").panels;
        let levels = |panel: usize| ["queue", "in flight"].map(|level| texts(&storm[panel].picture).contains(&level));
        assert_eq!((levels(0), levels(1)), ([false, false], [true, true]));
    });
}

/// The same files twice; as SVG they are whole and load nothing.
#[test]
fn files_are_the_same_every_time_and_well_formed() {
    let mut scenario = world(4, 2);
    scenario.frame.title = "<script>alert('1')</script>\u{1b}[31m \u{202e}\"quoted\" & more".to_owned();
    with_results(&scenario, |input| {
        let first = files(input);
        assert_eq!(first, files(input));
        let names: Vec<&str> = first.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names.len(), 18, "{names:?}");
        assert!(names.contains(&"charts/storm.svg") && names.contains(&"charts/duplicates.png"), "{names:?}");
        for (name, bytes) in first.iter().filter(|(name, _)| name.ends_with(".svg")) {
            let text = std::str::from_utf8(bytes).expect("SVG is UTF-8");
            well_formed(name, text);
            assert_eq!(text.matches("://").count(), 1, "{name}: nothing but the namespace");
            assert!(!text.contains("<script") && !text.contains(['\u{1b}', '\u{202e}']), "{name}");
            assert!(text.starts_with("<svg xmlns=") && text.contains("role=\"img\" aria-label=\""), "{name}");
        }
    });
}

/// Every element is closed in order, attributes are quoted, and what is between them has no bare `<` or `&`.
pub(in crate::report) fn well_formed(name: &str, text: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        for entity in before.split('&').skip(1) {
            let known = ["amp;", "lt;", "gt;", "quot;", "apos;", "#39;", "nbsp;"].iter().any(|e| entity.starts_with(e));
            assert!(known, "{name}: bare & in {before:?}");
        }
        let (tag, after) = after.split_once('>').unwrap_or_else(|| panic!("{name}: a tag without end"));
        assert!(!tag.contains('<'), "{name}: {tag}");
        assert_eq!(tag.matches('"').count() % 2, 0, "{name}: quotes in {tag}");
        if let Some(closed) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed), "{name}: closed in order");
        } else if !tag.ends_with('/') {
            open.push(tag.split(' ').next().unwrap_or_default());
        }
        rest = after;
    }
    assert!(open.is_empty(), "{name}: {open:?} stay open");
}

#[test]
fn a_panel_says_in_words_what_happened() {
    with_results(&world(5, 3), |input| {
        let storm = chart(input, "storm");
        let words = &storm.panels[4].words;
        assert!(
            words.starts_with("Peak ") && words.contains("× the highest demand") && words.contains("after outage."),
            "{words}"
        );
        assert!(words.ends_with("duplicates per 10,000."), "{words}");
        let legend: Vec<&str> = storm.legend[0].1.iter().map(|key| key.text.as_str()).collect();
        assert_eq!(
            legend,
            [
                "other policies",
                "demand, 20/s",
                "capacity, 40/s (26.7/s in outage)",
                "goodput, cut off at 150% of demand",
                "outage 0:30–1:00"
            ]
        );
        let behind = storm.panels[0].picture.marks.iter().filter(|mark| mark.ink.role == Role::Context).count();
        assert_eq!(behind, 4, "the four other policies");
    });
}

/// Names are whole where there is room for them, in every chart.
#[test]
fn names_are_cut_only_where_there_is_no_room() {
    with_results(&world(8, 2), |input| {
        for name in ["success", "attempts", "results", "forest"] {
            // The forest's panel of latencies has only the policies that can be compared.
            for panel in chart(input, name).panels.into_iter().take(1) {
                let long = texts(&panel.picture).into_iter().filter(|text| text.starts_with("a-policy"));
                assert!(long.clone().all(|text| text.contains('…')), "{name}");
                assert!(long.count() == 1 && texts(&panel.picture).contains(&"policy-6"), "{name}");
            }
        }
    });
    let mut middle = world(2, 2);
    middle.policies[1].name = "decorrelated-jitter".to_owned();
    with_results(&middle, |input| {
        for name in ["success", "attempts", "duplicates", "latency", "results", "forest"] {
            for panel in chart(input, name).panels {
                assert!(texts(&panel.picture).contains(&"decorrelated-jitter"), "{name}: {:?}", texts(&panel.picture));
            }
        }
    });
}

/// Where nothing can be duplicated, or nothing was, a sentence says so.
#[test]
fn zeros_get_a_sentence() {
    let never = RetryPolicy { attempts: Some(1), ..RetryPolicy::default() };
    let mut quiet = Scenario { policies: Vec::new(), ..world(0, 2).in_world(|world| world.faults = Vec::new()) }
        .with_policy("one", never, &[]);
    for (method, words) in [
        (Method::Post, "No policy made a duplicate or a phantom success."),
        (Method::Get, "No operation has an effect, so none can be duplicated."),
    ] {
        quiet.world_mut().operation.method = method;
        with_results(&quiet, |input| {
            let chart = chart(input, "duplicates");
            assert_eq!((chart.note.as_str(), chart.panels.len()), (words, 0));
            assert!(files(input).iter().all(|(name, _)| !name.contains("duplicates")));
        });
    }
}

/// No label of the latency chart lies on a curve or under a tick; of many curves three have a colour.
#[test]
fn curves_have_labels_beside_them() {
    for policies in [4, 9, 10, 30] {
        with_results(&world(policies, 2), |input| {
            let panel = chart(input, "latency").panels.remove(0);
            for picture in [Some(panel.picture), panel.narrow].into_iter().flatten() {
                let of = |role: Role| picture.marks.iter().filter(move |mark| mark.ink.role == role);
                let right = of(Role::Axis).map(|axis| axis.extent().2).fold(0.0, f64::max);
                let is_curve = |curve: &&super::picture::Mark| curve.extent().0 < right;
                let (grey, coloured) = (of(Role::Context).count(), of(Role::Curve).filter(is_curve).count());
                let keys = of(Role::Curve).count() - coloured;
                assert_eq!((grey + coloured, keys), (policies, coloured), "a key for each that has a colour");
                assert!(if policies > 9 { coloured <= 3 } else { grey == 0 }, "{grey} of {policies} in grey");
                for label in of(Role::Label).map(super::picture::Mark::extent) {
                    assert!(label.0 > right + 14.0, "right of everything: {label:?}");
                }
            }
            let words = chart(input, "latency").note;
            assert_eq!(words.contains("In colour: policy-0 (baseline"), policies > 9, "{words}");
            // The tail stands there in numbers, whoever has a colour.
            let numbers = chart(input, "latency").numbers.expect("quantiles");
            assert_eq!(numbers.rows.len(), policies);
            let p999 = input.comparison.policies[1].mean(Metric::LatencyP999).expect("measured");
            let unit = if numbers.heads[2] == "p99.9, s" { LatencyUnit::Seconds } else { LatencyUnit::Millis };
            assert_eq!(numbers.rows[1][2], Notation::PAGE.latency(p999, unit));
        });
    }
}

/// Where everybody succeeds, no label pretends to be at the end of its curve.
#[test]
fn curves_that_leave_below_have_a_legend() {
    let quick = ServerConfig { workers: None, queue: None, ..ServerConfig::named("api") };
    with_results(
        &world(3, 2).in_world(|world| {
            world.faults = Vec::new();
            world.servers = vec![quick];
        }),
        |input| {
            let picture = chart(input, "latency").panels.remove(0).picture;
            assert!(picture.marks.iter().all(|mark| mark.ink.role != Role::Tie), "no tie to a curve's end");
            assert_eq!(texts(&picture).iter().filter(|text| **text == "0").count(), 3);
        },
    );
}

/// Endings count tries: beside hedges that is said, and nothing is called an attempt.
#[test]
fn hedges_are_not_counted_as_tries() {
    use crate::report::fixture::{around, row, with_input};
    let rows = |hedges: f64| vec![row("p", &around(0.9, 0.0)).all("hedges", hedges), row("q", &around(0.8, 0.0))];
    let said = |hedges: f64| {
        with_input(rows(hedges), |input| {
            let chart = chart(input, "results");
            let heads = chart.tables[0].heads.join(" ");
            format!("{} {} {} {heads}", chart.note, chart.legend[0].0, chart.panels[0].picture.words)
        })
    };
    assert!(said(0.0).contains("succeeded at attempt 1") && !said(0.0).contains("try"), "{}", said(0.0));
    assert!(
        said(3.0).contains("succeeded at try 1") && said(3.0).contains("with the hedges beside it"),
        "{}",
        said(3.0)
    );
    assert!(!said(3.0).contains("succeeded at attempt"), "{}", said(3.0));
}
