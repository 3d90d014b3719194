//! What holds for all gates of a policy together, driven directly: attempts that ask, end in any order, or are given up.

use proptest::collection::vec;
use proptest::prelude::*;
use simlab::gate::breaker::{CircuitRules, ConsecutiveBreakerConfig, Judge, OpenTime, Stale, Threshold, Verdict};
use simlab::gate::budget::DepositOn;
use simlab::gate::concurrency::{ConcurrencyConfig, Hold, MostRetries};
use simlab::gate::{
    Admission, Ask, Ended, GateChain, GateConfig, GateOutcome, GateRule, Moment, Permits, Refusal, Scope,
};
use simlab::protocol::Outcome;
use simlab::rng::{KeyedRng, Purpose};
use simlab::units::{SimTime, Span};

use super::{config, worlds};

/// What happens next; numbers choose among the attempts that are open.
#[derive(Clone, Copy, Debug)]
enum Step {
    Pass(u64),
    Ask { retry: bool },
    Fail(usize),
    Succeed(usize),
    Abandon(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        1 => (1u64..3_000).prop_map(Step::Pass),
        4 => any::<bool>().prop_map(|retry| Step::Ask { retry }),
        2 => any::<usize>().prop_map(Step::Fail),
        1 => any::<usize>().prop_map(Step::Succeed),
        1 => any::<usize>().prop_map(Step::Abandon),
    ];
    vec(step, 1..150)
}

/// An attempt in flight.
#[derive(Clone, Copy, Debug)]
struct Open {
    permits: Permits,
    sent: SimTime,
    retry: bool,
    /// Sent after so many openings of the breaker.
    era: u64,
}

/// Plays steps against the gates of one client.
#[derive(Clone)]
struct Stage {
    chain: GateChain,
    now: SimTime,
    open: Vec<Open>,
    asked: u64,
    /// All who ask have the same draws.
    same_draws: bool,
}

impl Stage {
    fn new(gates: &[GateConfig]) -> Stage {
        let chain = GateChain::new(gates, 1);
        Stage { chain, now: SimTime::ZERO, open: Vec::new(), asked: 0, same_draws: false }
    }

    fn ask(&mut self, retry: bool) -> Admission {
        self.asked += 1;
        let ask = if retry { Ask::retry(self.now, Outcome::Timeout) } else { Ask::first(self.now) };
        let mut permits = Permits::default();
        let draws = if self.same_draws { 0 } else { self.asked };
        let mut rng = KeyedRng::new(1, Purpose::Gate, draws, 0);
        let admission = self.chain.admit(Moment::Send, ask, 0, &mut permits, &mut rng);
        if admission == Admission::Admitted {
            let era = self.chain.counts().breaker_opened;
            if retry {
                self.chain.on_retry_sent(0);
            } else {
                self.chain.on_first_attempt(self.now, 0);
            }
            self.open.push(Open { permits, sent: self.now, retry, era });
        }
        admission
    }

    /// Ends one of the open attempts, if there is one.
    fn end(&mut self, which: usize, outcome: Option<GateOutcome>) -> Option<Open> {
        let count = self.open.len();
        let open = (count > 0).then(|| self.open.remove(which % count))?;
        match outcome {
            Some(outcome) => {
                let ended = Ended {
                    took: self.now.since(open.sent),
                    reply: reply(which, outcome),
                    attempt: if open.retry { 2 } else { 1 },
                    ..Ended::at_once(self.now, outcome)
                };
                self.chain.on_outcome(0, &open.permits, ended);
            }
            None => self.chain.on_abandon(0, &open.permits, if open.retry { 2 } else { 1 }),
        }
        Some(open)
    }

    /// Does one step; says which attempt ended, and what was answered to one that asked.
    fn step(&mut self, step: Step) -> (Option<Open>, Option<Admission>) {
        match step {
            Step::Pass(ms) => {
                self.now = self.now + Span::millis(ms);
                (None, None)
            }
            Step::Ask { retry } => (None, Some(self.ask(retry))),
            Step::Fail(which) => (self.end(which, Some(GateOutcome::Failure)), None),
            Step::Succeed(which) => (self.end(which, Some(GateOutcome::Success)), None),
            Step::Abandon(which) => (self.end(which, None), None),
        }
    }
}

/// What came back: of failures, every other one is a time-out.
fn reply(which: usize, outcome: GateOutcome) -> Outcome {
    match outcome {
        GateOutcome::Success => Outcome::OK,
        GateOutcome::Failure if which.is_multiple_of(2) => Outcome::Timeout,
        GateOutcome::Failure => Outcome::Status(503),
    }
}

fn breaker() -> impl Strategy<Value = GateConfig> {
    let consecutive =
        (1u32..6, worlds::open_time(), 1u32..4, worlds::rules()).prop_map(|(failures, open, probes, rules)| {
            let config = ConsecutiveBreakerConfig { rules, ..ConsecutiveBreakerConfig::new(failures, open, probes) };
            GateConfig::new(GateRule::ConsecutiveBreaker(config), Scope::Client)
        });
    let rate = worlds::rate_breaker().prop_map(|config| GateConfig::new(GateRule::RateBreaker(config), Scope::Client));
    prop_oneof![consecutive, rate]
}

