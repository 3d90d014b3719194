//! Idempotency stores that forget too early, or remember what should be tried again.

use toml::de::DeTable;

use super::Client;
use crate::distribution::Distribution;
use crate::protocol::{Failure, Outcome};
use crate::retry::hint::RetryAfter;
use crate::retry::{History, Policy, RetryPolicy};
use crate::scenario::file::diagnostic::Diagnostic;
use crate::scenario::file::tree;
use crate::scenario::{Fates, Idempotency, LockConfig, Scene, ServerConfig, StoreRules, Stores};
use crate::units::Span;

/// The 99th percentile.
const MOST_LONGER: f64 = 0.01;

/// A policy and what it meets.
pub struct Row<'a> {
    /// What the client does.
    pub policy: &'a RetryPolicy,
    /// And its name, its gates and its hedge.
    pub client: Client<'a>,
    /// What it meets.
    pub scene: Scene<'a>,
    /// The file.
    pub root: &'a DeTable<'a>,
}

impl Row<'_> {
    /// All that is to be said of one row.
    pub fn warnings(&self) -> impl Iterator<Item = Diagnostic> {
        let asked = self.policy.key.is_kept();
        [self.lock(), self.retention(), self.stored_errors()].into_iter().flatten().filter(move |_| asked)
    }

    fn server(&self) -> &ServerConfig {
        self.scene.world.called()
    }

    fn retries(&self) -> bool {
        self.policy.attempts != Some(1)
    }

    /// How long replies are kept, and which.
    fn store(&self) -> Option<(&'static str, Span, Stores)> {
        let StoreRules { retention, stores, .. } = self.server().idempotency.rules()?;
        let kind = if matches!(self.server().idempotency, Idempotency::Lock(_)) { "lock" } else { "cache" };
        Some((kind, retention, stores))
    }

    fn warning(&self, code: &'static str, title: String, key: &str, label: String, store: [&str; 2]) -> Diagnostic {
        let place = tree::value_place(self.root, &["policy", self.client.name, key]);
        let [kind, of] = store;
        let there = tree::value_place(self.root, &["server", &self.server().name, "idempotency", kind, of]);
        Diagnostic::warning(code, title, place, label).also(there, format!("`{of}`"))
    }

    /// The key is free again while its work goes on, and another attempt does the work once more.
    fn lock(&self) -> Option<Diagnostic> {
        let Idempotency::Lock(LockConfig { lock_ttl: Some(ttl), .. }) = self.server().idempotency else { return None };
        let timeout = self.policy.attempt(&History::default()).timeout;
        let retries_while_at_work = self.retries() && timeout < Span::MAX && self.policy.is_failure(Outcome::Timeout);
        if !retries_while_at_work && self.client.rules.hedge.is_none() {
            return None;
        }
        let faults = self.scene.world.called_faults();
        let slowdown = faults.map(|fault| fault.slowdown).fold(1.0, f64::max);
        let longer = self.server().service_time.share_above(ttl.scaled(1.0 / slowdown));
        let name = self.client.name;
        let (what, key) = match () {
            () if longer > MOST_LONGER => {
                let slow = if slowdown > 1.0 { ", slowed down" } else { "" };
                (format!("{:.1}% of the work takes longer{slow}", longer * 100.0), "key")
            }
            () if timeout < Span::MAX && timeout > ttl => (format!("the client waits for {timeout}"), "timeout"),
            () => return None,
        };
        let title = format!("the lock lets go of a key of policy `{name}` after {ttl}, while its work may still go on");
        Some(
            self.warning("lock-too-short", title, key, what, ["lock", "lock_ttl"])
                .note("the next attempt then finds neither a lock nor a reply, and the work is done twice")
                .help("a `lock_ttl` above the longest work and the `timeout`, or \"none\""),
        )
    }

    /// The reply is forgotten before the last attempt asks for it.
    fn retention(&self) -> Option<Diagnostic> {
        let (kind, retention, _) = self.store()?;
        if !self.retries() {
            return None;
        }
        let longest = self.policy.longest_call(self.longest_hint());
        // Without end is to the end of the run.
        let longest = if longest == Span::MAX { Span(self.scene.frame.end().0) } else { longest };
        if longest <= retention {
            return None;
        }
        let title = format!(
            "policy `{}` may still retry when its first attempt's reply is forgotten after {retention}",
            self.client.name
        );
        let label = format!("up to {} from the first attempt to the last", readable(longest));
        Some(
            self.warning("retention-too-short", title, "attempts", label, [kind, "retention"])
                .note("an attempt that comes later does the work once more")
                .help("a longer `retention`, fewer attempts, or a `deadline`"),
        )
    }

    /// A reply with this status, and what the server says beside it.
    fn reply(&self, status: u16) -> Failure {
        let server = self.server();
        let of = |wanted: &u16| *wanted == status;
        Failure {
            retry_after: server.retry_after.iter().find(|(own, _)| of(own)).map(|(_, wait)| longest(wait)),
            format: server.retry_after_as,
            should_retry: server.should_retry.iter().find(|(own, _)| of(own)).map(|(_, should)| *should),
            ..Failure::new(Outcome::Status(status))
        }
    }

    /// True if the server may answer with this status.
    fn may_answer(&self, status: u16) -> bool {
        let server = self.server();
        let faults = self.scene.world.called_faults();
        let replays = faults.clone().any(|fault| fault.series.is_some());
        let mut fates = std::iter::once(&server.fates).chain(faults.map(|fault| &fault.fates));
        let listed = |fates: &Fates| fates.listed().iter().any(|(_, own, _)| *own == Some(status));
        let full = server.workers.is_some() && server.when_full == Outcome::Status(status);
        let limited = server.rate_limit.as_ref().is_some_and(|limit| limit.status == status);
        let conflict = matches!(&server.idempotency, Idempotency::Lock(lock) if lock.conflict_status == status);
        replays || full || limited || conflict || fates.any(listed)
    }

    /// The longest wait that this server asks for and this client agrees to.
    fn longest_hint(&self) -> Span {
        let RetryAfter::Honour(hints) = &self.policy.retry_after else { return Span::ZERO };
        let given = self.server().retry_after.iter().filter(|(status, _)| self.may_answer(*status));
        let asked = given.map(|(_, wait)| longest(wait)).max().unwrap_or(Span::ZERO);
        // At the end of its range a jitter is as long as it gets; of one without an end nobody knows.
        let spread = hints.jitter.bounds(asked.0 as f64, asked.0 as f64, 1, 0.0).1 * 1e-9;
        Span::from_seconds(spread.max(asked.seconds())).min(hints.max.unwrap_or(Span::MAX))
    }

    /// A retry gets the error that its first attempt left.
    fn stored_errors(&self) -> Option<Diagnostic> {
        let (kind, retention, Stores::Everything) = self.store()? else { return None };
        let faults = self.scene.world.called_faults();
        let fates: Vec<&Fates> =
            std::iter::once(&self.server().fates).chain(faults.map(|fault| &fault.fates)).collect();
        let stored = fates.iter().flat_map(|fates| fates.failures.iter().chain(&fates.late_errors));
        let mut statuses: Vec<u16> = stored.filter(|(_, share)| *share > 0.0).map(|(status, _)| *status).collect();
        statuses.retain(|status| self.policy.would_retry(&self.reply(*status)));
        statuses.sort_unstable();
        statuses.dedup();
        // Who waits for longer than the error is kept finds nothing.
        let shortest = Span::from_seconds(self.policy.backoff.bounds(1).0);
        if !self.retries() || statuses.is_empty() || shortest >= retention {
            return None;
        }
        let names: Vec<String> = statuses.iter().map(u16::to_string).collect();
        let names = names.join(", ");
        let title =
            format!("policy `{}` retries {names} with the same key, and gets the stored error again", self.client.name);
        let label = format!("errors are kept for {retention}");
        Some(
            self.warning("stored-errors", title, "retry_on", label, [kind, "stores"])
                .note("with `stores = \"everything\"` the first error is the answer to every retry, so that none can succeed while it is kept")
                .help("`stores = \"effects\"`, a fresh key after such an error, or no retry of it"),
        )
    }
}

/// Long times without their small parts.
fn readable(time: Span) -> Span {
    let unit = if time > Span::secs(3_600) { Span::secs(60) } else { Span::millis(1) };
    Span(time.0 / unit.0 * unit.0)
}

/// The longest of these waits; of those without a longest, one that one in a thousand is longer than, or half as long.
fn longest(wait: &Distribution) -> Span {
    match wait {
        Distribution::Constant(wait) => *wait,
        Distribution::Uniform { max, .. } => *max,
        other => {
            let mut longest = Span::from_nanos_f64(other.mean_seconds() * 1e9);
            while longest < Span::MAX && other.share_above(longest) > 0.001 {
                longest = Span(longest.0.saturating_mul(2).max(1));
            }
            longest
        }
    }
}
