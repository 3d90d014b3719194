//! An independent model of a call through two tiers: instants worked out one after the other, by recursion, without events, queues or state. Of one
//! operation, since nobody waits for anybody else then. The simulator must agree on every counter.

use std::collections::BTreeMap;
use std::sync::Arc;

use simlab::key::CallKey;
use simlab::rng::{KeyedRng, Purpose, replication_seed};
use simlab::scenario::call::{CallConfig, ClientRules};
use simlab::scenario::{AbandonedWork, Fates};

use super::*;

/// In microseconds; odd numbers, so that hardly ever two things happen at one instant.
type Micros = u64;

/// A client's rules: attempts, the time-out of each, the wait between them, and the deadline.
#[derive(Clone, Copy, Debug)]
struct Rules {
    attempts: u32,
    timeout: Option<Micros>,
    wait: Micros,
    deadline: Option<Micros>,
}

/// A server: its own time, one leg to it, the share of each of eight fates, and what it does when nobody waits.
#[derive(Clone, Copy, Debug)]
struct Tier {
    service: Micros,
    leg: Micros,
    shares: [f64; 8],
    cancels: bool,
}

#[derive(Clone, Debug)]
struct World {
    seed: u64,
    client: Rules,
    api: Tier,
    below: Rules,
    db: Tier,
    propagate: bool,
    tells: bool,
}

/// The statuses of errors, failures and late errors.
const STATUSES: [u16; 3] = [503, 500, 501];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Refused,
    LostRequest,
    Reset,
    Error,
    Failure,
    Hang,
    LateError,
    LostReply,
    Success,
}

const FATES: [Fate; 8] = [
    Fate::Refused,
    Fate::LostRequest,
    Fate::Reset,
    Fate::Error,
    Fate::Failure,
    Fate::Hang,
    Fate::LateError,
    Fate::LostReply,
];

/// How an attempt ends for its client, by the names of the metrics.
type Word = &'static str;

const TIMEOUT: Word = "outcome_timeout";
const CONNECTION: Word = "outcome_connection";

fn word(status: u16) -> Word {
    match status {
        200 => "outcome_200",
        500 => "outcome_500",
        501 => "outcome_501",
        502 => "outcome_502",
        503 => "outcome_503",
        504 => "outcome_504",
        other => panic!("no status {other}"),
    }
}

/// What has been counted.
#[derive(Debug, Default)]
struct Counts {
    outcomes: BTreeMap<Word, u64>,
    attempts: [u64; 2],
    executions: [u64; 2],
    retries: u64,
}

impl Counts {
    fn add(&mut self, other: &Counts) {
        for place in 0..2 {
            self.attempts[place] += other.attempts[place];
            self.executions[place] += other.executions[place];
        }
        self.retries += other.retries;
        for (word, n) in &other.outcomes {
            *self.outcomes.entry(word).or_default() += n;
        }
    }

    fn ended(&mut self, words: Vec<Word>) {
        words.into_iter().for_each(|word| *self.outcomes.entry(word).or_default() += 1);
    }
}

/// How a call ended: when, and with its last outcome; `deadline`: because of that.
#[derive(Clone, Copy, Debug)]
struct Ended {
    at: Micros,
    outcome: Option<Word>,
    deadline: bool,
}

impl World {
    fn fate(&self, tier: &Tier, key: CallKey, attempt: u32) -> Fate {
        let seed = replication_seed(self.seed, 0);
        let unit = KeyedRng::new(seed, Purpose::Fate, key.value(), u64::from(attempt)).unit();
        let mut end = 0.0;
        for (fate, share) in FATES.into_iter().zip(tier.shares) {
            end += share;
            if unit < end {
                return fate;
            }
        }
        Fate::Success
    }

