//! The event queue: ordered by (time, class, order of scheduling), exactly.
//!
//! A ladder queue (Tang, Goh, Thng, "Ladder queue: an O(1) priority queue structure for large-scale discrete event simulation", ACM TOMACS
//! 15, 2005), made exact. Time ahead is divided into buckets, and the bucket that comes next into finer ones, until one holds so few
//! entries that they are sorted: the leaf, from which events are taken. So an event is appended two or three times, each time to a sequence, and
//! compared with a handful of others. A heap compares it with some at every level, each in another cache line.
//!
//! ```text
//! top     everything later                       ────────────────────────────▶
//! rung 0  ├───────┼───────┼───────┼───────┤      up to 1,024 buckets of 2^n ns
//! rung 1          ├─┼─┼─┼─┤                      the bucket of rung 0 that came up last
//! leaf              ├─┤                          the bucket of rung 1 that came up last, sorted
//! ```
//!
//! The order is exact since no entry overtakes one that was scheduled before it. A bucket is filled from the one above, in order, before anything
//! is scheduled into it directly, and sorting is stable.
//!
//! What is scheduled within the leaf is inserted there; if that is far from its end, into a small heap beside it. Where a crowd gathers (clients that
//! all retry within a microsecond), that heap would become the queue: so the rest of the leaf is divided once more.

mod chain;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::event::Event;
use crate::units::SimTime;
use chain::{Chain, Chunks};

/// Entries that a bucket should have when it comes up, about.
const FEW: u64 = 4;
/// Up to so many are sorted; more are divided, if their times differ.
const LEAF: usize = 64;
/// Most buckets of a rung: their ends lie in the second-level cache.
const BUCKETS: u64 = 1_024;
/// Up to so many entries are moved to insert one in the leaf.
const SHIFT: usize = 64;
/// With more than this beside the leaf, what is left is divided.
const CROWD: usize = 128;

/// Entries that are shown at a time before they come up, at least.
const AHEAD: usize = 64;
/// The leaf keeps as many entries that were taken, at least.
const FORGET: usize = 1_024;

/// What an event is about, for who looks ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// An attempt in flight.
    Job(u32),
    /// An operation on the books.
    Operation(u32),
    /// A client.
    Client(u32),
    /// Anything else.
    Another,
}

/// A pending event, packed.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    time: u64,
    /// Kind of the event (4 bits, of which 3 are its class), a number of 28 bits, and one of 32.
    what: u64,
}

/// Where in `what` the parts begin.
const MORE: u32 = 32;
const KIND: u32 = 60;
const CLASS: u32 = KIND + 1;
/// What the number of a timer's setting is counted modulo.
pub const SETTINGS: u32 = 1 << (KIND - MORE);
/// What the number of a client's operation is counted modulo: beyond, a client of a closed loop draws again what it drew before.
pub const TURNS: u32 = 1 << (KIND - MORE);

impl Entry {
    #[inline(always)]
    fn new(time: SimTime, event: Event) -> Entry {
        let (kind, id, more): (u64, u32, u32) = match event {
            Event::FaultEdge { fault } => (0, fault, 0),
            Event::ClientCrash { number } => (1, number, 0),
            Event::Completion { job } => (2, job, 0),
            Event::Reply { job } => (3, job, 0),
            Event::PatienceEnds { job } => (4, job, 0),
            Event::Request { job } => (6, job, 0),
            Event::Cancellation { job } => (7, job, 0),
            Event::WakeUp { row } => (8, row, 0),
            Event::TimeOut { row, setting } => (9, row, setting),
            Event::ThinkingOver { client, turn } => (10, client, turn),
            Event::NextOperation { repeat } => (11, repeat, 0),
            Event::GoOn { course, turn } => (12, course, turn),
            Event::Look { queue, turn } => (13, queue, turn),
        };
        Entry { time: time.0, what: kind << KIND | u64::from(more) << MORE | u64::from(id) }
    }

