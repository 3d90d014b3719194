use super::*;
use crate::report::fixture::{Row, around, row, with_input};

/// An outage with everything a table can show.
fn rows() -> Vec<Row> {
    let never = row("no-retry", &around(0.722, 0.0)).all("retries", 0.0).all("attempts_per_operation", 1.0);
    let immediate =
        row("immediate", &around(0.852, 0.001)).all("attempts_per_operation", 2.85).all("peak_of_capacity", 5.2);
    let rates = [0.12, 0.81, 0.13, 0.80, 0.82, 0.11, 0.81, 0.79, 0.12, 0.80];
    let times: Vec<f64> = rates.iter().map(|rate| if *rate > 0.5 { 0.0 } else { f64::INFINITY }).collect();
    vec![
        never.all("peak_of_demand", 1.5).all("phantom_rate", 0.0398),
        immediate.all("peak_of_demand", 11.43).all("duplicate_rate", 0.1341).all("phantom_rate", 0.0923),
        row("exponential", &rates)
            .set("recovery", &times)
            .all("duplicate_rate", 0.3239)
            .all("phantom_rate", 0.295)
            .all("latency_p99", 11.3),
        row("breaker", &around(0.649, 0.002))
            .all("attempts_per_operation", 0.68)
            .all("breaker_refused", 16_742.0)
            .all("failed_by_breaker", 16_742.0)
            .all("peak_of_demand", 2.0)
            .all("duplicate_rate", 0.000_003),
        row("full-jitter-key", &around(0.835, 0.001))
            .all("attempts_per_operation", 1.93)
            .all("peak_of_demand", 2.7)
            .all("phantom_rate", 0.0),
        row("silent", &around(0.722, 0.006)).maybe("latency_p99", vec![None; 10]).all("peak_of_demand", 140.0),
    ]
}

fn check(rows: Vec<Row>, style: TableStyle, expected: &str) {
    let text = with_input(rows, |input| table(input, style));
    assert!(text == expected, "got:\n{text}\nexpected:\n{expected}");
}

fn style(width: usize) -> TableStyle {
    TableStyle { width, colour: false, unicode: true }
}

/// The heading of the table at this width.
fn heading(width: usize, unicode: bool) -> Vec<String> {
    let text = with_input(rows(), |input| table(input, TableStyle { width, colour: false, unicode }));
    text.lines().nth(3).unwrap().split_whitespace().map(str::to_owned).collect()
}

#[test]
fn eighty_columns() {
    check(rows(), style(80), EIGHTY);
}

#[test]
fn a_hundred_and_twenty_columns() {
    check(rows(), style(120), WIDE);
}

#[test]
fn one_replication() {
    let long = "full-jitter-with-a-key-per-operation";
    check(vec![row("a", &[0.7]), row("b", &[0.9997]), row(long, &[1.0])], style(80), ONE);
}

#[test]
fn every_line_fits() {
    for (width, unicode) in [(60, true), (80, true), (80, false), (117, true), (117, false), (120, true), (200, true)] {
        let text = with_input(rows(), |input| table(input, TableStyle { width, colour: false, unicode }));
        for line in text.lines() {
            assert!(line.chars().count() <= width, "{width}: {line}");
            assert_eq!(line.trim_end(), line, "{width}");
            assert!(unicode || line.is_ascii(), "{line}");
        }
    }
}

#[test]
fn narrow_tables_keep_what_matters() {
    let all = ["policy", "success", "vs", "no-retry", "attempts", "peak", "dup/10k", "recov"];
    assert_eq!(heading(72, true), all);
    assert_eq!(heading(71, true), all[..7]);
    assert_eq!(heading(64, true), all[..6]);
    assert_eq!(heading(55, true), [&all[..4], &all[5..6]].concat());
    assert_eq!(heading(10, true), [&all[..4], &all[5..6]].concat());
    let wide = [&["policy", "success", "10%", "90%"], &all[2..7], &["phantom/10k", "p99", "recov"]].concat();
    assert_eq!(heading(130, true), wide);
    assert_eq!(heading(130, false), [&wide[..2], &wide[4..]].concat());
}

#[test]
fn colour_only_repeats_the_marks() {
    for width in [80, 130] {
        let plain = with_input(rows(), |input| table(input, style(width)));
        let coloured = with_input(rows(), |input| table(input, TableStyle { colour: true, ..style(width) }));
        let mut stripped = coloured.clone();
        for code in ["\u{1b}[32m", "\u{1b}[31m", "\u{1b}[2m", "\u{1b}[0m"] {
            assert!(coloured.contains(code), "{code:?}");
            stripped = stripped.replace(code, "");
        }
        assert_eq!(stripped, plain);
        assert!(!plain.contains('\u{1b}'));
    }
}

