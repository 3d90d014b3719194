//! What the tables of a file say about each other.

use toml::de::{DeTable, DeValue};

use super::calls::Told;
use super::diagnostic::Diagnostic;
use super::leaf::PositiveDuration;
use super::shape::fault::FaultTable;
use super::source::Place;
use super::warnings::allow;
use super::{Named, Parts, calls, deciding, expectations, going, measured, mixes, queues, stores, tree};
use crate::gate::{GateConfig, GateRule};
use crate::scenario::nearest::nearest;
use crate::scenario::{Arrivals, Fates, Fault, Scenario};
use crate::text::{cut, there_are};
use crate::units::Span;

/// Rounding of sums of shares.
pub const ROUNDING: f64 = 1e-9;
/// More operations than this in one run would take hours: 10 million clients with a hundred each.
const MOST_OPERATIONS: f64 = 1e9;
/// Most spells of all flapping faults in a run, and most crashes at random: 100 a second for a day.
pub const MOST_SPELLS: f64 = 1e7;
/// Characters of a title, about as many as fit over a chart in five lines.
const MOST_TITLE: usize = 500;
/// Characters of a name.
const MOST_NAME: usize = 100;
/// Most tables of a kind. Each policy is a row of every table and a panel of every chart: 200 are more than all presets together. Faults:
/// three a day for a year.
const MOST_TABLES: [(&str, usize); 5] =
    [("server", 100), ("fault", 1_000), ("policy", 200), ("mix", 200), ("expect", 1_000)];

/// More tables of a kind than there can be. All that follows depends on it.
pub fn too_many(root: &DeTable<'_>) -> Vec<Diagnostic> {
    let over = |(kind, most): &(&str, usize)| {
        let node = root.get(*kind)?.get_ref();
        let (count, first) = match node {
            DeValue::Table(table) => (table.len(), table.keys().nth(*most)?.span()),
            DeValue::Array(items) => (items.len(), items.get(*most)?.span()),
            _ => return None,
        };
        let title = format!("{count} tables `{kind}` are too many");
        Some(Diagnostic::error("too-many-tables", title, first, format!("there can be at most {most}")))
    };
    MOST_TABLES.iter().filter_map(over).collect()
}

/// A name of a server, fault or policy.
pub fn name(kind: &str, name: &str, place: Place) -> Option<Diagnostic> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.chars().all(allowed) {
        return (name.len() > MOST_NAME).then(|| {
            let title = format!("the name of a {kind} is too long");
            Diagnostic::error("too-long", title, place, format!("has {} characters, at most {MOST_NAME}", name.len()))
        });
    }
    let title = format!("`{}` cannot be the name of a {kind}", cut(name));
    Some(Diagnostic::error("invalid-name", title, place, "letters, digits, `_` and `-` only"))
}

/// Tables that every scenario has.
pub fn missing_tables(root: &DeTable<'_>) -> Vec<Diagnostic> {
    let needed = [
        ("load", "there is no demand", "`[load]` with `arrivals.poisson = { rate = \"100/s\" }`"),
        ("server", "nothing answers", "`[server.api]` with `service_time.exponential = { mean = \"100ms\" }`"),
        ("policy", "there is nothing to compare", "`[policy.no-retry]` with `timeout = \"2s\"`"),
    ];
    let is_missing =
        |name: &str| root.get(name).is_none_or(|node| node.get_ref().as_table().is_some_and(DeTable::is_empty));
    needed
        .iter()
        .filter(|(name, _, _)| is_missing(name))
        .map(|(name, why, example)| {
            let title = format!("the table `{name}` is missing");
            let place = tree::key_place(root, &[name]);
            Diagnostic::error("missing-table", title, place, *why).help(format!("for example {example}"))
        })
        .collect()
}

