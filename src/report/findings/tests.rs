use proptest::prelude::*;

use super::*;
use crate::decision::Kind;
use crate::experiment::fixture::{Row, around, comparison, row};
use crate::report::fixture::{with_comparison, with_input};
use crate::report::{TableStyle, markdown, page, table};
use crate::scenario::Scenario;
use crate::scenario::decide::{Criterion, Margin};

/// A baseline that never retries and succeeds at 72%.
fn never() -> Row {
    row("never", &around(0.722, 0.0)).all("retries", 0.0).all("peak_of_demand", 1.5).all("attempts_per_operation", 1.0)
}

fn exact(name: &'static str, rate: f64) -> Row {
    row(name, &around(rate, 0.000_5))
}

/// The sentences about `topic` in a scenario that `change` has made its own.
fn said(rows: Vec<Row>, topic: Topic, change: impl FnOnce(&mut Scenario)) -> Vec<String> {
    with_input(rows, |input| {
        let mut scenario = input.scenario.clone();
        change(&mut scenario);
        let decision = Decision::new(&scenario, input.comparison);
        let input = ReportInput { scenario: &scenario, decision: &decision, ..*input };
        Findings::new(&input, Notation::TERMINAL).about(topic).map(str::to_owned).collect()
    })
}

fn check(rows: Vec<Row>, topic: Topic, expected: &[&str]) {
    assert_eq!(said(rows, topic, |_| {}), expected);
}

fn winner() -> Vec<Row> {
    let immediate = exact("immediate", 0.852).all("peak_load", 1_140.0).all("peak_of_demand", 11.4);
    let immediate = immediate.all("peak_of_capacity", 5.2).all("duplicate_rate", 0.134_1);
    let keyed = exact("keyed", 0.835).all("peak_load", 600.0).all("phantom_rate", 0.01);
    vec![never(), immediate, keyed, exact("slow", 0.6)]
}

#[test]
fn a_choice_with_its_price() {
    check(
        winner(),
        Topic::Choice,
        &["keyed: 1,750 go wrong per 10,000 operations (1,650 without success, 0 duplicates, 100 phantom successes), \
           against 2,780 with never, the next best."],
    );
    check(
        winner(),
        Topic::Price,
        &[
            "the peak 600/s (3.0x the highest demand, 1.5x capacity), against 300/s with never; attempts per operation 2.00, \
           against 1.00 with never. 9.71 extra attempts per operation saved, compared with never.",
        ],
    );
    check(
        winner(),
        Topic::Load,
        &[
            "the peak is highest: 1,140/s (11.4x the highest demand, 5.2x capacity) with immediate, and lowest: 300/s with \
           never and slow.",
        ],
    );
    check(
        winner(),
        Topic::Duplicates,
        &[
            "1,341 duplicates per 10,000 operations with immediate, none with never, keyed and slow; 100 phantom successes \
           per 10,000 operations with keyed, none with never, immediate and slow.",
        ],
    );
    let free = vec![never().all("attempts_per_operation", 2.0), exact("free", 0.9)];
    let nothing = "nothing: no other policy is shown to be better in anything that was asked.";
    check(free, Topic::Price, &[nothing]);
}

/// Where what goes wrong is alike, what decides is told: the wave of a herd.
#[test]
fn the_criterion_that_decides() {
    let herd = |name, wave| row(name, &[1.0; 10]).all("operations", 1e5).all("wave", wave);
    check(
        vec![herd("fixed", 10_000.0), herd("equal", 618.0), herd("full", 310.0)],
        Topic::Choice,
        &[
            "full: 0 go wrong per 10,000 operations; the wave after outage 310/s, against 10,000/s with fixed and 618/s with \
           equal, the next best.",
        ],
    );
    let first = |scenario: &mut Scenario| {
        scenario.decide.order = vec![Criterion::of(Metric::LatencyP999)];
    };
    let tail = |name, seconds: f64| exact(name, 0.9).all("operations", 1e5).all("latency_p999", seconds);
    assert_eq!(
        said(vec![tail("plain", 1.151), tail("hedged", 0.042)], Topic::Choice, first),
        [
            "hedged: p99.9 of successes 42 ms, against 1.15 s with plain; 1,000 go wrong per 10,000 operations (1,000 without \
          success, 0 duplicates, 0 phantom successes)."
        ]
    );
}