    /// Makes attempts from `now` on, none at `stop` or later. `one` says when an attempt that is sent then and waited for until then is answered, and how.
    fn call(
        rules: &Rules,
        now: Micros,
        left: Option<Micros>,
        stop: Option<Micros>,
        mut one: impl FnMut(u32, Micros, Option<Micros>) -> Option<(Micros, Word)>,
        mut ended: impl FnMut(Word),
    ) -> Ended {
        let end = rules.deadline.into_iter().chain(left).min().map(|left| now + left);
        let (mut at, mut attempt) = (now, 1);
        loop {
            let due = rules.timeout.map(|timeout| at + timeout).into_iter().chain(end).min();
            let answer = one(attempt, at, due);
            let until = due.unwrap_or(Micros::MAX);
            let (then, word) = match answer {
                Some((then, word)) if then <= until => (then, word),
                _ => (until, TIMEOUT),
            };
            if stop.is_some_and(|stop| then >= stop) {
                ended("outcome_cancelled");
                return Ended { at: Micros::MAX, outcome: None, deadline: false };
            }
            if until == Micros::MAX && answer.is_none() {
                // It waits for ever.
                ended("outcome_open");
                return Ended { at: Micros::MAX, outcome: None, deadline: false };
            }
            ended(word);
            let over = |deadline| Ended { at: then, outcome: Some(word), deadline };
            if word == "outcome_200" {
                return over(false);
            }
            if end.is_some_and(|end| then >= end) {
                return over(true);
            }
            if attempt == rules.attempts {
                return over(false);
            }
            at = then + rules.wait;
            if end.is_some_and(|end| at >= end) {
                return over(true);
            }
            if stop.is_some_and(|stop| at >= stop) {
                return Ended { at: Micros::MAX, outcome: None, deadline: false };
            }
            attempt += 1;
        }
    }

    /// An attempt at `db`: its answer, if there is one. `gone`: when its client tells it that it has stopped waiting whatever comes.
    fn at_db(
        &self,
        counts: &mut Counts,
        key: CallKey,
        attempt: u32,
        sent: Micros,
        due: Option<Micros>,
        gone: Option<Micros>,
    ) -> Option<(Micros, Word)> {
        let tier = &self.db;
        counts.attempts[1] += 1;
        counts.retries += u64::from(attempt > 1);
        let arrives = sent + tier.leg;
        let done = arrives + tier.service;
        let at_once = |word| Some((arrives + tier.leg, word));
        let answer = match self.fate(tier, key, attempt) {
            Fate::Refused | Fate::Reset => return at_once(CONNECTION),
            Fate::LostRequest => return None,
            Fate::Error => return at_once(word(STATUSES[0])),
            Fate::Failure => (Some(word(STATUSES[1])), false),
            Fate::Hang => (None, false),
            Fate::LateError => (Some(word(STATUSES[2])), true),
            Fate::LostReply => (None, true),
            Fate::Success => (Some(word(200)), true),
        };
        let (word, effect) = answer;
        let answered = word.map(|word| (done + tier.leg, word));
        // Its client gives up when it is due, unless there is an answer by then, and may be gone before.
        let due = due.filter(|due| answered.is_none_or(|(at, _)| at > *due));
        let told = due.into_iter().chain(gone).min().map(|gone| gone + tier.leg);
        if tier.cancels && told.is_some_and(|told| told < done) {
            return None;
        }
        counts.executions[1] += u64::from(effect);
        answered
    }

    /// An attempt at `api`: its answer.
    fn at_api(
        &self,
        counts: &mut Counts,
        key: CallKey,
        attempt: u32,
        sent: Micros,
        due: Option<Micros>,
    ) -> Option<(Micros, Word)> {
        let tier = &self.api;
        counts.attempts[0] += 1;
        counts.retries += u64::from(attempt > 1);
        let arrives = sent + tier.leg;
        let at_once = |word| Some((arrives + tier.leg, word));
        let fate = self.fate(tier, key, attempt);
        let own = match fate {
            Fate::Refused | Fate::Reset => return at_once(CONNECTION),
            Fate::LostRequest => return None,
            Fate::Error => return at_once(word(STATUSES[0])),
            Fate::Failure => Some(Some(word(STATUSES[1]))),
            Fate::Hang => Some(None),
            _ => None,
        };
        let began = arrives + tier.service;
        if let Some(own) = own {
            return own.map(|word| (began + tier.leg, word));
        }
        // First as if its client waited for ever, then, if that takes too long, until it hears that nobody does.
        let mut trial = Counts::default();
        let whole = self.below(&mut trial, key, attempt, began, sent, due, fate, None);
        let in_time =
            whole.is_some_and(|(done, answer, _)| answer.is_some() && due.is_none_or(|due| done + tier.leg <= due));
        let heard = due.filter(|_| !in_time && tier.cancels).map(|due| due + tier.leg);
        let (done, answer, executed) = match heard {
            // What is done by then is done.
            Some(heard) if whole.is_none_or(|(done, _, _)| done > heard) => {
                self.below(counts, key, attempt, began, sent, due, fate, Some(heard));
                return None;
            }
            _ => {
                counts.add(&trial);
                whole?
            }
        };
        counts.executions[0] += u64::from(executed);
        answer.map(|word| (done + tier.leg, word))
    }

