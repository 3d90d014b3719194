//! What a server is like, and what becomes of attempts that it gets.

use super::call::CallConfig;
use super::{Asked, Idempotency};
use crate::distribution::Distribution;
use crate::endpoint::Balance;
use crate::protocol::{HintFormat, Outcome};
use crate::units::Span;

#[cfg(feature = "scenario-files")]
use super::file::leaf::{
    As, ByStatus, Count, Factor, OrUnlimited, PositiveDuration, Probability, Script, Status, WhenFull,
};

/// A server. Its keys in a file are those that are not skipped here, beside its [`Fates`] and what a file says in words of its own
/// (`scenario/file/shape/server.rs`).
#[derive(Clone, Debug)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(default, deny_unknown_fields)
)]
pub struct ServerConfig {
    /// Its name in the file.
    #[cfg_attr(feature = "scenario-files", serde(skip))]
    pub name: String,
    /// How many there are behind the name, 1 to 1,000. Each has workers, queue and rest of its own; capacity and utilisation are of all, the
    /// largest queue is that of any.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<Count<1, 1_000>>"))]
    pub replicas: u32,
    /// Which replica an attempt goes to. In flight is what was sent there, by anybody, and neither answered nor given up.
    pub balance: Balance,
    /// Requests in service at once; at least 1.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<OrUnlimited<1>>"))]
    pub workers: Option<u32>,
    /// Waiting places; 0 is none.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<OrUnlimited<0>>"))]
    pub queue: Option<u32>,
    /// Answer when no place is left: a status, or `"refuse"`: no connection.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<WhenFull>"))]
    pub when_full: Outcome,
    /// Longest time in the queue, drawn for each attempt; then it is answered as when the queue is full. `None`: no limit.
    #[cfg_attr(feature = "scenario-files", serde(skip))]
    pub max_wait: Option<Distribution>,
    /// Who is served next.
    pub discipline: Discipline,
    /// Whether a worker throws away, without losing time, what it would take up for a client that has stopped waiting, once the server
    /// knows it (*cancelling*).
    pub drop_expired: bool,
    /// What becomes of work whose client stops waiting, as soon as the server knows it (*cancelling*).
    pub abandoned_work: AbandonedWork,
    /// Time a worker needs.
    #[cfg_attr(feature = "scenario-files", serde(skip))]
    pub service_time: Distribution,
    /// One way, each direction.
    #[cfg_attr(feature = "scenario-files", serde(skip))]
    pub network: Distribution,
    /// What becomes of attempts.
    #[cfg_attr(feature = "scenario-files", serde(skip))]
    pub fates: Fates,
    /// `Retry-After` sent with these statuses, drawn for each attempt.
    #[cfg_attr(feature = "scenario-files", serde(skip))]
    pub retry_after: Vec<(u16, Distribution)>,
    /// How a hint is sent, the rate limit's too.
    pub retry_after_as: HintFormat,
    /// By status: true or false, with which the server says that the request should be tried again, or should not (`Stripe-Should-Retry`).
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<ByStatus<bool>>"))]
    pub should_retry: Vec<(u16, bool)>,
    /// Token bucket in front of everything.
    #[cfg_attr(feature = "scenario-files", serde(skip))]
    pub rate_limit: Option<RateLimit>,
    /// What becomes of the first attempts of each call, one after the other, instead of what they draw: `"ok"`; an error status, with which the
    /// work fails; `"refused"`, `"lost-request"`, `"reset"`, `"hang"` or `"timeout"`, which is a hang; `"lost-reply"`, `"late-reset"`.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<Script>"))]
    pub script: Vec<Scripted>,
    /// So many first attempts of each call fail with 503: short for a `script`.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<Count<0, 1_000>>"))]
    pub fail_first: u32,
    /// Share of a worker's own time after which the effect is made, if there is one. A crash, or a cancellation that takes work off its worker,
    /// comes before it or after. Of a server that makes calls: only `"100%"`, after all of them.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<Probability>"))]
    pub effect_at: f64,
    /// Locks of the rows that requests write to, where their step has `locks`.
    pub row_lock: RowLock,
    /// What becomes of requests with an idempotency key.
    pub idempotency: Idempotency,
    /// The calls that a worker makes for each request, in order, after its own time.
    #[cfg_attr(feature = "scenario-files", serde(skip))]
    pub calls: Vec<CallConfig>,
}

