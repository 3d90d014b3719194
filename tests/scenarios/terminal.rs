//! What a terminal of 80 columns shows of each stock scenario, and that it answers the scenario's question.

use simlab::decision::Decision;
use simlab::report::{TableStyle, table};

use super::{check_file, results};

/// The figures that answer each scenario's question.
const ANSWERS: [(&str, &[&str]); 39] = [
    ("banned", &["full-jitter     9,000!   10.0%!", "patient-jitter     12   99.88%", "limiter: 0 go wrong"]),
    ("breaker-tradeoff", &["no-breaker: 5,000 go wrong per 10,000 operations", "five-30s       9,516!    4.8%!"]),
    ("brownout", &["breaker: 4,926 go wrong per 10,000 operations", "6,280    58.7%      2.24!  6.1x!"]),
    (
        "charge-then-save",
        &[
            "stop                      1,704",
            "begin-anew                6,434!",
            "step-by-step                 13",
            "one-transaction           3,646",
            "one-transaction-with-key    2.2*",
        ],
    ),
    (
        "crash-resume",
        &[
            "any of each-step and each-step-and-takeover: 6.3 to 6.4 go wrong",
            "no-journal                13!  100.0%*",
            "lost                      12   99.94%!",
        ],
    ),
    (
        "crm-signup",
        &[
            "each-for-itself     1,800!  99.27%",
            "after-30s             525   100.0%*",
            "> queue                   0*  100.0%*",
            "Lost on the way to the queue: 0.1% with",
        ],
    ),
    ("cron-herd", &["wide-jitter: 0 go wrong per 10,000 operations, against 7,900 with no-retry and 268"]),
    (
        "dead-letters",
        &["any of paced and few-workers: 0 go wrong per 10,000 operations", "all-at-once  25,644!", "Parked in"],
    ),
    (
        "double-charge",
        &[
            "lock: 4.9 go wrong per 10,000 operations",
            "cache             12,292   100.0%*",
            "final-409          2,495    87.5%",
        ],
    ),
    (
        "double-click",
        &[
            "per-form: 4.7 go wrong per 10,000 operations",
            "number-order: 2.0 go wrong",
            "per-request      302!",
            "clock-order      210!",
        ],
    ),
    (
        "dunning",
        &["one-key            1,196", "> new-keys               0*  100.0%*", "unchecked            104   100.0%*"],
    ),
    (
        "durable-retry",
        &[
            "in-process      3,312!   66.9%!",
            "> durable             0*  100.0%*",
            "67.0%, 68.7%, 80.3%,",
            "lost-handovers     16   99.84%",
        ],
    ),
    ("endless-retry", &["the peak 13.6/s", "32.20!  24.2x!"]),
    (
        "flaky-checkout",
        &["no-retry          2,879!   71.3%!", "four-attempts       140    98.6%", "four-and-by-hand    149    98.6%"],
    ),
    (
        "hedging-tail",
        &["against 1.16 s with no-hedge and 41.8 ms with hedge-30ms", "busy-hedge             –   22,090!     0.0%!"],
    ),
    ("key-expiry", &["a-day: 0 go wrong per 10,000 operations", "quarter-hour           101,718!"]),
    (
        "lock-races",
        &[
            "all-right: 2.7 go wrong per 10,000 operations",
            "freed-by-anyone    114   100.0%*",
            "two-steps           55   99.97%",
            "stored-later        33   99.94%",
            "final-409        1,440!",
        ],
    ),
    ("metastable", &["after stall, back within 5 s: breaker", "never: retry-once, full-jitter and budget-10"]),
    (
        "mixed-clients",
        &[
            "half-half  2,928    81.8%   +1.2 ±0.1     1.29   2.6x   299",
            "2,554 of axios, 3,289 of polly (585 duplicates)",
        ],
    ),
    (
        "occ-contention",
        &["no-wait                  0   100.0%     baseline     24.25!  18.8x!", "full-jitter              0   100.0%"],
    ),
    (
        "one-bad-replica",
        &[
            "ejection: 0 go wrong per 10,000 operations, against 539 with once and 60 with breaker-each",
            "the peak is highest: 879/s (1.9x the highest demand, 1.1x capacity) with least-in-flight",
        ],
    ),
    (
        "order-saga",
        &[
            "resume: 116 go wrong per 10,000 operations",
            "start-over  8,273!   90.0%!     4.82!  12.9x!  6,282!",
            "compensate  1,153    89.8%!     3.50*   5.5x     102*     0     35",
        ],
    ),
    (
        "oversell",
        &[
            "locks: 0 go wrong per 10,000 operations, against 1,579 with blind",
            "looks-and-retries      1,401    86.0%!",
            "looks-and-reads-again      0*  100.0%*",
        ],
    ),
    ("put-or-post", &["any of put and post-with-key: 0.2 go wrong", "post            306"]),
    ("rate-limited-api", &["larger-base 540, ignores-hint 985, honours-hint 1,142, immediate 1,508"]),
    ("refund-race", &["order-number: 7.0 go wrong", "key-with-time        10,394"]),
    ("retry-budget", &["not decided between no-retry and grpc-throttle", "no-budget             12,886!   37.1%!"]),
    ("retry-everything", &["against 1,643 with no-retry", "everything         1,203*   88.0%*    +4.4 ±0.0     1.53!"]),
    (
        "retry-pyramid",
        &[
            "at-the-bottom: 1,563 go wrong per 10,000 operations",
            "every-level           3,765    62.3%     16.79!  40.8x!",
        ],
    ),
    ("sdk-shootout", &["from 2,259 with backon to 2,363 with aws-sdk-standard", "google-api-core              2,614!"]),
    ("shared-or-own-breaker", &["shared-breaker     2,889!   71.1%!", "own-breaker        1,023    89.8%"]),
    (
        "slow-success",
        &["longer-timeout: 1.0 go wrong per 10,000 operations", "against 637 with no-retry and 154 with key"],
    ),
    (
        "store-down",
        &[
            "closed-and-patient: 320 go wrong per 10,000 operations",
            "open                  602   100.0%*",
            "closed              2,686!",
        ],
    ),
    (
        "stored-errors",
        &[
            "keeps-effects: 410 go wrong per 10,000 operations",
            "keeps-everything     687    95.1%",
            "forgot-the-key    10,000!    0.0%!",
        ],
    ),
    (
        "stripe-outage",
        &["key-v2: 2,162 go wrong per 10,000 operations", "against 4,813 with no-retry", "key-v1        4,209"],
    ),
    (
        "stuck-cancelling",
        &[
            "by-journal: 0.9 go wrong per 10,000 operations",
            "row-lock-short-call: 0.4 go wrong per 10,000 operations",
            "101 with may-go-on, the next best",
            "60 with row-lock, the next best",
            "22.5s!",
        ],
    ),
    ("thundering-herd", &["the wave after outage 310/s, against 10,000/s with exponential"]),
    (
        "webhook-delivery",
        &[
            "svix: 0 go wrong per 10,000 operations, against 2,576 with github",
            "shopify    877    91.6%",
            "stripe      47",
        ],
    ),
    (
        "webhook-receiver",
        &[
            "answers-202-knows-id: 0 go wrong per 10,000 operations, against 1,405 with works-first",
            "works-first-knows-id      0*   100.0%",
        ],
    ),
];

