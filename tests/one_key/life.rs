//! The life of one key, told from the contract: sections 3.9 and 3.13. Each operation and each attempt has a list of what comes next for it; the first of all
//! these happens, and changes the lists.

use std::collections::{BTreeMap, VecDeque};

use simlab::protocol::Outcome;
use simlab::retry::OutcomeClass;
use simlab::scenario::Scripted;

use super::world::{Fate, Ns, World, Wrong};

mod server;
mod stages;
mod told;

const NEVER: Ns = Ns::MAX;

/// What happens to an operation or an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// A fault begins or ends.
    Edge(usize),
    /// The stage that a worker is in is over.
    StageOver,
    EffectDue,
    ReplyArrives(Outcome),
    RequestArrives,
    CancellationArrives,
    TimeOut,
    /// A wait before a retry is over.
    WaitOver,
    OperationStarts,
}

impl What {
    /// Its place among what happens at one instant.
    fn class(self) -> u8 {
        match self {
            What::Edge(_) => 0,
            What::StageOver | What::EffectDue | What::ReplyArrives(_) => 1,
            What::RequestArrives | What::CancellationArrives => 2,
            What::TimeOut | What::WaitOver => 3,
            What::OperationStarts => 4,
        }
    }

    /// A worker that stands still does not get there.
    fn is_of_workers(self) -> bool {
        matches!(self, What::StageOver | What::EffectDue)
    }
}

#[derive(Clone, Copy, Debug)]
struct Due {
    at: Ns,
    /// Who was put on a list first comes first.
    order: u64,
    who: Who,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    World,
    Operation(usize),
    Attempt(usize),
}

#[derive(Debug)]
struct Operation {
    start: Ns,
    attempts: u32,
    executions: u32,
    /// When it ended, and whether it succeeded.
    ended: Option<(Ns, bool)>,
    /// How much had happened when something last moved of it.
    moved: u64,
}

/// Where an attempt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// On its way, or not at the server any more.
    Away,
    /// Where the store is asked first.
    AtTheDoor,
    Queued,
    LookingUp,
    Locking,
    /// Another one has the key: it will ask again.
    Waiting,
    Working,
    Storing,
    Freeing,
}

#[derive(Debug)]
struct Attempt {
    operation: usize,
    /// What is not scripted is known when it arrives.
    fate: Option<Fate>,
    stage: Stage,
    came: Ns,
    /// Its client has neither heard of it nor given up.
    awaited: bool,
    /// The server knows that nobody waits.
    cancelled: bool,
    /// The store knows of it.
    keyed: bool,
    /// The store was asked first, and let it pass.
    admitted: bool,
    looked_up: Ns,
    /// When the lock that it took runs out.
    locked_until: Option<Ns>,
    effect_made: bool,
    stored: bool,
}

/// What the store knows of a key.
#[derive(Clone, Debug, Default)]
struct Record {
    reply: Option<Reply>,
    lock: Option<Held>,
    /// When the last reply was stored.
    stored_at: Option<Ns>,
    /// Who began to work last.
    /// Until when it would have known what it was made to forget.
    forgotten: Ns,
}

#[derive(Clone, Copy, Debug)]
struct Reply {
    status: u16,
    until: Ns,
    operation: usize,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    by: usize,
    until: Ns,
    operation: usize,
}

/// Accidents that came about.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    pub conflict: bool,
    /// An attempt got the lock while an earlier one whose lock ran out was still at work.
    pub expired_lock: bool,
    /// A crash between an effect and the storing of its reply.
    pub crash_in_the_window: bool,
    /// An attempt asked for what the store was made to forget.
    pub lost_entry: bool,
    /// A reply was stored between the look-up and the lock of another, which did the work again.
    pub stale_read: bool,
    pub replay: bool,
}

/// What became of a world.
#[derive(Debug)]
pub struct Told {
    /// By the names of metrics; what is not there is 0, or null.
    pub counts: BTreeMap<String, f64>,
    pub seen: Seen,
}

