//! The simulator and tokio's paused clock decide alike: what each attempt came to, and when, is taken from a run; everything else, when the next one is sent, whether a gate
//! lets it out, and how the call ends, is decided anew, and must be what it was in the run.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::AtomicBool;

use simlab::call::Verdict;
use simlab::live::{Gates, retry};
use simlab::metrics::notes::{Told, Wanted, What};
use simlab::rng::replication_seed;
use simlab::scenario::file::{self, Overrides, Source};
use simlab::sim::{self, Limits};
use simlab::units::SimTime;
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::*;

/// Everything that can go wrong with an attempt, and hints. Nobody waits for a worker. All of it is a thousand times as slow as it would be: tokio's clock knows whole
/// milliseconds, and who comes first is not to depend on them.
const WORLD: &str = r#"
duration = "20000s"
drain = "120000s"
[load]
arrivals.constant = { rate = "RATE" }
[server.s]
service_time.exponential = { mean = "40s" }
errors = { 503 = "12%", 429 = "6%" }
failures = { 500 = "5%" }
resets = "3%"
refused = "2%"
lost_requests = "3%"
lost_replies = "3%"
late_resets = "2%"
hangs = "3%"
retry_after = { 503 = "1000s", 429 = "2000s" }
[fault.f]
from = "8000s"
for = "3000s"
errors = { 503 = "70%" }
added_latency.uniform = { min = "200s", max = "400s" }
"#;

