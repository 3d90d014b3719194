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
            .all("latency_all_p99", 11.3),
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
        row("silent", &around(0.722, 0.006)).all("latency_all_p99", f64::INFINITY).all("peak_of_demand", 140.0),
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
    text.lines()
        .find(|line| line.trim_start().starts_with("policy "))
        .unwrap()
        .split_whitespace()
        .map(str::to_owned)
        .collect()
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
    let all = ["policy", "wrong", "success", "vs", "no-retry", "attempts", "peak", "dup", "phan", "p99", "recov"];
    let without = |gone: &[&str]| all.into_iter().filter(|head| !gone.contains(head)).collect::<Vec<_>>();
    assert_eq!(heading(99, true), all);
    assert_eq!(heading(90, true), without(&["vs", "no-retry"]));
    assert_eq!(heading(80, true), without(&["vs", "no-retry", "recov"]));
    assert_eq!(heading(70, true), without(&["vs", "no-retry", "recov", "dup"]));
    assert_eq!(heading(10, true), ["policy", "wrong", "success", "peak"]);
    let wide = [&all[..3], &["10%", "90%"], &all[3..]].concat();
    assert_eq!(heading(130, true), wide);
    assert_eq!(heading(130, false), all);
}

/// What is not there for want of room is named.
#[test]
fn dropped_columns_are_named() {
    let text = with_input(rows(), |input| table(input, style(80)));
    assert!(text.contains("\nNot in this width: vs no-retry, recov\n"), "{text}");
    assert!(!with_input(rows(), |input| table(input, style(130))).contains("Not in this width"));
}

/// Of what is the same in every row there is least to see: it goes first.
#[test]
fn what_varies_stays() {
    let phantoms = || {
        let row = |name, share: f64| row(name, &around(0.9, 0.0)).all("phantom_rate", share);
        vec![row("a-policy-with-a-long-name", 0.01), row("b", 0.03)]
    };
    let text = with_input(phantoms(), |input| table(input, style(80)));
    let heading = text.lines().find(|line| line.trim_start().starts_with("policy")).expect("a heading");
    assert!(heading.contains("phan") && !heading.contains("dup"), "{heading}");
}

#[test]
fn colour_only_repeats_the_marks() {
    for width in [80, 130] {
        let plain = with_input(rows(), |input| table(input, style(width)));
        let coloured = with_input(rows(), |input| table(input, TableStyle { colour: true, ..style(width) }));
        let mut stripped = coloured.clone();
        for code in ["\u{1b}[32m", "\u{1b}[31m", "\u{1b}[2m", "\u{1b}[0m"] {
            // There is no `?` at 80 columns.
            assert!(coloured.contains(code) || (code, width) == ("\u{1b}[2m", 80), "{code:?}");
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
        scenario.frame.title = "\u{1b}]0;owned\u{7}\u{9b}2J\u{200f}title".to_owned();
        table(&ReportInput { scenario: &scenario, ..*input }, style(80))
    });
    assert!(text.chars().all(|c| c == '\n' || !(c.is_control() || ('\u{200b}'..='\u{202e}').contains(&c))), "{text:?}");
    assert!(text.starts_with("\u{fffd}]0;owned\u{fffd}\u{fffd}2J\u{fffd}title\n"), "{text:?}");
}

const EIGHTY: &str = "\
Outage at checkout
6 policies, 10 replications, seed 7, baseline no-retry

Choice         full-jitter-key: 1,650 go wrong per 10,000 operations (1,650
               without success, 0 duplicates, 0 phantom successes), against
               3,178 with no-retry and 2,780 with silent, the next best.
Price          attempts per operation 1.93, against 1.00 with no-retry. 6.09
               extra attempts per operation saved, compared with no-retry.

  policy             wrong  success  attempts   peak     dup    phan     p99
────────────────────────────────────────────────────────────────────────────
  no-retry          3,178    72.2%      1.00    1.5x      0*    398    1.5s*
  immediate         3,744    85.2%*     2.85!  11.4x  1,341     923    1.5s*
  exponential      10,879!   53.1%      2.00    3.0x  3,239!  2,950!  11.3s
  breaker           3,510    64.9%      0.68*   2.0x   <0.1*      0*   1.5s*
> full-jitter-key   1,650*   83.5%      1.93    2.7x      0*      0*   1.5s*
  silent            2,780    72.2%      2.00    140x      0*      0*  never!

