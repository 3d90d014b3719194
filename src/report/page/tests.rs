//! The page as a whole: its numbers, its safety, its size.

use super::html;
use crate::report::ReportInput;
use crate::report::chart::tests::well_formed;
use crate::report::column::{Cells, Column};
use crate::report::fixture::{Row, around, row, with_input};
use crate::report::number::Notation;
use crate::report::recovery::recovered;

/// The numbers for the cross-hair, and the script.
const SCRIPTS: usize = 2;

fn rows() -> Vec<Row> {
    let winner = row("full-jitter", &around(0.85, 0.0005)).all("duplicate_rate", 0.1341).all("peak_of_demand", 11.4);
    let never = f64::INFINITY;
    let down = [20.0, never, 0.0, never, 5.0, never, never, never, never, never];
    vec![
        row("no-retry", &around(0.72, 0.0005)).all("retries", 0.0).all("attempts_per_operation", 1.0),
        winner,
        row("breaker", &around(0.6, 0.0005)).set("recovery", &down).all("phantom_rate", 0.0031),
        row("same", &around(0.72, 0.02)),
    ]
}

/// A row of the comparison table.
fn table_row(page: &str, policy: usize) -> &str {
    let table = page.split("<tbody>").nth(1).and_then(|rest| rest.split("</tbody>").next()).expect("there is a table");
    table.split("<tr class=").nth(policy + 1).expect("there is a row")
}

#[test]
fn the_table_has_every_number_of_the_results() {
    with_input(rows(), |input| {
        let page = html(input);
        let cells = Cells::new(input.comparison, None, Notation::PAGE);
        for policy in 0..input.comparison.policies.len() {
            let row = table_row(&page, policy);
            for column in
                [Column::Success, Column::Attempts, Column::Peak, Column::Duplicates, Column::Phantom, Column::P99]
            {
                let number = cells.text(policy, column).trim_end_matches(['%', '×']).to_owned();
                assert!(row.contains(&format!("{number}</b>")), "{column:?} of {policy}: {number} in {row}");
            }
            let recovered = recovered(input).expect("an outage that ends")[policy];
            assert!(row.contains(&format!("{} of {}</b>", recovered.runs, recovered.of)), "{row}");
        }
        assert!(
            table_row(&page, 1).contains("+13.0</b><small class=\"iv\">+13.0 … +13.0</small>"),
            "{}",
            table_row(&page, 1)
        );
        assert!(
            table_row(&page, 1).contains("<td class=\"best\" data-v=\"0.85\"><b class=\"n\"><i class=\"mk\""),
            "success is marked"
        );
        assert!(table_row(&page, 2).contains(
            "<td class=\"down\" data-v=\"3.02380952\"><b class=\"n\">3 of 10</b><small>within 20\u{a0}s</small>"
        ));
        assert!(table_row(&page, 3).contains("no difference shown"));
        assert!(!table_row(&page, 1).contains("no difference shown"));
    });
}

#[test]
fn a_missing_value_is_a_dash_with_its_reason() {
    let silent =
        row("silent", &[0.0, 0.0]).maybe("latency_all_p99", vec![None, None]).maybe("success_rate", vec![None, None]);
    with_input(vec![row("no-retry", &[0.5, 0.6]), silent], |input| {
        let page = html(input);
        let row = table_row(&page, 1);
        assert!(row.contains("title=\"no operation succeeded\">–"), "{row}");
        assert!(row.contains("title=\"no operation was measured\">–"), "{row}");
        assert!(!row.contains("NaN") && !page.contains("inf"), "{row}");
    });
}

/// Runs `look` on a page with this title everywhere a scenario's text can go.
fn with_title(title: &str, look: impl FnOnce(&str)) {
    with_input(rows(), |input| {
        let mut scenario = input.scenario.clone();
        scenario.frame.title = title.to_owned();
        scenario.frame.description = title.to_owned();
        scenario.world_mut().faults[0].name = title.to_owned();
        let mut comparison = input.comparison.clone();
        comparison.warnings = vec![title.to_owned()];
        comparison.allowed = vec![title.to_owned()];
        comparison.policies[1].name = title.to_owned();
        let resolved = format!("title = '{title}'\n");
        let files = [(title.to_owned(), title.to_owned())];
        look(&html(&ReportInput {
            scenario: &scenario,
            comparison: &comparison,
            resolved_toml: &resolved,
            files: &files,
            command: title,
            name: title,
            ..*input
        }));
    });
}

#[test]
fn what_a_scenario_says_and_warnings_come_before_the_numbers() {
    with_title("Payments with `retries` at once", |page| {
        let order = [
            "<p class=\"about\">Payments with <code>retries</code> at once</p>",
            "class=\"verdict\"",
            "<b>Warning.</b>",
            "class=\"cmp\"",
        ];
        let places: Vec<usize> = order.iter().map(|part| page.find(part).expect(part)).collect();
        assert!(places.is_sorted(), "{places:?}");
        assert!(page.contains("<details><summary>Resolved scenario"), "it is folded");
        assert!(page.contains("<details><summary>Warned of, and allowed by the scenario"), "and so is what is allowed");
    });
    let long = format!("First sentence with a `. {}", "More of it. ".repeat(30));
    with_title(&long, |page| {
        assert!(
            page.contains("<details class=\"about\"><summary>First sentence with a `.</summary><p>More of it. More")
        );
    });
}