/// What a policy can be made of: one of each.
const PARTS: [&[&str]; 6] = [
    &[
        r#"timeout = "1000s""#,
        "timeout = \"500s\"\ntimeout_factor = 2.0\ntimeout_cap = \"2000s\"",
        "timeout = \"300s\"\ndeadline = \"4000s\"",
    ],
    &["attempts = 4", "attempts = 2", "attempts = 7"],
    &[
        r#"backoff.full-jitter = { base = "200s", cap = "3000s" }"#,
        r#"backoff.fixed = { delay = "250s" }"#,
        r#"backoff.exponential = { base = "100s", cap = "1000s" }"#,
        r#"backoff.decorrelated-jitter = { base = "100s", cap = "2000s" }"#,
        r#"backoff.equal-jitter = { base = "150s", cap = "2000s" }"#,
    ],
    &["", "retry_after.honour = {}"],
    &[
        "",
        r#"budget.tokens = { capacity = 5, deposit = 0.5 }"#,
        r#"budget.ratio = { ratio = "20%", min_rate = "0.001/s" }"#,
        r#"breaker.consecutive = { failures = 3, open = "1000s" }"#,
        r#"throttle.adaptive = { k = 1.5, window = "10000s" }"#,
        r#"limiter.rate = { rate = "0.00617/s", burst = 3 }"#,
        r#"concurrency.retries = 2"#,
        r#"concurrency = { attempts = 2, max_wait = "700s" }"#,
    ],
    &["", r#"hedge.fixed = { delay = "120s" }"#, ""],
];

/// So often is nothing one of these parts, beyond once.
const TWICE: usize = 3;

/// Each wait ends at a whole millisecond, and whoever is given a place begins when another one has ended: so much later, in ns, at most. In a world of ordinary speed
/// that were half a millisecond.
const LATE: u128 = 500_000_000;

const WORLDS: usize = 600;

/// The n-th of many policies: each part goes around by itself.
fn policy(number: usize) -> [&'static str; 6] {
    let mut turn = 0;
    PARTS.map(|of| {
        turn += 1;
        of[(number * (turn + 1) + number / (of.len() * turn)) % of.len()]
    })
}

/// What a run has told of an operation.
struct Operation {
    start: SimTime,
    verdict: Verdict,
    /// By its number: when it was sent, and what came of it how much later, if anything did.
    attempts: BTreeMap<u32, (SimTime, Option<(Span, Outcome)>)>,
    /// Some were sent beside an open one.
    hedged: bool,
}

impl Operation {
    fn of(told: &Told) -> Operation {
        let (mut attempts, mut hedged) = (BTreeMap::new(), false);
        for note in &told.notes {
            match note.what {
                What::Sent { hedge, .. } => {
                    hedged |= hedge;
                    attempts.insert(note.attempt, (note.at, None));
                }
                What::Reads(outcome) => {
                    let (sent, came) = attempts.get_mut(&note.attempt).expect("it was sent");
                    *came = Some((note.at.since(*sent), outcome));
                }
                _ => {}
            }
        }
        let verdict = told.verdict.expect("all are over when the run ends");
        Operation { start: told.start, verdict, attempts, hedged }
    }
}

/// One operation on tokio: when its attempts were sent, and how it ended.
async fn live(
    policy: &dyn simlab::retry::Policy,
    gates: &Gates,
    origin: Instant,
    operation: &Operation,
) -> (Vec<Instant>, Result<(), simlab::retry::GiveUp>) {
    sleep_until(origin + Duration::from_nanos(operation.start.0)).await;
    let sent = RefCell::new(Vec::new());
    let number = std::cell::Cell::new(0);
    let attempt = || {
        number.set(number.get() + 1);
        let came = operation.attempts.get(&number.get()).map(|(_, came)| *came);
        sent.borrow_mut().push(Instant::now());
        async move {
            match came.flatten() {
                Some((after, outcome)) => {
                    sleep(Duration::from_nanos(after.0)).await;
                    if outcome.is_success() { Ok(()) } else { Err(outcome) }
                }
                None => std::future::pending().await,
            }
        }
    };
    let classify = |returned: &Result<(), Outcome>| {
        let outcome = returned.err().unwrap_or(Outcome::OK);
        let hint = match outcome {
            Outcome::Status(503) => Some(Span::secs(1_000)),
            Outcome::Status(429) => Some(Span::secs(2_000)),
            _ => None,
        };
        Failure { retry_after: hint, ..Failure::new(outcome) }
    };
    let result = retry(policy, gates, attempt).classified_by(classify).await;
    (sent.into_inner(), result.map_err(|failed| failed.why))
}

#[test]
fn decisions_are_those_of_the_simulator() {
    let (mut seen, mut used): (BTreeMap<String, usize>, BTreeMap<&str, usize>) = Default::default();
    for number in 0..WORLDS {
        let rate = ["0.0031/s", "0.0073/s", "0.01171/s"][number % 3];
        let parts = policy(number);
        let own = parts.join("\n");
        let waits_by_chance = own.contains("jitter") && !own.contains("honour") && !own.contains("factor");
        if own.contains("concurrency = ") && !waits_by_chance {
            // Who hands a place on is on one beat with whoever has it next, to the nanosecond. A millisecond more decides who of them is first.
            continue;
        }
        parts.into_iter().for_each(|part| *used.entry(part).or_default() += 1);
        let text = format!(
            "seed = {number}\n{}\n[policy.p]\n{own}\nretry_on = [\"5xx\", 429, \"timeout\", \"connection\"]\n",
            WORLD.replace("RATE", rate)
        );
        let loaded = file::parse(Source::new("parity.toml", text), "parity", Path::new(""), &Overrides::default());
        let scenario = loaded.unwrap_or_else(|error| panic!("{}", error.render(false))).scenario;
        let limits = Limits { memory: 1 << 30, interrupted: &AtomicBool::new(false) };
        let (_, account) = sim::tell(&scenario, 0, 0, limits, Wanted::All).expect("the run comes to its end");
        let mut told: Vec<&Told> = account.told.iter().map(|(_, told)| told).collect();
        told.sort_by_key(|told| told.number);
        let operations: Rc<Vec<Operation>> = Rc::new(told.into_iter().map(Operation::of).collect());
        for operation in &*operations {
            let ends = operation
                .attempts
                .values()
                .map(|(_, came)| came.map_or("nothing".to_owned(), |(_, outcome)| outcome.to_string()));
            let verdict = format!("{:?}", operation.verdict);
            let hedge = operation.hedged.then(|| "hedge".to_owned());
            let kinds: std::collections::BTreeSet<String> = ends.chain([verdict]).chain(hedge).collect();
            kinds.into_iter().for_each(|kind| *seen.entry(kind).or_default() += 1);
        }

        let rules = scenario.policies[0].rules();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let results = LocalSet::new().block_on(&runtime.expect("a runtime"), async {
            let origin = Instant::now();
            let gates =
                Rc::new(Gates::seeded(&rules.gates, rules.hedge.as_ref(), replication_seed(scenario.frame.seed, 0)));
            let mut all = Vec::new();
            for index in 0..operations.len() {
                let (operations, gates, policy) = (Rc::clone(&operations), Rc::clone(&gates), rules.policy.clone());
                all.push(tokio::task::spawn_local(
                    async move { live(&*policy, &gates, origin, &operations[index]).await },
                ));
            }
            let mut results = Vec::new();
            for one in all {
                let (sent, result) = one.await.expect("it runs");
                results.push((sent.into_iter().map(|at| at - origin).collect::<Vec<_>>(), result));
            }
            results
        });
        for (index, (operation, (sent, result))) in operations.iter().zip(results).enumerate() {
            let case = format!("world {number}, operation {index}\n{own}");
            let expected: Vec<SimTime> = operation.attempts.values().map(|(at, _)| *at).collect();
            let near = |at: &SimTime, got: &Duration| got.as_nanos().abs_diff(u128::from(at.0)) < LATE;
            let same = expected.len() == sent.len() && expected.iter().zip(&sent).all(|(at, got)| near(at, got));
            assert!(same, "{case}: sent at {sent:?} instead of {:?}", operation.attempts);
            let verdict = match result {
                Ok(()) => Verdict::Succeeded,
                Err(why) => Verdict::Failed(why),
            };
            assert_eq!(verdict, operation.verdict, "{case}");
        }
    }
    // Everything that a policy can be made of was used, and everything that can happen has happened.
    assert_eq!(used.len(), PARTS.iter().map(|parts| parts.len()).sum::<usize>() - TWICE, "{used:#?}");
    assert!(used.values().all(|worlds| *worlds >= 5), "{used:#?}");
    let kinds = ["200", "429", "500", "503", "connection", "nothing", "Succeeded", "hedge"];
    let ends = ["AttemptsExhausted", "Deadline", "Gate(0)"].map(|why| format!("Failed({why})"));
    for kind in kinds.map(str::to_owned).iter().chain(&ends) {
        assert!(seen.get(kind).is_some_and(|operations| *operations >= 100), "{kind}: {seen:#?}");
    }
}
