//! A breaker that opens after failures in a row (`breaker.consecutive`): the rule of sony/gobreaker 2.4.

use rand::Rng;

use super::{Circuit, CircuitRules, CircuitTerms, OpenTime, OpenTimes, SameTime, Standing};
use crate::entry::Entry;
use crate::gate::{Answer, Ask, Ended, Gate, GateState, Hears, Kept, Permit};
use crate::units::SimTime;
#[cfg(test)]
use crate::units::Span;

/// What is said of it.
pub const ENTRY: Entry = Entry {
    name: "breaker.consecutive",
    summary: "opens after failures in a row, asks again with probes",
    rule: "Closed: the failures-th failure in a row opens it. Open: refuses every attempt, for `open`. Half-open: admits `probes` attempts; \
           the first failure reopens, that many successes close (with `successes` that many of the probes, or it reopens). A failure is an \
           outcome in failures_are, by default retry_on; one in `ignore` is neither and not counted. `open` can be a backoff: then it is open for its \
           waits in turn, from opening to opening until it closes. Outcomes of attempts admitted in an earlier state do not count, unless \
           stale = \"apply\". With half_open_for it opens again when it has been half-open for so long. A refusal ends the call, unless on_refusal = \"retry\".",
    source: "Nygard, \"Release It!\" (2007); the rule of sony/gobreaker 2.4; Failsafe (successes of probes); Finagle's failure \
           accrual and Linkerd (`open` as a backoff).",
    example: "breaker.consecutive = { failures = 5, open = \"30s\", probes = 1, scope = \"client\" }",
};

/// `breaker.consecutive = { failures, open, edge, probes, successes, half_open_for, stale, failures_are, ignore }`.
#[derive(Clone, Debug, PartialEq)]
pub struct ConsecutiveBreakerConfig {
    /// Failures in a row that open it; at least 1.
    pub failures: u32,
    /// How long it stays open.
    pub open: OpenTime,
    /// Attempts admitted while half-open; at least 1.
    pub probes: u32,
    /// What breakers share. There is no threshold that could decide: a verdict by threshold is one by all probes.
    pub rules: CircuitRules,
}

impl ConsecutiveBreakerConfig {
    /// True if it needs [`GrowingTime`](super::GrowingTime).
    pub(in crate::gate) fn remembers(&self) -> bool {
        super::remembers(&self.open, &self.rules)
    }

    /// All of so many probes close it, and outcomes of earlier states do not count.
    pub fn new(failures: u32, open: impl Into<OpenTime>, probes: u32) -> ConsecutiveBreakerConfig {
        ConsecutiveBreakerConfig { failures, open: open.into(), probes, rules: CircuitRules::default() }
    }
}

/// What a breaker works with.
#[derive(Clone, Debug)]
pub struct ConsecutiveBreakerTerms {
    failures: u32,
    circuit: CircuitTerms,
}

/// One breaker. `O` is what it remembers about its open times.
#[derive(Clone, Debug)]
pub struct ConsecutiveBreaker<O = SameTime> {
    circuit: Circuit<O>,
    /// Closed: failures in a row.
    in_a_row: u32,
}

#[cfg(test)]
impl<O> ConsecutiveBreaker<O> {
    pub(super) fn circuit(&self) -> &Circuit<O> {
        &self.circuit
    }
}

impl<O: OpenTimes> Kept for ConsecutiveBreaker<O> {
    type Config = ConsecutiveBreakerConfig;
    type Terms = ConsecutiveBreakerTerms;

    fn terms(config: &ConsecutiveBreakerConfig) -> ConsecutiveBreakerTerms {
        let circuit = CircuitTerms::new(&config.open, config.probes, &config.rules);
        ConsecutiveBreakerTerms { failures: config.failures, circuit }
    }

    fn hears(_terms: &ConsecutiveBreakerTerms) -> Hears {
        Hears { ends: true, ..Hears::NOTHING }
    }

    fn new(_terms: &ConsecutiveBreakerTerms) -> ConsecutiveBreaker<O> {
        ConsecutiveBreaker { circuit: Circuit::default(), in_a_row: 0 }
    }
}

impl<O: OpenTimes> Gate for ConsecutiveBreaker<O> {
    const OF_REPLICAS: bool = true;