/// Everything that tables say about each other, as far as they could be read.
pub fn across(parts: &Parts, root: &DeTable<'_>) -> Vec<Diagnostic> {
    let mut errors = Vec::new();
    title(parts, root, &mut errors);
    times(parts, root, &mut errors);
    names(parts, root, &mut errors);
    errors.extend(parts.top.iter().flat_map(|top| allow::unknown(&top.allow, root)));
    windows(parts, root, &mut errors);
    shares(parts, root, &mut errors);
    policies(parts, root, &mut errors);
    errors.extend(calls::check(parts, root));
    errors.extend(going::check(parts, root));
    errors.extend(mixes::check(parts, root));
    errors.extend(stores::check(parts, root));
    errors.extend(queues::check(parts, root));
    errors.extend(parts.decide.iter().flat_map(|table| deciding::check(table, root)));
    errors.extend(expectations::check(&parts.expectations, root));
    errors
}

fn title(parts: &Parts, root: &DeTable<'_>, errors: &mut Vec<Diagnostic>) {
    let title = parts.top.as_ref().and_then(|top| top.title.as_deref());
    if let Some(count) = title.map(|title| title.chars().count()).filter(|count| *count > MOST_TITLE) {
        let label = format!("has {count} characters, at most {MOST_TITLE}");
        errors.push(
            Diagnostic::error("too-long", "the title is too long", tree::value_place(root, &["title"]), label)
                .help("a `description` can be longer"),
        );
    }
}

fn times(parts: &Parts, root: &DeTable<'_>, errors: &mut Vec<Diagnostic>) {
    let Some(top) = &parts.top else { return };
    let (warmup, duration) = (top.warmup.0, top.duration.span());
    if warmup >= duration {
        errors.push(
            Diagnostic::error(
                "nothing-measured",
                "the warm-up lasts as long as the demand",
                tree::value_place(root, &["warmup"]),
                "nothing would be measured",
            )
            .also(tree::value_place(root, &["duration"]), format!("demand ends at {duration}"))
            .help("a warm-up is a part of the duration"),
        );
    }
    let surge = parts.load.as_ref().and_then(|load| load.recover_from.0).map(PositiveDuration::span);
    if let Some(end) = surge.filter(|end| *end >= duration) {
        let title = format!("`recover_from` is {end}, when the demand is over");
        let place = tree::value_place(root, &["load", "recover_from"]);
        errors.push(
            Diagnostic::error("window-late", title, place, "nothing would be there to recover")
                .also(tree::value_place(root, &["duration"]), format!("demand ends at {duration}"))
                .help("it is when a surge of demand is over, before the demand as a whole is"),
        );
    }
}

