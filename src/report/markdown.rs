//! The comparison as Markdown, for issues and pull requests.

use super::ReportInput;
use super::column::{Cells, Column};
use super::expectations::{self, Line};
use super::findings::{Finding, Findings};
use super::marks::Mark;
use super::name::harmless;
use super::number::Notation;
use super::recovery::heads;

/// The table and all findings.
pub fn markdown(input: &ReportInput) -> String {
    let notation = Notation::PAGE;
    let findings = Findings::new(input, notation);
    let cells = Cells::new(input.comparison, findings.recovered.as_deref(), notation).of(input.decision);
    let baseline = escaped(&findings.names[input.comparison.baseline]);
    let own: Vec<String> = input.in_own_worlds().into_iter().map(|policy| escaped(&findings.names[policy])).collect();
    let own = if own.is_empty() { String::new() } else { format!("; in a changed world: {}", own.join(", ")) };
    let left_out: Vec<String> = input.left_out().iter().map(|name| escaped(name)).collect();
    let left_out = if left_out.is_empty() { String::new() } else { format!("; left out: {}", left_out.join(", ")) };
    let mut text =
        format!("### {}\n\n{}, baseline {baseline}{own}{left_out}\n\n", escaped(&input.title()), input.facts());
    text.extend(findings.lead.iter().map(item));
    text.push('\n');
    text.push_str(&table(input, &findings, &cells));
    if !findings.found.is_empty() {
        text.push('\n');
        text.extend(findings.found.iter().map(item));
    }
    text.push_str(&expected(&expectations::lines(input, &findings.names, notation)));
    text.push_str(&format!("\n{}\n", code(&harmless(input.command))));
    text
}

/// A finding in a list.
fn item(finding: &Finding) -> String {
    format!("- **{}.** {}\n", finding.topic.label(), escaped(&finding.sentence()))
}

/// Code within a line, between more backticks than it has in a row.
fn code(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let space = if longest > 0 { " " } else { "" };
    format!("{fence}{space}{text}{space}{fence}")
}

fn table(input: &ReportInput, findings: &Findings, cells: &Cells) -> String {
    let columns = Column::shown(input, findings.recovered.as_deref());
    let heads = heads(input, findings, cells.latency_unit());
    let heading = |column: Column| escaped(&heads.markdown(column));
    let mut text = "| policy |".to_owned();
    text.extend(findings.asked.iter().map(|asked| format!(" {} |", escaped(&asked.head))));
    columns.iter().for_each(|column| text.push_str(&format!(" {} |", heading(*column))));
    text.push_str("\n| :-- |");
    text.extend(findings.asked.iter().map(|_| " --: |"));
    columns.iter().for_each(|_| text.push_str(" --: |"));
    text.push('\n');
    for (policy, name) in findings.names.iter().enumerate() {
        let chosen = if findings.marks.is_chosen(policy) { "**▶** " } else { "" };
        text.push_str(&format!("| {chosen}{} |", escaped(name)));
        let asked = findings.asked.iter().map(|asked| asked.cells[policy].clone());
        let shown = columns.iter().map(|column| (cells.text(policy, *column), findings.marks.at(policy, *column)));
        for (cell, mark) in asked.chain(shown) {
            let cell = escaped(&cell);
            text.push_str(&match mark {
                Some(Mark::Best) => format!(" **{cell}** ▲ |"),
                Some(Mark::Worst) => format!(" {cell} ▽ |"),
                Some(Mark::NoDifference) => format!(" {cell} ? |"),
                None => format!(" {cell} |"),
            });
        }
        text.push('\n');
    }
    let marks = [
        (findings.marks.has_choice(), "▶ choice"),
        (findings.has(Mark::Best, &columns), "▲ best"),
        (findings.has(Mark::Worst, &columns), "▽ worst"),
        (findings.has(Mark::NoDifference, &columns), "? no difference from the baseline shown"),
    ];
    let marks: Vec<&str> = marks.into_iter().filter_map(|(used, words)| used.then_some(words)).collect();
    let legend: Vec<String> =
        (!marks.is_empty()).then(|| marks.join(", ")).into_iter().chain(findings.rules.iter().cloned()).collect();
    if !legend.is_empty() {
        text.push_str(&format!("\n{}.\n", escaped(&legend.join(". "))));
    }
    text
}

/// What was expected, in a table of its own; nothing if nothing was.
fn expected(lines: &[Line]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let mut text = format!("\n**Expectations**: {}\n\n", expectations::tally(lines));
    text.push_str(
        "| | metric | policy | limit | observed | 95% | margin |\n| :-- | :-- | :-- | --: | --: | --: | --: |\n",
    );
    for line in lines {
        let status = if line.met { "met" } else { "**not met**" };
        let margin = line.margin_in_words();
        let fields = [&line.metric, &line.policy, &line.limit, &line.observed, &line.interval, &margin];
        let fields: Vec<String> = fields.into_iter().map(|field| escaped(field)).collect();
        text.push_str(&format!("| {status} | {} |\n", fields.join(" | ")));
    }
    text
}