> choice, * best, ! worst; wrong, per 10,000: without success, duplicates and
phantom successes; peak: of the highest demand; dup: duplicate effects per
10,000; phan: phantom successes per 10,000, done but reported as failed; p99: of
all operations, failures last
Margins: 50 per 10,000 operations (at most a tenth of the better one's), 5 s or
10% of times to recover or finish, 10% of all else. Marks and sentences hold at
95% together (120 comparisons), ± alone
Not in this width: vs no-retry, recov

Beaten         full-jitter-key beats immediate and silent: better in one
               criterion or more, worse in none.
Duplicates     up to 3,239 duplicates per 10,000 operations with exponential,
               none with no-retry, full-jitter-key and silent; up to 2,950
               phantom successes per 10,000 operations with exponential, none
               with breaker, full-jitter-key and silent.
Two groups     by what goes wrong per 10,000: exponential 6 runs near 8,139 and
               4 near 14,989; the mean describes no single run.
";
const WIDE: &str = "\
Outage at checkout
6 policies, 10 replications, seed 7, baseline no-retry

Choice         full-jitter-key: 1,650 go wrong per 10,000 operations (1,650 without success, 0
               duplicates, 0 phantom successes), against 3,178 with no-retry and 2,780 with silent,
               the next best.
Price          attempts per operation 1.93, against 1.00 with no-retry. 6.09 extra attempts per
               operation saved, compared with no-retry.

  policy             wrong  success  10%            90%   vs no-retry  attempts   peak     dup    phan     p99  recov
─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
  no-retry          3,178    72.2%                ●         baseline      1.00    1.5x      0*    398    1.5s*  10/10
  immediate         3,744    85.2%*               ┊  ●    +13.0 ±0.0      2.85!  11.4x  1,341     923    1.5s*  10/10
  exponential      10,879!   53.1%       ─────●──────    -19.1 ±25.3?     2.00    3.0x  3,239!  2,950!  11.3s    6/10
  breaker           3,510    64.9%               ●┊        -7.3 ±0.1      0.68*   2.0x   <0.1*      0*   1.5s*  10/10
> full-jitter-key   1,650*   83.5%                ┊ ─●    +11.3 ±0.0      1.93    2.7x      0*      0*   1.5s*  10/10
  silent            2,780    72.2%                ●        +0.0 ±0.3?     2.00    140x      0*      0*  never!  10/10

> choice, * best, ! worst, ? no difference from the baseline shown; wrong, per 10,000: without success, duplicates and
phantom successes; peak: of the highest demand; dup: duplicate effects per 10,000; phan: phantom successes per 10,000,
done but reported as failed; p99: of all operations, failures last; recov: replications back to normal after outage
Margins: 50 per 10,000 operations (at most a tenth of the better one's), 5 s or 10% of times to recover or finish, 10%
of all else. Marks and sentences hold at 95% together (120 comparisons), ± alone

Beaten         full-jitter-key beats immediate and silent: better in one criterion or more, worse in
               none.
Duplicates     up to 3,239 duplicates per 10,000 operations with exponential, none with no-retry,
               full-jitter-key and silent; up to 2,950 phantom successes per 10,000 operations with
               exponential, none with breaker, full-jitter-key and silent.
Two groups     by what goes wrong per 10,000: exponential 6 runs near 8,139 and 4 near 14,989; the
               mean describes no single run.
";
const ONE: &str = "\
Outage at checkout
3 policies, 1 replication, seed 7, baseline a

Choice         1 run: nothing is judged; simlab run checkout.toml --replications
               10 would be.

policy                    wrong  success      vs a  attempts  peak  phan   p99
──────────────────────────────────────────────────────────────────────────────
a                         3,000    70.0%  baseline      2.00  3.0x     0  1.5s
b                           3.0   99.97%     +30.0      2.00  3.0x     0  1.5s
full-jitter-…r-operation      0   100.0%     +30.0      2.00  3.0x     0  1.5s

wrong, per 10,000: without success, duplicates and phantom successes; peak: of
the highest demand; phan: phantom successes per 10,000, done but reported as
failed; p99: of all operations, failures last
Not in this width: dup, recov

Duplicates     no duplicates in 10,000 operations each; no phantom successes in
               10,000 operations each.
";