/// Names that refer to other tables.
fn names(parts: &Parts, root: &DeTable<'_>, errors: &mut Vec<Diagnostic>) {
    let known = |kind: &str| -> Vec<&str> {
        let table = root.get(kind).and_then(|node| node.get_ref().as_table());
        table.map(|table| table.keys().map(|key| key.get_ref().as_ref()).collect()).unwrap_or_default()
    };
    let mut refer = |kind: &str, name: &Option<String>, path: &[&str]| {
        let (Some(name), known) = (name, known(kind)) else { return };
        if known.is_empty() || known.contains(&name.as_str()) {
            return;
        }
        let place = tree::value_place(root, path);
        let title = format!("there is no {kind} `{}`", cut(name));
        let error = Diagnostic::error("unknown-name", title, place.clone(), format!("names no {kind} of this file"));
        errors.push(match nearest(name, known.iter().copied()) {
            Some(near) => error.fix(format!("a {kind} with a similar name exists"), place, format!("\"{near}\"")),
            None => error.help(there_are(known.iter().copied())),
        });
    };
    let mut no_baseline = None;
    if let Some(baseline) = parts.top.as_ref().and_then(|top| top.baseline.as_ref()) {
        let rows = mixes::rows(root);
        if !rows.is_empty() && !rows.contains(&baseline.as_str()) {
            let place = tree::value_place(root, &["baseline"]);
            let (title, label) = match tree::names(root, &["policy"]).contains(&baseline.as_str()) {
                true => (format!("policy `{}` is no row", cut(baseline)), "is a member of mixes only"),
                false => (format!("there is no policy `{}`", cut(baseline)), "names no policy of this file"),
            };
            let error = Diagnostic::error("unknown-name", title, place.clone(), label);
            no_baseline = Some(match nearest(baseline, rows.iter().copied()) {
                Some(near) => error.fix("a policy with a similar name exists", place, format!("\"{near}\"")),
                None => error.help(there_are(rows.iter().copied())),
            });
        }
    }
    if let Some(operation) = &parts.operation {
        refer("server", &operation.server, &["operation", "server"]);
    }
    for mix in &parts.mixes {
        for (member, table) in &mix.table.0 {
            refer("server", &table.server, &["mix", &mix.name, member, "server"]);
        }
    }
    for fault in &parts.faults {
        refer("server", &fault.table.words.server, &["fault", &fault.name, "server"]);
    }
    errors.extend(no_baseline);
    for fault in &parts.faults {
        let only = parts.servers.first().filter(|_| parts.servers.len() == 1);
        let named = parts.servers.iter().find(|server| Some(&server.name) == fault.table.words.server.as_ref());
        let (Some(server), Some(replica)) = (named.or(only), fault.table.words.replica) else { continue };
        let replicas = u64::from(server.table.config.replicas);
        if replica.0 > replicas {
            let title = format!("fault `{}` is about replica {} of {replicas}", fault.name, replica.0);
            let place = tree::value_place(root, &["fault", &fault.name, "replica"]);
            let label = format!("`server.{}` has no such replica", server.name);
            errors.push(Diagnostic::error("unknown-replica", title, place, label).help(match replicas {
                1 => format!("add `replicas = {}` to it", replica.0),
                _ => format!("1 to {replicas}, or more `replicas`"),
            }));
        }
    }
    let servers = known("server");
    let needs_server = |fault: &FaultTable| fault.words.server.is_none() && !fault.is_of_queues();
    for fault in parts.faults.iter().filter(|fault| needs_server(&fault.table) && servers.len() > 1) {
        let place = tree::key_place(root, &["fault", &fault.name]);
        let title = format!("fault `{}` does not say which server it is about", fault.name);
        errors.push(
            Diagnostic::error("which-server", title, place, there_are(servers.iter().copied()))
                .help(format!("add `server = \"{}\"`", servers[0])),
        );
    }
}

fn windows(parts: &Parts, root: &DeTable<'_>, errors: &mut Vec<Diagnostic>) {
    let end = parts.top.as_ref().map(|top| top.duration.span() + top.drain.unwrap_or(top.duration.0).0);
    for Named { name, table } in &parts.faults {
        let place = |key: &str| tree::value_place(root, &["fault", name, key]);
        let from = table.words.from.0;
        if let (Some(_), Some(_)) = (table.words.length, table.words.until.0) {
            let title = format!("fault `{name}` has two ends");
            let error = Diagnostic::error("two-ends", title, place("for"), "and its length");
            errors.push(error.also(place("until"), "its end").help("keep `until` or `for`"));
        } else if let Some(until) = table.words.until.0.map(|until| until.0)
            && until <= from
        {
            let label = match from - until {
                Span::ZERO => "and ends at that instant".to_owned(),
                earlier => format!("and ends {earlier} earlier"),
            };
            let title = format!("fault `{name}` ends before it starts");
            let mut error = Diagnostic::error("window-empty", title, place("until"), label);
            if tree::find(root, &["fault", name, "from"]).is_some() {
                error = error.also(place("from"), "it starts here");
            }
            let length = if until == from { Span::secs(300) } else { from - until };
            errors.push(error.help(format!("swap the two, or give a length: `for = \"{length}\"`")));
        } else if let Some(end) = end
            && from >= end
        {
            let title = format!("fault `{name}` begins after the end of the run");
            let label = format!("the run ends at {end} (duration + drain)");
            errors.push(Diagnostic::error("window-late", title, place("from"), label));
        }
    }
}