/// What a breaker promises.
struct Terms {
    /// At least and at most.
    open_for: [Span; 2],
    probes: usize,
    /// Outcomes that it takes at least to close it, and whether they have to be successes.
    closes: (usize, bool),
    rules: CircuitRules,
    /// It is judged at ticks, or half-open for a time at most, so that it has opened before that is noticed.
    ticks: bool,
}

fn terms(gate: &GateConfig) -> Terms {
    let (open, probes, rules, decides, ticks) = match &gate.rule {
        GateRule::ConsecutiveBreaker(config) => (&config.open, config.probes, &config.rules, None, false),
        GateRule::RateBreaker(config) => {
            let decides = match config.threshold {
                Threshold::Count(_) => config.probes,
                Threshold::Share(_) => config.min_calls.min(config.probes),
            };
            (&config.open, config.probes, &config.rules, Some(decides), matches!(config.judge, Judge::Tick(_)))
        }
        other => panic!("no breaker: {other:?}"),
    };
    let closes = match (rules.verdict, decides) {
        (Verdict::First, _) => (1, true),
        (Verdict::Successes(needed), _) => (needed.min(probes) as usize, true),
        (Verdict::Threshold, Some(decides)) => (decides as usize, false),
        (Verdict::All, _) | (Verdict::Threshold, None) => (probes as usize, true),
    };
    let open_for = match open {
        OpenTime::Same(open) => [*open; 2],
        OpenTime::Grows(backoff) => {
            let bounds: Vec<(f64, f64)> = (1..=20).map(|k| backoff.bounds(k)).collect();
            let shortest = bounds.iter().fold(f64::INFINITY, |least, (low, _)| least.min(*low));
            let longest = bounds.iter().fold(0.0, |most: f64, (_, high)| most.max(*high));
            [Span((shortest * 1e9) as u64), Span((longest * 1e9) as u64 + 1)]
        }
    };
    let ticks = ticks || rules.half_open_for.is_some();
    Terms { open_for, probes: probes as usize, closes, rules: rules.clone(), ticks }
}

