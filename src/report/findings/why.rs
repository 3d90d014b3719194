//! `simlab run --why POLICY`: the comparisons that decided about one.

use super::{Facts, ReportInput};
use crate::decision::Kind;
use crate::report::number::Notation;

/// What decided about a policy, a line for each criterion; with a line end at its end.
pub fn why(input: &ReportInput, policy: usize, notation: Notation) -> String {
    let facts = Facts::new(input, notation);
    let group = input.decision.group_of(policy);
    let name = facts.name(policy);
    let mut lines = Vec::new();
    let gone = group.gone.iter().find(|gone| gone.policy == policy);
    let chosen = group.choice.policies.contains(&policy);
    let verdict = match group.choice.kind {
        Kind::Alone | Kind::NothingSucceeds | Kind::Unjudged => facts.headline(group),
        _ if group.set_aside.contains(&policy) => "set aside: it misses an expectation.".to_owned(),
        _ if chosen && group.choice.policies.len() == 1 => "the choice.".to_owned(),
        _ if chosen => format!("left, as {}.", facts.list(&group.choice.policies)),
        _ => match gone {
            Some(gone) => format!(
                "went by {}, where {} is better.",
                facts.noun(group.criteria[gone.criterion].criterion),
                facts.name(gone.leader)
            ),
            None => "left.".to_owned(),
        },
    };
    lines.push(format!("Why {name}: {verdict}"));
    // Against whom: who made it go; of one that is left, the first leader, or, if that is itself, the nearest that went, or the baseline.
    let leader = group.criteria.first().and_then(|asked| asked.leaders.first()).copied();
    let last = group.gone.iter().map(|gone| gone.criterion).max();
    let nearest = group.gone.iter().filter(|gone| Some(gone.criterion) == last);
    let nearest = nearest.min_by(|a, b| a.compared.mean.total_cmp(&b.compared.mean)).map(|gone| gone.policy);
    let other = match gone {
        Some(gone) => gone.leader,
        None => [leader, nearest, Some(group.baseline)]
            .into_iter()
            .flatten()
            .find(|other| *other != policy)
            .unwrap_or(policy),
    };
    if group.pairs.is_empty() || other == policy {
        return lines.join("\n") + "\n";
    }
    lines.push(format!(
        "Against {}, good side positive, each interval at {}:",
        facts.name(other),
        confidence(group.family.confidence)
    ));
    let mut rows: Vec<[String; 5]> = vec![["criterion", name, facts.name(other), "is", "by"].map(str::to_owned)];
    for asked in &group.criteria {
        let Some(compared) = group.pair(asked.criterion, policy, other) else { continue };
        let apart = facts.apart(asked.criterion, &compared);
        let margin = facts.margin(asked.criterion, compared.margin);
        let by = if apart.is_empty() { format!("margin {margin}") } else { format!("{apart}, margin {margin}") };
        rows.push([
            asked.name.clone(),
            facts.value(asked.criterion, policy),
            facts.value(asked.criterion, other),
            compared.in_words().to_owned(),
            by,
        ]);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [0, 1, 2, 3, 4].map(width);
    for row in &rows {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        lines.push(format!("  {}", cells.join("  ")).trim_end().to_owned());
    }
    lines.join("\n") + "\n"
}

/// "99.989%".
fn confidence(confidence: f64) -> String {
    let percent = format!("{:.4}", confidence * 100.0);
    format!("{}%", percent.trim_end_matches('0').trim_end_matches('.'))
}
