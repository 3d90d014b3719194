//! One operation, told attempt by attempt: what `simlab trace` prints. It reads like the account of an incident.

use crate::call::Verdict;
use crate::gate::{GateState, Refusal};
use crate::metrics::notes::{Note, Told, What, Why};
use crate::protocol::{Met, Outcome, TurnedAway};
use crate::retry::GiveUp;
use crate::units::{SimTime, Span};

/// What is said of one operation beside what it has done itself.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// The policy that it follows.
    pub policy: &'a str,
    /// The replication, from 1.
    pub replication: u32,
    /// What each place is called, by its number.
    pub places: &'a [String],
}

/// Two attempts at one place that both executed, and what came before the second.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// The number of the place.
    pub place: usize,
    /// The attempts.
    pub attempts: [u32; 2],
    /// They are of one call; else what made the first call was tried again, and made another.
    pub of_one_call: bool,
    /// When each executed.
    pub executed: [SimTime; 2],
    /// When the second was sent.
    pub sent: SimTime,
    /// What its client had seen of the call before, last.
    pub because: Option<What>,
    /// It was sent beside one that was open.
    pub hedge: bool,
    /// The client crashed between the two.
    pub crashed: bool,
    /// A worker of the durable queue tried the operation again between the two.
    pub tried_again: bool,
}

/// The first two attempts of an operation that executed at one place, in the order in which they were sent.
pub fn pair(told: &Told) -> Option<Pair> {
    // Where there was too much, if anywhere: a server that calls another has no effects of its own.
    let too_much = |place: usize| told.done.get(place).is_some_and(|done| done.effects > done.firsts);
    let is_asked = |place: usize| told.duplicates() == 0 || too_much(place);
    let executed: Vec<&Note> =
        told.notes.iter().filter(|note| note.what == What::Executed && is_asked(note.place)).collect();
    let (one, other) = executed.iter().enumerate().find_map(|(index, other)| {
        let one = executed[..index].iter().find(|one| one.place == other.place)?;
        Some((*one, *other))
    })?;
    let place = one.place;
    let sent_at = |executed: &Note| {
        let is_sent = |note: &Note| matches!(note.what, What::Sent { .. });
        told.notes
            .iter()
            .position(|note| (note.call, note.attempt) == (executed.call, executed.attempt) && is_sent(note))
    };
    let (first, second) = if sent_at(one)? <= sent_at(other)? { (one, other) } else { (other, one) };
    let before = sent_at(second)?;
    let sent = &told.notes[before];
    let seen = |note: &&Note| note.place == place && matches!(note.what, What::Reads(_) | What::TimedOut);
    Some(Pair {
        place,
        attempts: [first.attempt, second.attempt],
        of_one_call: first.call == second.call,
        executed: [first.at, second.at],
        sent: sent.at,
        because: told.notes[..before].iter().rev().find(seen).map(|note| note.what),
        hedge: matches!(sent.what, What::Sent { hedge: true, .. }),
        tried_again: told.notes[sent_at(first)?..before]
            .iter()
            .any(|note| matches!(note.what, What::TriedAgain { is_done: false, .. })),
        crashed: told.notes[sent_at(first)?..before].iter().any(|note| note.what == What::Crashes),
    })
}

/// The whole story of one operation.
pub fn story(why: Why, told: &Told, setting: Setting) -> String {
    let Setting { policy, replication, places } = setting;
    let why = match why {
        Why::Duplicate => "the first with an effect too many",
        Why::Phantom => "the first that failed although it was done",
        Why::LostUpdate => "the first that wrote over what another one had written",
        Why::HalfDone => "the first that was left half done",
        Why::Longest => "the one that took longest",
        Why::Asked => "as asked",
    };
    let mut text = format!(
        "Operation {} of client {} under `{policy}`, replication {replication}: {why}\n",
        told.number, told.client
    );
    text.push_str(&format!("It starts at {}; {}.\n\n", instant(told.start), ending(told)));
    for (at, line) in lines(told, places) {
        text.push_str(&format!("  {:>12}  {line}\n", after(told.start, at)));
    }
    text.push_str(&explanation(told, places));
    text
}

