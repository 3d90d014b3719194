//! What can happen.

/// Which comes first at one instant (contract, "Time").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Class {
    /// Fault edges.
    Fault = 0,
    /// Completions at servers, and replies that reach their clients.
    Reply = 1,
    /// Attempts that have waited as long as they may: not if a worker becomes free at this instant; and their answer comes before
    /// a time-out that is due.
    Patience = 2,
    /// Requests that reach their servers: a worker or a place that becomes free at this instant is free for them. And cancellations: work that ends at
    /// this instant has ended.
    Request = 3,
    /// Time-outs and wake-ups of clients.
    Timer = 4,
    /// New operations.
    Arrival = 5,
    /// Operations that go on, and what durable queues give out.
    GoOn = 6,
}

/// Everything that can happen. The number of each is twice that of its class, or one more: the queue packs an event by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Event {
    /// A fault begins, ends, or flaps.
    FaultEdge {
        /// Its index.
        fault: u32,
    } = 0,
    /// A client crashes at random, one of all.
    ClientCrash {
        /// The so many-eth crash of the run.
        number: u32,
    } = 1,
    /// A worker is done.
    Completion {
        /// The attempt in flight.
        job: u32,
    } = 2,
    /// A reply reaches its client.
    Reply {
        /// The attempt in flight.
        job: u32,
    } = 3,
    /// An attempt has waited in a queue as long as it may.
    PatienceEnds {
        /// The attempt in flight.
        job: u32,
    } = 4,
    /// A request reaches its server.
    Request {
        /// The attempt in flight.
        job: u32,
    } = 6,
    /// A server hears that a client has stopped waiting for an attempt.
    Cancellation {
        /// The attempt in flight.
        job: u32,
    } = 7,
    /// A client's wait is over.
    WakeUp {
        /// Its operation.
        row: u32,
    } = 8,
    /// A client's time-out, unless it was cleared since.
    TimeOut {
        /// Its operation.
        row: u32,
        /// Which setting of its timer this is.
        setting: u32,
    } = 9,
    /// A client of a closed loop has done thinking.
    ThinkingOver {
        /// The client.
        client: u32,
        /// The number of its operation, from 0.
        turn: u32,
    } = 10,
    /// A course of an operation goes on that has waited: for its journal, for its time, or for its client.
    GoOn {
        /// The course.
        course: u32,
        /// Which of all waits it is.
        turn: u32,
    } = 12,
    /// There is something to do at a durable queue.
    Look {
        /// The queue.
        queue: u32,
        /// Which of all looks it is: only the last that was arranged is taken.
        turn: u32,
    } = 13,
    /// The next operation of an open-loop demand starts, or one is done again.
    NextOperation {
        /// Which repeat it is; [`DEMAND`] if it is none.
        repeat: u32,
    } = 11,
}

/// No repeat.
pub const DEMAND: u32 = u32::MAX;
