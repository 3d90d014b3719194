//! What `[[expect]]` tables say, held against the policies and the metrics there are.

use toml::de::DeTable;

use super::diagnostic::Diagnostic;
use super::shape::expect::{EVERY_POLICY, ExpectTable};
use super::source::Place;
use super::{mixes, tree};
use crate::scenario::expectation::Expectation;
use crate::scenario::metric::{Measure, Metric, Names, Of, Scope, Unit};
use crate::scenario::nearest::nearest;
use crate::scenario::{Scenario, Scene};
use crate::text::{cut, there_are};

/// All errors of all expectations about the policies, and about the faults and the surge of demand, that `root` has.
pub fn check(expectations: &[(usize, ExpectTable)], root: &DeTable<'_>) -> Vec<Diagnostic> {
    let policies = mixes::rows(root);
    let names = names(root);
    let list = root.get("expect").and_then(|node| node.get_ref().as_array());
    let mut errors = Vec::new();
    for (index, expected) in expectations {
        let Some(table) = list.and_then(|list| list.get(*index)).and_then(|item| item.get_ref().as_table()) else {
            continue;
        };
        let known = policies.is_empty() || policies.contains(&expected.policy.as_str());
        if !known && expected.policy != EVERY_POLICY {
            errors.push(unknown_policy(&expected.policy, &policies, tree::value_place(table, &["policy"])));
        }
        match Measure::parse(&expected.metric, &names) {
            None => errors.push(unknown_metric(&expected.metric, &names, tree::value_place(table, &["metric"]))),
            Some(measure) => errors.extend(limit(expected, measure.metric.unit(), table)),
        }
    }
    errors
}

/// What a file calls things.
pub fn names<'a>(root: &'a DeTable<'_>) -> Names<'a> {
    let keys = |path: &[&str]| tree::names(root, path);
    let (faults, servers, steps) = (keys(&["fault"]), keys(&["server"]), keys(&["operation", "step"]));
    Names { faults, servers, steps, members: mixes::members(root) }
}

fn unknown_policy(name: &str, policies: &[&str], place: Place) -> Diagnostic {
    let title = format!("there is no policy `{}`", cut(name));
    let error = Diagnostic::error("unknown-name", title, place.clone(), "names no policy of this file");
    match nearest(name, policies.iter().copied()) {
        Some(near) => error.fix("a policy with a similar name exists", place, format!("\"{near}\"")),
        None => error.help(format!("{}; \"{EVERY_POLICY}\" is every policy", there_are(policies.iter().copied()))),
    }
}

fn unknown_metric(name: &str, names: &Names, place: Place) -> Diagnostic {
    let title = format!("there is no metric `{}`", cut(name));
    let error = Diagnostic::error("unknown-metric", title, place.clone(), "names nothing that is measured");
    let of_faults = |metric: Metric| names.faults.iter().map(move |fault| format!("{}.fault.{fault}", metric.name()));
    let of_parts = |metric: Metric| {
        let servers = names.servers.iter().filter(move |_| metric.is_of_servers());
        let steps = names.steps.iter().filter(move |_| metric.is_of_steps());
        let servers = servers.map(move |server| format!("{}.server.{server}", metric.name()));
        let members = names.members.iter().filter(move |_| metric.is_of_members());
        let members = members.map(move |member| format!("{}.member.{member}", metric.name()));
        servers.chain(steps.map(move |step| format!("{}.step.{step}", metric.name()))).chain(members)
    };
    let known: Vec<String> = Metric::ALL
        .into_iter()
        .flat_map(|metric| match metric.scope() {
            Scope::Run => std::iter::once(metric.name().to_owned()).chain(of_parts(metric)).collect(),
            Scope::Ends => {
                let whole = [metric.name().to_owned(), format!("{}.demand", metric.name())];
                whole.into_iter().chain(of_faults(metric)).collect()
            }
            Scope::Status | Scope::Outcome => Vec::new(),
        })
        .collect();
    match nearest(name, known.iter().map(String::as_str)) {
        Some(near) => error.fix("a metric with a similar name exists", place, format!("\"{near}\"")),
        None => error
            .help("for example success_rate, latency_p99, peak_of_demand or duplicates; docs/CONTRACT.md lists all"),
    }
}

