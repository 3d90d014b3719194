//! What holds for all gates of a policy together, driven directly: attempts that ask, end in any order, or are given up.

use proptest::collection::vec;
use proptest::prelude::*;
use simlab::gate::concurrency::ConcurrencyConfig;
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
}

impl Stage {
    fn new(gates: &[GateConfig]) -> Stage {
        Stage { chain: GateChain::new(gates, 1), now: SimTime::ZERO, open: Vec::new(), asked: 0 }
    }

    fn ask(&mut self, retry: bool) -> Admission {
        self.asked += 1;
        let ask = if retry { Ask::retry(self.now, Outcome::Timeout) } else { Ask::first(self.now) };
        let mut permits = Permits::default();
        let mut rng = KeyedRng::new(1, Purpose::Gate, self.asked, 0);
        let admission = self.chain.admit(Moment::Send, ask, 0, &mut permits, &mut rng);
        if admission == Admission::Admitted {
            let era = self.chain.counts().breaker_opened;
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
                let ended = Ended { took: self.now.since(open.sent), ..Ended::at_once(self.now, outcome) };
                self.chain.on_outcome(0, &open.permits, ended);
            }
            None => self.chain.on_abandon(0, &open.permits),
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

fn breaker() -> impl Strategy<Value = GateConfig> {
    let consecutive = (1u32..6, 1u64..8_000, 1u32..4)
        .prop_map(|(failures, open, probes)| worlds::breaker(failures, Span::millis(open), probes, Scope::Client));
    let rate = worlds::rate_breaker().prop_map(|config| GateConfig::new(GateRule::RateBreaker(config), Scope::Client));
    prop_oneof![consecutive, rate]
}

/// How long it stays open, and its probes.
fn terms(gate: &GateConfig) -> (Span, usize) {
    match &gate.rule {
        GateRule::ConsecutiveBreaker(config) => (config.open, config.probes as usize),
        GateRule::RateBreaker(config) => (config.open, config.probes as usize),
        other => panic!("no breaker: {other:?}"),
    }
}

proptest! {
    #![proptest_config(config(3_000))]

    /// An open breaker admits nothing for as long as it is open. Until as many probes have succeeded there are never more in flight, and
    /// however they end, by outcome or by being given up, the breaker lets somebody through again.
    #[test]
    fn breakers_keep_their_terms(gate in breaker(), steps in steps()) {
        let (open_for, probes) = terms(&gate);
        let mut stage = Stage::new(&[gate]);
        let (mut opened_at, mut era, mut succeeded) = (None, 0, 0);
        for step in steps {
            let (ended, answer) = stage.step(step);
            if let (Some(ended), Step::Succeed(_)) = (ended, step)
                && ended.era == era
            {
                succeeded += 1;
            }
            if stage.chain.counts().breaker_opened > era {
                (opened_at, era, succeeded) = (Some(stage.now), stage.chain.counts().breaker_opened, 0);
            }
            let Some(opened_at) = opened_at else { continue };
            if stage.now < opened_at + open_for {
                prop_assert!(answer != Some(Admission::Admitted), "admitted while open");
            }
            let since = stage.open.iter().filter(|open| open.era == era).count();
            prop_assert!(succeeded >= probes || since <= probes - succeeded, "{} probes in flight", since);
        }
        // Whatever was held ends without an outcome: nobody is locked out for ever.
        while stage.end(0, None).is_some() {}
        for _ in 0..1_000 {
            stage.now = stage.now + open_for;
            if stage.ask(false) == Admission::Admitted {
                stage.end(0, Some(GateOutcome::Success));
            }
        }
        prop_assert_eq!(stage.chain.counts().breakers_open, 0);
        prop_assert_eq!(stage.ask(false), Admission::Admitted, "wedged");
    }

    /// Never more retries in flight than allowed; and none is refused while there are fewer.
    #[test]
    fn concurrency_binds(retries in 1u32..4, steps in steps()) {
        let rule = GateRule::Concurrency(ConcurrencyConfig { retries });
        let mut stage = Stage::new(&[GateConfig::new(rule, Scope::Client)]);
        for step in steps {
            let before = stage.open.iter().filter(|open| open.retry).count();
            let (_, answer) = stage.step(step);
            if let (Step::Ask { retry }, Some(answer)) = (step, answer) {
                let free = !retry || before < retries as usize;
                prop_assert_eq!(answer == Admission::Admitted, free, "{} retries in flight", before);
            }
        }
    }

    /// A refusal charges nobody: gates that never saw the refused attempts give the same answers. But for the throttle, for which its own
    /// refusals count.
    #[test]
    fn refused_attempts_leave_no_trace(gates in worlds::gates(), steps in steps()) {
        let gates: Vec<GateConfig> = gates.into_iter().filter(|gate| gate.rule.refusal() != Refusal::Throttle).collect();
        let mut stage = Stage::new(&gates);
        let mut bare = Stage::new(&gates);
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
        prop_assert_eq!(stage.chain.counts().breaker_opened, bare.chain.counts().breaker_opened);
    }
}