/// Shares of all attempts must not exceed 1, of one table and of all faults active at one instant.
fn shares(parts: &Parts, root: &DeTable<'_>, errors: &mut Vec<Diagnostic>) {
    for server in &parts.servers {
        if !server.table.config.script.is_empty() && server.table.config.fail_first > 0 {
            let title = format!("`server.{}` has two scripts", server.name);
            let place = tree::key_place(root, &["server", &server.name, "fail_first"]);
            let label = "it is short for a script of its own";
            errors.push(Diagnostic::error("misplaced", title, place, label).help("one of `script` and `fail_first`"));
        }
        errors.extend(sum_of_shares("server", &server.name, &server.table.fates, root));
    }
    let mut whole = Vec::new();
    for fault in parts.faults.iter().filter(|fault| fault.table.flaps_and_replays()) {
        let title = format!("the fault `{}` flaps, and replays a series", fault.name);
        let place = tree::key_place(root, &["fault", &fault.name, "flapping"]);
        let label = "a series has its spells in it";
        errors.push(Diagnostic::error("misplaced", title, place, label).help("two faults, or one of the two keys"));
    }
    for fault in &parts.faults {
        match sum_of_shares("fault", &fault.name, &fault.table.fates, root) {
            Some(error) => errors.push(error),
            None => whole.push(fault),
        }
    }
    // One that does not say which server it is about is at the only one.
    let servers = root.get("server").and_then(|node| node.get_ref().as_table());
    let only = servers.filter(|servers| servers.len() == 1).and_then(|servers| servers.keys().next());
    let server = |fault: &'_ Named<FaultTable>| -> Option<String> {
        fault.table.words.server.clone().or_else(|| only.map(|name| name.get_ref().to_string()))
    };
    // A sum can only grow where a fault begins.
    for (index, fault) in whole.iter().enumerate() {
        let from = fault.table.words.from.0;
        let active: Vec<_> = whole
            .iter()
            .enumerate()
            .filter(|(other, f)| {
                let begins = (f.table.words.from.0, *other) <= (from, index);
                server(f) == server(fault) && begins && f.table.end().is_none_or(|end| end > from)
            })
            .map(|(_, f)| *f)
            .collect();
        let kinds: [fn(&Fates) -> f64; 2] = [Fates::total, Fates::permanent];
        let above = |active: &[&Named<FaultTable>]| {
            let sums = kinds.iter().map(|sum| active.iter().map(|f| sum(&f.table.fates)).sum::<f64>());
            sums.into_iter().find(|total| *total > 1.0 + ROUNDING)
        };
        // Those of one replica, and those of all.
        let replica = |fault: &Named<FaultTable>| fault.table.words.replica.map(|replica| replica.0);
        let together = active.iter().map(|one| {
            let is_there = |other: &&&Named<FaultTable>| replica(other).is_none_or(|at| replica(one) == Some(at));
            active.iter().filter(is_there).copied().collect::<Vec<_>>()
        });
        if let Some((total, active)) = together.into_iter().find_map(|active| Some((above(&active)?, active))) {
            let names: Vec<String> = active.iter().map(|f| format!("`{}`", f.name)).collect();
            let title = format!(
                "the faults {} decide the fate of {} of attempts together",
                names.join(" and "),
                percent(total)
            );
            let mut error = Diagnostic::error(
                "faults-above-1",
                title,
                tree::key_place(root, &["fault", &fault.name]),
                format!("begins at {from}, while the others are active"),
            );
            for other in active.iter().filter(|other| other.name != fault.name) {
                error = error.also(tree::key_place(root, &["fault", &other.name]), "still active then");
            }
            errors.push(
                error.note("shares of one server that hold at the same time are disjoint; together at most 100%"),
            );
        }
    }
}

