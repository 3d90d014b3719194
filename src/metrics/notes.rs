//! What happened to single operations, note by note: what `simlab trace` tells.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::{Done, Standing};
use crate::call::Verdict;
use crate::gate::{GateState, Refusal};
use crate::key::CallKey;
use crate::protocol::{Met, Outcome, TurnedAway};
use crate::units::{SimTime, Span};

/// One thing that happened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Note {
    /// When.
    pub at: SimTime,
    /// Whose draws its call uses: no two calls of an operation have the same.
    pub call: CallKey,
    /// The number of the place at which its call is made.
    pub place: usize,
    /// The attempt's number within its call, from 1; 0 for what is about the call.
    pub attempt: u32,
    /// What.
    pub what: What,
}

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum What {
    /// The attempt leaves its client.
    Sent {
        /// Beside one that is open.
        hedge: bool,
        /// Of so many, as far as its policy says.
        of: Option<u32>,
    },
    /// It is on its way, or in.
    Keyed {
        /// The slot of its key in the server's store; `None`: it has none that the server knows.
        key: Option<u32>,
        /// The replica that it is sent to, from 0.
        replica: u32,
    },
    /// It is turned away at the server's door, or from its queue, with this answer, for this reason.
    TurnedAway(Outcome, TurnedAway),
    /// The server goes down under it.
    CutOff,
    /// A worker takes it up, after this time in the queue, and will work until then.
    TakenUp {
        /// Time in the queue.
        waited: Span,
        /// When the work will end, as far as is known.
        until: SimTime,
    },
    /// It is answered without work, by what the store knows: a stored answer, a conflict, or that a key is missing.
    FromStore(Outcome),
    /// It meets something at a server that works in stages.
    Meets(Met),
    /// Its work is done: an execution.
    Executed,
    /// What it has written lies over what somebody else had written since it read.
    LosesUpdate,
    /// Its work has ended without effect.
    Ended,
    /// The server answers.
    Answers(Outcome),
    /// No answer will ever come.
    Silence,
    /// The client reads the answer.
    Reads(Outcome),
    /// An answer comes when nobody waits for it any more.
    TooLate(Outcome),
    /// The client has waited as long as it does for one attempt.
    TimedOut,
    /// The client gives it up, because the call is over.
    GivenUp,
    /// A gate refuses, and this is how it stands.
    Refused(Refusal, GateState),
    /// The client waits: before it tries again, or for its turn to try at all.
    Waits {
        /// It has tried before.
        again: bool,
        /// Until then.
        until: SimTime,
        /// The longest wait that it may have drawn, as far as its policy says.
        most: Option<Span>,
        /// The server has asked for it.
        hinted: bool,
    },
    /// The call ends: with success, or not.
    CallOver(Verdict),
    /// The client crashes.
    Crashes,
    /// Work on the operation is taken up again after a crash, by its own client or by another one.
    Restarts {
        /// By which.
        client: u32,
        /// It is another one.
        is_another: bool,
    },
    /// Something was written to the operation's journal; `false`: and is lost.
    Journals(bool),
    /// The operation waits until then, and goes on.
    Pauses(SimTime),
    /// It is put into its durable queue; `false`: and is lost on the way.
    HandedOver(bool),
    /// It waits there until then.
    Queued(SimTime),
    /// It has been tried too often, or for too long: it is parked in the dead-letter queue.
    Parked,
    /// It was parked, and is put back.
    Redriven,
    /// A worker of the queue takes it.
    TriedAgain {
        /// The so many-eth try, the one in its process included.
        tries: u32,
        /// Another worker has it too, or had it for too long.
        again: bool,
        /// It finds the work done by another path.
        is_done: bool,
    },
}

/// An operation, told from its start until nothing of it moves.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// Whose draws it uses: the same under every policy that meets the same demand.
    pub key: CallKey,
    /// Its number among the operations of the run, from 0, in the order in which they start.
    pub number: u64,
    /// Whose it is.
    pub client: u32,
    /// When it starts.
    pub start: SimTime,
    /// When it is over for its user; `None`: it was not when the run ended.
    pub end: Option<SimTime>,
    /// How it ended.
    pub verdict: Option<Verdict>,
    /// Attempts that ended.
    pub attempts: u32,
    /// Writes over what others had written since it had read.
    pub lost_updates: u32,
    /// What is in force of what it was to do.
    pub standing: Standing,
    /// It is in a dead-letter queue when the run ends.
    pub is_parked: bool,
    /// The last operation about the same thing, of those off the books before it, that executed anything, by its number.
    pub before: Option<u64>,
    /// What it has done, by place.
    pub done: Vec<Done>,
    /// What happened, in order.
    pub notes: Vec<Note>,
}

impl Told {
    /// Executions at all places.
    pub fn executions(&self) -> u64 {
        self.done.iter().map(|done| u64::from(done.executions)).sum()
    }