    /// Kinds are the events' own numbers, so that no table is needed here.
    #[inline(always)]
    fn event(self) -> Event {
        let (id, more) = (self.what as u32, (self.what >> MORE) as u32 % (1 << (KIND - MORE)));
        match self.what >> KIND {
            0 => Event::FaultEdge { fault: id },
            1 => Event::ClientCrash { number: id },
            2 => Event::Completion { job: id },
            3 => Event::Reply { job: id },
            4 => Event::PatienceEnds { job: id },
            6 => Event::Request { job: id },
            7 => Event::Cancellation { job: id },
            8 => Event::WakeUp { row: id },
            9 => Event::TimeOut { row: id, setting: more },
            10 => Event::ThinkingOver { client: id, turn: more },
            11 => Event::NextOperation { repeat: id },
            12 => Event::GoOn { course: id, turn: more },
            13 => Event::Look { queue: id, turn: more },
            _ => unreachable!("no such event was packed"),
        }
    }

    /// What the event is about; less to tell apart than all events.
    #[inline(always)]
    fn about(self) -> About {
        let id = self.what as u32;
        match self.what >> KIND {
            2 | 3 | 6 => About::Job(id),
            8 => About::Operation(id),
            10 => About::Client(id),
            _ => About::Another,
        }
    }

    /// True if it must come before `other`, even if it was scheduled later.
    #[inline(always)]
    fn before(&self, other: &Entry) -> bool {
        // Two of one instant are rare.
        self.time < other.time || (self.time == other.time && self.what >> CLASS < other.what >> CLASS)
    }

    /// Time and class as one number, compared without a branch.
    fn key(self) -> u128 {
        u128::from(self.time) << 64 | u128::from(self.what >> CLASS)
    }
}

/// An entry beside the leaf; entries are compared by key and order of scheduling.
#[derive(Clone, Copy, Debug)]
struct Beside {
    key: u128,
    order: u64,
    entry: Entry,
}

impl PartialEq for Beside {
    fn eq(&self, other: &Beside) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Beside {}

impl PartialOrd for Beside {
    fn partial_cmp(&self, other: &Beside) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Beside {
    fn cmp(&self, other: &Beside) -> std::cmp::Ordering {
        (self.key, self.order).cmp(&(other.key, other.order))
    }
}

/// A stretch of time in buckets of equal width.
#[derive(Debug, Default)]
struct Rung {
    start: u64,
    /// Its last instant.
    last: u64,
    /// A bucket is 2^width ns wide.
    width: u32,
    /// The first bucket that has not come up yet.
    next: usize,
    /// The first bucket that [`Queue::look_ahead`] has not shown yet.
    unseen: usize,
    buckets: Vec<Chain>,
}

impl Rung {
    /// Divides [`start`, `last`] for `count` entries.
    fn divide(&mut self, start: u64, last: u64, count: usize, chunks: &mut Chunks) {
        let wanted = (count as u64 / FEW).clamp(1, BUCKETS);
        let length = last - start;
        // The smallest width with which no more buckets are needed than wanted.
        self.width = (0..64).find(|width| length >> width < wanted).unwrap_or(63);
        (self.start, self.last, self.next, self.unseen) = (start, last, 0, 0);
        self.buckets.clear();
        self.buckets.extend((0..=length >> self.width).map(|_| chunks.chain()));
    }

    #[inline]
    fn bucket(&self, time: u64) -> usize {
        ((time - self.start) >> self.width) as usize
    }