    /// What a worker of `api` does from `began` on, until `stop`: when it is done, what it answers, and whether it has done its work.
    #[allow(clippy::too_many_arguments, reason = "all that an attempt is known by")]
    fn below(
        &self,
        counts: &mut Counts,
        key: CallKey,
        attempt: u32,
        began: Micros,
        sent: Micros,
        due: Option<Micros>,
        fate: Fate,
        stop: Option<Micros>,
    ) -> Option<(Micros, Option<Word>, bool)> {
        if stop.is_some_and(|stop| stop <= began) {
            return None;
        }
        let below = key.below(attempt, 0);
        // Its answer has as long a way back as the request had.
        let way = self.api.leg;
        assert!(began >= sent + way);
        let left = due.filter(|_| self.propagate).map(|due| due.saturating_sub(began + way));
        let ended = if left == Some(0) {
            Ended { at: began, outcome: None, deadline: true }
        } else {
            let gone = stop.filter(|_| self.tells);
            // Who stops because nobody waits any more says nothing of its own accord.
            let stays = |due: &Micros| stop.is_none_or(|stop| *due < stop);
            let one =
                |attempt, at, due: Option<Micros>| self.at_db(counts, below, attempt, at, due.filter(stays), gone);
            let mut words = Vec::new();
            let ended = World::call(&self.below, began, left, stop, one, |word| words.push(word));
            counts.ended(words);
            ended
        };
        if ended.at == Micros::MAX {
            return None;
        }
        let failed = match ended.outcome {
            _ if ended.deadline => Some(504),
            Some("outcome_200") => None,
            Some(TIMEOUT) => Some(504),
            Some("outcome_503") => Some(503),
            _ => Some(502),
        };
        let answer = match (failed, fate) {
            (_, Fate::LostReply) => None,
            (Some(status), _) => Some(word(status)),
            (None, Fate::LateError) => Some(word(STATUSES[2])),
            (None, _) => Some(word(200)),
        };
        Some((ended.at, answer, failed.is_none()))
    }

    /// All of it.
    fn play(&self) -> (Ended, Counts) {
        let mut counts = Counts::default();
        let key = CallKey::operation(0);
        let mut outcomes = Vec::new();
        let ended = World::call(
            &self.client,
            0,
            None,
            None,
            |attempt, at, due| self.at_api(&mut counts, key, attempt, at, due),
            |word| outcomes.push(word),
        );
        counts.ended(outcomes);
        (ended, counts)
    }

    fn scenario(&self) -> Scenario {
        let span = |micros: Micros| Span(micros * 1_000);
        let policy = |rules: &Rules| RetryPolicy {
            attempts: Some(rules.attempts),
            timeout: rules.timeout.map(span),
            deadline: rules.deadline.map(span),
            backoff: simlab::retry::Backoff::fixed(span(rules.wait)),
            ..RetryPolicy::default()
        };
        let server = |name: &str, tier: &Tier| {
            let [refused, lost_requests, resets, errors, failures, hangs, late_errors, lost_replies] = tier.shares;
            let abandoned = if tier.cancels { AbandonedWork::Cancel } else { AbandonedWork::Finish };
            ServerConfig {
                service_time: Distribution::Constant(span(tier.service)),
                network: Distribution::Constant(span(tier.leg)),
                fates: Fates {
                    refused,
                    lost_requests,
                    resets,
                    errors: vec![(STATUSES[0], errors)],
                    failures: vec![(STATUSES[1], failures)],
                    hangs,
                    late_errors: vec![(STATUSES[2], late_errors)],
                    lost_replies,
                    ..Fates::default()
                },
                abandoned_work: abandoned,
                ..ServerConfig::named(name)
            }
        };
        let rules = ClientRules { policy: Arc::new(policy(&self.below)), ..ClientRules::default() };
        let call = CallConfig {
            rules: Some(rules),
            propagate: self.propagate,
            cancel: self.tells,
            ..CallConfig::to("db", 1, Method::Post)
        };
        let arrivals = simlab::scenario::Arrivals::Burst { operations: 1, at: Span::ZERO, every: None };
        let api = ServerConfig { calls: vec![call], ..server("api", &self.api) };
        Scenario::new(Span::secs(1_000), arrivals, api)
            .in_world(|world| world.servers.push(server("db", &self.db)))
            .framed(|frame| frame.seed = self.seed)
            .with_policy("p", policy(&self.client), &[])
    }
}

