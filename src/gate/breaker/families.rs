//! The breakers that production ships, each with the vectors that its source gives.

use super::script::play;
use super::*;
use crate::gate::{Answer, Ask, Gate};
use crate::protocol::Outcome;
use crate::retry::OutcomeClass;
use crate::rng::{KeyedRng, Purpose};

/// A script, and what is answered to the last attempts that it asks for.
fn ends(breaker: &impl Fn(&str) -> String, script: &str, last: &str) {
    let got = breaker(script);
    assert!(got.ends_with(last), "{script}: {got}, expected {last} at the end");
}

fn rate(config: RateBreakerConfig) -> impl Fn(&str) -> String {
    move |script| play::<RateBreaker>(&config, script)
}

fn many(step: &str, count: usize) -> String {
    step.repeat(count)
}

/// resilience4j's CircuitBreaker with its defaults: the last 100 calls, half of them, 60 s, ten probes.
#[test]
fn resilience4j() {
    let breaker = rate(RateBreakerConfig {
        rules: CircuitRules {
            verdict: Verdict::Threshold,
            stale: Stale::Apply,
            strictly_after: true,
            ..CircuitRules::default()
        },
        slow: Some(SlowCalls { above: Span::secs(60), threshold: Some(1.0) }),
        ..RateBreakerConfig::new(0.5, RateWindow::Calls(100), 100, Span::secs(60), 10)
    });
    let check = |script: &str, last| ends(&breaker, script, last);
    // Not judged before there are 100.
    check(&(many("f", 99) + "("), "1");
    check(&(many("f", 100) + "("), "0");
    check(&(many("sf", 50) + "("), "0");
    check(&(many("f", 50) + &many("s", 50) + "("), "0");
    check(&(many("s", 50) + &many("f", 50) + "("), "0");
    check(&(many("s", 51) + &many("f", 49) + "("), "1");
    // Open since T: refused at T + 60.000 s, let through a millisecond later, and a nanosecond.
    let open = many("f", 100) + &many(".", 60);
    check(&(open.clone() + "s,s"), "01");
    check(&(open.clone() + "s's"), "01");
    let half_open = open + ",";
    // Ten probes and no eleventh; the last outcome decides.
    check(&(half_open.clone() + "((((((((((("), "11111111110");
    check(&(half_open.clone() + "ffffsssss("), "1");
    check(&(half_open.clone() + "ffffssssss(((((((((((("), "111111111111");
    check(&(half_open.clone() + "fffffsssss("), "0");
    check(&(half_open.clone() + "fffffffff(("), "10");
    // An outcome from before the opening is one of the ten, once somebody has asked.
    check(&(many("(", 10) + &half_open + "(FFFFFFFFFF("), "0");
    check(&(many("(", 10) + &half_open + "(SSSSSSFFFF((((((((((("), "11111111111");
    // And one that comes while it is open is nothing.
    check(&("(".to_owned() + &many("f", 100) + "S" + &many(".", 60) + ",fffffsssss("), "0");
    // Fewer calls than probes that are enough to judge are enough of probes.
    let hasty = rate(RateBreakerConfig {
        rules: CircuitRules { verdict: Verdict::Threshold, ..CircuitRules::default() },
        ..RateBreakerConfig::new(0.5, RateWindow::Calls(100), 5, Span::secs(60), 10)
    });
    ends(&hasty, &("fffff".to_owned() + &many(".", 60) + "sssff((((((((((("), "11111111111");
    ends(&hasty, &("fffff".to_owned() + &many(".", 60) + "ssfff("), "0");
}

/// Slow calls decide about probes as they do about calls: apart, or as failures.
#[test]
fn slow_probes() {
    for (threshold, script, last) in [
        (Some(0.5), "ffff..........wwss(", "0"),
        (Some(0.5), "ffff..........wsss(", "1"),
        (None, "ffff..........wwss(", "0"),
        (None, "ffff..........wsss(", "1"),
    ] {
        let breaker = rate(RateBreakerConfig {
            rules: CircuitRules { verdict: Verdict::Threshold, ..CircuitRules::default() },
            slow: Some(SlowCalls { above: Span::secs(2), threshold }),
            ..RateBreakerConfig::new(0.5, RateWindow::Calls(4), 4, Span::secs(10), 4)
        });
        ends(&breaker, script, last);
    }
}