/// Shares of all attempts by fate, or what a fault adds to them. Disjoint; the rest succeeds.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(default, deny_unknown_fields)
)]
pub struct Fates {
    /// Share of attempts whose connection is refused.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<Probability>"))]
    pub refused: f64,
    /// Share of attempts whose request never arrives: no work, no answer.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<Probability>"))]
    pub lost_requests: f64,
    /// Share of attempts whose connection is reset before the server did anything.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<Probability>"))]
    pub resets: f64,
    /// By status: share of attempts that something in front of the application answers with it: no work, no effect, nothing stored.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<ByStatus<Probability>>"))]
    pub errors: Vec<(u16, f64)>,
    /// By status: share of attempts whose work runs and fails: this status, no effect.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<ByStatus<Probability>>"))]
    pub failures: Vec<(u16, f64)>,
    /// Share of attempts whose work runs, without effect, and is never answered.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<Probability>"))]
    pub hangs: f64,
    /// By status: share of attempts that make their effect and are then answered with it.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<ByStatus<Probability>>"))]
    pub late_errors: Vec<(u16, f64)>,
    /// Share of attempts that make their effect and whose reply never arrives. A stored reply can be lost too.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<Probability>"))]
    pub lost_replies: f64,
    /// Share of attempts that make their effect and whose connection then breaks: the client sees a reset at once, and cannot tell it from
    /// `resets`. The connection of a stored reply can break too.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<Probability>"))]
    pub late_resets: f64,
    /// By status: share of operations that can never succeed, a declined card. Drawn once for each operation: whenever its work would
    /// succeed, fail or be late, it ends in this status instead, without effect. Hangs, lost replies and late resets stay what they are, without effect.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<ByStatus<Probability>>"))]
    pub permanent_errors: Vec<(u16, f64)>,
}

/// What becomes of an attempt by the script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scripted {
    /// Nothing goes wrong.
    Ok,
    /// The work fails with this status.
    Status(u16),
    /// Connection refused.
    Refused,
    /// The request never arrives.
    LostRequest,
    /// Reset before the server did anything.
    Reset,
    /// The work runs without effect and is never answered.
    Hang,
    /// The effect is done, the reply never arrives.
    LostReply,
    /// The effect is done, then the connection breaks.
    LateReset,
}

/// Who is served next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(rename_all = "lowercase")
)]
pub enum Discipline {
    /// Who waits longest.
    #[default]
    Fifo,
    /// Who came last.
    Lifo,
}

/// What happens to work whose client stops waiting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(rename_all = "lowercase")
)]
pub enum AbandonedWork {
    /// It is done all the same.
    #[default]
    Finish,
    /// It is taken out of the queue, or off its worker, and has no effect.
    Cancel,
}

/// A token bucket that starts full. A refused request costs no token.
#[derive(Clone, Debug, PartialEq)]
pub struct RateLimit {
    /// Requests per second; above 0.
    pub rate: f64,
    /// Requests at once; at least 1.
    pub burst: f64,
    /// Whose bucket it is.
    pub per: Per,
    /// Answer to refused requests.
    pub status: u16,
    /// Send the time until the next token, in whole seconds, as `Retry-After`.
    pub retry_after: bool,
    /// What becomes of those who are refused again and again.
    pub ban: Option<Ban>,
}

/// Refusals that lead to more refusals.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(deny_unknown_fields)
)]
pub struct Ban {
    /// After so many refusals, with no request that passed among them, whoever has the bucket is banned: all its requests are refused. Those
    /// count too, and so many of them make the next ban, from that instant on.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<Count<1, 1_000_000>>"))]
    pub after: u32,
    /// How long the first ban lasts. What passes ends the series: the next ban is a first one again.
    #[cfg_attr(feature = "scenario-files", serde(rename = "for", with = "As::<PositiveDuration>"))]
    pub time: Span,
    /// How much longer each further ban is than the one before it; at least 1.
    #[cfg_attr(feature = "scenario-files", serde(default = "unchanged", with = "As::<Factor>"))]
    pub grows: f64,
}

#[cfg(feature = "scenario-files")]
fn unchanged() -> f64 {
    1.0
}

/// How long somebody waits for the lock of a row, and keeps it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(default, deny_unknown_fields)
)]
pub struct RowLock {
    /// Longest wait for a row, the worker held.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<PositiveDuration>"))]
    pub timeout: Span,
    /// Answer to who has waited so long.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<Status>"))]
    pub status: u16,
    /// How long a transaction that hangs keeps its row after its work.
    #[cfg_attr(feature = "scenario-files", serde(with = "As::<PositiveDuration>"))]
    pub hung: Span,
}

impl Default for RowLock {
    /// 30 s and 503, chosen here: a common time-out of statements and idle transactions.
    fn default() -> RowLock {
        RowLock { timeout: Span::secs(30), status: 503, hung: Span::secs(30) }
    }
}

