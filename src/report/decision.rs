//! The decision in `summary.json` (contract, section 4.2).

use serde_json::{Map, Value, json};

use super::ReportInput;
use super::json::number;
use crate::decision::{Compared, Group, Pair, Wrong};
use crate::scenario::decide::{Criterion, Scale};

/// The whole decision.
pub(super) fn json(input: &ReportInput) -> Value {
    let decision = input.decision;
    let name = |policy: usize| Value::from(input.comparison.policies[policy].name.as_str());
    let by_name = |value: &dyn Fn(usize) -> Value| -> Map<String, Value> {
        input.comparison.policies.iter().enumerate().map(|(at, policy)| (policy.name.clone(), value(at))).collect()
    };
    let two_groups = |policy: usize| {
        decision.splits[policy].map_or(Value::Null, |split| {
            json!({
                "low": number(Some(split.low)), "low_runs": split.low_runs,
                "high": number(Some(split.high)), "high_runs": split.high_runs,
            })
        })
    };
    json!({
        "judged": decision.judged,
        "groups": decision.groups.iter().map(|of| group(input, of, &name)).collect::<Vec<Value>>(),
        "gone_wrong": by_name(&|policy| decision.wrong[policy].as_ref().map_or(Value::Null, wrong)),
        "two_groups": by_name(&two_groups),
    })
}

fn wrong(wrong: &Wrong) -> Value {
    json!({
        "all": number(Some(wrong.all)),
        "unsuccessful": number(Some(wrong.unsuccessful)),
        "duplicates": number(Some(wrong.duplicates)),
        "phantom_successes": number(Some(wrong.phantoms)),
        "lost_updates": number(Some(wrong.lost_updates)),
        "half_done": number(Some(wrong.half_done)),
    })
}

fn group(input: &ReportInput, group: &Group, name: &dyn Fn(usize) -> Value) -> Value {
    let names = |policies: &[usize]| policies.iter().map(|policy| name(*policy)).collect::<Vec<Value>>();
    let all = input.scenario.names();
    let asked = |at: usize| Value::from(group.criteria[at].name.as_str());
    let choice = &group.choice;
    json!({
        "policies": names(&group.policies),
        "baseline": name(group.baseline),
        "family": {
            "measures": group.family.measures,
            "comparisons": group.family.comparisons,
            "confidence": number(Some(group.family.confidence)),
        },
        "criteria": group.criteria.iter().map(|of| json!({
            "name": of.name, "leaders": names(&of.leaders),
        })).collect::<Vec<Value>>(),
        "choice": {
            "kind": choice.kind.name(),
            "policies": names(&choice.policies),
            "replications_needed": number(choice.runs_needed),
        },
        "set_aside": names(&group.set_aside),
        "may_miss": names(&group.may_miss),
        "gone": group.gone.iter().map(|gone| json!({
            "policy": name(gone.policy), "criterion": asked(gone.criterion), "leader": name(gone.leader),
        })).collect::<Vec<Value>>(),
        "beaten": group.beaten.iter().map(|beaten| json!({
            "policy": name(beaten.policy), "by": name(beaten.by), "criterion": asked(beaten.criterion),
        })).collect::<Vec<Value>>(),
        "alternatives": group.alternatives.iter().map(|one| json!({
            "policy": name(one.policy), "gains": asked(one.gains),
        })).collect::<Vec<Value>>(),
        "never_retry": names(&group.never_retry),
        "if_retrying": names(&group.if_retrying),
        "marks": group.ranks.iter().filter(|rank| !rank.best.is_empty() || !rank.worst.is_empty()).map(|rank| json!({
            "measure": rank.criterion.name(&all), "best": names(&rank.best), "worst": names(&rank.worst),
        })).collect::<Vec<Value>>(),
        "pairs": group.pairs.iter().map(|pair| of_pair(pair, name, &pair.criterion.name(&all))).collect::<Vec<Value>>(),
    })
}

fn of_pair(pair: &Pair, name: &dyn Fn(usize) -> Value, measure: &str) -> Value {
    let Compared { low, high, mean, margin } = pair.compared;
    json!({
        "measure": measure,
        "scale": scale(pair.criterion),
        "policy": name(pair.policy), "other": name(pair.other),
        "word": pair.compared.word().name(), "reverse": pair.compared.reversed().word().name(),
        "mean": number(Some(mean)), "low": number(Some(low)), "high": number(Some(high)), "margin": number(Some(margin)),
    })
}

fn scale(criterion: Criterion) -> &'static str {
    match criterion.scale() {
        Scale::Share => "share",
        Scale::Time => "seconds",
        Scale::Ratio => "logarithm",
    }
}
