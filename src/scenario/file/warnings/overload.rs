//! Demand that the called server can never meet, with the numbers.

use toml::de::DeTable;

use super::row_place;
use super::words::{rate, share};
use crate::scenario::file::checks::demand;
use crate::scenario::file::diagnostic::Diagnostic;
use crate::scenario::{Arrivals, Fault, Per, RateLimit, Scenario, Scene, World, profile_rate};
use crate::units::{SimTime, Span};

/// A share that is lost to a small burst is worth a word from here on.
const WORTH_A_WORD: f64 = 0.01;

/// What limits the called server.
enum Bound {
    /// The rate limit.
    Limit,
    /// The workers.
    Workers,
}

/// Demand above what the server can do.
struct Excess {
    /// When, if not all the time.
    window: Option<(Span, Span)>,
    bound: Bound,
    /// Requests per second: those of the demand, those of them that would reach the bound, and those that it lets pass.
    demand: f64,
    asked: f64,
    most: f64,
    /// The share of them that it does not let pass.
    lost: f64,
}

/// Says of which rows the demand exceeds the capacity, once for each excess.
pub fn all(scenario: &Scenario, root: &DeTable<'_>) -> Vec<Diagnostic> {
    let mut warnings = Vec::new();
    for (title, rows) in rows(scenario, |scene| excess(scene).map(|excess| in_words(&excess, scene.world))) {
        let (place, suffix) = whose(scenario, root, &rows);
        let help = "meant so: `allow = [\"overload\"]` at the top of the file; else less demand, or more workers or a higher limit";
        warnings.push(
            Diagnostic::warning("overload", title + &suffix, place, "this demand")
                .note("it is so before anything goes wrong, and with no retry at all: what fails by it is no policy's fault")
                .help(help),
        );
    }
    for (title, rows) in rows(scenario, |scene| small_burst(scene.world)) {
        let (place, suffix) = whose(scenario, root, &rows);
        warnings.push(
            Diagnostic::warning("small-burst", title + &suffix, place, "evenly spaced")
                .note("a bucket that is full loses the token that comes before the next request")
                .help("`burst = 2` or more"),
        );
    }
    warnings
}

/// What `say` says about the worlds of the rows: each text once, with the rows it is about.
fn rows(scenario: &Scenario, say: impl Fn(Scene) -> Option<String>) -> Vec<(String, Vec<usize>)> {
    let mut said: Vec<(String, Vec<usize>)> = Vec::new();
    let common = say(scenario.common());
    for index in 0..scenario.policies.len() {
        let own = if scenario.has_own_world(index) { say(scenario.of(index)) } else { common.clone() };
        let Some(text) = own else { continue };
        match said.iter_mut().find(|(other, _)| *other == text) {
            Some((_, rows)) => rows.push(index),
            None => said.push((text, vec![index])),
        }
    }
    said
}

/// Where to point, and which rows to name: none if all are meant.
fn whose(scenario: &Scenario, root: &DeTable<'_>, rows: &[usize]) -> (std::ops::Range<usize>, String) {
    if rows.len() == scenario.policies.len() {
        return (demand(root), String::new());
    }
    let names: Vec<String> = rows.iter().map(|row| format!("`{}`", scenario.policies[*row].name)).collect();
    (row_place(scenario, rows[0], root), format!(" (in {})", names.join(", ")))
}

fn in_words(excess: &Excess, world: &World) -> String {
    let when = excess.window.map_or_else(String::new, |(from, to)| format!("from {from} to {to}, "));
    // Where little can wait or be saved up, chance fails more than the excess.
    let smooth = match excess.bound {
        Bound::Limit => evenly(world).is_some() || burst_of(world) >= excess.most,
        Bound::Workers => false,
    };
    let lost = if smooth { share(excess.lost) } else { format!("at least {}", share(excess.lost)) };
    let most = rate(excess.most);
    let all_of_it = excess.asked > excess.demand * (1.0 - 1e-6);
    let part = if all_of_it { String::new() } else { format!(", of which {} get there,", rate(excess.asked)) };
    let demand = format!("demand {}{part}", rate(excess.demand));
    let how_long = if excess.window.is_some() { "then" } else { "for ever" };
    let server = world.called();
    match excess.bound {
        Bound::Limit => format!("{when}{demand} exceeds the limit {most}, so {lost} fails {how_long}"),
        Bound::Workers if server.queue.is_some() || server.max_wait.is_some() => {
            format!("{when}{demand} exceeds the capacity {most}, so {lost} fails {how_long}")
        }
        Bound::Workers => {
            let grows = if excess.window.is_some() { "grows then" } else { "grows without end" };
            format!("{when}{demand} exceeds the capacity {most}, so the queue {grows}")
        }
    }
}

