//! Random worlds, each made from its number, so that one that disagrees can be made again.

use simlab::distribution::Distribution;
use simlab::flow::{Compensate, Journal, OnFailure, Resume, Step, When};
use simlab::key::CallKey;
use simlab::protocol::Method;
use simlab::retry::{Backoff, OutcomeClass, OutcomeSet, RetryPolicy};
use simlab::rng::{Purpose, Streams, replication_seed};
use simlab::scenario::call::{CallConfig, ClientRules};
use simlab::scenario::{
    Arrivals, ClientCrashes, CrashAtStep, CrashWhen, Fates, Fault, InProgress, JournalConfig, RandomCrash, Scenario,
    ServerConfig,
};
use simlab::units::{SimTime, Span};

use super::models::Dice;

pub type Ns = u64;
const MS: Ns = 1_000_000;

/// What follows if a step fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fails {
    Stop,
    GoOn,
    StartOver(u32),
    Resume { after: Ns, times: u32, then_undo: bool },
    Undo,
    UndoAndRetry { after: Ns, times: u32 },
}

#[derive(Clone, Debug)]
pub struct OneStep {
    pub service: Ns,
    /// Requests that come then fail, with an effect or without one.
    pub fails_within: Option<(Ns, Ns)>,
    pub late: bool,
    pub attempts: u32,
    pub wait: Ns,
    pub timeout: Ns,
    pub on_failure: Fails,
    /// The step that it undoes, and whether also if that has failed.
    pub undoes: Option<(usize, bool)>,
    pub with: Option<usize>,
    pub idempotent: bool,
}

#[derive(Clone, Debug)]
pub struct World {
    pub seed: u64,
    pub steps: Vec<OneStep>,
    pub journal: Journal,
    pub write: Ns,
    pub loses_writes: bool,
    pub lists_undone: bool,
    /// At this step, then down for so long.
    pub crash_at: Option<(usize, CrashWhen, Ns)>,
    /// Mean time between crashes, and how long it is down.
    pub random: Option<(Ns, Ns)>,
    pub is_lost: bool,
    pub takeover: Option<Ns>,
    pub end: Ns,
}

impl World {
    pub fn random(dice: &mut Dice) -> World {
        let forward = 2 + dice.below(3) as usize;
        let mut steps: Vec<OneStep> = (0..forward).map(|number| OneStep::random(dice, number, forward)).collect();
        for step in 0..forward {
            if dice.chance(70) {
                let undo = OneStep::random(dice, usize::MAX, 0);
                let idempotent = dice.chance(30);
                steps.push(OneStep {
                    on_failure: Fails::Stop,
                    undoes: Some((step, dice.chance(30))),
                    with: None,
                    idempotent,
                    ..undo
                });
            }
        }
        let journal =
            dice.pick(&[Journal::None, Journal::Memory, Journal::EachStep, Journal::EachStep, Journal::AfterRun]);
        let when = dice.pick(&[CrashWhen::Before, CrashWhen::During, CrashWhen::After]);
        let crash_at = dice.chance(50).then(|| (dice.below(steps.len() as u64) as usize, when, dice.ms(100, 3_000)));
        let random = dice.chance(50).then(|| (dice.ms(300, 3_000), dice.ms(50, 1_000)));
        World {
            seed: dice.next() >> 1,
            steps,
            journal,
            write: if dice.chance(70) { dice.ms(1, 100) } else { 0 },
            loses_writes: dice.chance(10),
            lists_undone: dice.chance(20),
            crash_at,
            random,
            is_lost: dice.chance(10),
            takeover: (random.is_none() && dice.chance(20)).then(|| dice.ms(50, 2_000)),
            end: 60_000 * MS,
        }
    }

    /// The instants at which the client would crash at random.
    pub fn random_crashes(&self) -> Vec<Ns> {
        let Some((mean, _)) = self.random else { return Vec::new() };
        let streams = Streams::new(replication_seed(self.seed, 0));
        let between = Distribution::Exponential { mean: Span(mean) };
        let after = |number: u64| between.sample(&mut streams.at(Purpose::Crash, CallKey::operation(number), 0)).0;
        let instants = (0..).map(after).scan(0, |at, after| {
            *at += after;
            Some(*at)
        });
        instants.take_while(|at| *at < self.end).collect()
    }

