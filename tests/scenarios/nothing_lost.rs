//! The third part of `docs/SEED-SYSTEMS.md`: what is repeated, and what is left half done, system by system.

use super::charged_once::{Expected, System, rows_of};

/// Orders of three steps, of which the last fails now and then.
const ORDERS: &str = r#"
duration = "5m"
drain = "10m"
[load]
clients = 50
arrivals.poisson = { rate = "20/s" }
[operation.step.reserve]
server = "stock"
[operation.step.charge]
server = "psp"
[operation.step.save]
server = "shop"
[server.stock]
service_time.exponential = { mean = "20ms" }
[server.psp]
service_time.exponential = { mean = "300ms" }
[server.shop]
service_time.exponential = { mean = "50ms" }
[fault.f]
server = "shop"
from = "1m"
for = "1s"
[policy.p]
timeout = "30s"
"#;

/// The same with what undoes two of them.
const UNDONE: &str = r#"
[operation]
on_failure = "compensate"
[operation.step.release]
server = "stock"
when.undoing = "reserve"
[operation.step.refund]
server = "psp"
when.undoing = "charge"
policy = { timeout = "30s" }
"#;

const GOING_ON: [System; 8] = [
    System {
        number: "W1",
        name: "on any error everything again",
        world: r#"server.shop.failures={500="10%"}"#,
        wrong: ("operation.on_failure.start-over={times=20}", "from the first step"),
        right: (r#"operation.on_failure.resume={after="1s",times=20}"#, "from the step that has failed"),
        metric: "duplicates",
        unit: "duplicates",
        expected: Expected::None(500.0),
    },
    System {
        number: "W2",
        name: "completed steps are skipped",
        world: r#"load.crash.at_step={step="charge",when="after",share="5%",restart="5s"}"#,
        wrong: (r#"operation.journal="none""#, "nothing is written, and `kill -9` after the charge"),
        right: ("operation.journal.durable={}", "each step is: what is repeated was in flight"),
        metric: "steps_repeated",
        unit: "steps made again",
        expected: Expected::Times(3.0),
    },
    System {
        number: "W3",
        name: "charged, and not saved",
        world: "server.shop.failures={500=\"10%\"}\noperation.on_failure.start-over={times=20}",
        wrong: ("", "charged again"),
        right: (
            "policy.p.key=\"per-operation\"\nserver.psp.idempotency.lock={}",
            "a key for the step, and its stored result",
        ),
        metric: "duplicates.step.charge",
        unit: "second charges",
        expected: Expected::None(500.0),
    },
    System {
        number: "W6",
        name: "a journal in memory",
        world: r#"load.crash.random={mean_between="1m",restart="5s"}"#,
        wrong: ("", "dies with the process"),
        right: (r#"operation.journal.durable={write="2ms"}"#, "written step by step"),
        metric: "duplicates",
        unit: "duplicates",
        expected: Expected::Times(1.5),
    },
    System {
        number: "F1",
        name: "state saved only after the whole run",
        world: r#"load.crash.at_step={step="charge",when="after",share="5%",restart="5s"}"#,
        wrong: (r#"operation.journal.durable={when="after-run"}"#, "charged again after `kill -9`"),
        right: ("operation.journal.durable={}", "saved after each step"),
        metric: "duplicates.step.charge",
        unit: "second charges",
        expected: Expected::Times(3.0),
    },
    System {
        number: "F2",
        name: "charge and row in one transaction",
        world: "server.shop.failures={500=\"10%\"}\noperation.on_failure.resume={after=\"1s\",times=20}",
        wrong: (r#"operation.step.charge.committed_with="save""#, "the rollback forgets the charge"),
        right: ("", "the charge is noted by itself"),
        metric: "duplicates.step.charge",
        unit: "second charges",
        expected: Expected::None(500.0),
    },
    System {
        number: "F4",
        name: "stuck in `cancelling`",
        world: "operation.step.reserve.writes.if-undone=409\nload.crash.at_step={step=\"reserve\",when=\"after\",share=\"5%\",restart=\"5s\"}",
        wrong: ("", "the state is set, the process dies, and nobody may cancel from there"),
        right: ("operation.journal.durable={}", "it goes on from there"),
        metric: "half_done",
        unit: "left half done",
        expected: Expected::Times(3.0),
    },
    System {
        number: "F7",
        name: "first the CRM, then the mail",
        world: r#"server.psp.failures={500="10%"}"#,
        wrong: ("", "the first fails, and the second never happens"),
        right: (r#"operation.on_failure.resume={after="1s",times=20}"#, "it goes on until it has"),
        metric: "missing_effects",
        unit: "effects missing",
        expected: Expected::None(500.0),
    },
];

const UNDOING: [System; 3] = [
    System {
        number: "W4",
        name: "compensation",
        world: r#"server.shop.failures={500="10%"}"#,
        wrong: (r#"operation.step.save.on_failure="stop""#, "what was done stays"),
        right: ("", "it is undone, the last first"),
        metric: "half_done",
        unit: "left half done",
        expected: Expected::None(500.0),
    },
    System {
        number: "W4",
        name: "an undo that fails",
        world: "server.shop.failures={500=\"10%\"}\nserver.psp.failures={500=\"10%\"}",
        wrong: ("", "one try"),
        right: (r#"operation.step.refund.policy={attempts=20,timeout="30s"}"#, "twenty"),
        metric: "left_for_person",
        unit: "left for a person",
        expected: Expected::None(30.0),
    },
    System {
        number: "F3",
        name: "resumed after a rollback",
        world: "server.shop.failures={500=\"10%\"}\noperation.step.save.on_failure.compensate-and-retry={after=\"1s\",times=20}",
        wrong: ("operation.lists_undone=true", "shipped though refunded"),
        right: ("", "what was undone is made anew"),
        metric: "missing_effects",
        unit: "effects missing",
        expected: Expected::None(500.0),
    },
];

/// Two steps about a row of a database, and a call between them.
const ROWS: &str = r#"
duration = "5m"
drain = "10m"
[load]
clients = 50
arrivals.poisson = { rate = "20/s" }
[operation.step.look]
server = "orders"
method = "GET"
reads = true
[operation.step.refund]
server = "psp"
[operation.step.note]
server = "orders"
writes = "blind"
locks = true
[server.orders]
service_time.exponential = { mean = "20ms" }
[server.psp]
service_time.exponential = { mean = "300ms" }
[fault.f]
server = "psp"
from = "1m"
for = "1s"
[policy.p]
timeout = "30s"
"#;

const LOCKING: [System; 2] = [
    System {
        number: "W5",
        name: "two cancellations, two refunds, in steps",
        world: "load.repeat={share=\"10%\",after=\"100ms\",same=\"thing\"}\noperation.wanted=1\n\
                operation.step.look.reads={if-undone=409}",
        wrong: ("operation.step.look.locks=true", "a row lock while it is looked at"),
        right: (r#"operation.step.look.locks="until-over""#, "one until all is over"),
        // That is the second step.
        metric: "duplicates.step.charge",
        unit: "second refunds",
        expected: Expected::None(300.0),
    },
    System {
        number: "F5",
        name: "a row lock over several steps",
        world: "load.contend={things=200}\noperation.step.look.locks=\"until-over\"\nserver.psp.hangs=\"0.5%\"\n\
                server.orders.row_lock.timeout=\"5s\"",
        wrong: ("", "one of them hangs until its client gives up"),
        right: (r#"server.orders.row_lock.hung="2s""#, "or its database does, after 2 s"),
        metric: "outcome_503",
        unit: "who have waited for 5 s in vain",
        expected: Expected::Times(10.0),
    },
];

/// One job a second for two hours, at a server that is down for half an hour of them.
const JOBS: &str = r#"
duration = "2h"
drain = "30h"
[load]
clients = 20
arrivals.poisson = { rate = "1/s" }
[server.api]
service_time.exponential = { mean = "200ms" }
[fault.f]
from = "30m"
for = "30m"
[policy.p]
attempts = 3
timeout = "2m"
backoff.full-jitter = { base = "1s" }
"#;

/// The schedule of most queues here.
const QUEUE: &str = r#"
[policy.p.durable]
backoff.exponential = { base = "30s", cap = "1h" }
workers = 100
"#;

const IN_THE_PROCESS: [System; 1] = [System {
    number: "P10",
    name: "a durable retry",
    world: "fault.f.crash=true",
    wrong: ("", "three attempts in the process"),
    right: (r#"policy.p.durable={backoff={fixed={delay="5m"}},workers=100}"#, "then a queue"),
    metric: "failed",
    unit: "failed",
    expected: Expected::None(1_500.0),
}];

const IN_A_QUEUE: [System; 7] = [
    System {
        number: "P11",
        name: "dunning: new payments",
        world: "fault.f.failures={402=\"100%\"}\nserver.api.lost_replies=\"2%\"\npolicy.p.attempts=1\npolicy.p.key=\"per-operation\"\n\
                server.api.idempotency.lock={stores=\"everything\",retention=\"30d\"}\npolicy.p.durable.key=\"per-try\"",
        wrong: ("", "each day a new key, whatever became of the last"),
        right: ("policy.p.durable.check_first=true", "\"still open?\" first"),
        metric: "duplicates",
        unit: "second charges",
        expected: Expected::None(100.0),
    },
    System {
        number: "I7",
        name: "one key for what should be new payments",
        world: "fault.f.failures={402=\"100%\"}\npolicy.p.key=\"per-operation\"\npolicy.p.durable.attempts=10\n\
                server.api.idempotency.lock={stores=\"everything\",retention=\"30d\"}",
        wrong: ("", "the stored decline comes back for ever"),
        right: (r#"policy.p.durable.key="per-try""#, "a new key for each try"),
        metric: "parked",
        unit: "never paid",
        expected: Expected::None(1_500.0),
    },
    System {
        number: "P12",
        name: "a dead-letter queue",
        world: "fault.f.crash=true\npolicy.p.durable.attempts=4",
        wrong: ("", "parked, and nobody looks"),
        right: (r#"policy.p.durable.dead_letter={redrive_at="3h",rate="5/s"}"#, "tried again when all is well"),
        metric: "parked",
        unit: "parked in the end",
        expected: Expected::None(1_000.0),
    },
    System {
        number: "Q1",
        name: "a webhook as a queue",
        world: "policy.p.durable.when=\"at-once\"\nload.crash.random={mean_between=\"5m\",restart=\"5s\"}",
        wrong: (r#"policy.p.durable.handover.after={takes="1s"}"#, "202, and a second later it is in the queue"),
        right: ("", "202 when it is in the queue"),
        metric: "lost_handovers",
        unit: "lost in crashes",
        expected: Expected::None(10.0),
    },
    System {
        number: "Q2",
        name: "delivered again",
        world: "policy.p.durable.when=\"at-once\"\nserver.api.service_time={mixture=[{weight=0.95,constant=\"1s\"},{weight=0.05,constant=\"70s\"}]}",
        wrong: (r#"policy.p.durable.visibility="30s""#, "after 30 s, while it is worked on"),
        right: (
            r#"policy.p.durable={visibility="30s",heart_beat="10s",backoff="none",workers=100}"#,
            "who is busy says so",
        ),
        metric: "duplicates",
        unit: "second mails",
        expected: Expected::None(300.0),
    },
    System {
        number: "Q3",
        name: "a schedule with a key",
        world: "fault.f.crash=true\nload.repeat={share=\"50%\",after=\"30s\",same=\"thing\"}\noperation.wanted=1\npolicy.p.key=\"per-thing\"\n\
                server.api.idempotency.lock={}\npolicy.p.retry_on=[\"5xx\",409,\"timeout\",\"connection\"]",
        wrong: ("", "two chains of retries for one order"),
        right: ("policy.p.durable.deduplicated=true", "one"),
        metric: "durable_tries",
        unit: "tries",
        expected: Expected::Times(1.3),
    },
    System {
        number: "P10",
        name: "handed over",
        world: "fault.f.crash=true",
        wrong: (r#"policy.p.durable.handover.after={fails="1%"}"#, "by a call of which one in a hundred is lost"),
        right: ("", "in one transaction with the order"),
        metric: "lost_handovers",
        unit: "lost",
        expected: Expected::None(5.0),
    },
];

/// The rows of the document: number, name, and what was measured.
pub fn rows() -> Vec<(&'static str, &'static str, String)> {
    let mut rows = rows_of(ORDERS, &GOING_ON);
    rows.extend(rows_of(&format!("{ORDERS}{UNDONE}"), &UNDOING));
    rows.extend(rows_of(ROWS, &LOCKING));
    rows.extend(rows_of(JOBS, &IN_THE_PROCESS));
    rows.extend(rows_of(&format!("{JOBS}{QUEUE}"), &IN_A_QUEUE));
    rows
}