/// Lives through a world.
pub fn live(world: &World) -> Told {
    let mut life = Life::new(world);
    while let Some(due) = life.next() {
        life.happen(due);
    }
    life.told()
}

struct Life<'w> {
    world: &'w World,
    now: Ns,
    orders: u64,
    dues: Vec<Due>,
    operations: Vec<Operation>,
    attempts: Vec<Attempt>,
    /// One, or one for each operation.
    records: Vec<Record>,
    queue: VecDeque<usize>,
    frozen_since: Option<Ns>,
    /// Time spent at the server by all attempts, before demand is over.
    presence: Ns,
    outcomes: BTreeMap<String, u64>,
    seen: Seen,
    happened: u64,
}

impl<'w> Life<'w> {
    fn new(world: &'w World) -> Life<'w> {
        let times = world.again.map_or(0, |again| again.times);
        let mut life = Life {
            world,
            now: 0,
            orders: 0,
            dues: Vec::new(),
            operations: Vec::new(),
            attempts: Vec::new(),
            records: vec![Record::default(); 1 + times as usize],
            queue: VecDeque::new(),
            frozen_since: None,
            presence: 0,
            outcomes: BTreeMap::new(),
            seen: Seen::default(),
            happened: 0,
        };
        for (index, window) in world.windows.iter().enumerate() {
            life.plan(window.from, Who::World, What::Edge(index));
            life.plan(window.until, Who::World, What::Edge(index));
        }
        for repeat in 0..=times {
            let start = world.start + world.again.map_or(0, |again| Ns::from(repeat) * again.after);
            if start < world.duration {
                life.operations.push(Operation { start, attempts: 0, executions: 0, ended: None, moved: 0 });
                life.plan(start, Who::Operation(life.operations.len() - 1), What::OperationStarts);
            }
        }
        life
    }

    fn plan(&mut self, at: Ns, who: Who, what: What) {
        self.orders += 1;
        self.dues.push(Due { at, order: self.orders, who, what });
    }

    fn forget_plans(&mut self, whose: Who, which: impl Fn(What) -> bool) {
        self.dues.retain(|due| due.who != whose || !which(due.what));
    }

    fn next(&mut self) -> Option<Due> {
        let stands_still = self.frozen_since.is_some();
        let possible = self.dues.iter().enumerate().filter(|(_, due)| !(stands_still && due.what.is_of_workers()));
        let (place, due) = possible.min_by_key(|(_, due)| (due.at, due.what.class(), due.order))?;
        let due = *due;
        if due.at >= self.world.end() {
            return None;
        }
        self.dues.swap_remove(place);
        self.now = due.at;
        Some(due)
    }

    fn happen(&mut self, due: Due) {
        self.happened += 1;
        match due.who {
            Who::World => {}
            Who::Operation(operation) => self.operations[operation].moved = self.happened,
            Who::Attempt(attempt) => self.operations[self.attempts[attempt].operation].moved = self.happened,
        }
        match (due.who, due.what) {
            (_, What::Edge(window)) => self.edge(window),
            (Who::Operation(operation), _) => self.send(operation),
            (Who::Attempt(attempt), What::StageOver) => self.stage_over(attempt),
            (Who::Attempt(attempt), What::EffectDue) => self.effect(attempt),
            (Who::Attempt(attempt), What::ReplyArrives(outcome)) => self.hear(attempt, outcome),
            (Who::Attempt(attempt), What::RequestArrives) => self.arrive(attempt),
            (Who::Attempt(attempt), What::CancellationArrives) => self.cancel(attempt),
            (Who::Attempt(attempt), What::TimeOut) => self.time_out(attempt),
            other => unreachable!("{other:?}"),
        }
    }

    /// Each of these windows that the present instant lies in.
    fn wrong(&self) -> impl Iterator<Item = Wrong> {
        self.world.windows.iter().filter(|window| window.covers(self.now)).map(|window| window.what)
    }

    fn is(&self, wrong: Wrong) -> bool {
        self.wrong().any(|other| other == wrong)
    }

    /// When a leg that begins now is over.
    fn leg(&self) -> Ns {
        let added: Ns = self.wrong().map(|wrong| if let Wrong::Latency(more) = wrong { more } else { 0 }).sum();
        self.now + self.world.server.network + added
    }
}

/// The client.
impl Life<'_> {
    fn send(&mut self, operation: usize) {
        let (attempt, now) = (self.attempts.len(), self.now);
        let own = &mut self.operations[operation];
        own.attempts += 1;
        let scripted = self.world.server.script.get(own.attempts as usize - 1).copied();
        self.attempts.push(Attempt {
            operation,
            fate: scripted.map(of_script),
            stage: Stage::Away,
            came: NEVER,
            awaited: true,
            cancelled: false,
            keyed: true,
            admitted: false,
            looked_up: NEVER,
            locked_until: None,
            effect_made: false,
            stored: false,
        });
        let client = &self.world.client;
        let deadline = client.deadline.map(|deadline| self.operations[operation].start + deadline);
        let patience = client.timeout.map(|timeout| now + timeout);
        if let Some(at) = deadline.into_iter().chain(patience).min() {
            self.plan(at, Who::Attempt(attempt), What::TimeOut);
        }
        self.plan(self.leg(), Who::Attempt(attempt), What::RequestArrives);
    }