/// What has no column or no plot is told of.
#[test]
fn nothing_is_left_out_in_silence() {
    let told = |row: fn(Row) -> Row| with_input(rows().into_iter().map(row).collect(), html);
    let all = told(|row| row);
    assert!(!all.contains("no columns for that") && !all.contains("Quantiles of the latency stand"));
    let read = told(|row| row.all("effects", 0.0).all("duplicate_rate", 0.0).all("phantom_rate", 0.0));
    assert!(read.contains("no columns for that"));
    assert!(read.contains("<figure id=\"fig-duplicates\"><p class=\"fh\">Duplicates and phantom successes</p><p class=\"fs\">No operation has an effect"));
    assert!(told(|row| row.all("in_time_rate", 0.5)).contains("Quantiles of the latency stand"));
}

#[test]
fn text_of_a_scenario_cannot_become_markup() {
    with_title("</title><script>alert(1)</script><img src=x onerror=alert(1)>\" onload=\"x' & co", |page| {
        assert!(page.matches("<script").count() == SCRIPTS && !page.contains("<img"), "no element comes from text");
        assert!(!page.contains("\" onload=\"x"), "no attribute comes from text");
        assert!(page.matches("&lt;script&gt;").count() >= 8, "it is shown all the same");
        for svg in page.split("<svg").skip(1) {
            let svg = svg.split("</svg>").next().unwrap_or_default();
            well_formed("picture in the page", &format!("<svg{svg}</svg>"));
        }
    });
    with_title("\u{1b}[31mred\u{1b}[0m \u{202e}txt.exe\u{2069} \u{200f}", |page| {
        assert!(!page.contains(['\u{1b}', '\u{202e}', '\u{2069}', '\u{200f}']), "nothing steers terminal or direction");
        assert!(page.contains("\u{fffd}[31mred"), "what was there is shown");
    });
}

#[test]
fn the_page_asks_no_network() {
    with_input(rows(), |input| {
        let page = html(input);
        assert!(page.contains(
            "content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\""
        ));
        for forbidden in
            ["http:", "https:", "url(", "@import", "src=", " on", "eval(", "fetch(", "import(", "innerHTML"]
        {
            let at = page.match_indices(forbidden).map(|(at, _)| &page[at..(at + 30).min(page.len())]);
            // " on" is an attribute only inside a tag.
            let found: Vec<&str> = at
                .filter(|found| forbidden != " on" || found.split(' ').nth(1).is_some_and(|w| w.contains("=\"")))
                .collect();
            assert!(found.is_empty(), "{forbidden}: {found:?}");
        }
        assert_eq!(page, html(input), "the same bytes every time");
    });
}

/// Without the script there is nothing that does not work: what only it can use is hidden until it runs.
#[test]
fn the_page_is_complete_without_its_script() {
    with_input(rows(), |input| {
        let page = html(input);
        let (before, script) = page.rsplit_once("<script>").expect("the script stands at the end");
        assert!(script.ends_with("</script></body></html>\n") && script.len() < 9_000, "{} bytes", script.len());
        assert!(!before.contains("<button"), "buttons come with the script");
        for (id, part) in [("chips", "div id=\"chips\""), ("storm-keys", "p class=\"note\" id=\"storm-keys\"")] {
            let tag = before.split(&format!("<{part}")).nth(1).and_then(|rest| rest.split('>').next());
            assert!(tag.is_some_and(|tag| tag.contains("hidden")), "{id} is hidden without the script");
        }
        assert_eq!(before.matches("<p class=\"read\">Peak").count(), 4, "every panel has its line in words");
    });
}

#[test]
fn the_cross_hair_has_the_numbers_of_the_panels() {
    with_input(rows(), |input| {
        let page = html(input);
        let data = page.split("id=\"storm-data\">").nth(1).and_then(|rest| rest.split("</script>").next());
        let data: serde_json::Value = serde_json::from_str(data.expect("the data")).expect("JSON");
        assert_eq!((&data["bin"], &data["demand"]), (&5.into(), &serde_json::json!([100])));
        let policies = data["policies"].as_array().expect("policies");
        assert_eq!(policies.len(), 4);
        // The fixture's lines have two bins of a second; a reading is the mean of what there is.
        let expected = serde_json::json!({ "attempts": [2.17], "low": [9.17], "high": [10.2], "goodput": [3.17] });
        assert!(policies.iter().all(|policy| *policy == expected), "{data}");
        let one = with_input(vec![row("alone", &[0.5])], html);
        assert!(one.contains("[{\"attempts\":[2.17],\"goodput\":[3.17]}]"), "one replication has no band");
    });
}