proptest! {
    #![proptest_config(config(3_000))]

    /// An open breaker admits nothing for as long as it is open. Until enough has come back to close it there are never more probes than
    /// permitted, and however they end, by outcome or by being given up, the breaker lets somebody through again.
    #[test]
    fn breakers_keep_their_terms(gate in breaker(), steps in steps()) {
        let terms = terms(&gate);
        let mut stage = Stage::new(&[gate]);
        let (mut opened_at, mut era, mut outcomes, mut for_closing) = (None, 0, 0, 0);
        let mut looked = SimTime::ZERO;
        for step in steps {
            let (ended, answer) = stage.step(step);
            let (which, outcome) = match step {
                Step::Succeed(which) => (which, Some(GateOutcome::Success)),
                Step::Fail(which) => (which, Some(GateOutcome::Failure)),
                Step::Pass(_) | Step::Ask { .. } | Step::Abandon(_) => (0, None),
            };
            if let (Some(ended), Some(outcome)) = (ended, outcome) {
                let reply = reply(which, outcome);
                let ignored = terms.rules.ignored.as_ref().is_some_and(|ignored| ignored.contains(reply));
                let failed = terms.rules.failures.as_ref().map_or(outcome == GateOutcome::Failure, |own| own.contains(reply));
                if !ignored && (ended.era == era || terms.rules.stale == Stale::Apply) {
                    for_closing += usize::from(!(failed && terms.closes.1));
                }
                outcomes += usize::from(!ignored && ended.era == era);
            }
            if stage.chain.counts().breaker_opened > era {
                let at = if terms.ticks { looked } else { stage.now };
                (opened_at, era, outcomes, for_closing) = (Some(at), stage.chain.counts().breaker_opened, 0, 0);
            }
            if (ended.is_some() && outcome.is_some()) || answer.is_some() {
                looked = stage.now;
            }
            let Some(opened_at) = opened_at else { continue };
            let until = opened_at + terms.open_for[0];
            if stage.now < until || (stage.now == until && terms.rules.strictly_after) {
                prop_assert!(answer != Some(Admission::Admitted), "admitted while open");
            }
            let probes = outcomes + stage.open.iter().filter(|open| open.era == era).count();
            prop_assert!(for_closing >= terms.closes.0 || probes <= terms.probes, "{} probes", probes);
        }
        // Whatever was held ends without an outcome: nobody is locked out for ever.
        while stage.end(0, None).is_some() {}
        for _ in 0..1_000 {
            stage.now = stage.now + terms.open_for[1].max(Span::secs(3));
            // All probes at one instant: it may be half-open for no longer.
            for _ in 0..terms.probes {
                if stage.ask(false) == Admission::Admitted {
                    stage.end(0, Some(GateOutcome::Success));
                }
            }
        }
        prop_assert_eq!(stage.chain.counts().breakers_open, 0);
        prop_assert_eq!(stage.ask(false), Admission::Admitted, "wedged");
    }

    /// What retries, or failures, took of a budget is never more than what there was at first, came in, and was given back: to the billionth.
    /// Calls succeed or fail in turn, each with as many retries as it gets.
    #[test]
    fn budgets_are_exact(budget in worlds::budget(), calls in vec((0u32..5, any::<usize>(), any::<bool>()), 1..60)) {
        let price = |outcome: Outcome| {
            let mut special = budget.cost_for.clone();
            special.sort_by_key(|(class, _)| class.breadth());
            special.iter().find(|(class, _)| class.contains(outcome)).map_or(budget.cost, |(_, cost)| *cost).0
        };
        let gate = GateConfig::new(GateRule::TokenBudget(budget.clone()), Scope::Client);
        let mut chain = GateChain::new(&[gate], 1);
        let (mut taken, mut came_in) = (0, budget.initial.0);
        for (failures, which, succeeds) in calls {
            let mut permits = Permits::default();
            let (mut attempt, mut last) = (1, 0);
            chain.on_first_attempt(SimTime::ZERO, 0);
            came_in += u64::from(budget.deposit_on == DepositOn::FirstAttempt) * budget.deposit.0;
            let mut refused = false;
            for number in 0..failures {
                let outcome = reply(which.wrapping_add(number as usize), GateOutcome::Failure);
                let ended = Ended { reply: outcome, attempt, ..Ended::at_once(SimTime::ZERO, GateOutcome::Failure) };
                chain.on_outcome(0, &permits, ended);
                let ask = Ask { attempt: attempt + 1, ..Ask::retry(SimTime::ZERO, outcome) };
                let rng = &mut KeyedRng::new(1, Purpose::Gate, 0, 0);
                refused = chain.admit(Moment::Retry, ask, 0, &mut permits, rng) != Admission::Admitted;
                if refused {
                    break;
                }
                // A failure that is followed by a retry has paid in full.
                (taken, last, attempt) = (taken + price(outcome), price(outcome), attempt + 1);
            }
            if succeeds && !refused {
                chain.on_outcome(0, &permits, Ended { attempt, ..Ended::at_once(SimTime::ZERO, GateOutcome::Success) });
                chain.on_call_success(0, &permits, attempt);
                came_in += match budget.deposit_on {
                    DepositOn::Success => budget.deposit.0,
                    DepositOn::FirstTrySuccess if attempt == 1 => budget.deposit.0,
                    DepositOn::FirstTrySuccess | DepositOn::FirstAttempt => 0,
                };
                came_in += u64::from(budget.refund && attempt > 1) * last;
            }
            prop_assert!(taken <= came_in, "{} taken of {}", taken, came_in);
        }
    }

    /// Never more retries in flight than allowed; and none is refused while there are fewer.
    #[test]
    fn concurrency_binds(most in worlds::most_retries(), steps in steps()) {
        let rule = GateRule::Concurrency(ConcurrencyConfig { most, hold: Hold::Attempt });
        let mut stage = Stage::new(&[GateConfig::new(rule, Scope::Client)]);
        for step in steps {
            let before = stage.open.iter().filter(|open| open.retry).count();
            let retries = match most {
                MostRetries::Number(retries) => retries,
                MostRetries::Share { share, min } => ((stage.open.len() as f64 * share) as u32).max(min),
            };
            let (_, answer) = stage.step(step);
            if let (Step::Ask { retry }, Some(answer)) = (step, answer) {
                let free = !retry || before < retries as usize;
                prop_assert_eq!(answer == Admission::Admitted, free, "{} retries in flight", before);
            }
        }
    }

    /// A refusal charges nobody: gates that never saw the refused attempts give the same answers. But for the throttle, for which its own
    /// refusals count. And how long a breaker is open may be drawn by one who is refused: here everybody who may be that one draws the same.
    #[test]
    fn refused_attempts_leave_no_trace(gates in worlds::gates(), steps in steps()) {
        // A breaker whose time is over is half-open for whoever asks, even if there is no place in the pool then.
        let counts = |gate: &GateConfig| gate.rule.refusal() != Refusal::Throttle && !matches!(gate.rule, GateRule::Pool(_));
        let gates: Vec<GateConfig> = gates.into_iter().filter(counts).collect();
        let mut stage = Stage { same_draws: true, ..Stage::new(&gates) };
        let mut bare = stage.clone();
        for step in steps {
            let (_, answer) = stage.step(step);
            let Step::Ask { retry } = step else {
                bare.step(step);
                continue;
            };
            let mut asked = bare.clone();
            prop_assert_eq!(Some(asked.ask(retry)), answer);
            if answer == Some(Admission::Admitted) {
                bare = asked;
            }
        }
        // What was to happen at a tick shows when somebody asks.
        prop_assert_eq!(stage.ask(false), bare.ask(false));
        prop_assert_eq!(stage.chain.counts(), bare.chain.counts());
    }
}