/// The worst excess of all windows.
fn excess(scene: Scene) -> Option<Excess> {
    let world = scene.world;
    let server = world.called();
    if world.called_faults().any(|fault| fault.replica.is_some() && lasts(fault, scene)) {
        // How much of the demand meets it depends on who avoids it.
        return None;
    }
    let lasting: Vec<&Fault> = world.called_faults().filter(|fault| lasts(fault, scene)).collect();
    let fates = || std::iter::once(&server.fates).chain(lasting.iter().map(|fault| &fault.fates));
    let before: f64 = fates().map(|fates| fates.refused + fates.lost_requests + fates.resets).sum();
    let answered: f64 = fates().flat_map(|fates| &fates.errors).map(|(_, share)| share).sum();
    let reach = (1.0 - before).max(0.0);
    let answered = if reach > 0.0 { (answered / reach).min(1.0) } else { 1.0 };
    let capacity = world.capacity_with(|fault| lasts(fault, scene));
    let limit = world.rate_limit();
    let above = |(demand, window): (f64, Option<(Span, Span)>)| {
        let at_limit = demand * reach;
        let passes = limit.map_or(at_limit, |limit| at_limit.min(limit));
        if let Some(most) = capacity.filter(|most| passes * (1.0 - answered) > *most) {
            let asked = at_limit * (1.0 - answered);
            return Some(Excess { window, bound: Bound::Workers, demand, asked, most, lost: 1.0 - most / asked });
        }
        let most = limit.filter(|most| at_limit > *most)?;
        // A bucket that is large enough for what is too much fails nobody.
        let (from, to) = window.unwrap_or((Span::ZERO, scene.frame.duration));
        if (at_limit - most) * (to - from).seconds() <= burst_of(world) {
            return None;
        }
        let lost = 1.0 - evenly(world).map_or(most / at_limit, |burst| passing(most / at_limit, burst));
        Some(Excess { window, bound: Bound::Limit, demand, asked: at_limit, most, lost })
    };
    demands(scene).into_iter().filter_map(above).max_by(|a, b| a.lost.total_cmp(&b.lost))
}

/// From the beginning of the demand to its end, all the time.
fn lasts(fault: &Fault, scene: Scene) -> bool {
    fault.from == SimTime::ZERO && fault.until >= scene.frame.demand_end() && fault.flapping.is_none()
}

/// Tokens that the limit's buckets hold at first, of all clients.
fn burst_of(world: &World) -> f64 {
    let burst = |limit: &RateLimit| limit.burst * f64::from(limit.buckets(world.clients, world.called().replicas));
    world.called().rate_limit.as_ref().map_or(0.0, burst)
}

/// Mean rates of the demand, each with its window if it is not that of all the time.
fn demands(scene: Scene) -> Vec<(f64, Option<(Span, Span)>)> {
    let end = scene.frame.duration;
    match &scene.world.arrivals {
        Arrivals::Poisson { rate } | Arrivals::Constant { rate } => vec![(*rate, None)],
        // A closed loop waits for its server, and one burst is over at some time.
        Arrivals::Closed { .. } | Arrivals::Burst { every: None, .. } => Vec::new(),
        Arrivals::Burst { operations, at, every: Some(every) } if *at + *every < end => {
            vec![(*operations as f64 / every.seconds(), None)]
        }
        Arrivals::Burst { .. } => Vec::new(),
        Arrivals::Trace(trace) => vec![(trace.at.len() as f64 / end.seconds(), None)],
        Arrivals::Profile(points) => {
            let mut edges: Vec<Span> = points.iter().map(|point| point.at).filter(|at| *at < end).collect();
            edges.insert(0, Span::ZERO);
            edges.push(end);
            edges.dedup();
            let window = |pair: &[Span]| {
                let (from, to) = (pair[0], pair[1]);
                // The rate is linear between two edges; that just before a step is not the one at it.
                let mean = (profile_rate(points, from) + rate_before(points, to)) / 2.0;
                (mean, (edges.len() > 2).then_some((from, to)))
            };
            edges.windows(2).map(window).collect()
        }
    }
}