/// Polly v8 with its defaults: a tenth of at least 100 calls in 30 s, looked at after failures only; 5 s, one probe.
#[test]
fn polly() {
    let breaker = rate(RateBreakerConfig {
        judge: Judge::Failure,
        rules: CircuitRules { verdict: Verdict::First, stale: Stale::Apply, ..CircuitRules::default() },
        ..RateBreakerConfig::new(0.1, RateWindow::time(Span::secs(30)), 100, Span::secs(5), 1)
    });
    let check = |script: &str, last| ends(&breaker, script, last);
    check(&(many("s", 90) + &many("f", 10) + "("), "0");
    // The hundredth is a success: nothing happens until the next failure.
    check(&(many("f", 10) + &many("s", 90) + "("), "1");
    check(&(many("f", 10) + &many("s", 90) + "f("), "10");
    check(&(many("f", 99) + "("), "1");
    // One probe, from the very instant; everybody else waits for its end.
    let open = many("f", 100);
    check(&(open.clone() + "....,s"), "0");
    check(&(open.clone() + ".....((S("), "101");
    check(&(open.clone() + ".....((F("), "100");
    // Success closes and clears the window.
    check(&(open.clone() + ".....s" + &many("f", 99) + "("), "1");
    // A success from before the opening closes too.
    check(&("(".to_owned() + &open + ".....((S("), "101");
    check(&("(".to_owned() + &open + ".....((F("), "100");
}

/// Hystrix with its defaults: half of at least 20 calls in 10 s, looked at every 500 ms; 5 s, one probe. That it counts whole per cents makes
/// no difference to a threshold of whole per cents.
#[test]
fn hystrix() {
    let breaker = rate(RateBreakerConfig {
        judge: Judge::Tick(Span::millis(500)),
        rules: CircuitRules {
            verdict: Verdict::First,
            stale: Stale::Apply,
            strictly_after: true,
            ..CircuitRules::default()
        },
        ..RateBreakerConfig::new(0.5, RateWindow::time(Span::secs(10)), 20, Span::secs(5), 1)
    });
    let check = |script: &str, last| ends(&breaker, script, last);
    let tenth = || many(",", 100);
    let half = tenth() + &many("sf", 10);
    // Open at the next tick, and not before.
    check(&(half.clone() + "(" + &many(",", 399) + "(,("), "110");
    check(&(tenth() + &many("f", 19) + &many(",", 400) + "("), "1");
    check(&(tenth() + &many("f", 9) + &many("s", 11) + &many(",", 400) + "("), "1");
    // What was wrong and is right again by then opens nothing.
    check(&(half.clone() + "s" + &many(",", 400) + "("), "1");
    // It has been open since the tick at 0.5 s, whoever looks first and when: until after 5.5 s.
    check(&(half.clone() + "....." + &many(",", 400) + "(,("), "01");
    check(&(half.clone() + "....." + &many(",", 400) + "'("), "1");
    check(&(half.clone() + "....." + &many(",", 401) + "s(("), "111");
    check(&(half.clone() + "....." + &many(",", 401) + "f("), "10");
    // Successes of the first second have left the window at 10 s, and what remains opens it at that tick.
    let old = tenth() + &many("s", 30) + "." + &many("f", 20);
    check(&(old.clone() + "........" + &many(",", 899) + "(,("), "10");
    check(&(old.clone() + "........." + &many(",", 900) + "...(.('("), "001");
    // After that nothing is left that could be judged.
    check(&(tenth() + &many("f", 19) + &many(".", 60) + &many("s", 3) + "("), "1");
}

/// sony/gobreaker 2.4 with its defaults: more than five failures in a row, 60 s, one probe; what is of an earlier state is dropped.
#[test]
fn gobreaker() {
    let config = ConsecutiveBreakerConfig {
        rules: CircuitRules { strictly_after: true, ..CircuitRules::default() },
        ..ConsecutiveBreakerConfig::new(6, Span::secs(60), 1)
    };
    let breaker = |script: &str| play::<ConsecutiveBreaker>(&config, script);
    let check = |script: &str, last| ends(&breaker, script, last);
    check("fffff(", "1");
    check("ffffff(", "0");
    check("fffffsfffff(", "1");
    let open = "ffffff".to_owned() + &many(".", 60);
    check(&(open.clone() + "s's(("), "0111");
    check(&(open.clone() + "'f("), "10");
    check(&("(".to_owned() + &open + "'((S("), "100");
    check(&("(".to_owned() + &open + "'s" + "Fs"), "11");
    // Polly, resilience4j and Hystrix would have counted it.
    let applies = ConsecutiveBreakerConfig {
        rules: CircuitRules { stale: Stale::Apply, ..CircuitRules::default() },
        ..ConsecutiveBreakerConfig::new(1, Span::secs(60), 1)
    };
    let breaker = |script: &str| play::<ConsecutiveBreaker>(&applies, script);
    ends(&breaker, &("(f".to_owned() + &many(".", 60) + "((S("), "101");
    ends(&breaker, &("(f".to_owned() + &many(".", 60) + "sF("), "10");
}