    pub fn scenario(&self) -> Scenario {
        let at = |ns: Ns| SimTime::ZERO + Span(ns);
        let servers = self.steps.iter().enumerate().map(|(number, step)| ServerConfig {
            service_time: Distribution::Constant(Span(step.service)),
            ..ServerConfig::named(&format!("s{number}"))
        });
        let servers: Vec<ServerConfig> = servers.collect();
        let steps: Vec<CallConfig> = self.steps.iter().enumerate().map(|(number, step)| step.config(number)).collect();
        let arrivals = Arrivals::Burst { operations: 1, at: Span::ZERO, every: None };
        Scenario::new(Span(self.end / 2), arrivals, servers[0].clone())
            .framed(|frame| {
                frame.seed = self.seed;
                frame.drain = Span(self.end - self.end / 2);
            })
            .in_world(|world| {
                world.clients = if self.takeover.is_some() { 2 } else { 1 };
                world.servers = servers;
                world.operation.steps = steps;
                world.operation.journal = JournalConfig {
                    kept: self.journal,
                    write: Span(self.write),
                    fails: if self.loses_writes { 1.0 } else { 0.0 },
                    lists_undone: self.lists_undone,
                };
                let faults = self.steps.iter().enumerate().filter_map(|(number, step)| {
                    let (from, until) = step.fails_within?;
                    let fates = match step.late {
                        true => Fates { late_errors: vec![(500, 1.0)], ..Fates::default() },
                        false => Fates { failures: vec![(500, 1.0)], ..Fates::default() },
                    };
                    Some(Fault { fates, ..Fault::named(&format!("f{number}"), number, at(from), at(until)) })
                });
                world.faults = faults.collect();
                let at_step =
                    self.crash_at.map(|(step, when, down)| CrashAtStep { step, when, share: 1.0, restart: Span(down) });
                let random =
                    self.random.map(|(mean, down)| RandomCrash { mean_between: Span(mean), restart: Span(down) });
                world.crashes = Some(ClientCrashes {
                    random,
                    at_step,
                    in_progress: if self.is_lost { InProgress::Lost } else { InProgress::Resume },
                    takeover: self.takeover.map(Span),
                    ..ClientCrashes::default()
                });
            })
            .with_policy("p", RetryPolicy::default(), &[])
    }
}

impl OneStep {
    fn random(dice: &mut Dice, number: usize, forward: usize) -> OneStep {
        let service = dice.ms(20, 400);
        let fails_within = dice.chance(45).then(|| {
            let from = if dice.chance(50) { 0 } else { dice.ms(0, 1_500) };
            (from, from + dice.ms(100, 4_000))
        });
        let on_failure = match dice.below(8) {
            0 => Fails::Stop,
            1 => Fails::GoOn,
            2 => Fails::StartOver(1 + dice.below(2) as u32),
            3 | 4 => {
                Fails::Resume { after: dice.ms(50, 1_500), times: 1 + dice.below(3) as u32, then_undo: dice.chance(50) }
            }
            5 | 6 => Fails::Undo,
            _ => Fails::UndoAndRetry { after: dice.ms(50, 1_500), times: 1 + dice.below(2) as u32 },
        };
        let later = number.saturating_add(1)..forward;
        let with =
            (dice.chance(20) && !later.is_empty()).then(|| later.start + dice.below(later.len() as u64) as usize);
        OneStep {
            service,
            fails_within,
            late: dice.chance(30),
            attempts: 1 + dice.below(3) as u32,
            wait: dice.ms(10, 300),
            timeout: if dice.chance(20) { dice.ms(10, 400) } else { 1_000 * MS + 1 },
            on_failure,
            undoes: None,
            with,
            idempotent: false,
        }
    }

    fn config(&self, number: usize) -> CallConfig {
        let any = || OutcomeSet::new(vec![OutcomeClass::Any]);
        let on_failure = match self.on_failure {
            Fails::Stop => OnFailure::Stop,
            Fails::GoOn => OnFailure::GoOn,
            Fails::StartOver(times) => OnFailure::StartOver { on: Box::new(any()), times },
            Fails::Resume { after, times, then_undo } => OnFailure::Resume(Box::new(Resume {
                on: any(),
                after: Span(after),
                times,
                then: then_undo.then(Compensate::default),
            })),
            Fails::Undo => OnFailure::Compensate(Compensate::default()),
            Fails::UndoAndRetry { after, times } => OnFailure::Compensate(Compensate { times, after: Span(after) }),
        };
        let when = match self.undoes {
            None => When::Always,
            Some((step, if_sent)) => When::Undoing { step, if_sent },
        };
        let policy = RetryPolicy {
            attempts: Some(self.attempts),
            timeout: Some(Span(self.timeout)),
            backoff: Backoff::fixed(Span(self.wait)),
            retry_on: any(),
            ..RetryPolicy::default()
        };
        let method = if self.idempotent { Method::Delete } else { Method::Post };
        CallConfig {
            step: Step { when, on_failure, committed_with: self.with },
            rules: Some(ClientRules { policy: std::sync::Arc::new(policy), ..ClientRules::default() }),
            ..CallConfig::to(&format!("step{number}"), number, method)
        }
    }
}