fn sum_of_shares(kind: &str, name: &str, fates: &Fates, root: &DeTable<'_>) -> Option<Diagnostic> {
    let listed = fates.listed();
    let (permanent, shared): (Vec<_>, Vec<_>) = listed.into_iter().partition(|(key, _, _)| *key == "permanent_errors");
    [shared, permanent].into_iter().find_map(|shares| {
        let total: f64 = shares.iter().map(|(_, _, share)| share).sum();
        if total <= 1.0 + ROUNDING {
            return None;
        }
        let place = |(key, status, _): &(&str, Option<u16>, f64)| match status {
            None => tree::value_place(root, &[kind, name, key]),
            Some(status) => tree::value_place(root, &[kind, name, key, &status.to_string()]),
        };
        // In the order of the file, so that the sum is read from top to bottom.
        let mut shares = shares;
        shares.sort_by_key(|share| place(share).start);
        let last = shares.last()?;
        let sum: Vec<String> = shares.iter().map(|(_, _, share)| percent(*share)).collect();
        let title = format!("`{kind}.{name}` decides the fate of {} of attempts", percent(total));
        let label = format!("{} = {}", sum.join(" + "), percent(total));
        let mut error = Diagnostic::error("shares-above-1", title, place(last), label);
        for share in &shares[..shares.len() - 1] {
            error = error.also(place(share), percent(share.2));
        }
        error = error.note("shares of one server that hold at the same time are disjoint; together at most 100%");
        let room = 1.0 - (total - last.2);
        Some(if room >= 0.0 {
            error.help(format!("`{}` can be at most \"{}\" here", last.0, percent(room)))
        } else {
            error
        })
    })
}

