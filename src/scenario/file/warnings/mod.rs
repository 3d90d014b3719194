//! What a scenario may get wrong although it is valid: each with a stable code, a place, why it matters and what to do.
//!
//! What only results can tell stands in `experiment/warnings.rs`.

pub mod allow;
mod load;
mod overload;
mod store;
mod words;

use toml::de::DeTable;

use super::checks::demand;
use super::diagnostic::Diagnostic;
use super::leaf::OrUnlimited;
use super::shape::policy::PolicyTable;
use super::source::Place;
use super::{Named, Tables, tree};
use crate::distribution::Distribution;
use crate::protocol::Outcome;
use crate::retry::History;
use crate::scenario::call::ClientRules;
use crate::scenario::{Arrivals, Fates, Idempotency, LockConfig, OnConflict, Scenario, World};
use crate::units::{SimTime, Span};

/// Fewer replications than this are warned of.
const ENOUGH_REPLICATIONS: u32 = 5;
/// Below this utilisation a queue is short, and starting with none changes little.
const BUSY: f64 = 0.5;
/// After so many relaxation times a queue has forgotten that it was empty: e^-5 is below 1%.
const RELAXATION_TIMES: f64 = 5.0;
/// A start-up of at most this share of the measured time is not worth a word.
const SHORT_START_UP: f64 = 0.01;
/// Requests that time out although nothing is wrong.
const MOST_CUT_OFF: f64 = 0.01;
/// From this share of its capacity on, a closed loop makes its server's queue wait, and itself with it.
const NEAR_CAPACITY: f64 = 0.8;

/// Things that are allowed, but may not mean what was meant.
pub fn all(tables: &Tables, scenario: &Scenario, root: &DeTable<'_>) -> Vec<Diagnostic> {
    let mut warnings = Vec::new();
    warnings.extend(few_replications(scenario, root));
    warnings.extend(no_warm_up(scenario, root));
    warnings.extend(closed_loop(scenario, root));
    warnings.extend(overload::all(scenario, root));
    warnings.extend(load::traces(scenario, root));
    warnings.extend(load::different(scenario, root));
    for (index, table, rules) in followed(tables, scenario) {
        let scene = scenario.of(index);
        let world = scene.world;
        let client = Client { name: &table.name, rules };
        warnings.extend(no_timeout(&client, world, root));
        warnings.extend(timeout_below_p99(&client, world, root));
        let retries = table.table.attempts != Some(OrUnlimited(Some(1)));
        warnings.extend(lock_conflict(&client, world, root).filter(|_| retries));
        let policy = table.table.retry_policy(world.operation.method);
        warnings.extend(store::Row { policy: &policy, client, scene, root }.warnings());
    }
    warnings
}

/// Who follows a policy.
#[derive(Clone, Copy)]
pub struct Client<'a> {
    /// The policy's name.
    pub name: &'a str,
    /// What it says.
    pub rules: &'a ClientRules,
}

/// Every policy once, in the row that it is, or in the first mix whose members follow it and do what others do.
fn followed<'a>(tables: &'a Tables, scenario: &'a Scenario) -> Vec<(usize, &'a Named<PolicyTable>, &'a ClientRules)> {
    let mut followed: Vec<(usize, &Named<PolicyTable>, &ClientRules)> = Vec::new();
    for (index, row) in scenario.policies.iter().enumerate() {
        let mix = tables.mixes.iter().find(|mix| mix.name == row.name);
        for (place, member) in row.members.iter().enumerate().filter(|(_, member)| member.operation.is_none()) {
            let name = mix.map_or(&row.name, |mix| &mix.table.0[place].1.policy);
            let table = tables.policies.iter().find(|policy| policy.name == *name).expect("names have been checked");
            if followed.iter().all(|(_, other, _)| other.name != table.name) {
                followed.push((index, table, &member.rules));
            }
        }
    }
    followed
}

/// Where a row's own world is changed; where its demand is chosen, if it has none.
fn row_place(scenario: &Scenario, row: usize, root: &DeTable<'_>) -> Place {
    let name = &scenario.policies[row].name;
    if scenario.has_own_world(row) { tree::key_place(root, &["policy", name, "with"]) } else { demand(root) }
}

fn few_replications(scenario: &Scenario, root: &DeTable<'_>) -> Option<Diagnostic> {
    let title = match scenario.frame.replications {
        1 => "1 replication has no interval".to_owned(),
        few if few < ENOUGH_REPLICATIONS => format!("{few} replications have wide intervals"),
        _ => return None,
    };
    let place = tree::value_place(root, &["replications"]);
    let label = format!("{} of each policy", scenario.frame.replications);
    Some(
        Diagnostic::warning("few-replications", title, place, label)
            .note("a difference is as good as its interval: at 95% it reaches 12.7 standard errors to each side with 2 replications, 2.8 with 5, 2.3 with 10")
            .help("`replications = 10`"),
    )
}

/// How long a queue takes to forget that it was empty: relaxation times of M/M/c in the limit of a busy server, 1 / (cμ (1 − √ρ)²)
/// (Morse, "Stochastic Properties of Waiting Lines", 1955, for one worker; with cμ in the place of μ for more).
/// `None` if it is short, or if there is no steady state to reach.
fn start_up(scenario: &Scenario) -> Option<(f64, Span)> {
    let (Arrivals::Poisson { rate } | Arrivals::Constant { rate }) = scenario.world.arrivals else { return None };
    let capacity = scenario.world.work_capacity_at(SimTime::ZERO)?;
    let utilisation = rate / capacity;
    if utilisation <= BUSY || utilisation >= 1.0 {
        return None;
    }
    let root = 1.0 - utilisation.sqrt();
    // Each replica has a queue of its own.
    let capacity = capacity / f64::from(scenario.world.called().replicas);
    let seconds = RELAXATION_TIMES / (capacity * root * root);
    let long = seconds > SHORT_START_UP * scenario.frame.duration.seconds();
    long.then(|| (utilisation, Span::secs(seconds.ceil() as u64)))
}