#[test]
fn titles_and_names_are_harmless() {
    let text = with_input(vec![row("a\u{1b}[31m\u{202e}", &[0.7]), row("b\r\n", &[0.8])], |input| {
        let mut scenario = input.scenario.clone();
        scenario.title = "\u{1b}]0;owned\u{7}\u{9b}2J\u{200f}title".to_owned();
        table(&ReportInput { scenario: &scenario, ..*input }, style(80))
    });
    assert!(text.chars().all(|c| c == '\n' || !(c.is_control() || ('\u{200b}'..='\u{202e}').contains(&c))), "{text:?}");
    assert!(text.starts_with("\u{fffd}]0;owned\u{fffd}\u{fffd}2J\u{fffd}title\n"), "{text:?}");
}

const EIGHTY: &str = "\
Outage at checkout
6 policies, 10 replications, seed 7, baseline no-retry

policy           success   vs no-retry  attempts    peak  dup/10k  recov
────────────────────────────────────────────────────────────────────────
no-retry          72.2%      baseline      1.00    1.5x        0   10/10
immediate         85.2%    +13.0 ±0.0      2.85!  11.4x    1,341   10/10
exponential       53.1%   -19.1 ±25.3?     2.00    3.0x    3,239!   6/10
breaker           64.9%     -7.3 ±0.1      0.68    2.0x     <0.1   10/10
full-jitter-key   83.5%    +11.3 ±0.0      1.93*   2.7x*       0*  10/10
silent            72.2%     +0.0 ±0.3?     2.00    140x!       0*  10/10

* best  ! worst  ? no difference from the baseline shown (95%, paired)
dup: duplicate effects; recov: replications back to normal after outage

Best success   immediate has the highest mean success (85.2%), against 72.2%
               with no-retry; no difference from exponential (53.1%) shown with
               10 replications, corrected for picking the best of 6.
               full-jitter-key reached 83.5% without duplicates. 2 policies beat
               no-retry, 1 loses, 2 are not separable.
It costs       a peak of 11.4x demand (5.2x capacity), 1,341 duplicates per
               10,000 operations.
Worse          breaker succeeded 7.3 points (7.2 to 7.4) less often than
               no-retry: 16,742 operations per run failed because its breaker
               refused them an attempt.
Careful        exponential stayed down after outage in 4 of 10 runs. All others
               came back at once. The runs of exponential fall into two groups
               (4 near 12.0%, 6 near 80.5%); the mean describes no single run.
Not separable  exponential from any policy but immediate and full-jitter-key;
               silent from no-retry. Try --replications 6400: that would narrow
               ±25.3 points to ±1 or so.
";
const WIDE: &str = "\
Outage at checkout
6 policies, 10 replications, seed 7, baseline no-retry

policy           success  10%            90%   vs no-retry  attempts    peak  dup/10k  phantom/10k    p99  recov
────────────────────────────────────────────────────────────────────────────────────────────────────────────────
no-retry          72.2%                ●         baseline      1.00    1.5x        0          398    1.5s  10/10
immediate         85.2%                ┊  ●    +13.0 ±0.0      2.85!  11.4x    1,341          923    1.5s  10/10
exponential       53.1%       ─────●──────    -19.1 ±25.3?     2.00    3.0x    3,239!       2,950!  11.3s   6/10
breaker           64.9%               ●┊        -7.3 ±0.1      0.68    2.0x     <0.1            0    1.5s  10/10
full-jitter-key   83.5%                ┊ ─●    +11.3 ±0.0      1.93*   2.7x*       0*           0*   1.5s  10/10
silent            72.2%                ●        +0.0 ±0.3?     2.00    140x!       0*           0*      –  10/10

* best  ! worst  ? no difference from the baseline shown (95%, paired)
dup: duplicate effects; phantom: done, but reported as failed; recov: replications back to normal after outage

Best success   immediate has the highest mean success (85.2%), against 72.2% with no-retry; no
               difference from exponential (53.1%) shown with 10 replications, corrected for picking
               the best of 6. full-jitter-key reached 83.5% without duplicates. 2 policies beat
               no-retry, 1 loses, 2 are not separable.
It costs       a peak of 11.4x demand (5.2x capacity), 1,341 duplicates per 10,000 operations.
Worse          breaker succeeded 7.3 points (7.2 to 7.4) less often than no-retry: 16,742 operations
               per run failed because its breaker refused them an attempt.
Careful        exponential stayed down after outage in 4 of 10 runs. All others came back at once.
               The runs of exponential fall into two groups (4 near 12.0%, 6 near 80.5%); the mean
               describes no single run.
Not separable  exponential from any policy but immediate and full-jitter-key; silent from no-retry.
               Try --replications 6400: that would narrow ±25.3 points to ±1 or so.
";
const ONE: &str = "\
Outage at checkout
3 policies, 1 replication, seed 7, baseline a

policy                    success       vs a  attempts   peak  dup/10k  recov
─────────────────────────────────────────────────────────────────────────────
a                          70.0%   baseline      2.00   3.0x        0     1/1
b                         99.97%      +30.0      2.00   3.0x        0     1/1
full-jitter-…r-operation  100.0%      +30.0      2.00   3.0x        0     1/1

dup: duplicate effects; recov: replications back to normal after outage

Result         One replication: differences cannot be judged.
";