/// Failsafe: k failures of the last m, and k successes of m probes, decided as soon as it is certain.
#[test]
fn failsafe() {
    let breaker = |min_calls| {
        rate(RateBreakerConfig {
            threshold: Threshold::Count(3),
            rules: CircuitRules { verdict: Verdict::Successes(2), ..CircuitRules::default() },
            ..RateBreakerConfig::new(1.0, RateWindow::Calls(5), min_calls, Span::secs(10), 3)
        })
    };
    ends(&breaker(1), "fsfsf(", "0");
    ends(&breaker(1), "fsfssf(", "1");
    ends(&breaker(1), "fff(", "0");
    // Only a full window is judged.
    ends(&breaker(5), "ffff(", "1");
    ends(&breaker(5), "fffss(", "0");
    ends(&breaker(1), "fff..........fss((((", "1111111");
    ends(&breaker(1), "fff..........ss((((", "111111");
    ends(&breaker(1), "fff..........fsf(", "0");
    ends(&breaker(1), "fff..........ff(", "110");
    ends(&breaker(1), "fff..........(((A((", "11110");
    // So many in a window of time, whatever else there is.
    let in_time = rate(RateBreakerConfig {
        threshold: Threshold::Count(3),
        ..RateBreakerConfig::new(1.0, RateWindow::time(Span::secs(10)), 1, Span::secs(10), 1)
    });
    ends(&in_time, "ssssssf.f.sssf(", "0");
    ends(&in_time, "f.........ff(", "0");
    ends(&in_time, "f..........ff(", "1");
}

/// The slots of a window decide how much is forgotten at once.
#[test]
fn slots() {
    let of = |slots| rate(RateBreakerConfig::new(1.0, RateWindow::Time(Span::secs(10), slots), 4, Span::secs(10), 1));
    for (slots, script, last) in [
        // Ten of a second, one of ten seconds, two of five.
        (10, ".........f.fff(", "0"),
        (1, ".........f.fff(", "1"),
        (1, "f.........fff(", "0"),
        (2, "f.........fff(", "0"),
        (2, "f..........fff(", "1"),
        (2, "....f.....fff(", "0"),
        (2, "....f......fff(", "1"),
        (10, "....f......fff(", "0"),
        (100, "f..........fff(", "1"),
        (100, "f.........fff(", "0"),
        // Closing forgets all.
        (2, "ffff..........sfff(", "1"),
        (2, "ffff..........sffff(", "0"),
    ] {
        ends(&of(slots), script, last);
    }
}

/// A breaker can have failures of its own.
#[test]
fn failures_of_its_own() {
    fn opens<G: Gate>(config: &G::Config, reply: Outcome, outcome: GateOutcome) -> bool {
        let terms = G::terms(config);
        let mut breaker = G::new(&terms);
        let ask = Ask::first(SimTime::ZERO);
        let permit = breaker.on_admit(ask, &terms);
        breaker.on_outcome(permit, Ended { reply, ..Ended::at_once(SimTime::ZERO, outcome) }, &terms);
        breaker.check(ask, &terms, &mut KeyedRng::new(1, Purpose::Gate, 0, 0)) == Answer::Refuse
    }
    fn opens_with(rules: CircuitRules, reply: Outcome, outcome: GateOutcome) -> bool {
        let row =
            ConsecutiveBreakerConfig { rules: rules.clone(), ..ConsecutiveBreakerConfig::new(1, Span::secs(1), 1) };
        let rate =
            RateBreakerConfig { rules, ..RateBreakerConfig::new(1.0, RateWindow::Calls(1), 1, Span::secs(1), 1) };
        let [row, rate] =
            [opens::<ConsecutiveBreaker>(&row, reply, outcome), opens::<RateBreaker>(&rate, reply, outcome)];
        assert_eq!(row, rate, "{reply}");
        row
    }
    for (own, reply, outcome, expected) in [
        (false, Outcome::Timeout, GateOutcome::Failure, true),
        (false, Outcome::Status(429), GateOutcome::Failure, true),
        (false, Outcome::Status(400), GateOutcome::Success, false),
        (true, Outcome::Timeout, GateOutcome::Failure, true),
        (true, Outcome::Status(429), GateOutcome::Failure, false),
        (true, Outcome::Timeout, GateOutcome::Success, true),
        (true, Outcome::OK, GateOutcome::Success, false),
    ] {
        let failures = own.then(|| OutcomeSet::new(vec![OutcomeClass::Timeout]));
        let rules = CircuitRules { failures, ..CircuitRules::default() };
        assert_eq!(opens_with(rules, reply, outcome), expected, "{own} {reply}");
    }
    // What is ignored is no failure, whoever calls it one.
    let timeouts = Some(OutcomeSet::new(vec![OutcomeClass::Timeout]));
    for failures in [None, Some(OutcomeSet::new(vec![OutcomeClass::Any]))] {
        let rules = CircuitRules { failures, ignored: timeouts.clone(), ..CircuitRules::default() };
        assert!(!opens_with(rules.clone(), Outcome::Timeout, GateOutcome::Failure));
        assert!(opens_with(rules, Outcome::Status(503), GateOutcome::Failure));
    }
}