/// The rate that a profile has reached just before `t`.
fn rate_before(points: &[crate::scenario::ProfilePoint], t: Span) -> f64 {
    let step = points.iter().find(|point| point.at == t);
    step.map_or_else(|| profile_rate(points, t), |point| point.rate)
}

/// The burst of a limit that evenly spaced requests meet: of all of them, or of those of each client in turn.
fn evenly(world: &World) -> Option<f64> {
    let server = world.called();
    let even = matches!(world.arrivals, Arrivals::Constant { .. })
        && matches!(server.network, crate::distribution::Distribution::Constant(_))
        && server.fates.refused + server.fates.lost_requests + server.fates.resets == 0.0;
    let in_turn = |limit: &&RateLimit| limit.per != Per::Replica || server.replicas == 1;
    server.rate_limit.as_ref().filter(|_| even).filter(in_turn).map(|limit| limit.burst)
}

/// The share of evenly spaced requests that pass a token bucket which is filled with `tokens` between two of them, fewer than one.
///
/// A bucket that has room for what comes in while a request waits for its token loses nothing, and `tokens` is the share. A smaller one is full at
/// some time; from there on everything repeats from the next time that it is full.
pub fn passing(tokens: f64, burst: f64) -> f64 {
    /// Requests after which what is lost between two full buckets is too little to matter.
    const ENOUGH: f64 = 1e6;
    if burst >= 1.0 + tokens {
        return tokens;
    }
    let (mut level, mut passed, mut asked) = (burst - 1.0, 0.0, 0.0);
    while asked < ENOUGH {
        // Rounding must not make four of three.
        let refused_until = ((1.0 - level) / tokens - 1e-9).ceil().max(1.0);
        asked += refused_until;
        passed += 1.0;
        level += refused_until * tokens;
        if level >= burst {
            break;
        }
        level -= 1.0;
    }
    passed / asked
}

/// More is refused than what is above the limit.
fn small_burst(world: &World) -> Option<String> {
    let (Arrivals::Constant { rate: demand }, Some(limit)) = (&world.arrivals, &world.called().rate_limit) else {
        return None;
    };
    let (burst, tokens) =
        (evenly(world)?, limit.rate * f64::from(limit.buckets(world.clients, world.called().replicas)) / demand);
    if tokens >= 1.0 {
        return None;
    }
    let passes = passing(tokens, burst);
    (tokens - passes > WORTH_A_WORD).then(|| {
        let (refused, above) = (share(1.0 - passes), share(1.0 - tokens));
        format!(
            "{refused} is refused, though only {above} is above the limit: evenly spaced requests find the bucket full"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(tokens: f64, burst: f64, expected: f64) {
        let got = passing(tokens, burst);
        assert!((got - expected).abs() < 1e-6, "{tokens} tokens, burst {burst}: {got}, expected {expected}");
    }

    #[test]
    fn evenly_spaced_requests_and_a_bucket() {
        // With room for one token each n-th passes.
        check(0.999, 1.0, 0.5);
        check(0.8, 1.0, 0.5);
        check(0.5, 1.0, 0.5);
        check(0.499, 1.0, 1.0 / 3.0);
        check(1.0 / 3.0, 1.0, 1.0 / 3.0);
        // With room for two nothing is lost.
        check(0.8, 2.0, 0.8);
        check(0.8, 1.8, 0.8);
        // Between: full, 0.5 left; 1.3 at the next, 0.3 left; 1.1, 0.1; 0.9; 1.7 and full: three of four.
        check(0.8, 1.5, 0.75);
        check(0.8, 1.2, 2.0 / 3.0);
    }
}
