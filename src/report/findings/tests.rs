use super::*;
use crate::report::fixture::{Row, around, row, with_input};

/// A baseline that never retries and succeeds at 72%.
fn never() -> Row {
    row("never", &around(0.722, 0.0)).all("retries", 0.0).all("peak_of_demand", 1.5).all("attempts_per_operation", 1.0)
}

fn exact(name: &'static str, rate: f64) -> Row {
    row(name, &around(rate, 0.001))
}

/// The sentences that `pick` takes from the findings of `rows`, for a terminal.
fn check(rows: Vec<Row>, pick: impl Fn(Findings) -> Vec<String>, expected: &[&str]) {
    let got = with_input(rows, |input| pick(Findings::new(input, Notation::TERMINAL)));
    assert_eq!(got, expected);
}

fn verdict(findings: Findings) -> Vec<String> {
    findings.verdict
}

fn about(topic: Topic) -> impl Fn(Findings) -> Vec<String> {
    move |findings| findings.about(topic).map(str::to_owned).into_iter().collect()
}

/// Nothing before the fault tells what is normal: the load that comes back is looked at instead.
#[test]
fn the_wave_after_a_fault() {
    let herd = |name, wave| row(name, &[1.0; 3]).maybe("recovery", vec![None; 3]).all("wave", wave);
    let wave = |waves: &[(&'static str, f64)], expected: Option<&str>| {
        let rows = waves.iter().map(|(name, wave)| herd(name, *wave)).collect();
        let (text, columns) = with_input(rows, |input| {
            let mut scenario = input.scenario.clone();
            scenario.faults[0].from = crate::units::SimTime::ZERO;
            let findings = Findings::new(&ReportInput { scenario: &scenario, ..*input }, Notation::TERMINAL);
            let columns = Column::shown(input.comparison, findings.recovered.as_deref());
            (findings.about(Topic::Wave).map(str::to_owned), columns)
        });
        assert_eq!(text.as_deref(), expected);
        assert!(columns.contains(&Column::Wave) && !columns.contains(&Column::Recovered));
    };
    wave(
        &[("fixed", 10_000.0), ("exponential", 10_000.0), ("full", 312.0)],
        Some("After outage, the load peaks at 10,000 attempts/s with fixed and exponential, and at 312 with full."),
    );
    wave(&[("fixed", 500.0), ("exponential", 500.0)], None);
    // Where recovery can be told, it is; then the wave is not shown.
    let told = vec![exact("a", 0.9).all("wave", 500.0), exact("b", 0.8).all("wave", 400.0)];
    check(told, about(Topic::Wave), &[]);
}

/// What is in time is what counts where somebody said so, and success may not tell policies apart.
#[test]
fn who_is_in_time() {
    let row = |name, in_time: f64| exact(name, 0.999).set("in_time_rate", &around(in_time, 0.001));
    let check = |in_time: [f64; 3], slo: Option<u64>, expected: Option<&str>| {
        let rows = ["plain", "early", "late"].into_iter().zip(in_time).map(|(name, rate)| row(name, rate)).collect();
        let text = with_input(rows, |input| {
            let mut scenario = input.scenario.clone();
            scenario.slo = slo.map(crate::units::Span::millis);
            let findings = Findings::new(&ReportInput { scenario: &scenario, ..*input }, Notation::TERMINAL);
            findings.about(Topic::InTime).map(str::to_owned)
        });
        assert_eq!(text.as_deref(), expected);
    };
    let words = "early succeeded within 50 ms most often: 98.0% of operations, against 91.0% with plain.";
    check([0.91, 0.98, 0.95], Some(50), Some(words));
    check([0.91, 0.98, 0.95], None, None);
    check([0.98, 0.91, 0.95], Some(50), None);
    check([0.98, 0.98, 0.95], Some(50), None);
    let both = "early and late succeeded within 50 ms most often: 98.0% of operations, against 91.0% with plain.";
    check([0.91, 0.98, 0.98], Some(50), Some(both));
}

#[test]
fn a_winner_that_the_intervals_separate() {
    let rows = || {
        let winner = exact("immediate", 0.852).all("peak_of_demand", 11.4).all("duplicate_rate", 0.1341);
        vec![never(), winner.all("peak_of_capacity", 5.2), exact("keyed", 0.835), exact("slow", 0.6)]
    };
    check(
        rows(),
        verdict,
        &[
            "immediate succeeded most often: 85.2% of operations, against 72.2% with never.",
            "It peaked at 11.4x demand and made 1,341 duplicates per 10,000 operations.",
            "keyed reached 83.5% without duplicates.",
        ],
    );
    check(
        rows(),
        about(Topic::Success),
        &["immediate leads keyed, the best without duplicates, by 1.7 points, paired over 10 replications."],
    );
    check(
        rows(),
        |f| f.costs.into_iter().collect(),
        &["a peak of 11.4x demand (5.2x capacity), 1,341 duplicates per 10,000 operations"],
    );
    check(rows(), about(Topic::Worse), &["slow succeeded 12.2 points less often than never."]);
    check(rows(), |f| f.not_separable, &[]);
    check(
        rows(),
        |f| vec![f.headings.success, f.headings.forest, f.headings.load, f.headings.duplicates, f.headings.latency],
        &[
            "immediate leads keyed, the best without duplicates, by 1.7 points, paired over 10 replications",
            "2 policies beat never, 1 loses",
            "immediate peaks at 11.4x demand, 5.2x capacity",
            "Only immediate made duplicates",
            "Between 14.8% and 40.0% of operations never succeed",
        ],
    );
}

#[test]
fn costs_that_do_not_differ_are_left_out() {
    let free = vec![never().all("peak_of_demand", 3.0), exact("free", 0.9)];
    check(
        free,
        verdict,
        &[
            "free succeeded most often: 90.0% of operations, against 72.2% with never.",
            "It did so without more load or duplicates.",
        ],
    );
    // A peak that is higher in some runs and lower in others.
    let noisy = exact("noisy", 0.9).set("peak_of_demand", &around(1.5, 0.5)).all("duplicate_rate", 0.01);
    check(
        vec![never(), noisy],
        verdict,
        &[
            "noisy succeeded most often: 90.0% of operations, against 72.2% with never.",
            "It made 100 duplicates per 10,000 operations.",
        ],
    );
}

#[test]
fn a_top_group() {
    let like = |name, own| row(name, &around(0.85, own)).all("duplicate_rate", 0.02);
    let three = vec![never(), like("a", 0.001), like("b", 0.002), like("c", 0.003).all("duplicate_rate", 0.0)];
    check(
        three,
        verdict,
        &[
            "a, b and c succeeded most often (85.0%); no difference between them shown with 10 replications.",
            "They peaked at 3.0x demand and made 0 to 200 duplicates per 10,000 operations.",
            "Of these, c made no duplicates.",
        ],
    );
    // The widest one has the highest mean; the others are not separated from it, but are from each other.
    let wide: Vec<f64> = around(0.89, 0.0).iter().zip([1.0, -1.0].iter().cycle()).map(|(v, n)| v + 0.05 * n).collect();
    let uneven = vec![never(), row("wide", &wide), exact("b", 0.88), exact("c", 0.86)];
    check(
        uneven,
        verdict,
        &[
            "wide, b and c succeeded most often (86.0 to 89.0%); no difference from wide shown with 10 replications, \
         corrected for picking the best of 4.",
            "They peaked at 3.0x demand.",
        ],
    );
}

#[test]
fn nobody_beats_the_baseline() {
    let same = vec![never(), row("a", &around(0.722, 0.01)), exact("b", 0.6)];
    check(
        same,
        |f| [f.verdict, f.not_separable].concat(),
        &["No policy succeeded more often than never: no difference shown with 10 replications.", "a from never"],
    );
    check(vec![never(), exact("b", 0.6)], verdict, &["No policy succeeded more often than never (72.2%)."]);
    // Better if looked at alone, but one of three was picked.
    let own: Vec<f64> = around(0.739, 0.0).iter().zip([1.0, -1.0].iter().cycle()).map(|(v, n)| v + 0.02 * n).collect();
    check(
        vec![never(), row("a", &own), exact("b", 0.6), exact("c", 0.5)],
        |f| [f.verdict, vec![f.headings.forest]].concat(),
        &[
            "No policy succeeded more often than never: no difference shown with 10 replications, corrected for picking the best of 4.",
            "1 policy beats never, 2 lose",
        ],
    );
}

#[test]
fn nothing_to_judge() {
    let one = vec![row("never", &[0.7]), row("a", &[0.9]).all("duplicate_rate", 0.1)];
    check(
        one,
        |f| [f.verdict, f.not_separable, f.hints, f.costs.into_iter().collect(), vec![f.headings.success]].concat(),
        &["One replication: differences cannot be judged.", "Success rate"],
    );
    check(vec![never()], verdict, &["never succeeded in 72.2% of operations."]);
    let empty = vec![row("never", &[0.7; 3]).maybe("success_rate", vec![None; 3])];
    check(empty, verdict, &["No operation was measured."]);
}

#[test]
fn no_difference_is_not_equality() {
    let wide = |name, own| row(name, &around(0.70, own));
    let rows = vec![never(), wide("a", 0.1), exact("b", 0.9), exact("c", 0.95)];
    check(
        rows,
        |f| [f.not_separable, f.hints].concat(),
        &["a from never", "Try --replications 230: that would narrow ±4.8 points to ±1 or so."],
    );
    let all = vec![never(), row("a", &around(0.722, 0.01)), row("b", &around(0.722, 0.02))];
    check(all, |f| f.not_separable, &["all policies from each other"]);
    let wider: Vec<f64> = (0..10).map(|i| if i % 2 == 0 { 0.5 } else { 0.9 }).collect();
    let rows = vec![never(), exact("a", 0.65), exact("b", 0.75), exact("c", 0.99), row("wide", &wider)];
    check(rows, |f| f.not_separable, &["wide from any policy but c"]);
    // A difference in every run, of 2 in 10,000.
    let small: Vec<f64> = around(0.7222, 0.000_01);
    check(
        vec![never(), row("a", &small)],
        |f| [f.hints, f.found.into_iter().map(|f| f.text).collect()].concat(),
        &[
            "a differs from never by a difference too small to see here (0.02 points).",
            "a leads never by a difference too small to see here (0.02 points), paired over 10 replications.",
            "All policies came back at once.",
            "a peaked highest, at 3.0x demand, 1.5x capacity.",
            "No policy made duplicates.",
        ],
    );
}

#[test]
fn recovery_and_two_groups() {
    let rates = [0.12, 0.81, 0.13, 0.80, 0.82, 0.11, 0.81, 0.79, 0.12, 0.80];
    let times = rates.map(|rate| if rate > 0.5 { 25.0 } else { f64::INFINITY });
    let down = |name| row(name, &rates).set("recovery", &times);
    let full = down("b").all("queue_max", 100.0).all("wasted_work", 0.9);
    check(
        vec![never(), full, exact("c", 0.9).set("recovery", &[0.0, 5.0, 0.0, 0.0, 0.0, 0.0, 0.0, 130.0, 0.0, 0.0])],
        |f| [about(Topic::Recovery)(f.clone()), about(Topic::Groups)(f)].concat(),
        &[
            "b stayed down after outage in 4 of 10 runs: the queue ran full, and more than half of the work reached nobody. \
             All others came back within 2:10 min.",
            "The runs of b fall into two groups (4 near 12.0%, 6 near 80.5%); the mean describes no single run.",
        ],
    );
    // Without the metrics no cause.
    check(
        vec![never(), down("b").all("queue_max", 99.0).all("wasted_work", 0.4)],
        about(Topic::Recovery),
        &["b stayed down after outage in 4 of 10 runs. never came back at once."],
    );
}

#[test]
fn causes_need_numbers() {
    // Refusals that end nothing are no cause.
    let refused = |row: Row, failed| row.all("breaker_refused", 5_000.0).all("failed_by_breaker", failed);
    let breaker = |failed| refused(exact("breaker", 0.65).all("succeeded", 6_500.0), failed);
    let rows = |failed| vec![never().all("succeeded", 7_220.0), breaker(failed), exact("other", 0.7)];
    check(
        rows(1_700.0),
        about(Topic::Worse),
        &["other succeeded 2.2 points less often than never. \
         breaker succeeded 7.2 points less often than never: 1,700 operations per run failed because its breaker refused them an attempt."],
    );
    check(rows(719.0), about(Topic::Worse), &["breaker succeeded 7.2 points less often than never, other 2.2 points."]);
}

#[test]
fn more_attempts_are_named() {
    let attempts = |text: serde_json::Value, expected: &str| {
        let rows = vec![never(), exact("a", 0.9), exact("b", 0.8), exact("c", 0.8)];
        let got = with_input(rows, |input| {
            let resolved_json = serde_json::json!({ "policy": text });
            let input = ReportInput { resolved_json: &resolved_json, ..*input };
            Findings::new(&input, Notation::PAGE).about(Topic::Success).unwrap().to_owned()
        });
        assert_eq!(got, format!("a leads b by 10.0 points, paired over 10 replications.{expected}"));
    };
    let of = |a: u32, b: u32, c: u32| serde_json::json!({ "never": { "attempts": 1 }, "a": { "attempts": a }, "b": { "attempts": b }, "c": { "attempts": c } });
    attempts(of(10, 5, 5), " It has 10 attempts; the others have 5.");
    attempts(of(10, 5, 6), " It has 10 attempts, b has 5.");
    attempts(of(5, 5, 6), "");
    attempts(serde_json::json!({}), "");
}

#[test]
fn names_cannot_steer() {
    check(vec![row("a\u{1b}[2J", &[0.7; 3])], verdict, &["a\u{fffd}[2J succeeded in 70.0% of operations."]);
}

#[test]
fn a_stray_is_no_winner() {
    let rates = [0.12, 0.81, 0.13, 0.80, 0.82, 0.11, 0.81, 0.79, 0.12, 0.80];
    let rows =
        vec![never(), exact("a", 0.852), exact("b", 0.835), exact("c", 0.6), exact("d", 0.5), row("wild", &rates)];
    check(
        rows,
        |f| [f.verdict, f.not_separable].concat(),
        &[
            "a has the highest mean success (85.2%), against 72.2% with never; no difference from wild (53.1%) shown with 10 \
         replications, corrected for picking the best of 6.",
            "It peaked at 3.0x demand.",
            "wild from any policy but a and b",
        ],
    );
}

/// Runs of which nothing can be told are in no number, and none is said to be in every one.
#[test]
fn who_came_back_as_far_as_it_can_be_told() {
    let (never, none) = (Some(f64::INFINITY), None);
    let few = [[never; 2].to_vec(), vec![none; 8]].concat();
    let most = [[never; 8].to_vec(), vec![Some(0.0); 2]].concat();
    check(
        vec![exact("a", 0.9).maybe("recovery", few), exact("b", 0.8).maybe("recovery", most)],
        about(Topic::Recovery),
        &["a stayed down after outage in 2 of 2 runs, b in 8 of 10."],
    );
}