/// What a breaker ignores has not been: neither a success that ends a row or fills a window, nor a failure, nor a slow call, nor a verdict.
#[test]
fn what_is_ignored_is_not_counted() {
    // Attempts of scripts end with a 200 or a 503.
    let ignoring = |class| CircuitRules { ignored: Some(OutcomeSet::new(vec![class])), ..CircuitRules::default() };
    let rules = ignoring(OutcomeClass::Status(503));
    let row = ConsecutiveBreakerConfig { rules: rules.clone(), ..ConsecutiveBreakerConfig::new(1, Span::secs(1), 1) };
    assert_eq!(play::<ConsecutiveBreaker>(&row, "fff(F("), "11111");
    fn script<G: Gate>(config: &G::Config, script: &[(char, Option<Outcome>)]) -> String {
        let terms = G::terms(config);
        let (mut breaker, mut held) = (G::new(&terms), Vec::new());
        let (mut now, mut got) = (SimTime::ZERO, String::new());
        let rng = &mut KeyedRng::new(1, Purpose::Gate, 0, 0);
        for (step, reply) in script {
            match (step, reply) {
                ('.', _) => now = now + Span::secs(10),
                ('(', _) => {
                    let ask = Ask::first(now);
                    let admits = breaker.check(ask, &terms, rng) == Answer::Admit;
                    got.push(if admits { '1' } else { '0' });
                    if admits {
                        held.push(breaker.on_admit(ask, &terms));
                    }
                }
                (_, Some(reply)) => {
                    let outcome = if *reply == Outcome::OK { GateOutcome::Success } else { GateOutcome::Failure };
                    let ended = Ended { reply: *reply, took: Span::secs(9), ..Ended::at_once(now, outcome) };
                    breaker.on_outcome(held.remove(0), ended, &terms);
                }
                _ => unreachable!("an end has a reply"),
            }
        }
        got
    }
    let (ask, pass) = (('(', None), ('.', None));
    let [ok, bad, timeout] = [Outcome::OK, Outcome::Status(503), Outcome::Timeout].map(|reply| (')', Some(reply)));
    // The 503 does not end the row of time-outs, and a probe that ends with one lets another one pass.
    let steps = [
        &[ask, timeout, ask, bad, ask, timeout, ask][..],
        &[pass, ask, ask, bad, ask, ask, bad, ask, ok, ask, ask][..],
    ]
    .concat();
    let row = ConsecutiveBreakerConfig { rules: rules.clone(), ..ConsecutiveBreakerConfig::new(2, Span::secs(10), 1) };
    assert_eq!(script::<ConsecutiveBreaker>(&row, &steps), "1110".to_owned() + "10" + "10" + "1" + "11");
    let slow = Some(SlowCalls { above: Span::secs(10), threshold: Some(1.0) });
    for verdict in [Verdict::All, Verdict::First, Verdict::Threshold] {
        let rate = RateBreakerConfig {
            slow,
            rules: CircuitRules { verdict, ..rules.clone() },
            ..RateBreakerConfig::new(1.0, RateWindow::Calls(2), 2, Span::secs(10), 1)
        };
        assert_eq!(script::<RateBreaker>(&rate, &steps), "11101010111", "{verdict:?}");
    }
    // A slow one that is ignored is not slow.
    let slow = Some(SlowCalls { above: Span::secs(1), threshold: None });
    let rate =
        RateBreakerConfig { slow, rules, ..RateBreakerConfig::new(1.0, RateWindow::Calls(1), 1, Span::secs(10), 1) };
    assert_eq!(script::<RateBreaker>(&rate, &[ask, bad, ask, ok, ask]), "110");
    // Of an earlier state it is nothing, even where such outcomes apply: its place was not one of these probes.
    let rules = CircuitRules { stale: Stale::Apply, ..ignoring(OutcomeClass::Status(503)) };
    let row = ConsecutiveBreakerConfig { rules, ..ConsecutiveBreakerConfig::new(1, Span::secs(10), 1) };
    let steps = [ask, ask, timeout, ask];
    let late = [('(', None), ('(', None), (')', Some(Outcome::Timeout)), ('.', None), ('(', None), bad, ('(', None)];
    assert_eq!(script::<ConsecutiveBreaker>(&row, &steps), "110");
    assert_eq!(script::<ConsecutiveBreaker>(&row, &late), "1110");
}