/// Text whose characters mean themselves.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if matches!(c, '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '<' | '>' | '#' | '|' | '~' | '&') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_with_backticks() {
        assert_eq!(code("simlab run a.toml"), "`simlab run a.toml`");
        assert_eq!(code("simlab run 'a``b`.toml'"), "``` simlab run 'a``b`.toml' ```");
    }
    use crate::report::fixture::{Row, around, row, with_input};

    fn check(rows: Vec<Row>, expected: &str) {
        let text = with_input(rows, markdown);
        assert!(text == expected, "got:\n{text}\nexpected:\n{expected}");
    }

    #[test]
    fn a_whole_comparison() {
        let never = row("no_retry", &around(0.7, 0.0)).all("retries", 0.0).all("attempts_per_operation", 1.0);
        let worse = row("worse", &around(0.6, 0.001)).all("peak_of_demand", 5.0).all("peak_of_capacity", 2.5);
        let same = row("same", &around(0.7, 0.01)).all("duplicate_rate", 0.000_001);
        check(vec![never, worse, same, row("a|b", &around(0.9, 0.001))], EXPECTED);
    }

    #[test]
    fn one_replication() {
        check(vec![row("-base", &[0.7]).set("recovery", &[f64::INFINITY]), row("b", &[0.8])], ONE);
    }

    #[test]
    fn expectations_have_a_table() {
        let line = |met: bool, interval: &str, margin: &str| Line {
            met,
            metric: "success_rate".to_owned(),
            policy: "a|b".to_owned(),
            limit: "at least 80%".to_owned(),
            observed: "83.5%".to_owned(),
            interval: interval.to_owned(),
            margin: margin.to_owned(),
            margin_unit: " points",
        };
        let text = expected(&[line(true, "82.4–84.7", "+3.5"), line(false, "", "")]);
        let rows = "| met | success\\_rate | a\\|b | at least 80% | 83.5% | 82.4–84.7 | +3.5 points |\n\
                    | **not met** | success\\_rate | a\\|b | at least 80% | 83.5% |  |  |\n";
        assert!(text.starts_with("\n**Expectations**: 1 met, 1 not met\n") && text.ends_with(rows), "{text}");
        assert_eq!(expected(&[]), "");
    }

    #[test]
    fn characters_mean_themselves() {
        let text = "a_b*c`d|<e>[f]#g~&\\";
        assert_eq!(escaped(text), "a\\_b\\*c\\`d\\|\\<e\\>\\[f\\]\\#g\\~\\&\\\\");
    }

    const EXPECTED: &str = r"### Outage at checkout

4 policies, 10 replications, seed 7, baseline no\_retry

- **Choice.** a\|b: 1,000 go wrong per 10,000 operations (1,000 without success, 0 duplicates, 0 phantom successes), against 3,000 with no\_retry, the next best.
- **Price.** Attempts per operation 2.00, against 1.00 with no\_retry. 5.00 extra attempts per operation saved, compared with no\_retry.
- **Not shown.** By what goes wrong, no difference from no\_retry: same.

| policy | gone wrong per 10,000 | succeeded | vs no\_retry, points | attempts per operation | peak, × highest demand | duplicates per 10,000 | phantom per 10,000 | p99 of all, s | recovered |
| :-- | --: | --: | --: | --: | --: | --: | --: | --: | --: |
| no\_retry | 3,000 | 70.0% | baseline | **1.00** ▲ | 3.0× | 0 | 0 | 1.5 | 10/10 |
| worse | 4,000 ▽ | 60.0% ▽ | −10.0 ±0.0 | 2.00 ▽ | 5.0× | 0 | 0 | 1.5 | 10/10 |
| same | 3,000 | 70.0% | +0.0 ±0.5 ? | 2.00 ▽ | 3.0× | \<0.1 | 0 | 1.5 | 10/10 |
| **▶** a\|b | **1,000** ▲ | **90.0%** ▲ | +20.0 ±0.0 | 2.00 ▽ | 3.0× | 0 | 0 | 1.5 | 10/10 |

▶ choice, ▲ best, ▽ worst, ? no difference from the baseline shown. Margins: 50 per 10,000 operations (at most a tenth of the better one's), 5 s or 10% of times to recover or finish, 10% of all else. Marks and sentences hold at 95% together (48 comparisons), ± alone.

- **Beaten.** a\|b beats worse and same: better in one criterion or more, worse in none.
- **Duplicates.** \<0.1 duplicates per 10,000 operations with same, none with no\_retry, worse and a\|b; no phantom successes in 100,000 operations each.

`simlab run checkout.toml`
";
    const ONE: &str = "\
### Outage at checkout

2 policies, 1 replication, seed 7, baseline -base

- **Choice.** 1 run: nothing is judged; simlab run checkout.toml --replications 10 would be.

| policy | gone wrong per 10,000 | succeeded | vs -base, points | attempts per operation | peak, × highest demand | duplicates per 10,000 | phantom per 10,000 | p99 of all, s | recovered |
| :-- | --: | --: | --: | --: | --: | --: | --: | --: | --: |
| -base | 3,000 | 70.0% | baseline | 2.00 | 3.0× | 0 | 0 | 1.5 | 0/1 |
| b | 2,000 | 80.0% | +10.0 | 2.00 | 3.0× | 0 | 0 | 1.5 | 1/1 |

- **Duplicates.** No duplicates in 10,000 operations each; no phantom successes in 10,000 operations each.

`simlab run checkout.toml`
";
}