fn no_warm_up(scenario: &Scenario, root: &DeTable<'_>) -> Option<Diagnostic> {
    // Where something goes wrong, the way there and back is the question, not a steady state.
    if scenario.frame.warmup > Span::ZERO || scenario.world.called_faults().next().is_some() {
        return None;
    }
    let (utilisation, length) = start_up(scenario)?;
    let title = "the start of the run is measured, when nobody waits yet".to_owned();
    let label = format!("{:.0}% of capacity, at a server that starts empty", utilisation * 100.0);
    Some(
        Diagnostic::warning("no-warm-up", title, demand(root), label)
            .note(format!("its queue takes about {length} to reach its usual length; until then waits are too short"))
            .help(format!("`warmup = \"{length}\"`")),
    )
}

fn closed_loop(scenario: &Scenario, root: &DeTable<'_>) -> Option<Diagnostic> {
    let Arrivals::Closed { think } = &scenario.world.arrivals else { return None };
    let server = scenario.world.called();
    let workers = server.workers?.saturating_mul(server.replicas);
    if scenario.world.clients <= workers {
        return None;
    }
    let at_work = server.held_seconds() + 2.0 * server.network.mean_seconds();
    let capacity = scenario.world.work_capacity_at(SimTime::ZERO)?;
    let asked = f64::from(scenario.world.clients) / (think.mean_seconds() + at_work);
    let mut faults = scenario.world.called_faults();
    let slowed = faults.any(|fault| fault.slowdown > 1.0 || fault.capacity < 1.0 || fault.freeze);
    if asked <= NEAR_CAPACITY * capacity && !slowed {
        return None;
    }
    let title = "a closed loop hides how long others would have waited".to_owned();
    let label = format!("{} clients, {workers} workers", scenario.world.clients);
    Some(
        Diagnostic::warning("closed-loop", title, demand(root), label)
            .note("a client that waits asks for nothing, so that the slower the server is, the less is asked of it and the less is measured (coordinated omission)")
            .help("if users come on their own, use `arrivals.poisson`"),
    )
}

fn no_timeout(client: &Client, world: &World, root: &DeTable<'_>) -> Option<Diagnostic> {
    let never_answers = |fates: &Fates| fates.hangs + fates.lost_requests + fates.lost_replies > 0.0;
    let mut faults = world.called_faults().filter(|fault| fault.from < SimTime::NEVER);
    let silent = never_answers(&world.called().fates) || faults.any(|fault| never_answers(&fault.fates));
    if !silent || !client.rules.policy.may_wait_for_ever() {
        return None;
    }
    let place = tree::key_place(root, &["policy", client.name]);
    let title = format!("policy `{}` may wait for ever", client.name);
    let label = match client.rules.policy.deadline() {
        None => "has neither `timeout` nor `deadline`",
        Some(_) => "has neither `timeout` nor `deadline`, and `retry_for` ends no attempt that is open",
    };
    Some(
        Diagnostic::warning("no-timeout", title, place, label)
            .note("some requests or replies are lost or hang; such a call stays open to the end of the run")
            .help("add `timeout = \"2s\"`"),
    )
}

fn timeout_below_p99(client: &Client, world: &World, root: &DeTable<'_>) -> Option<Diagnostic> {
    let timeout =
        Some(client.rules.policy.attempt(&History::default()).timeout).filter(|timeout| *timeout < Span::MAX)?;
    let server = world.called();
    let held = if client.rules.policy.key().is_kept() { server.accesses() } else { Span::ZERO };
    let share = cut_off(&server.service_time, &server.network, held, timeout);
    if share <= MOST_CUT_OFF {
        return None;
    }
    let place = tree::value_place(root, &["policy", client.name, "timeout"]);
    let title = format!("policy `{}` gives up on requests that nothing is wrong with", client.name);
    let label = format!("{:.1}% of requests take longer than {timeout}", share * 100.0);
    Some(
        Diagnostic::warning("timeout-below-p99", title, place, label)
            .note("their work is done all the same, and a retry asks for it again")
            .help("a time-out above the 99th percentile of the service time"),
    )
}

/// The share of requests that take longer than `timeout` at a server that is idle; the network takes its mean.
fn cut_off(service: &Distribution, network: &Distribution, store: Span, timeout: Span) -> f64 {
    let on_the_way = Span::from_nanos_f64(2.0 * network.mean_seconds() * 1e9) + store;
    if on_the_way >= timeout { 1.0 } else { service.share_above(timeout - on_the_way) }
}

fn lock_conflict(client: &Client, world: &World, root: &DeTable<'_>) -> Option<Diagnostic> {
    let Idempotency::Lock(LockConfig { conflict_status, on_conflict: OnConflict::Refuse, .. }) =
        world.called().idempotency
    else {
        return None;
    };
    let retried = client.rules.policy.is_failure(Outcome::Status(conflict_status));
    if !client.rules.policy.key().is_kept() || retried {
        return None;
    }
    let place = tree::value_place(root, &["policy", client.name, "retry_on"]);
    let title = format!("policy `{}` takes the lock's {conflict_status} for a final answer", client.name);
    Some(
        Diagnostic::warning("lock-conflict", title, place, format!("does not retry {conflict_status}"))
            .note("a retry that comes while its first attempt is still at work is told so, and the call then fails although the work succeeds")
            .help(format!("`retry_on = [\"5xx\", \"429\", \"{conflict_status}\", \"timeout\", \"connection\"]`")),
    )
}