/// The same operation under two policies, in one order of time.
pub fn side_by_side(both: [(&Told, Setting); 2]) -> String {
    let [(told, Setting { replication, .. }), _] = both;
    let mut text = format!(
        "Operation {} of client {} under {}, replication {replication}\nIt starts at {}.\n",
        told.number,
        told.client,
        both.map(|(_, setting)| format!("`{}`", setting.policy)).join(" and "),
        instant(told.start)
    );
    let width = both.iter().map(|(_, setting)| setting.policy.chars().count()).max().unwrap_or(0);
    for (told, setting) in both {
        text.push_str(&format!("  {:width$}  {}\n", setting.policy, ending(told)));
    }
    text.push('\n');
    let mut all: Vec<(SimTime, &str, String)> = Vec::new();
    for (told, setting) in both {
        all.extend(lines(told, setting.places).into_iter().map(|(at, line)| (at, setting.policy, line)));
    }
    // What happens at one instant stays in its order.
    all.sort_by_key(|(at, ..)| *at);
    for (at, policy, line) in all {
        text.push_str(&format!("  {:>12}  {policy:width$}  {line}\n", after(told.start, at)));
    }
    for (told, setting) in both {
        let explained = explanation(told, setting.places);
        if !explained.is_empty() {
            text.push_str(&format!("\nUnder `{}`: {}", setting.policy, explained.trim_start()));
        }
    }
    text
}

/// What happened, in words.
fn lines(told: &Told, places: &[String]) -> Vec<(SimTime, String)> {
    let several = told.notes.iter().any(|note| note.place != told.notes[0].place);
    let line = |note: &Note| {
        let what = words(note)?;
        let has_place = several && !is_of_order(&note.what);
        let place = if has_place { format!("{}: ", name(places, note.place)) } else { String::new() };
        // What happens at the server stands further in.
        let indent = if is_at_server(&note.what) { "    " } else { "" };
        Some((note.at, format!("{indent}{place}{what}")))
    };
    told.notes.iter().filter_map(line).collect()
}

/// How an effect too many has come about.
fn explanation(told: &Told, places: &[String]) -> String {
    let mut text = String::new();
    if let Some(pair) = pair(told) {
        text.push_str(&format!("\n{}\n", explained(&pair, told, places)));
    } else if told.duplicates() > 0 {
        let other = told.before.map_or("another operation".to_owned(), |number| format!("operation {number}"));
        text.push_str(&format!(
            "\nIts own attempts executed once: {other}, about the same thing, had executed before.\n"
        ));
    }
    text
}

/// How it went, for its user and for the books.
pub fn ending(told: &Told) -> String {
    let times = |count: u64, what: &str| match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    };
    let was_queued = told.notes.iter().any(|note| note.what == What::HandedOver(true));
    let user = match (told.verdict, told.took()) {
        // Its user has gone by then.
        (Some(Verdict::Succeeded), Some(took)) if was_queued => format!("it is done after {}", short(took)),
        (None, _) if told.is_parked => "it is parked when the run ends".to_owned(),
        (Some(Verdict::Succeeded), Some(took)) => format!("its user reads success after {}", short(took)),
        (Some(Verdict::Failed(_)), Some(took)) => format!("its user reads failure after {}", short(took)),
        _ => "it is still open when the run ends".to_owned(),
    };
    let books = match (told.executions(), told.duplicates()) {
        (0, _) => "nothing was executed".to_owned(),
        (executions, 0) => format!("{}, no duplicate", times(executions, "execution")),
        (executions, duplicates) => {
            format!("{}, {}", times(executions, "execution"), times(duplicates, "duplicate effect"))
        }
    };
    let phantom = if told.is_phantom() { ": done, and reported as failed" } else { "" };
    let lost = match told.lost_updates {
        0 => String::new(),
        lost => format!(", {}", times(u64::from(lost), "lost update")),
    };
    let half = if told.is_half_done() { ": left half done" } else { "" };
    format!("{user}; {books}{lost}{phantom}{half}")
}

/// Why two attempts executed.
fn explained(pair: &Pair, told: &Told, places: &[String]) -> String {
    let [first, second] = pair.attempts;
    let at = if told.done.len() > 1 { format!(" at {}", name(places, pair.place)) } else { String::new() };
    let when = match pair.executed[0] <= pair.sent {
        true => format!("the effect of the first was {} old by then", short(pair.sent.since(pair.executed[0]))),
        false => {
            format!("the first was still at work then, and done {} later", short(pair.executed[0].since(pair.sent)))
        }
    };
    if !pair.of_one_call && pair.crashed {
        return format!(
            "Two calls{at} both executed: attempt {first} of the first, and attempt {second} of the second, which was made because the client had \
             crashed: {when}."
        );
    }
    if !pair.of_one_call && pair.tried_again {
        return format!(
            "Two calls{at} both executed: attempt {first} of the first, and attempt {second} of the second, which was made because a worker of the \
             durable queue tried the operation again: {when}."
        );
    }
    if !pair.of_one_call {
        return format!(
            "Two calls{at} both executed: attempt {first} of the first, and attempt {second} of the second, which was made because what had made \
             the first was tried again: {when}."
        );
    }
    let because = match pair.because {
        _ if pair.hedge => format!("was sent beside attempt {first}, as a hedge"),
        Some(What::TimedOut) => "was sent because the one before it timed out".to_owned(),
        Some(What::Reads(Outcome::Reset | Outcome::Refused)) => "was sent because the connection broke".to_owned(),
        Some(What::Reads(outcome)) => format!("was sent because the one before it was answered {outcome}"),
        _ => "was sent".to_owned(),
    };
    format!("Attempts {first} and {second} both executed{at}. Attempt {second} {because}: {when}.")
}