#[test]
fn several_and_undecided() {
    let like = |name, own| row(name, &around(0.85, own));
    check(
        vec![never(), like("a", 0.000_5), like("b", 0.000_4)],
        Topic::Choice,
        &[
            "any of a and b: 1,500 go wrong per 10,000 operations, against 2,780 with never; in that they are as good as one another.",
        ],
    );
    let wild: Vec<f64> = around(0.82, 0.0).iter().zip([1.0, -1.0].iter().cycle()).map(|(v, n)| v + 0.05 * n).collect();
    check(
        vec![never(), like("a", 0.000_5), row("wild", &wild)],
        Topic::Choice,
        &["not decided between a and wild: 1,500 with a and 1,800 with wild go wrong per 10,000 operations; about 81 \
           replications would tell."],
    );
    // Nothing is said of a price or of alternatives then.
    check(vec![never(), like("a", 0.000_5), row("wild", &wild)], Topic::Price, &[]);
}

#[test]
fn nothing_to_decide() {
    let one = vec![row("never", &[0.7]), row("a", &[0.9]).all("duplicate_rate", 0.1)];
    check(
        one.clone(),
        Topic::Choice,
        &["1 run: nothing is judged; simlab run checkout.toml --replications 10 would be."],
    );
    for topic in [Topic::Price, Topic::Alternatives, Topic::Beaten, Topic::NotShown, Topic::Load] {
        check(one.clone(), topic, &[]);
    }
    check(
        vec![never()],
        Topic::Choice,
        &[
            "never alone: 2,780 go wrong per 10,000 operations (2,780 without success, 0 duplicates, 0 phantom successes); \
           there is nothing to compare.",
        ],
    );
    let dead = |name| row(name, &[0.0; 10]);
    check(vec![dead("a"), dead("b")], Topic::Choice, &["no operation succeeds under any of them."]);
}

#[test]
fn retrying_for_nothing() {
    let costs = |name, attempts, peak| {
        exact(name, 0.722)
            .all("attempts_per_operation", attempts)
            .all("peak_of_demand", peak)
            .all("peak_load", peak * 100.0)
    };
    let never = || never().all("peak_of_demand", 1.0).all("peak_load", 100.0);
    check(
        vec![never(), costs("today", 3.3, 3.8), costs("budget", 1.2, 1.2)],
        Topic::Nothing,
        &[
            "no policy that retries is shown to be better than never in anything by more than the margin; today sends 3.30 attempts per operation and 3.8x the \
           highest demand at the peak. If you must retry: budget: 1.2x the highest demand at the peak.",
        ],
    );
    check(vec![never(), exact("a", 0.9)], Topic::Nothing, &[]);
}

#[test]
fn alternatives_and_who_is_beaten() {
    let of = |name, rate: f64, wave: f64, attempts: f64| {
        exact(name, rate).all("wave", wave).all("attempts_per_operation", attempts)
    };
    let rows = || vec![of("a", 0.9, 100.0, 2.0), of("cheap", 0.892, 200.0, 1.1), of("worse", 0.88, 200.0, 2.5)];
    check(
        rows(),
        Topic::Alternatives,
        &[
            "cheap: attempts per operation 1.10 instead of 2.00, but gone wrong 1,080 instead of 1,000 per 10,000, the wave after outage \
           200/s instead of 100/s.",
        ],
    );
    check(rows(), Topic::Beaten, &["a beats worse: better in one criterion or more, worse in none."]);
}

#[test]
fn recovery_fault_by_fault() {
    let down = [25.0, f64::INFINITY, 5.0, f64::INFINITY, 10.0, 5.0, f64::INFINITY, 5.0, 5.0, f64::INFINITY];
    let of = |name, times: &[f64]| exact(name, 0.9).set("recovery.fault.outage", times).set("recovery", times);
    check(
        vec![of("a", &[5.0; 10]), of("b", &down), of("c", &[f64::INFINITY; 10]), of("d", &[12.0; 10])],
        Topic::Recovery,
        &["after outage, back within 5 s: a; within 12 s: d; never in 4 of 10 runs: b; never: c."],
    );
    check(vec![of("a", &[0.0; 10]), of("b", &[0.0; 10])], Topic::Recovery, &["after outage, back at once: all."]);
}

#[test]
fn runs_in_two_groups() {
    let rates = [0.12, 0.81, 0.13, 0.80, 0.82, 0.11, 0.81, 0.79, 0.12, 0.80];
    check(
        vec![never(), row("b", &rates)],
        Topic::Groups,
        &["by what goes wrong per 10,000: b 6 runs near 1,950 and 4 near 8,800; the mean describes no single run."],
    );
}