fn odd(most: Micros) -> impl Strategy<Value = Micros> {
    (1..most).prop_map(|half| 2 * half + 1)
}

fn rules() -> impl Strategy<Value = Rules> {
    (1u32..4, proptest::option::weighted(0.8, odd(300_000)), odd(100_000), proptest::option::of(odd(600_000)))
        .prop_map(|(attempts, timeout, wait, deadline)| Rules { attempts, timeout, wait, deadline })
}

fn tier() -> impl Strategy<Value = Tier> {
    let share = || prop_oneof![3 => Just(0.0), 2 => 0.0f64..0.12];
    let shares = proptest::collection::vec(share(), 8).prop_map(|shares| shares.try_into().expect("eight"));
    (odd(150_000), odd(40_000), shares, any::<bool>()).prop_map(|(service, leg, shares, cancels)| Tier {
        service,
        leg,
        shares,
        cancels,
    })
}

fn world() -> impl Strategy<Value = World> {
    (0u64..1_000_000, rules(), tier(), rules(), tier(), any::<bool>(), any::<bool>()).prop_map(
        |(seed, client, api, below, db, propagate, tells)| World {
            seed,
            client,
            api,
            below,
            db,
            propagate,
            tells: tells && api.cancels,
        },
    )
}

proptest! {
    #![proptest_config(config(5_000))]

    #[test]
    fn the_simulator_agrees_with_a_list_of_instants(world in world()) {
        let (ended, counts) = world.play();
        let result = run(&world.scenario());
        let names = Names { servers: vec!["api", "db"], ..Names::default() };
        let of = |name: &str| {
            let measure = Measure::parse(name, &names).expect("a metric");
            result.metrics.iter().find(|(own, _)| *own == measure).and_then(|(_, value)| *value).unwrap_or(0.0)
        };
        for (place, server) in ["api", "db"].into_iter().enumerate() {
            let [attempts, executions] = ["attempts", "executions"].map(|what| of(&format!("{what}.server.{server}")));
            prop_assert_eq!(attempts, counts.attempts[place] as f64, "attempts at {}", server);
            prop_assert_eq!(executions, counts.executions[place] as f64, "executions at {}", server);
        }
        let effects = counts.executions[1];
        prop_assert_eq!((of("effects"), of("duplicates")), (effects as f64, effects.saturating_sub(1) as f64));
        let is_over = ended.outcome.is_some();
        let attempts = counts.attempts.iter().sum::<u64>();
        prop_assert_eq!((of("attempts"), of("retries")), (attempts as f64, counts.retries as f64));
        for word in [
            TIMEOUT, CONNECTION, "outcome_200", "outcome_500", "outcome_501", "outcome_502", "outcome_503", "outcome_504",
            "outcome_cancelled", "outcome_open",
        ] {
            let expected = counts.outcomes.get(word).copied().unwrap_or(0) as f64;
            prop_assert_eq!(of(word), expected, "{}", word);
        }
        prop_assert_eq!(of("unresolved"), f64::from(u8::from(!is_over)));
        if is_over {
            let succeeded = ended.outcome == Some("outcome_200");
            prop_assert_eq!(of("succeeded"), f64::from(u8::from(succeeded)));
            let took = of("duration_mean");
            prop_assert!((took - ended.at as f64 / 1e6).abs() < 1e-9, "{} and {}", took, ended.at);
        }
    }
}