    #[inline(always)]
    fn pass_time(&mut self, now: SimTime, terms: &ConsecutiveBreakerTerms) {
        self.circuit.pass_time(now, &terms.circuit);
    }

    fn check(&mut self, ask: Ask, terms: &ConsecutiveBreakerTerms, rng: &mut dyn Rng) -> Answer {
        Answer::admit_if(self.circuit.check(ask.now, &terms.circuit, rng))
    }

    fn on_admit(&mut self, ask: Ask, terms: &ConsecutiveBreakerTerms) -> Permit {
        self.circuit.on_admit(ask.now, &terms.circuit)
    }

    fn on_outcome(&mut self, permit: Permit, ended: Ended, terms: &ConsecutiveBreakerTerms) {
        let Some(failed) = terms.circuit.failed(ended) else { return self.circuit.on_abandon(permit) };
        match self.circuit.standing(permit, terms.circuit.stale) {
            Standing::Stale => {}
            Standing::Regular if !failed => self.in_a_row = 0,
            Standing::Regular => {
                self.in_a_row += 1;
                if self.in_a_row >= terms.failures {
                    self.in_a_row = 0;
                    self.circuit.open(ended.now, &terms.circuit);
                }
            }
            Standing::Probe => {
                self.circuit.on_probe(ended.now, failed, &terms.circuit);
            }
        }
    }

    fn on_abandon(&mut self, permit: Permit, _attempt: u32) {
        self.circuit.on_abandon(permit);
    }

    fn state(&self, _ask: Ask, _terms: &ConsecutiveBreakerTerms) -> GateState {
        self.circuit.told()
    }

    fn is_open(&self) -> bool {
        self.circuit.is_open()
    }
}

#[cfg(test)]
mod tests {
    use super::super::GrowingTime;
    use super::super::script::play;
    use super::*;

    fn check(script: &str, admitted: &str) {
        let config = ConsecutiveBreakerConfig::new(3, Span::secs(10), 2);
        assert_eq!(play::<ConsecutiveBreaker>(&config, script), admitted, "{script}");
    }

    #[test]
    fn scripts() {
        check("ffsffss", "1111111");
        check("fffs", "1110");
        check("fff.........s.s", "11101");
        // Two probes, no third; their success closes.
        check("fff..........(((SS(((", "111110111");
        // A failed probe reopens for the whole time.
        check("fff..........f.........s.s", "111101");
        // A late failure admitted before the opening does not reopen a closed breaker.
        check("(fff..........ssFs", "1111111");
        // An abandoned probe gives its place back, twice over.
        check("fff..........(((AA((", "11111011");
        // The outcome of a probe of an earlier half-open state does not count.
        check("fff..........((F..........S((", "1111111");
        // Failures before the opening are forgotten when it closes.
        check("fff..........ssffsfffs", "111111111110");
    }

    /// So long after its first probe it opens again, without a verdict; whoever asks then begins anew when the open time is over too.
    #[test]
    fn half_open_for_a_time_at_most() {
        let check = |seconds: Option<u64>, script: &str, admitted: &str| {
            let rules = CircuitRules { half_open_for: seconds.map(Span::secs), ..CircuitRules::default() };
            let config = ConsecutiveBreakerConfig { rules, ..ConsecutiveBreakerConfig::new(1, Span::secs(2), 2) };
            let got = if seconds.is_some() {
                play::<ConsecutiveBreaker<GrowingTime>>(&config, script)
            } else {
                play::<ConsecutiveBreaker>(&config, script)
            };
            assert_eq!(got, admitted, "{seconds:?}: {script}");
        };
        // Half-open at 2 s with two probes that are never answered: open from 5 s to 7 s, and half-open again.
        check(None, "f..((.....(.(", "11100");
        check(Some(3), "f..((...(.(.(((", "11100110");
        // At that instant it is open, and a millisecond earlier half-open still, its last place free.
        check(Some(3), "f..(...(", "110");
        check(Some(3), "f..(..,,s", "111");
        // Outcomes of the first two do not count any more; two others close it.
        check(Some(3), "f..((....(.SSss(", "1110111");
        // A verdict in time ends it, and a closed breaker does not open by itself.
        check(Some(3), "f..ss.......s", "1111");
        check(Some(3), "f..f.......s", "111");
        // Nobody who asks, no probe: the time runs from the first.
        check(Some(3), "f.........((.SS(", "1111");
    }
}