#[test]
fn rules_name_what_is_not_the_default() {
    let rules = with_input(vec![never(), exact("a", 0.9)], |input| {
        let mut scenario = input.scenario.clone();
        let own =
            [(Criterion::Wrong, Margin::Absolute(0.001)), (Criterion::of(Metric::PeakLoad), Margin::Relative(0.2))];
        scenario.decide.margins = own.to_vec();
        Findings::new(&ReportInput { scenario: &scenario, ..*input }, Notation::TERMINAL).rules
    });
    assert_eq!(
        rules[0],
        "Margins: what goes wrong 10 per 10,000, the peak 20%, 5 s or 10% of times to recover or finish, 10% of all else"
    );
    assert!(
        rules[1].starts_with("Marks and sentences hold at 95% together (")
            && rules[1].ends_with("comparisons), ± alone")
    );
}

#[test]
fn why_somebody_went() {
    let text = with_input(winner(), |input| why(input, 1, Notation::TERMINAL));
    let first: Vec<&str> = text.lines().take(4).collect();
    assert_eq!(first[0], "Why immediate: went by what goes wrong, where keyed is better.");
    assert!(first[1].starts_with("Against keyed, good side positive, each interval at 99."), "{text}");
    assert!(first[3].contains("wrong") && first[3].contains("2,821") && first[3].contains("worse"), "{text}");
    let text = with_input(winner(), |input| why(input, 2, Notation::TERMINAL));
    assert!(text.starts_with("Why keyed: the choice.\nAgainst never, "), "{text}");
    let text = with_input(vec![never()], |input| why(input, 0, Notation::TERMINAL));
    assert_eq!(text.lines().count(), 1, "{text}");
}

/// What decides first has a column, in every output.
#[test]
fn what_is_asked_for_first_is_shown() {
    let tail = |name, seconds: f64| exact(name, 0.9).all("operations", 1e5).all("latency_p999", seconds);
    let shown = |first: Metric| {
        with_input(vec![tail("plain", 1.151), tail("hedged", 0.042)], |input| {
            let mut scenario = input.scenario.clone();
            scenario.decide.order = vec![Criterion::of(first)];
            let decision = Decision::new(&scenario, input.comparison);
            let input = ReportInput { scenario: &scenario, decision: &decision, ..*input };
            let asked = Findings::new(&input, Notation::TERMINAL).asked;
            let style = TableStyle { width: 80, colour: false, unicode: true };
            (asked, [table(&input, style), markdown(&input), page::html(&input)])
        })
    };
    let (asked, texts) = shown(Metric::LatencyP999);
    let expected = [("1.15 s".to_owned(), Some(Mark::Worst)), ("42 ms".to_owned(), Some(Mark::Best))];
    assert_eq!(asked.expect("no column shows it").cells, expected);
    assert!(texts[0].contains("> hedged        42 ms*") && texts[0].contains("* best, ! worst"), "{}", texts[0]);
    assert!(texts[1].contains("| **▶** hedged | **42\u{a0}ms** ▲ |"), "{}", texts[1]);
    assert!(texts[2].contains("latency_p999<small>asked for first"), "{}", texts[2]);
    // What a column shows has one.
    assert_eq!(shown(Metric::SuccessRate).0, None);
}

#[test]
fn names_cannot_steer() {
    let text = said(vec![row("a\u{1b}[2J", &around(0.7, 0.0)), exact("b", 0.8)], Topic::Choice, |_| {});
    assert!(text[0].contains("a\u{fffd}[2J") && !text[0].contains('\u{1b}'), "{text:?}");
}

/// Who a choice names, and how: "any of: p0 p2".
fn choice_in(text: &str) -> String {
    let (who, _) = text.split_once(": ").unwrap_or((text, ""));
    let names = |list: &str| list.replace(" and ", ", ").replace(", ", " ");
    for kind in ["any of", "not decided between"] {
        if let Some(list) = who.strip_prefix(kind) {
            return format!("{}:{}", kind.trim_end_matches(" between"), names(list));
        }
    }
    match text {
        text if text.starts_with("no operation") => "nothing succeeds:".to_owned(),
        text if text.starts_with("none meets") => "none meets its expectations:".to_owned(),
        text if text.contains("nothing is judged") => "not judged:".to_owned(),
        _ => format!("one: {who}"),
    }
}

/// "p0>p1 p0>p2", of "p0 beats p1 and p2: …".
fn beaten_in(text: &str) -> Vec<String> {
    let (who, _) = text.split_once(": ").unwrap_or((text, ""));
    let mut pairs = Vec::new();
    for part in who.split("; ").filter(|part| !part.is_empty()) {
        let (by, list) = part.split_once(" beats ").expect("who beats whom");
        pairs.extend(list.replace(" and ", ", ").split(", ").map(|policy| format!("{by}>{policy}")));
    }
    pairs
}