/// Whose bucket a rate limit has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "scenario-files",
    derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema),
    serde(rename_all = "lowercase")
)]
pub enum Per {
    /// One bucket for all.
    #[default]
    Server,
    /// One bucket for each client.
    Client,
    /// One bucket for each replica.
    Replica,
}

impl RateLimit {
    /// Buckets of a server with so many replicas.
    pub fn buckets(&self, clients: u32, replicas: u32) -> u32 {
        match self.per {
            Per::Server => 1,
            Per::Client => clients,
            Per::Replica => replicas,
        }
    }
}

impl Fates {
    /// Sum of the disjoint shares (permanent errors are apart).
    pub fn total(&self) -> f64 {
        let of = |map: &[(u16, f64)]| map.iter().map(|(_, share)| share).sum::<f64>();
        self.refused
            + self.lost_requests
            + self.resets
            + of(&self.errors)
            + of(&self.failures)
            + self.hangs
            + of(&self.late_errors)
            + self.lost_replies
            + self.late_resets
    }

    /// Sum of the shares of operations that can never succeed.
    pub fn permanent(&self) -> f64 {
        self.permanent_errors.iter().map(|(_, share)| share).sum()
    }

    /// Every share above 0 under its name, with its status if it has one.
    pub fn listed(&self) -> Vec<(&'static str, Option<u16>, f64)> {
        let mut listed = vec![
            ("refused", None, self.refused),
            ("lost_requests", None, self.lost_requests),
            ("resets", None, self.resets),
            ("hangs", None, self.hangs),
            ("lost_replies", None, self.lost_replies),
            ("late_resets", None, self.late_resets),
        ];
        let maps = [
            ("errors", &self.errors),
            ("failures", &self.failures),
            ("late_errors", &self.late_errors),
            ("permanent_errors", &self.permanent_errors),
        ];
        for (name, map) in maps {
            listed.extend(map.iter().map(|(status, share)| (name, Some(*status), *share)));
        }
        listed.retain(|(_, _, share)| *share > 0.0);
        listed
    }
}

impl ServerConfig {
    /// Time that a worker is held for accesses to the store, for a request with a key that is worked on.
    pub fn accesses(&self) -> Span {
        let Some(rules) = self.idempotency.rules() else { return Span::ZERO };
        let at_the_door = u64::from(rules.asked == Asked::First);
        let in_two = u64::from(self.idempotency.has_lock().is_some_and(|lock| !lock.atomic));
        let storing = u64::from(!rules.with_effect);
        Span(rules.access.0.saturating_mul((1 + in_two) * (1 - at_the_door) + storing))
    }

    /// Mean time that a worker is held by a request: its own work, and what the store takes for one with a key. Calls that it makes are apart.
    pub fn held_seconds(&self) -> f64 {
        self.service_time.mean_seconds() + self.accesses().seconds()
    }

    /// A server with the contract's defaults.
    pub fn named(name: &str) -> ServerConfig {
        ServerConfig { name: name.to_owned(), ..ServerConfig::default() }
    }
}

impl Default for ServerConfig {
    /// The contract's defaults: unlimited workers, no service time, no network, nothing goes wrong.
    fn default() -> ServerConfig {
        ServerConfig {
            name: String::new(),
            replicas: 1,
            balance: Balance::Random,
            workers: None,
            queue: None,
            when_full: Outcome::Status(503),
            max_wait: None,
            discipline: Discipline::Fifo,
            drop_expired: false,
            abandoned_work: AbandonedWork::Finish,
            service_time: Distribution::ZERO,
            network: Distribution::ZERO,
            fates: Fates::default(),
            retry_after: Vec::new(),
            retry_after_as: HintFormat::Seconds,
            should_retry: Vec::new(),
            rate_limit: None,
            script: Vec::new(),
            fail_first: 0,
            effect_at: 1.0,
            row_lock: RowLock::default(),
            idempotency: Idempotency::None,
            calls: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every share counts, under its name.
    #[test]
    fn shares_are_listed_and_add_up() {
        let fates = Fates {
            refused: 0.01,
            lost_requests: 0.02,
            resets: 0.03,
            errors: vec![(500, 0.04), (503, 0.05)],
            failures: vec![(500, 0.06)],
            hangs: 0.07,
            late_errors: vec![(500, 0.08)],
            lost_replies: 0.09,
            late_resets: 0.1,
            permanent_errors: vec![(402, 0.2)],
        };
        assert!((fates.total() - 0.55).abs() < 1e-12, "{}", fates.total());
        let listed: f64 = fates.listed().iter().map(|(_, _, share)| share).sum();
        assert!((listed - 0.75).abs() < 1e-12, "{listed}");
        assert_eq!(fates.listed().len(), 11);
    }
}
