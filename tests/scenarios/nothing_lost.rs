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

/// The rows of the document: number, name, and what was measured.
pub fn rows() -> Vec<(&'static str, &'static str, String)> {
    let mut rows = rows_of(ORDERS, &GOING_ON);
    rows.extend(rows_of(&format!("{ORDERS}{UNDONE}"), &UNDOING));
    rows
}
