//! The second part of `docs/SEED-SYSTEMS.md`: how an effect comes about twice, or is lost, system by system. Each is run twice in one small world: as it is, and with
//! the setting that is right.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use simlab::metrics::RunResult;
use simlab::scenario::file::{self, Overrides, Source};
use simlab::scenario::metric::{Measure, Names};
use simlab::sim::{self, Limits};

/// What all of them start from: charges that sometimes take longer than the client waits, and whose reply is sometimes lost.
const WORLD: &str = r#"
duration = "5m"
drain = "5m"
[load]
clients = 100
arrivals.poisson = { rate = "40/s" }
[operation]
wanted = "each"
[server.api]
service_time.lognormal = { p50 = "300ms", p99 = "2s" }
network.constant = "10ms"
lost_replies = "1%"
[fault.f]
from = "1m"
for = "1s"
[policy.p]
attempts = 8
timeout = "1s"
backoff.full-jitter = { base = "500ms", cap = "10s" }
retry_on = ["5xx", 409, "timeout", "connection"]
key = "per-operation"
"#;

/// Paths and values, as `--set` takes them, separated by line ends.
pub type Set = &'static str;

/// One system: its number and name; what makes its world; what it does, and what is right instead; what shows it, as a metric and in words; and by how much the two
/// differ at least.
pub struct System {
    pub number: &'static str,
    pub name: &'static str,
    pub world: Set,
    pub wrong: (Set, &'static str),
    pub right: (Set, &'static str),
    pub metric: &'static str,
    pub unit: &'static str,
    pub expected: Expected,
}

/// Operations whose user was told that they had succeeded, beyond all that were done.
const UNDONE: &str = "succeeded - executions";

/// What must hold of the metric as it is, and with the right setting.
pub enum Expected {
    /// So much at least, and none.
    None(f64),
    /// So many times as much at least.
    Times(f64),
}

use Expected::{None as NoneLeft, Times};

const SYSTEMS: [System; 26] = [
    System {
        number: "I1",
        name: "no key",
        world: "server.api.idempotency.lock={}",
        wrong: (r#"policy.p.key="none""#, "no key"),
        right: ("", "a stable key, and a lock"),
        metric: "duplicates",
        unit: "duplicates",
        expected: NoneLeft(500.0),
    },
    System {
        number: "I2",
        name: "stable key, naive cache",
        world: "",
        wrong: ("server.api.idempotency.cache={}", "look the key up, work, store the reply"),
        right: ("server.api.idempotency.lock={}", "the key is locked meanwhile"),
        metric: "duplicates",
        unit: "duplicates",
        expected: NoneLeft(200.0),
    },
    System {
        number: "I3",
        name: "stable key, atomic lock and cache",
        world: "",
        wrong: ("", "the key without a store"),
        right: ("server.api.idempotency.lock={}", "with one"),
        metric: "duplicates",
        unit: "duplicates",
        expected: NoneLeft(500.0),
    },
    System {
        number: "I4",
        name: "a lock shorter than the work",
        world: "",
        wrong: (r#"server.api.idempotency.lock={lock_ttl="1s"}"#, "a lock of 1 s"),
        right: (r#"server.api.idempotency.lock={lock_ttl="30s"}"#, "of 30 s"),
        metric: "duplicates",
        unit: "duplicates",
        expected: NoneLeft(50.0),
    },
    System {
        number: "I5",
        name: "a crash that holds the lock",
        world: "fault.f={from=\"1m\",for=\"1s\",crash=true}\npolicy.p.attempts=20",
        wrong: (r#"server.api.idempotency.lock={lock_ttl="none"}"#, "a lock without a limit: stuck for ever"),
        right: (r#"server.api.idempotency.lock={lock_ttl="30s"}"#, "of 30 s: late, and done once"),
        metric: "failed",
        unit: "failed",
        expected: NoneLeft(3.0),
    },
    System {
        number: "I6",
        name: "a key with the time in it",
        world: "server.api.idempotency.lock={}",
        wrong: (r#"policy.p.key.clock={resolution="1ms"}"#, "made inside the retried function"),
        right: (r#"policy.p.key.clock={resolution="1ms",made="operation"}"#, "made when the operation starts"),
        metric: "duplicates",
        unit: "duplicates",
        expected: NoneLeft(500.0),
    },
    System {
        number: "I7",
        name: "a key that outlives the action",
        world: "load.repeat={share=\"100%\",after=\"1m\",same=\"thing\"}\nserver.api.idempotency.lock={}",
        wrong: (r#"policy.p.key="per-thing""#, "the second payment has the first one's key"),
        right: ("", "a key for each payment"),
        metric: UNDONE,
        unit: "told success, and nothing done",
        expected: NoneLeft(9_000.0),
    },
    System {
        number: "I8",
        name: "stored replies include errors",
        world: r#"server.api.failures={500="10%"}"#,
        wrong: (r#"server.api.idempotency.lock={stores="everything"}"#, "every answer is stored"),
        right: (r#"server.api.idempotency.lock={stores="effects"}"#, "what had an effect is"),
        metric: "failed",
        unit: "failed",
        expected: NoneLeft(900.0),
    },
    System {
        number: "I9",
        name: "a key that is forgotten too early",
        world: "",
        wrong: (r#"server.api.idempotency.lock={retention="2s"}"#, "kept for 2 s"),
        right: (r#"server.api.idempotency.lock={retention="24h"}"#, "for a day"),
        metric: "duplicates",
        unit: "duplicates",
        expected: NoneLeft(20.0),
    },
    System {
        number: "I10",
        name: "idempotent by method",
        world: r#"policy.p.key="none""#,
        wrong: (r#"operation.method="POST""#, "POST"),
        right: (r#"operation.method="PUT""#, "PUT"),
        metric: "duplicates",
        unit: "duplicates",
        expected: NoneLeft(500.0),
    },
    System {
        number: "I11",
        name: "read, modify, write",
        world: "load.contend={things=500,zipf=1.1}\npolicy.p.retry_on=[\"5xx\",412,\"timeout\"]",
        wrong: (r#"operation.writes="blind""#, "a write that does not look"),
        right: ("operation.writes={if-unchanged=412}", "one over the version that was read"),
        metric: "lost_updates",
        unit: "lost updates",
        expected: NoneLeft(1_000.0),
    },
    System {
        number: "I12",
        name: "a reply lost after the work",
        world: r#"policy.p.timeout="5s""#,
        wrong: ("policy.p.attempts=1", "one attempt: done, and reported as failed"),
        right: ("server.api.idempotency.lock={}", "retried with a key"),
        metric: "phantom_successes",
        unit: "phantom successes",
        expected: NoneLeft(80.0),
    },
    System {
        number: "I12",
        name: "a connection that breaks after the work",
        world: "policy.p.timeout=\"5s\"\nserver.api.late_resets=\"1%\"\nserver.api.lost_replies=0.0\npolicy.p.retry_on=[\"5xx\",409,\"connection\"]",
        wrong: (r#"policy.p.key="none""#, "a client that retries broken connections, and no time-outs"),
        right: ("server.api.idempotency.lock={}", "with a key"),
        metric: "duplicates",
        unit: "duplicates",
        expected: NoneLeft(80.0),
    },
    System {
        number: "W5",
        name: "two cancellations, two refunds",
        world: "load.repeat={share=\"10%\",after=\"100ms\",same=\"thing\"}\noperation.wanted=1\npolicy.p.timeout=\"5s\"\nserver.api.lost_replies=0.0\noperation.writes={if-undone=409}\npolicy.p.retry_on=[\"5xx\"]",
        wrong: ("", "is it cancelled already? If not, refund"),
        right: ("operation.locks=true", "the same under a row lock"),
        metric: "duplicates",
        unit: "second refunds",
        expected: NoneLeft(500.0),
    },
    System {
        number: "S1",
        name: "a lock freed by whoever ends",
        world: "load.arrivals.poisson.rate=\"10/s\"\nload.repeat={share=\"100%\",after={uniform={min=\"200ms\",max=\"1500ms\"}},times=3,same=\"thing\"}\noperation.wanted=1\npolicy.p.key=\"per-thing\"\nserver.api.failures={500=\"30%\"}",
        wrong: (
            r#"server.api.idempotency.lock={lock_ttl="1s",freed_by="anyone"}"#,
            "a late end frees the next one's lock",
        ),
        right: (r#"server.api.idempotency.lock={lock_ttl="1s",freed_by="owner"}"#, "only its own"),
        metric: "duplicates",
        unit: "duplicates",
        expected: Times(1.05),
    },
    System {
        number: "S2",
        name: "look up, then lock",
        world: "",
        wrong: (r#"server.api.idempotency.lock={access="20ms",atomic=false}"#, "two accesses of 20 ms"),
        right: (r#"server.api.idempotency.lock={access="20ms"}"#, "one"),
        metric: "duplicates",
        unit: "duplicates",
        expected: NoneLeft(5.0),
    },
    System {
        number: "S3",
        name: "the handler throws",
        world: r#"server.api.failures={500="10%"}"#,
        wrong: (r#"server.api.idempotency.lock={on_failure="keep"}"#, "the lock stays to its time-out"),
        right: (r#"server.api.idempotency.lock={on_failure="free"}"#, "it is freed"),
        metric: "outcome_409",
        unit: "conflicts",
        expected: Times(3.0),
    },
    System {
        number: "S4",
        name: "a middleware that stores any status",
        world: r#"server.api.failures={500="10%"}"#,
        wrong: (r#"server.api.idempotency.cache={stores="everything"}"#, "the stored 500 comes back to every retry"),
        right: (r#"server.api.idempotency.cache={stores="successes"}"#, "successes are stored"),
        metric: "failed",
        unit: "failed",
        expected: NoneLeft(900.0),
    },
    System {
        number: "S5",
        name: "a 409 taken for final",
        world: "server.api.idempotency.lock={}",
        wrong: (r#"policy.p.retry_on=["5xx","timeout","connection"]"#, "every 4xx is final"),
        right: ("", "a 409 is tried again"),
        metric: "phantom_successes",
        unit: "phantom successes",
        expected: Times(50.0),
    },
    System {
        number: "S6",
        name: "a crash between the effect and the stored reply",
        world: "fault.f={crash=true,flapping={mean_on=\"100ms\",mean_off=\"5s\"}}\nserver.api.effect_at=0.5\nserver.api.lost_replies=0.0",
        wrong: (r#"server.api.idempotency.lock={lock_ttl="5s"}"#, "the reply is stored at the end"),
        right: (r#"server.api.idempotency.lock={lock_ttl="5s",with_effect=true}"#, "with the effect"),
        metric: "duplicates",
        unit: "duplicates",
        expected: NoneLeft(50.0),
    },
    System {
        number: "S7",
        name: "the store of keys is away",
        world: r#"fault.f={from="1m",for="1m",store="down"}"#,
        wrong: (r#"server.api.idempotency.lock={when_down="open"}"#, "served as without a key"),
        right: (r#"server.api.idempotency.lock={when_down="closed"}"#, "answered 503"),
        metric: "duplicates",
        unit: "duplicates",
        expected: NoneLeft(50.0),
    },
    System {
        number: "S8",
        name: "a key is required",
        world: "server.api.idempotency.lock={missing_key=400}",
        wrong: (r#"policy.p.key="none""#, "no key: refused at once"),
        right: ("", "a key"),
        metric: "outcome_400",
        unit: "× 400",
        expected: NoneLeft(11_000.0),
    },
    System {
        number: "S9",
        name: "a key made from the cart",
        world: "load.repeat={share=\"5%\",after=\"10s\",same=\"thing\"}\nserver.api.lost_replies=0.0\npolicy.p.timeout=\"5s\"\npolicy.p.key=\"per-thing\"",
        wrong: ("server.api.idempotency.lock={mismatch=422}", "a lawful second order is told that the key is taken"),
        right: ("server.api.idempotency.lock={}\npolicy.p.key=\"per-operation\"", "a key for each order"),
        metric: "outcome_422",
        unit: "× 422",
        expected: NoneLeft(400.0),
    },
    System {
        number: "S10",
        name: "the number of the attempt in the key",
        world: "server.api.idempotency.lock={}",
        wrong: (r#"policy.p.key="per-attempt""#, "another key for each attempt"),
        right: ("", "one for all"),
        metric: "duplicates",
        unit: "duplicates",
        expected: NoneLeft(500.0),
    },
    System {
        number: "F5",
        name: "a row lock held by a hung transaction",
        world: "load.contend={things=2000}\noperation={writes=\"blind\",locks=true}\npolicy.p.attempts=3\nserver.api.hangs=\"0.2%\"\nserver.api.lost_replies=0.0\npolicy.p.timeout=\"5s\"",
        wrong: (r#"server.api.row_lock={hung="1m",timeout="30s"}"#, "for a minute: who wants that row stands still"),
        right: (r#"server.api.row_lock={hung="1s",timeout="30s"}"#, "for a second"),
        metric: "outcome_timeout",
        unit: "time-outs",
        expected: Times(1.5),
    },
    System {
        number: "F6",
        name: "a hundred cancellations of one order at once",
        world: "load.arrivals={burst={operations=100,at=\"1s\"}}\nload.contend={things=1}\noperation={wanted=1,writes={if-undone=409}}\npolicy.p.key=\"none\"\npolicy.p.timeout=\"10s\"\npolicy.p.retry_on=[\"5xx\"]\nserver.api.lost_replies=0.0",
        wrong: ("", "each looks before it refunds"),
        right: ("operation.locks=true", "each with the row for itself"),
        metric: "duplicates",
        unit: "refunds too many",
        expected: NoneLeft(99.0),
    },
];

/// Runs the world with these values.
fn run(base: &str, sets: &[Set]) -> RunResult {
    let lines = sets.iter().flat_map(|set| set.lines());
    let set = lines.map(|line| line.split_once('=').expect("a path and a value"));
    let overrides = Overrides {
        set: set.map(|(path, value)| (path.to_owned(), value.to_owned())).collect(),
        ..Overrides::default()
    };
    let loaded = file::parse(Source::new("once.toml", base.to_owned()), "once", Path::new(""), &overrides);
    let loaded = loaded.unwrap_or_else(|error| panic!("{sets:?}\n{}", error.render(false)));
    let limits = Limits { memory: 1 << 30, interrupted: &AtomicBool::new(false) };
    sim::run(&loaded.scenario, 0, 0, limits).expect("the run comes to its end")
}

fn value(result: &RunResult, metric: &str) -> f64 {
    if metric == UNDONE {
        return (value(result, "succeeded") - value(result, "executions")).max(0.0);
    }
    let names =
        Names { faults: vec!["f"], servers: vec!["api"], steps: vec!["reserve", "charge", "save"], members: vec![] };
    let measure = Measure::parse(metric, &names).unwrap_or_else(|| panic!("no metric {metric}"));
    // An outcome that did not occur is none.
    result.metrics.iter().find(|(own, _)| *own == measure).and_then(|(_, value)| *value).unwrap_or(0.0)
}

/// The rows of the document: number, name, and what was measured.
pub fn rows() -> Vec<(&'static str, &'static str, String)> {
    rows_of(WORLD, &SYSTEMS)
}

/// Those of systems in this world.
pub fn rows_of(base: &str, systems: &[System]) -> Vec<(&'static str, &'static str, String)> {
    let row = |system: &System| {
        let of = |set: Set| value(&run(base, &[system.world, set]), system.metric);
        let (wrong, right) = (of(system.wrong.0), of(system.right.0));
        let name = format!("{} {}", system.number, system.name);
        match system.expected {
            NoneLeft(least) => assert!(wrong >= least && right == 0.0, "{name}: {wrong}, and {right}"),
            Times(factor) => assert!(wrong >= factor * right && right < wrong, "{name}: {wrong}, and {right}"),
        }
        let words = |value: f64, text: &str| format!("{text}: {} {}", super::seed_systems::count(value), system.unit);
        let told = format!("{}; {}", words(wrong, system.wrong.1), words(right, system.right.1));
        (system.number, system.name, told)
    };
    systems.iter().map(row).collect()
}
