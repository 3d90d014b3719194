//! `docs/gallery/`: pictures for the README, from the same runs.

use simlab::decision::Decision;
use simlab::report::chart;

use super::{check_file, results};

/// A scenario and its chart that shows most.
const PICTURES: [(&str, &str); 5] = [
    ("metastable", "storm"),
    ("metastable", "phase"),
    ("thundering-herd", "storm"),
    ("slow-success", "duplicates"),
    ("cron-herd", "success"),
];

#[test]
fn pictures_are_those_of_the_runs() {
    for (name, picture) in PICTURES {
        let ran = &results()[name];
        let decision = Decision::new(&ran.loaded.scenario, &ran.comparison);
        let input = ran.report(name, &decision, true);
        let wanted = format!("charts/{picture}.svg");
        let (_, bytes) = chart::files(&input).into_iter().find(|(file, _)| *file == wanted).expect("the chart");
        let svg = String::from_utf8(bytes).expect("SVG is text");
        check_file(&format!("docs/gallery/{name}-{picture}.svg"), &svg);
    }
}