    /// The last instant of a bucket.
    fn end(&self, bucket: usize) -> u64 {
        let offset = ((bucket as u64 + 1) << self.width).wrapping_sub(1);
        self.start.saturating_add(offset).min(self.last)
    }
}

/// Pending events.
#[derive(Debug)]
pub struct Queue {
    chunks: Chunks,
    /// What comes after every rung.
    top: Chain,
    /// Earliest and latest time in it.
    top_range: (u64, u64),
    /// The widest first; each covers the bucket that came up last in the one before it.
    rungs: Vec<Rung>,
    /// Rungs that are not in use.
    spare: Vec<Rung>,
    /// Sorted.
    leaf: Vec<Entry>,
    /// The first entry of it that was not taken yet.
    next: usize,
    /// What comes no later than this belongs into the leaf, or beside it.
    leaf_last: u64,
    beside: BinaryHeap<Reverse<Beside>>,
    besides: u64,
    len: usize,
    now: u64,
    /// All buckets that were shown have come up.
    news: bool,
}

impl Default for Queue {
    fn default() -> Queue {
        let mut chunks = Chunks::default();
        let top = chunks.chain();
        Queue {
            chunks,
            top,
            top_range: (u64::MAX, 0),
            rungs: Vec::new(),
            spare: Vec::new(),
            leaf: Vec::new(),
            next: 0,
            leaf_last: 0,
            beside: BinaryHeap::new(),
            besides: 0,
            len: 0,
            now: 0,
            news: false,
        }
    }
}

impl Queue {
    /// Bytes per pending event.
    pub const ENTRY_BYTES: usize = size_of::<Entry>();

    /// Schedules `event`, at the present instant or later.
    #[inline(always)]
    pub fn push(&mut self, time: SimTime, event: Event) {
        // Which event it is is known where this is called, so that packing it costs nothing there.
        let Entry { time, what } = Entry::new(time, event);
        self.schedule(time, what);
    }

    #[inline(never)]
    fn schedule(&mut self, time: u64, what: u64) {
        let entry = Entry { time, what };
        debug_assert!(entry.time >= self.now, "nothing is scheduled in the past");
        self.len += 1;
        if time <= self.leaf_last {
            return self.push_into_leaf(entry);
        }
        // Which rung covers the instant depends on a random number: counting those that do not reach so far leaves nothing to guess.
        let short = self.rungs.iter().map(|rung| usize::from(time > rung.last)).sum::<usize>();
        match self.rungs.len().checked_sub(short + 1).and_then(|rung| self.rungs.get_mut(rung)) {
            Some(rung) => {
                let bucket = rung.bucket(time);
                self.chunks.push(&mut rung.buckets[bucket], entry);
            }
            None => {
                self.top_range = (self.top_range.0.min(time), self.top_range.1.max(time));
                self.chunks.push(&mut self.top, entry);
            }
        }
    }

    /// The next event, and when it happens.
    #[inline(always)]
    pub fn pop(&mut self) -> Option<(SimTime, Event)> {
        if !self.beside.is_empty() {
            return self.pop_from_both();
        }
        if self.next == self.leaf.len() && !self.fill_leaf() {
            return None;
        }
        let entry = self.leaf[self.next];
        self.next += 1;
        Some(self.taken(entry))
    }

    #[inline(always)]
    fn taken(&mut self, entry: Entry) -> (SimTime, Event) {
        self.len -= 1;
        self.now = entry.time;
        (SimTime(entry.time), entry.event())
    }

    /// Pending events.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True if nothing is pending.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes taken.
    pub fn bytes(&self) -> usize {
        let buckets: usize = self.rungs.iter().chain(&self.spare).map(|rung| rung.buckets.capacity()).sum();
        self.chunks.bytes()
            + buckets * size_of::<Chain>()
            + self.leaf.capacity() * size_of::<Entry>()
            + self.beside.capacity() * size_of::<Beside>()
    }

    /// True if there is something that [`Queue::look_ahead`] would show.
    #[inline(always)]
    pub fn has_news(&self) -> bool {
        self.news
    }

    /// Nobody wants to look ahead for now.
    pub fn ignore_news(&mut self) {
        self.news = false;
        if let Some(rung) = self.rungs.last_mut() {
            rung.unseen = usize::MAX;
        }
    }