    /// Effects beyond those that are wanted.
    pub fn duplicates(&self) -> u64 {
        self.done.iter().map(|done| u64::from(done.effects - done.firsts)).sum()
    }

    /// True if it failed for its user, and has done all that it was to do.
    pub fn is_phantom(&self) -> bool {
        matches!(self.verdict, Some(Verdict::Failed(_))) && self.standing == Standing::All
    }

    /// True if it is over, and was left half done.
    pub fn is_half_done(&self) -> bool {
        (self.verdict.is_some() || self.is_parked) && self.standing == Standing::Partly
    }

    /// True if its user got what was wanted, once.
    pub fn is_right(&self) -> bool {
        self.verdict == Some(Verdict::Succeeded)
            && self.duplicates() == 0
            && self.lost_updates == 0
            && !self.is_half_done()
    }

    /// True if it is right, and has whatever effect `other` had, which is the same one under another setting.
    pub fn is_right_as(&self, other: &Told) -> bool {
        let has = |told: &Told, place: usize| told.done.get(place).is_some_and(|done| done.effects > 0);
        self.is_right() && (0..other.done.len()).all(|place| !has(other, place) || has(self, place))
    }

    /// How long it took its user; `None`: without end.
    pub fn took(&self) -> Option<Span> {
        self.end.map(|end| end.since(self.start))
    }
}

/// Which operations are told.
#[derive(Clone, Debug, PartialEq)]
pub enum Wanted {
    /// The first with a duplicate, the first phantom success, the first lost update, the first left half done, and the one that took longest.
    Telling,
    /// That with this number.
    Number(u64),
    /// That whose draws are these.
    Key(CallKey),
    /// The first of which this holds.
    Where(Condition),
    /// The first of those that are not over for their users at this instant.
    At(SimTime),
    /// So many that went most wrong: duplicates before phantoms before lost updates before failures, more attempts before fewer.
    Worst(usize),
    /// All that satisfy this.
    All,
}

/// What must hold of an operation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Condition {
    /// What is compared.
    pub of: Count,
    /// How.
    pub comparison: std::cmp::Ordering,
    /// True if it may be equal too.
    pub or_equal: bool,
    /// With what.
    pub number: f64,
}

/// What there is a number of in an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Attempts.
    Attempts,
    /// Executions.
    Executions,
    /// Effects too many.
    Duplicates,
    /// Phantom successes: 1 or 0.
    Phantoms,
    /// Lost updates.
    LostUpdates,
    /// Left half done: 1 or 0.
    HalfDone,
    /// Seconds that it took its user.
    Seconds,
}

impl Count {
    /// All, by name.
    pub const NAMED: [(&str, Count); 7] = [
        ("attempts", Count::Attempts),
        ("executions", Count::Executions),
        ("duplicates", Count::Duplicates),
        ("phantom_successes", Count::Phantoms),
        ("lost_updates", Count::LostUpdates),
        ("half_done", Count::HalfDone),
        ("seconds", Count::Seconds),
    ];
}

impl Condition {
    /// Reads `duplicates > 0`: a count, one of `>`, `>=`, `<`, `<=`, `=`, and a number.
    pub fn parse(text: &str) -> Option<Condition> {
        use std::cmp::Ordering::{Equal, Greater, Less};
        let signs =
            [(">=", Greater, true), ("<=", Less, true), (">", Greater, false), ("<", Less, false), ("=", Equal, true)];
        let (sign, comparison, or_equal) = signs.into_iter().find(|(sign, ..)| text.contains(sign))?;
        let (name, number) = text.split_once(sign)?;
        let (_, of) = Count::NAMED.into_iter().find(|(own, _)| *own == name.trim())?;
        let number = number.trim().parse().ok().filter(|number: &f64| number.is_finite())?;
        Some(Condition { of, comparison, or_equal, number })
    }

    /// True if it holds of an operation.
    pub fn holds(&self, told: &Told) -> bool {
        let value = match self.of {
            Count::Attempts => f64::from(told.attempts),
            Count::Executions => told.executions() as f64,
            Count::Duplicates => told.duplicates() as f64,
            Count::Phantoms => f64::from(u8::from(told.is_phantom())),
            Count::LostUpdates => f64::from(told.lost_updates),
            Count::HalfDone => f64::from(u8::from(told.is_half_done())),
            Count::Seconds => told.took().map_or(f64::INFINITY, Span::seconds),
        };
        let is = value.total_cmp(&self.number);
        is == self.comparison || self.or_equal && is.is_eq()
    }
}

/// Why an operation is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// The first with an effect too many.
    Duplicate,
    /// The first that failed although it was done.
    Phantom,
    /// The first that wrote over what another one had written.
    LostUpdate,
    /// The first that was left half done.
    HalfDone,
    /// That which took longest.
    Longest,
    /// It was asked for.
    Asked,
}