/// "p3 p4", of "p3: …; p4: …".
fn alternatives_in(text: &str) -> Vec<String> {
    text.split("; ").filter_map(|part| part.split_once(": ")).map(|(name, _)| name.to_owned()).collect()
}

/// The finding with this label in a terminal's text, its lines joined.
fn in_terminal(text: &str, label: &str) -> String {
    let mut lines = text.lines().skip_while(|line| !line.starts_with(&format!("{label}  ")));
    let first = lines.next().map(|line| line[label.len()..].trim().to_owned());
    let rest = lines.take_while(|line| line.starts_with("               ")).map(|line| line.trim().to_owned());
    first.into_iter().chain(rest).collect::<Vec<_>>().join(" ")
}

fn in_markdown(text: &str, label: &str) -> String {
    let start = format!("- **{label}.** ");
    text.lines().find_map(|line| line.strip_prefix(start.as_str())).unwrap_or_default().replace('\\', "")
}

fn in_page(html: &str, label: &str) -> String {
    let (start, end) = match label {
        "Choice" => ("<p class=\"verdict\">".to_owned(), "</p>"),
        label => (format!("<li><b>{label}.</b> "), "</li>"),
    };
    let Some(at) = html.find(&start) else { return String::new() };
    let inner = &html[at + start.len()..];
    let inner = &inner[..inner.find(end).expect("it ends")];
    let mut text = String::new();
    let mut tag = false;
    for c in inner.chars() {
        match c {
            '<' => tag = true,
            '>' => tag = false,
            c if !tag => text.push(c),
            _ => {}
        }
    }
    text.replace("&nbsp;↓", "").replace('\u{a0}', " ")
}

fn rows_at_random() -> impl Strategy<Value = Vec<(f64, f64, f64, f64, f64)>> {
    let row = (0u32..8, 0u32..4, 0u32..3, 1u32..5, 0u32..3).prop_map(|(rate, noise, duplicates, attempts, wave)| {
        let noise = [0.0, 0.000_3, 0.004, 0.05][noise as usize];
        (
            0.9 - 0.003 * f64::from(rate),
            noise,
            0.004 * f64::from(duplicates),
            f64::from(attempts),
            100.0 * f64::from(wave + 1),
        )
    });
    prop::collection::vec(row, 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Terminal, Markdown and page say what the decision is, each for itself.
    #[test]
    fn sentences_say_what_was_decided(rows in rows_at_random(), runs in prop_oneof![4 => Just(10usize), 1 => Just(3)]) {
        const NAMES: [&str; 5] = ["p0", "p1", "p2", "p3", "p4"];
        let rows = rows.into_iter().zip(NAMES).map(|((rate, noise, duplicates, attempts, wave), name)| {
            row(name, &around(rate, noise)[..runs])
                .all("duplicate_rate", duplicates)
                .all("attempts_per_operation", attempts)
                .all("wave", wave)
        });
        let comparison = comparison(rows.collect());
        with_comparison(comparison, |input| {
            let group = &input.decision.groups[0];
            let names = |policies: &[usize]| policies.iter().map(|policy| NAMES[*policy]).collect::<Vec<_>>().join(" ");
            let chosen = match group.choice.kind {
                Kind::Alone => "one: p0 alone".to_owned(),
                kind => format!("{}: {}", kind.name(), names(&group.choice.policies)).trim_end().to_owned(),
            };
            let beaten: Vec<String> = group.choice.policies.iter().flat_map(|by| {
                let of = group.beaten.iter().filter(move |one| one.by == *by);
                of.map(move |one| format!("{}>{}", NAMES[*by], NAMES[one.policy]))
            }).collect();
            let alternatives: Vec<&str> = group.alternatives.iter().map(|one| NAMES[one.policy]).collect();
            let style = TableStyle { width: 80, colour: false, unicode: true };
            let (terminal, markdown, html) = (table(input, style), markdown(input), page::html(input));
            let said = |label: &str| [in_terminal(&terminal, label), in_markdown(&markdown, label), in_page(&html, label)];
            for text in said("Choice") {
                prop_assert_eq!(&choice_in(&text), &chosen, "{}", text);
            }
            for text in said("Beaten") {
                prop_assert_eq!(beaten_in(&text), beaten.clone(), "{}", text);
            }
            for text in said("Or") {
                prop_assert_eq!(alternatives_in(&text), alternatives.clone(), "{}", text);
            }
            Ok(())
        })?;
    }
}