/// True if it is about the whole operation, wherever that is.
fn is_of_order(what: &What) -> bool {
    matches!(
        what,
        What::Crashes
            | What::Restarts { .. }
            | What::Journals(_)
            | What::Pauses(_)
            | What::HandedOver(_)
            | What::Queued(_)
            | What::Parked
            | What::Redriven
            | What::TriedAgain { .. }
    )
}

fn is_at_server(what: &What) -> bool {
    matches!(
        what,
        What::TurnedAway(..)
            | What::CutOff
            | What::TakenUp { .. }
            | What::FromStore(_)
            | What::Meets(_)
            | What::Executed
            | What::LosesUpdate
            | What::Ended
            | What::Answers(_)
            | What::Silence
    )
}

/// One note in words; `None` for what says nothing by itself.
pub fn words(note: &Note) -> Option<String> {
    let n = note.attempt;
    Some(match note.what {
        What::Sent { hedge: false, of: Some(of) } if of > 1 => format!("attempt {n} of {of} is sent"),
        What::Sent { hedge: false, .. } => format!("attempt {n} is sent"),
        What::Sent { hedge: true, .. } => format!("attempt {n} is sent beside it, as a hedge"),
        What::Keyed { key: None, .. } => return None,
        What::Keyed { key: Some(slot), .. } => format!("attempt {n} carries key #{slot}"),
        What::TurnedAway(outcome, why) => {
            format!("attempt {n} is turned away, {}: {}", turned_away(why), reply(outcome))
        }
        What::CutOff => format!("the server goes down under attempt {n}"),
        What::TakenUp { waited: Span::ZERO, .. } => format!("a worker takes attempt {n} up"),
        What::TakenUp { waited, .. } => format!("a worker takes attempt {n} up, which has waited {}", short(waited)),
        What::FromStore(Outcome::Status(200)) => {
            format!("the store knows the key of attempt {n}, and what was answered: 200")
        }
        What::FromStore(outcome) => format!("the store answers attempt {n}: {}", reply(outcome)),
        What::Meets(met) => return meets(n, met),
        What::Executed => format!("attempt {n} EXECUTES"),
        What::LosesUpdate => "and what others have written since it read is LOST".to_owned(),
        What::Ended => format!("the work of attempt {n} ends, without effect"),
        What::Answers(outcome) => format!("attempt {n} is answered: {}", reply(outcome)),
        What::Silence => format!("attempt {n} will never be answered"),
        What::Reads(outcome) => format!("the client reads {} for attempt {n}", reply(outcome)),
        What::TooLate(outcome) => format!("{} for attempt {n} arrives, and nobody waits for it", reply(outcome)),
        What::TimedOut => format!("the client has waited long enough for attempt {n}: time-out"),
        What::GivenUp => format!("attempt {n} is given up"),
        What::Refused(refusal, state) => format!("{} refuses{}", gate(refusal), stands(state)),
        What::Waits { again: false, until, .. } => {
            format!("the client waits {} for its turn", short(until.since(note.at)))
        }
        What::Waits { until, most, hinted, .. } => {
            let wait = until.since(note.at);
            let drawn = match most {
                _ if hinted => ", as the server asks,".to_owned(),
                Some(most) if most > wait => format!(", drawn up to {},", short(most)),
                _ => String::new(),
            };
            format!("the client waits {}{drawn} and tries again", short(wait))
        }
        What::Crashes => "the client CRASHES".to_owned(),
        What::Restarts { is_another: false, .. } => "the client is back, and goes on".to_owned(),
        What::Restarts { client, .. } => format!("client {client} takes over, and goes on"),
        What::Journals(true) => "the journal is written".to_owned(),
        What::Journals(false) => "the journal is written, and that is LOST".to_owned(),
        What::Pauses(until) => format!("the order waits {}, and goes on", short(until.since(note.at))),
        What::HandedOver(true) => "the operation goes to the durable queue".to_owned(),
        What::HandedOver(false) => "the operation is LOST on its way to the durable queue".to_owned(),
        What::Queued(until) if until > note.at => format!("it waits there for {}", short(until.since(note.at))),
        What::Queued(_) => "it is due at once".to_owned(),
        What::Parked => "it is PARKED in the dead-letter queue".to_owned(),
        What::Redriven => "it is put back from the dead-letter queue".to_owned(),
        What::TriedAgain { is_done: true, tries, .. } => {
            format!("a worker takes it for try {tries}, and finds the work done by another path")
        }
        What::TriedAgain { tries, again: true, .. } => {
            format!("a worker takes it for try {tries}, and another one has not given it up")
        }
        What::TriedAgain { tries, .. } => format!("a worker takes it for try {tries}"),
        What::CallOver(Verdict::Succeeded) => "the call has succeeded".to_owned(),
        What::CallOver(Verdict::Failed(why)) => format!("the call has failed: {}", give_up(why)),
    })
}