/// Notes of all operations on the books, and those that are kept.
#[derive(Debug)]
pub struct Notes {
    wanted: Wanted,
    /// By the operation's place on the books.
    open: Vec<(u64, Vec<Note>)>,
    started: u64,
    /// Notes of operations on the books, and of all that are kept where all are.
    held: usize,
    kept: Vec<(Why, Told)>,
    /// By thing: the last operation off the books that executed anything about it.
    executed: BTreeMap<u32, u64>,
    /// What the places are called.
    places: Vec<String>,
}

/// What is told of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Account {
    /// Operations, and why each is told.
    pub told: Vec<(Why, Told)>,
    /// What the places are called at which they make their calls.
    pub places: Vec<String>,
}

impl Notes {
    /// Nothing yet, of calls at these places.
    pub fn new(wanted: Wanted, places: Vec<String>) -> Notes {
        let (open, kept, executed) = (Vec::new(), Vec::new(), BTreeMap::new());
        Notes { wanted, open, started: 0, held: 0, kept, executed, places }
    }

    /// An operation starts.
    pub fn start(&mut self, order: u32) {
        let order = order as usize;
        if self.open.len() <= order {
            self.open.resize_with(order + 1, Default::default);
        }
        self.open[order].0 = self.started;
        self.open[order].1.clear();
        self.started += 1;
    }

    /// Something happens to one.
    pub fn note(&mut self, order: u32, note: Note) {
        let notes = &mut self.open[order as usize].1;
        // A worker takes an attempt up before it meets anything there, at the same instant.
        let is_before = |other: &Note| {
            matches!(other.what, What::Meets(_))
                && (other.at, other.call, other.attempt) == (note.at, note.call, note.attempt)
        };
        let after = match note.what {
            What::TakenUp { .. } => notes.iter().rev().take_while(|other| is_before(other)).count(),
            _ => 0,
        };
        notes.insert(notes.len() - after, note);
        self.held += 1;
    }

    /// An operation goes off the books: is it kept?
    pub fn close(&mut self, order: u32, told: impl FnOnce(u64, Vec<Note>) -> Told) {
        let (number, notes) = &mut self.open[order as usize];
        if self.wanted != Wanted::All {
            self.held -= notes.len();
        }
        let told = told(*number, std::mem::take(notes));
        match &self.wanted {
            Wanted::Telling => {
                let has = |kept: &[(Why, Told)], why| kept.iter().any(|(other, _)| *other == why);
                // The first by its start, not by its end.
                let earlier = |kept: &[(Why, Told)], why| {
                    kept.iter().all(|(other, first)| *other != why || told.number < first.number)
                };
                let longest = |told: &Told| (told.took().unwrap_or(Span::MAX), Reverse(told.number));
                for (why, is) in [
                    (Why::Duplicate, told.duplicates() > 0 && earlier(&self.kept, Why::Duplicate)),
                    (Why::Phantom, told.is_phantom() && earlier(&self.kept, Why::Phantom)),
                    (Why::LostUpdate, told.lost_updates > 0 && earlier(&self.kept, Why::LostUpdate)),
                    (Why::HalfDone, told.is_half_done() && earlier(&self.kept, Why::HalfDone)),
                    (
                        Why::Longest,
                        !has(&self.kept, Why::Longest)
                            || self.kept.iter().any(|(w, kept)| *w == Why::Longest && longest(&told) > longest(kept)),
                    ),
                ] {
                    if is {
                        self.kept.retain(|(other, _)| *other != why);
                        self.kept.push((why, told.clone()));
                    }
                }
            }
            Wanted::Number(number) if told.number == *number => self.kept.push((Why::Asked, told)),
            Wanted::Key(key) if told.key == *key => self.kept.push((Why::Asked, told)),
            Wanted::At(at) if told.start <= *at && told.end.is_none_or(|end| end > *at) => {
                if self.kept.first().is_none_or(|(_, first)| told.number < first.number) {
                    self.kept = vec![(Why::Asked, told)];
                }
            }
            Wanted::Where(condition) if condition.holds(&told) => {
                if self.kept.first().is_none_or(|(_, first)| told.number < first.number) {
                    self.kept = vec![(Why::Asked, told)];
                }
            }
            Wanted::All => self.kept.push((Why::Asked, told)),
            Wanted::Worst(most) => {
                let most = *most;
                self.kept.push((Why::Asked, told));
                self.kept.sort_by_key(|(_, told)| Reverse(wrong(told)));
                self.kept.truncate(most);
            }
            Wanted::Number(_) | Wanted::Key(_) | Wanted::Where(_) | Wanted::At(_) => {}
        }
    }