    /// Shows what is scheduled for the next few buckets, in no particular order, and each once: who knows what will happen can have at hand what
    /// it happens to. Nothing depends on it, and what is scheduled there later is not shown.
    #[inline(always)]
    pub fn look_ahead(&mut self, mut show: impl FnMut(About)) {
        self.news = false;
        let Some(rung) = self.rungs.last_mut() else { return };
        if rung.unseen == 0 {
            self.leaf[self.next..].iter().for_each(|entry| show(entry.about()));
        }
        let (mut until, mut shown) = (rung.next.max(rung.unseen), 0);
        while let Some(chain) = rung.buckets.get(until)
            && shown < AHEAD
        {
            self.chunks.of(chain).for_each(|entry| show(entry.about()));
            shown += chain.len();
            until += 1;
        }
        rung.unseen = until;
    }

    /// Takes out what `keep` is false for; the others stay in their order.
    pub fn retain(&mut self, keep: impl Fn(Event) -> bool) {
        let now = self.now;
        let mut kept = Vec::new();
        while let Some((time, event)) = self.pop() {
            if keep(event) {
                kept.push((time, event));
            }
        }
        *self = Queue::default();
        kept.into_iter().for_each(|(time, event)| self.push(time, event));
        self.now = now;
    }

    /// Inserts where it belongs in what is left of the leaf, after its equals; or beside it.
    #[inline(never)]
    fn push_into_leaf(&mut self, entry: Entry) {
        let key = entry.key();
        if self.beside.is_empty() {
            let left = &self.leaf[self.next..];
            // What is beside comes before equals that are appended: so nothing is appended while there is something.
            let from = left.len().saturating_sub(SHIFT);
            if left.get(from).is_none_or(|first| from == 0 || first.key() <= key) {
                let after = left[from..].iter().rev().take_while(|other| other.key() > key).count();
                self.forget_taken();
                self.leaf.insert(self.leaf.len() - after, entry);
                return;
            }
        }
        self.besides += 1;
        self.beside.push(Reverse(Beside { key, order: self.besides, entry }));
        if self.beside.len() > CROWD && self.leaf_last > self.now {
            self.divide_leaf();
        }
    }

    /// A leaf that is filled as fast as it is used must not grow for ever.
    fn forget_taken(&mut self) {
        if self.next > (self.leaf.len() - self.next).max(FORGET) {
            self.leaf.drain(..self.next);
            self.next = 0;
        }
    }

    /// The next event where some are beside the leaf: of equals, those in the leaf were scheduled first.
    #[inline(never)]
    fn pop_from_both(&mut self) -> Option<(SimTime, Event)> {
        let first = self.beside.peek().map(|Reverse(beside)| beside.key)?;
        let entry = match self.leaf.get(self.next) {
            Some(entry) if entry.key() <= first => {
                self.next += 1;
                *entry
            }
            _ => self.beside.pop()?.0.entry,
        };
        Some(self.taken(entry))
    }

    /// Too much is scheduled within the leaf: what is left of it becomes a rung.
    fn divide_leaf(&mut self) {
        let beside = std::mem::take(&mut self.beside).into_sorted_vec();
        let mut rung = self.spare.pop().unwrap_or_default();
        rung.divide(self.now, self.leaf_last, self.leaf.len() - self.next + beside.len(), &mut self.chunks);
        // Equals in the leaf come first.
        let beside = beside.iter().rev().map(|Reverse(beside)| beside.entry);
        for entry in self.leaf.drain(..).skip(self.next).chain(beside) {
            let bucket = rung.bucket(entry.time);
            self.chunks.push(&mut rung.buckets[bucket], entry);
        }
        self.next = 0;
        self.rungs.push(rung);
        self.fill_leaf();
    }