fn terminal(name: &str) -> String {
    let ran = &results()[name];
    let decision = Decision::new(&ran.loaded.scenario, &ran.comparison);
    let input = ran.report(name, &decision, false);
    table(&input, TableStyle { width: 80, colour: false, unicode: true })
}

#[test]
fn first_screens() {
    for name in results().keys() {
        check_file(&format!("tests/scenarios/terminal/{name}.txt"), &terminal(name));
    }
}

#[test]
fn the_first_screen_answers_the_question() {
    assert_eq!(ANSWERS.map(|(name, _)| name).to_vec(), results().keys().map(String::as_str).collect::<Vec<_>>());
    for (name, answers) in ANSWERS {
        let text = terminal(name);
        // Where lines end does not matter.
        let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for answer in answers {
            let answer = answer.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(flat.contains(&answer), "{name}: no `{answer}` in\n{text}");
        }
    }
}

/// What came last is no cause: nothing was run in which only that is missing.
#[test]
fn nothing_is_said_to_be_a_cause() {
    for name in results().keys() {
        let text = terminal(name).to_lowercase();
        for word in ["because", "due to", "caused", "thanks to", "led to", "owing to"] {
            assert!(!text.contains(word), "{name}: `{word}` in\n{text}");
        }
    }
}

/// On most of them there is one answer.
#[test]
fn most_questions_have_one_answer() {
    let decided = |name: &&String| {
        let ran = &results()[*name];
        let decision = Decision::new(&ran.loaded.scenario, &ran.comparison);
        decision.groups.iter().all(|group| group.choice.policies.len() == 1)
    };
    let count = results().keys().filter(decided).count();
    assert!(count >= 10, "{count} of {}", results().len());
}