/// What an attempt meets at a server that works in stages.
fn meets(n: u32, met: Met) -> Option<String> {
    Some(match met {
        Met::Unknown => format!("the store knows nothing of the key of attempt {n}"),
        Met::Locked => format!("the key is locked for attempt {n}"),
        Met::Held => format!("another one holds the key of attempt {n}"),
        Met::StoreDown => format!("the store cannot be asked about attempt {n}"),
        Met::Stored => format!("the reply to attempt {n} is stored with its effect"),
        Met::WaitsForRow => format!("attempt {n} waits for the row: another one has it"),
        Met::HasRow => format!("attempt {n} has the row for itself"),
        Met::KeepsRow => format!("attempt {n} is done, and its transaction keeps the row"),
        Met::RowTimeout => format!("attempt {n} has waited long enough for the row"),
        Met::Reads(version) => format!("attempt {n} goes by version {version} of the row"),
        Met::RowDone => format!("attempt {n} finds it done already"),
        Met::RowChanged => format!("attempt {n} finds the row changed since it was read, and leaves it"),
        // Said otherwise.
        Met::Store | Met::Ended => return None,
    })
}

fn reply(outcome: Outcome) -> String {
    match outcome {
        Outcome::Status(status) => status.to_string(),
        Outcome::Reset => "a connection that breaks".to_owned(),
        Outcome::Refused => "no connection".to_owned(),
        other => other.to_string(),
    }
}

fn turned_away(why: TurnedAway) -> &'static str {
    match why {
        TurnedAway::Down => "the server is down",
        TurnedAway::Connection => "on its way",
        TurnedAway::InFront => "in front of the application",
        TurnedAway::Limited => "by the rate limit",
        TurnedAway::Full => "no place is free",
        TurnedAway::Waited => "after as long in the queue as it may",
    }
}

/// How a gate stands that refuses.
fn stands(state: GateState) -> String {
    match state {
        GateState::Unsaid => String::new(),
        GateState::OpenUntil(until) => format!(", open until {}", instant(until)),
        GateState::HalfOpen => ", half-open, and its probes are out".to_owned(),
        GateState::Tokens(has, needs) => format!(", with {has:.2} of {needs:.2} tokens"),
        GateState::TokenAt(at) => format!(", whose next token comes at {}", instant(at)),
    }
}

fn gate(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Breaker => "the circuit breaker",
        Refusal::Budget => "the retry budget",
        Refusal::Throttle => "the throttle",
        Refusal::Limiter => "the client's rate limiter",
        Refusal::Concurrency => "the limit on how many at once",
    }
}

fn give_up(why: GiveUp) -> &'static str {
    match why {
        GiveUp::NotRetryable => "this is not retried",
        GiveUp::AttemptsExhausted => "no attempts are left",
        GiveUp::Deadline => "its deadline",
        GiveUp::Gate(_) => "a gate",
        GiveUp::Crashed => "its client has crashed",
    }
}

fn name(places: &[String], place: usize) -> &str {
    places.get(place).map_or("", String::as_str)
}

/// An instant of the run, to the millisecond.
fn instant(at: SimTime) -> String {
    let seconds = at.0 / 1_000_000_000;
    format!("{}:{:02}.{:03}", seconds / 60, seconds % 60, at.0 / 1_000_000 % 1_000)
}

/// A length of time as people say it.
fn short(time: Span) -> String {
    match time.seconds() {
        seconds if seconds < 0.001 => format!("{:.0} us", seconds * 1e6),
        seconds if seconds < 1.0 => format!("{:.0} ms", seconds * 1e3),
        seconds if seconds < 120.0 => format!("{seconds:.2} s"),
        seconds if seconds < 7_200.0 => format!("{:.1} min", seconds / 60.0),
        seconds if seconds < 172_800.0 => format!("{:.1} h", seconds / 3_600.0),
        seconds => format!("{:.1} days", seconds / 86_400.0),
    }
}

/// So long after the start.
fn after(start: SimTime, at: SimTime) -> String {
    format!("+{:.3} s", at.since(start).seconds())
}