    /// The leaf is used up: the next bucket becomes the leaf. False if nothing is pending.
    #[inline(never)]
    fn fill_leaf(&mut self) -> bool {
        self.leaf.clear();
        self.next = 0;
        loop {
            let Some(rung) = self.rungs.last_mut() else {
                if self.top.len() == 0 {
                    return false;
                }
                self.begin_with_top();
                if self.leaf.is_empty() {
                    continue;
                }
                return true;
            };
            let bucket = rung.next;
            let Some(chain) = rung.buckets.get(bucket).copied() else {
                self.spare.extend(self.rungs.pop());
                continue;
            };
            rung.next += 1;
            if chain.len() == 0 {
                self.chunks.release(chain);
                continue;
            }
            self.news |= rung.next >= rung.unseen;
            let (start, last) = (rung.start + ((bucket as u64) << rung.width), rung.end(bucket));
            if self.settle(chain, start, last) {
                return true;
            }
        }
    }

    /// Everything pending is in the top: it becomes a rung, or at once the leaf.
    fn begin_with_top(&mut self) {
        let (chain, (earliest, latest)) = (self.top, self.top_range);
        self.top = self.chunks.chain();
        self.top_range = (u64::MAX, 0);
        self.settle(chain, earliest, latest);
    }

    /// Makes a leaf of all that is pending in [`start`, `last`], or a rung if it is too much; true if it is a leaf.
    fn settle(&mut self, chain: Chain, start: u64, last: u64) -> bool {
        if chain.len() <= LEAF || start == last {
            self.chunks.take(chain, &mut self.leaf);
            sort(&mut self.leaf, start, last);
            self.leaf_last = last;
            return true;
        }
        let mut rung = self.spare.pop().unwrap_or_default();
        rung.divide(start, last, chain.len(), &mut self.chunks);
        let (from, width) = (rung.start, rung.width);
        self.chunks.deal(chain, &mut rung.buckets, |entry| ((entry.time - from) >> width) as usize);
        self.rungs.push(rung);
        false
    }
}

/// Sorts entries from `start` to `last` by time and class; equals keep their order.
fn sort(entries: &mut [Entry], start: u64, last: u64) {
    let short = last - start < 1 << (31 - RANK_BELOW_TIME);
    match entries.len() {
        0 | 1 => {}
        2..=8 if short => rank::<8>(entries, start),
        9..=16 if short => rank::<16>(entries, start),
        ..=LEAF => insert(entries),
        _ => entries.sort_by_key(|entry| entry.key()),
    }
}

/// Bits of a rank's key below the time: class, and place among up to 16.
const RANK_BELOW_TIME: u32 = 3 + 4;

/// Counts for each entry how many come before it: more comparisons than necessary, but no branch that could be mispredicted, which
/// costs as much as twenty of them, and four of them are one instruction.
fn rank<const N: usize>(entries: &mut [Entry], start: u64) {
    // Places that are not used come last. No two keys are equal.
    let (mut keys, mut ranks, mut sorted) = ([i32::MAX; N], [0i32; N], [Entry::default(); N]);
    for (place, ((key, copy), entry)) in keys.iter_mut().zip(&mut sorted).zip(entries.iter()).enumerate() {
        let after = (entry.time - start) as i32;
        *key = after << RANK_BELOW_TIME | ((entry.what >> CLASS) as i32) << 4 | place as i32;
        *copy = *entry;
    }
    for one in keys {
        for (rank, other) in ranks.iter_mut().zip(keys) {
            *rank += i32::from(one < other);
        }
    }
    for (entry, rank) in sorted.iter().zip(ranks).take(entries.len()) {
        entries[rank as usize] = *entry;
    }
}

/// Inserts each entry where it belongs among those before it.
fn insert(entries: &mut [Entry]) {
    for end in 1..entries.len() {
        let entry = entries[end];
        let mut at = end;
        while at > 0 && entry.before(&entries[at - 1]) {
            entries[at] = entries[at - 1];
            at -= 1;
        }
        entries[at] = entry;
    }
}