    fn hear(&mut self, attempt: usize, outcome: Outcome) {
        if std::mem::take(&mut self.attempts[attempt].awaited) {
            self.forget_plans(Who::Attempt(attempt), |what| what == What::TimeOut);
            self.ended(attempt, outcome);
        }
    }

    fn time_out(&mut self, attempt: usize) {
        self.attempts[attempt].awaited = false;
        if self.world.server.cancels {
            self.plan(self.leg(), Who::Attempt(attempt), What::CancellationArrives);
        }
        self.ended(attempt, Outcome::Timeout);
    }

    fn ended(&mut self, attempt: usize, outcome: Outcome) {
        *self.outcomes.entry(format!("outcome_{outcome}")).or_default() += 1;
        let client = &self.world.client;
        let index = self.attempts[attempt].operation;
        let operation = &mut self.operations[index];
        let deadline = client.deadline.map_or(NEVER, |deadline| operation.start + deadline);
        let next = self.now + client.backoff;
        let again = retried(&client.retry_on, outcome) && operation.attempts < client.attempts && next < deadline;
        if matches!(outcome, Outcome::Status(200)) {
            operation.ended = Some((self.now, true));
        } else if again {
            self.plan(next, Who::Operation(index), What::WaitOver);
        } else {
            operation.ended = Some((self.now, false));
        }
    }
}

fn of_script(scripted: Scripted) -> Fate {
    match scripted {
        Scripted::Ok => Fate::Fine,
        Scripted::Status(status) => Fate::Failure(status),
        Scripted::Refused => Fate::Refused,
        Scripted::LostRequest => Fate::LostRequest,
        Scripted::Reset => Fate::Reset,
        Scripted::Hang => Fate::Hang,
        Scripted::LostReply => Fate::LostReply,
        Scripted::LateReset => Fate::LateReset,
    }
}

fn retried(retry_on: &[OutcomeClass], outcome: Outcome) -> bool {
    retry_on.iter().any(|class| match (class, outcome) {
        (OutcomeClass::Any, _) => true,
        (OutcomeClass::Status(one), Outcome::Status(status)) => *one == status,
        (OutcomeClass::ClientErrors, Outcome::Status(status)) => status / 100 == 4,
        (OutcomeClass::ServerErrors, Outcome::Status(status)) => status / 100 == 5,
        (OutcomeClass::Timeout, Outcome::Timeout) => true,
        (OutcomeClass::Refused | OutcomeClass::Connection, Outcome::Refused) => true,
        (OutcomeClass::Reset | OutcomeClass::Connection, Outcome::Reset) => true,
        _ => false,
    })
}