/// Expectations of faults that do not end, or of a surge that is none: nothing is measured of those, in no row.
pub fn of_scenario(expectations: &[ExpectTable], scenario: &Scenario, root: &DeTable<'_>) -> Vec<Diagnostic> {
    let scenes = (0..scenario.policies.len()).map(|policy| scenario.of(policy));
    let worlds = || scenes.clone().map(|scene| scene.world);
    let ends: Vec<Of> = scenes.clone().flat_map(Scene::what_ends).map(|(what, _)| what).collect();
    let list = root.get("expect").and_then(|node| node.get_ref().as_array());
    let absent = scenario.expectations.iter().zip(expectations).enumerate().filter(|(_, (expected, _))| match expected
        .measure
        .of
    {
        Of::Fault(_) | Of::Demand => !ends.contains(&expected.measure.of),
        Of::Server(_) | Of::Step(_) => !scenario.world.has_parts(),
        Of::Replica(server, replica) => worlds().all(|world| world.servers[server as usize].replicas <= replica.max(1)),
        Of::Member(number) => {
            let rows = || scenario.policies.iter().enumerate();
            let mut expected_of = rows().filter(|(row, _)| expected.policy.is_none_or(|policy| policy == *row));
            expected_of.any(|(_, row)| !row.is_mix() || row.members.iter().all(|member| member.number != number))
        }
        Of::Run | Of::Outcome(_) => false,
    });
    let error = |(index, (expected, table)): (usize, (&Expectation, &ExpectTable))| {
        let place = list
            .and_then(|list| list.get(index)?.get_ref().as_table())
            .map(|table| tree::value_place(table, &["metric"]))
            .unwrap_or_default();
        let (why, help) = match expected.measure.of {
            Of::Demand => ("there is no surge of demand that ends", "say when it does: `load.recover_from = \"13m\"`"),
            Of::Replica(server, _) => match scenario.world.servers[server as usize].replicas {
                1 => ("the server has no replicas", "the measure of the server, or of the whole run, says the same"),
                _ => ("the server has no such replica", "they are counted from 1"),
            },
            Of::Member(_) => {
                ("not every row that this is expected of has such a member", "expect it of a mix: `policy = \"…\"`")
            }
            Of::Server(_) | Of::Step(_) => {
                ("operations make one call to one server", "the measure of the whole run says the same")
            }
            _ => ("this fault does not end within the run", "give the fault an end: `until` or `for`"),
        };
        let title = format!("nothing is measured as `{}`", table.metric);
        Diagnostic::error("unknown-metric", title, place, why).help(help)
    };
    absent.map(error).collect()
}

/// Exactly one limit, and one that fits the metric.
fn limit(expected: &ExpectTable, unit: Unit, table: &DeTable<'_>) -> Option<Diagnostic> {
    let metric = &expected.metric;
    let (key, threshold) = match (&expected.at_least, &expected.at_most) {
        (Some(least), None) => ("at_least", least),
        (None, Some(most)) => ("at_most", most),
        (None, None) => {
            let title = format!("nothing is expected of `{metric}`");
            let place = tree::key_place(table, &["metric"]);
            return Some(
                Diagnostic::error("no-limit", title, place, "needs `at_least` or `at_most`")
                    .help("for example `at_least = \"99%\"`"),
            );
        }
        (Some(_), Some(_)) => {
            let title = format!("`{metric}` has two limits in one expectation");
            return Some(
                Diagnostic::error("two-limits", title, tree::key_place(table, &["at_most"]), "and this one")
                    .also(tree::key_place(table, &["at_least"]), "this limit")
                    .help("write two expectations, each with one"),
            );
        }
    };
    let problem = threshold.value(unit).err()?;
    let title = format!("`{key}` does not fit the metric `{metric}`");
    Some(Diagnostic::error("limit-unit", title, tree::value_place(table, &[key]), problem))
}