/// What belongs to a policy has its class, so that one rule hides it everywhere.
#[test]
fn every_mark_of_a_policy_has_its_class() {
    with_input(rows(), |input| {
        let page = html(input);
        for slot in 0..4 {
            let of = |what: &str| {
                page.matches(&format!("{what} k{slot}\"")).count() + page.matches(&format!("{what}k{slot}\"")).count()
            };
            assert_eq!(of("<figure class=\""), 2, "a panel of the storm and a phase picture");
            assert!(of("<tr class=\"") >= 7, "rows of the comparison and of the data tables");
            assert!(of("\"ctx") >= 3, "a line behind the others'");
            assert!(of("\"lab") >= 6, "name and number in three dot plots at least");
            assert!(of(&format!("\"dot f{slot}")) >= 3 && of(&format!("\"rep f{slot}")) >= 30, "its dots");
        }
        for svg in page.split("<svg").skip(1) {
            for class in svg.split("</svg>").next().unwrap_or_default().split("class=\"").skip(1) {
                let class = class.split('"').next().unwrap_or_default();
                let coloured =
                    class.split(' ').any(|c| c.len() > 1 && "sf".contains(&c[..1]) && c[1..].parse::<u8>().is_ok());
                let owned =
                    class.split(' ').any(|c| c.strip_prefix('k').is_some_and(|slot| slot.parse::<u8>().is_ok()));
                assert!(!coloured || owned, "a policy's colour without its class: {class}");
            }
        }
    });
}

#[test]
fn every_link_leads_somewhere_and_every_figure_has_its_data() {
    with_input(rows(), |input| {
        let page = html(input);
        for link in page.split("href=\"#").skip(1) {
            let target = link.split('"').next().unwrap_or_default();
            assert!(page.contains(&format!("id=\"{target}\"")), "{target}");
        }
        assert_eq!(page.matches("<summary>Data table: ").count(), 5, "one for each section");
        // Storm and phase have a panel for each policy; two charts are drawn in two widths.
        let figures: usize = [4, 3, 2, 4, 4].into_iter().sum();
        assert_eq!(page.matches("<figure").count(), figures);
        assert_eq!(page.matches("role=\"img\" aria-label=\"").count(), figures + 2);
        for part in [
            "Outage at checkout",
            "seed 7",
            "<b>Warning.</b> a warning",
            "00000000000000ab",
            "simlab run checkout.toml",
        ] {
            assert!(page.contains(part), "{part}");
        }
    });
}

/// As many policies as are still drawn behind each other, and more.
#[test]
fn many_policies_and_replications_fit_in_two_megabytes() {
    fits_in_two_megabytes(24);
    fits_in_two_megabytes(40);
}

fn fits_in_two_megabytes(policies: usize) {
    let names: Vec<&'static str> = (0..policies).map(|i| &*Box::leak(format!("policy-{i}").into_boxed_str())).collect();
    let rates: Vec<f64> = (0..500).map(|i| 0.5 + f64::from(i) / 1500.0).collect();
    with_input(names.iter().map(|name| row(name, &rates)).collect(), |input| {
        let mut comparison = input.comparison.clone();
        for (index, policy) in comparison.policies.iter_mut().enumerate() {
            let load: Vec<f64> = (0..6_000).map(|t| f64::from((t * (index as u32 + 7)) % 97)).collect();
            policy.timeline.attempts.clone_from(&load);
            policy.timeline.goodput.clone_from(&load);
            policy.attempts_low = load.iter().map(|value| value * 0.8).collect();
            policy.attempts_high = load.iter().map(|value| value * 1.3).collect();
            for (level, band) in [
                (&mut policy.timeline.queue, &mut policy.bands.queue),
                (&mut policy.timeline.in_flight, &mut policy.bands.in_flight),
                (&mut policy.timeline.breaker_open, &mut policy.bands.breaker_open),
            ] {
                level.clone_from(&load);
                band.low.clone_from(&policy.attempts_low);
                band.high.clone_from(&policy.attempts_high);
            }
            policy.example.attempts.clone_from(&load);
            policy.example.goodput = load.iter().rev().copied().collect();
            let steps = policy.succeeded_within.len();
            policy.succeeded_within = (0..steps).map(|i| 0.9 * i as f64 / steps as f64).collect();
        }
        let bytes = html(&ReportInput { comparison: &comparison, ..*input }).len();
        assert!(bytes < 2_000_000, "{policies} policies: {bytes} bytes");

        assert!(bytes > 500_000, "the pictures are in it: {bytes} bytes");
    });
}

#[test]
fn charts_are_files_only_if_asked_for_and_always_in_the_page() {
    with_input(rows(), |input| {
        let names = |charts: bool| -> Vec<String> {
            crate::report::render(&ReportInput { charts, ..*input }).into_iter().map(|(name, _)| name).collect()
        };
        let without = names(false);
        assert_eq!(without, ["summary.json", "summary.csv", "timeline.csv", "report.html"]);
        let with = names(true);
        assert_eq!(with.len(), without.len() + 16, "{with:?}");
        assert!(html(&ReportInput { charts: false, ..*input }) == html(&ReportInput { charts: true, ..*input }));
    });
}
