//! Servers that call others: what comes of retries at several levels.

use std::sync::Arc;

use simlab::distribution::Distribution;
use simlab::protocol::Method;
use simlab::retry::{Backoff, RetryPolicy};
use simlab::scenario::call::{CallConfig, ClientRules};
use simlab::scenario::{Fates, Scenario, ServerConfig};
use simlab::units::Span;

use super::{check, open_loop, run};

/// Retries at once, so many attempts in all.
fn at_once(attempts: u32) -> RetryPolicy {
    RetryPolicy { attempts: Some(attempts), backoff: Backoff::none(), ..RetryPolicy::default() }
}

/// So many tiers, each with so many attempts at the one below; the last one fails this share of its attempts.
pub fn pyramid(tiers: usize, attempts: u32, failing: f64, seconds: u64) -> Scenario {
    let name = |tier: usize| format!("tier-{tier}");
    let mut servers: Vec<ServerConfig> = (1..=tiers).map(|tier| ServerConfig::named(&name(tier))).collect();
    for (tier, server) in servers.iter_mut().enumerate().take(tiers - 1) {
        let rules = ClientRules { policy: Arc::new(at_once(attempts)), ..ClientRules::default() };
        let call = CallConfig { rules: Some(rules), ..CallConfig::to(&name(tier + 2), tier + 1, Method::Post) };
        server.calls = vec![call];
        server.service_time = Distribution::Exponential { mean: Span::millis(1) };
    }
    servers[tiers - 1].fates = Fates { failures: vec![(500, failing)], ..Fates::default() };
    let first = servers[0].clone();
    open_loop(20.0, seconds, first).in_world(|world| world.servers = servers).with_policy(
        "retry",
        at_once(attempts),
        &[],
    )
}

/// P-B6: with r attempts at each of L levels, the last server gets (1 − p^(r^L)) / (1 − p) attempts for each operation, and p^(r^L) of operations
/// fail. A level is whoever retries: here the client, and every tier but the last.
#[test]
fn retries_multiply() {
    for (levels, attempts, failing, calls) in
        [(2, 3, 0.5, 1.996_094), (3, 3, 0.2, 1.25), (5, 3, 1.0, 243.0), (3, 4, 1.0, 64.0)]
    {
        let seconds = if failing == 1.0 { 20 } else { 1_000 };
        let result = run(&pyramid(levels, attempts, failing, seconds));
        let power = f64::from(attempts).powi(levels as i32);
        let case = format!("{levels} levels, {attempts} attempts, {failing}");
        let expected = (1.0 - f64::powf(failing, power)) / (1.0 - failing);
        let expected = if failing == 1.0 { power } else { expected };
        assert!((expected - calls).abs() < 1e-6, "{case}: as published");
        check(&case, &result, &format!("attempts_per_operation.server.tier-{levels}"), calls, 0.02);
        check(&case, &result, "success_rate", 1.0 - f64::powf(failing, power), 0.002);
    }
}