pub fn percent(share: f64) -> String {
    // Two decimals are enough to see why; trailing zeros are noise.
    let text = format!("{:.2}", share * 100.0);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

/// A policy that waits between attempts must say how many there are, and no key may mean nothing.
fn policies(parts: &Parts, root: &DeTable<'_>, errors: &mut Vec<Diagnostic>) {
    let all = calls::all_rules(parts);
    for told @ Told { words, table, .. } in &all {
        if let Some((key, missing, of)) = table.without_effect() {
            let path = told.below(&of.iter().map(String::as_str).collect::<Vec<_>>());
            let title = format!("{words} has a `{key}`, but no `{missing}`");
            let place = tree::key_place(root, &path);
            errors.push(Diagnostic::error(
                "without-effect",
                title,
                place,
                format!("`{key}` means nothing without `{missing}`"),
            ));
        }
    }
    for told @ Told { words, table, .. } in &all {
        let (deadline, retry_for) = (table.deadline.0.map(|deadline| deadline.span()), table.retry_for.build());
        if let (Some(deadline), Some(retry_for)) = (deadline, retry_for)
            && retry_for.limit >= deadline
        {
            let title = format!("{words} is retried for {}, but has a `deadline` of {deadline}", retry_for.limit);
            let place = tree::key_place(root, &told.below(&["retry_for"]));
            let label = "`retry_for` means nothing where the deadline comes first";
            errors.push(Diagnostic::error("without-effect", title, place, label.to_owned()));
        }
    }
    for told @ Told { words, table, .. } in &all {
        if let Some((key, why)) = table.misplaced_around() {
            let title = format!("the `{key}` of {words} cannot stand around the call");
            let place = tree::key_place(root, &told.below(&[key]));
            errors.push(
                Diagnostic::error("misplaced", title, place, why).help("`around = \"attempt\"`, or leave it out"),
            );
        }
    }
    for told @ Told { words, .. } in all.iter().filter(|told| told.table.lingers_for_ever()) {
        let title = format!("{words} keeps attempts open after their time-out, and nothing ends them");
        let place = tree::key_place(root, &told.below(&["hedge"]));
        errors.push(
            Diagnostic::error("lingers-for-ever", title, place, "a lost one would stay open to the end of the run")
                .help("a deadline that ends attempts: `deadline = \"10s\"`"),
        );
    }
    for told @ Told { words, table, .. } in all.iter().filter(|told| told.table.attempts.is_none()) {
        let given = [
            ("backoff", table.backoff.is_some()),
            ("backoff_for", !table.backoff_for.is_empty()),
            ("retries_for", !table.retries_for.is_empty()),
            ("retry_for", table.retry_for.build().is_some()),
            // Hedges ask these too.
            ("budget", table.budget.is_some() && table.hedge.is_none()),
            ("concurrency", table.limits_retries() && table.hedge.is_none()),
            ("retry_after", table.retry_after.is_some() && table.hedge.is_none()),
            ("should_retry", table.heeds_should_retry() && table.hedge.is_none()),
            ("hedge", table.hedges_on_timeout()),
        ];
        if let Some((key, _)) = given.iter().find(|(_, given)| *given) {
            let title = format!("{words} has a `{key}`, but makes one attempt only");
            let place = tree::key_place(root, &told.below(&[key]));
            errors.push(
                Diagnostic::error("no-retries", title, place, "applies to retries, of which there are none")
                    .help("say how many: `attempts = 5`"),
            );
        } else if let Some(gate) = table.tries_again().first() {
            let title = format!("{words} tries again after a refusal, but makes one attempt only");
            let place = tree::key_place(root, &told.below(&[gate]));
            errors.push(
                Diagnostic::error("no-retries", title, place, "its `on_refusal` is \"retry\"")
                    .help("say how many attempts: `attempts = 5`; refusals count as such"),
            );
        }
    }
}

/// Where the demand is chosen, in the file or on the command line.
pub fn demand(root: &DeTable<'_>) -> Place {
    let chosen = tree::find(root, &["load", "arrivals"]).and_then(|node| node.get_ref().as_table()?.keys().next());
    chosen.map_or(0..0, |key| key.span())
}

/// Shares of all attempts must not exceed 1 at any time of a series, of its own fault and of all that are active.
fn replayed_shares(scenario: &Scenario, root: &DeTable<'_>) -> Option<Diagnostic> {
    scenario.world.faults.iter().find_map(|fault| {
        let steps = fault.series.iter().flat_map(|series| &series.steps).map(|(from, _)| (*from).max(fault.from));
        let beside = || scenario.world.faults.iter().filter(|other| other.server == fault.server);
        // A sum can only grow where a step or another fault begins.
        let begins = beside().filter(|_| fault.series.is_some()).map(|other| other.from);
        let at = steps.chain(begins).filter(|at| fault.covers(*at));
        let total = |fault: &Fault, at| fault.fates.total() + fault.errors_at(at).iter().map(|(_, s)| s).sum::<f64>();
        let at_replica = |at, replica| {
            let there = beside().filter(move |other| other.covers(at) && other.is_at(replica));
            there.map(move |other| total(other, at)).sum()
        };
        let replicas = (0..scenario.world.servers[fault.server].replicas).filter(|replica| fault.is_at(*replica));
        let most = |at| replicas.clone().map(|replica| at_replica(at, replica)).fold(0.0, f64::max);
        let sums = |at| (total(fault, at), most(at));
        let (at, own, all): (_, f64, f64) = at
            .map(|at| (at, sums(at)))
            .map(|(at, (own, all))| (at, own, all))
            .find(|(_, _, all)| *all > 1.0 + ROUNDING)?;
        let place = tree::key_place(root, &["fault", &fault.name, "series"]);
        let when = Span(at.0);
        let name = &fault.name;
        Some(if own > 1.0 + ROUNDING {
            let title = format!("`fault.{name}` decides the fate of {} of attempts", percent(own));
            Diagnostic::error("shares-above-1", title, place, format!("at {when} of what it replays"))
        } else {
            let title =
                format!("the fault `{name}` and others decide the fate of {} of attempts together", percent(all));
            Diagnostic::error("faults-above-1", title, place, format!("at {when}, while the others are active"))
        })
    })
}

/// What can only be judged once all is put together.
pub fn of_scenario(scenario: &Scenario, root: &DeTable<'_>) -> Option<Diagnostic> {
    too_many_operations(scenario, root)
        .or_else(|| too_many_spells(scenario, root))
        .or_else(|| going::too_many_crashes(scenario, root))
}

fn too_many_operations(scenario: &Scenario, root: &DeTable<'_>) -> Option<Diagnostic> {
    let seconds = scenario.frame.duration.seconds();
    let operations = match &scenario.world.arrivals {
        Arrivals::Poisson { rate } | Arrivals::Constant { rate } => rate * seconds,
        Arrivals::Burst { operations, every, .. } => {
            *operations as f64 * every.map_or(1.0, |every| (seconds / every.seconds()).ceil())
        }
        Arrivals::Profile(points) => points.iter().map(|point| point.rate).fold(0.0, f64::max) * seconds,
        Arrivals::Trace(trace) => trace.at.len() as f64,
        Arrivals::Closed { think } => rounds_per_second(scenario, think.mean_seconds()) * seconds,
    };
    let nothing = || replayed_shares(scenario, root).or_else(|| measured::nothing(scenario, root));
    (operations > MOST_OPERATIONS)
        .then(|| {
            let title = format!("a run would have {operations:.1e} operations and take hours");
            let label = format!("this demand over {} is too much", scenario.frame.duration);
            Diagnostic::error("too-many-operations", title, demand(root), label)
                .help(format!("a lower rate or a shorter duration: at most {MOST_OPERATIONS:.0e} operations a run"))
        })
        .or_else(nothing)
}

/// Operations per second of a closed loop at servers without faults, as far as they are known.
fn rounds_per_second(scenario: &Scenario, think: f64) -> f64 {
    let waits = |gates: &[GateConfig]| {
        gates.iter().any(|gate| matches!(gate.rule, GateRule::RateLimiter(_) | GateRule::CubicLimiter(_)))
    };
    if scenario.policies.iter().flat_map(|row| &row.members).all(|member| waits(&member.rules.gates)) {
        return 0.0;
    }
    let server = scenario.world.called();
    let service = server.service_time.mean_seconds();
    let cycle = think + service + 2.0 * server.network.mean_seconds();
    if cycle == 0.0 {
        // Without any time at all the run itself says that it stands still.
        return 0.0;
    }
    let workers =
        server.workers.filter(|_| service > 0.0).map_or(f64::INFINITY, |workers| f64::from(workers) / service);
    let workers = workers * f64::from(server.replicas);
    (f64::from(scenario.world.clients) / cycle).min(workers)
}

/// Spells of flapping faults are events of every run, whatever else happens in it.
fn too_many_spells(scenario: &Scenario, root: &DeTable<'_>) -> Option<Diagnostic> {
    let spells = |fault: &Fault| {
        let flapping = fault.flapping?;
        let window = fault.until.min(scenario.frame.end()).since(fault.from).seconds();
        Some(2.0 * window / (flapping.mean_on.seconds() + flapping.mean_off.seconds()))
    };
    let all: f64 = scenario.world.faults.iter().filter_map(spells).sum();
    let most =
        scenario.world.faults.iter().max_by(|a, b| spells(a).unwrap_or(0.0).total_cmp(&spells(b).unwrap_or(0.0)))?;
    (all > MOST_SPELLS).then(|| {
        let title = format!("faults would begin and end {all:.1e} times in a run");
        let place = tree::value_place(root, &["fault", &most.name, "flapping"]);
        let label = format!("makes {:.1e} of them", spells(most).unwrap_or(0.0));
        Diagnostic::error("too-many-spells", title, place, label)
            .help(format!("longer spells or a shorter window: at most {MOST_SPELLS:.0e} a run"))
    })
}