    /// An operation about a thing goes off the books: who executed anything about it before? It has, or has not.
    pub fn executed(&mut self, order: u32, thing: u32, has: bool) -> Option<u64> {
        let number = self.open[order as usize].0;
        let before = self.executed.get(&thing).copied();
        if has {
            self.executed.insert(thing, number);
        }
        before
    }

    /// A thing is over, and another one may have its number.
    pub fn forget(&mut self, thing: u32) {
        self.executed.remove(&thing);
    }

    /// Bytes of what is noted, but for the few operations that are kept.
    pub fn bytes(&self) -> usize {
        // A list has room for twice as many at most.
        2 * (self.held * size_of::<Note>() + self.executed.len() * size_of::<(u32, u64)>())
    }

    /// Those that are kept: each once, with the first reason, in the order of their reasons.
    pub fn kept(mut self) -> Account {
        if self.wanted == Wanted::Telling {
            self.kept.sort_by_key(|(why, _)| *why);
            let mut seen = Vec::new();
            self.kept.retain(|(_, told)| {
                let is_new = !seen.contains(&told.number);
                seen.push(told.number);
                is_new
            });
        }
        Account { told: self.kept, places: self.places }
    }
}

/// How wrong an operation went: the larger, the more.
fn wrong(told: &Told) -> (u64, bool, u32, bool, bool, u32, Reverse<u64>) {
    let failed = told.verdict != Some(Verdict::Succeeded);
    let (phantom, half_done) = (told.is_phantom(), told.is_half_done());
    (told.duplicates(), phantom, told.lost_updates, half_done, failed, told.attempts, Reverse(told.number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retry::GiveUp;

    /// Operations by (effects, of these wanted, succeeded, seconds), and those that are told, by number.
    fn check(wanted: Wanted, operations: &[(u32, u32, bool, u64)], expected: &[(Why, u64)]) {
        // Whoever goes off the books first.
        check_in(wanted.clone(), operations, (0..operations.len()).collect(), expected);
        check_in(wanted, operations, (0..operations.len()).rev().collect(), expected);
    }

    fn check_in(wanted: Wanted, operations: &[(u32, u32, bool, u64)], closed: Vec<usize>, expected: &[(Why, u64)]) {
        let mut notes = Notes::new(wanted, Vec::new());
        (0..operations.len() as u32).for_each(|order| notes.start(order));
        for order in closed {
            let (effects, firsts, succeeded, seconds) = operations[order];
            notes.close(order as u32, |number, notes| Told {
                key: CallKey::operation(number),
                number,
                client: 0,
                start: SimTime::ZERO,
                end: Some(SimTime::ZERO + Span::secs(seconds)),
                verdict: Some(if succeeded { Verdict::Succeeded } else { Verdict::Failed(GiveUp::Deadline) }),
                attempts: 1,
                lost_updates: 0,
                standing: if effects > 0 { Standing::All } else { Standing::Nothing },
                is_parked: false,
                before: None,
                done: vec![Done { executions: effects, effects, firsts }],
                notes,
            });
        }
        let kept: Vec<(Why, u64)> = notes.kept().told.iter().map(|(why, told)| (*why, told.number)).collect();
        assert_eq!(kept, expected);
    }

    #[test]
    fn the_most_telling() {
        let right = (1, 1, true, 1);
        let twice = (2, 1, true, 2);
        let phantom = (1, 1, false, 3);
        let slow = (1, 1, true, 9);
        use Why::{Asked, Duplicate, Longest, Phantom};
        check(Wanted::Telling, &[], &[]);
        check(Wanted::Telling, &[right, right], &[(Longest, 0)]);
        check(
            Wanted::Telling,
            &[right, twice, phantom, twice, slow, phantom, right],
            &[(Duplicate, 1), (Phantom, 2), (Longest, 4)],
        );
        // One that is two of these is told once.
        check(Wanted::Telling, &[right, (2, 1, false, 20), slow], &[(Duplicate, 1)]);
        check(Wanted::Number(2), &[right, twice, phantom], &[(Asked, 2)]);
        check(Wanted::Worst(2), &[right, phantom, twice, (3, 1, true, 1)], &[(Asked, 3), (Asked, 2)]);
        let asked = Condition::parse("duplicates >= 1").expect("a condition");
        check(Wanted::Where(asked), &[right, twice, twice], &[(Asked, 1)]);
        check(Wanted::All, &[right], &[(Asked, 0)]);
    }

    #[test]
    fn conditions() {
        for wrong in ["", "duplicates", "duplicates > many", "luck > 0", "> 0", "seconds > inf"] {
            assert_eq!(Condition::parse(wrong), None, "{wrong}");
        }
        let parsed = Condition::parse(" seconds<=1.5 ").expect("a condition");
        assert_eq!((parsed.of, parsed.number, parsed.or_equal), (Count::Seconds, 1.5, true));
    }
}
