//! Random worlds, each made from its number, so that one that disagrees can be made again. Lengths are odd numbers of nanoseconds: nothing happens at one
//! instant by chance. Some worlds aim at an accident that would be rare without it.

use simlab::protocol::Method;
use simlab::retry::{KeyMode, OutcomeClass};
use simlab::scenario::{Asked, FreedBy, LockOnFailure, OnConflict, Same, Scripted, Stores, WhenDown};

use super::models::Dice;
use super::world::{Again, Client, Fate, Lock, Ns, Server, Store, Window, World, Wrong};

const MS: Ns = 1_000_000;
const SECOND: Ns = 1_000 * MS;

/// What a world aims at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Aim {
    Nothing,
    /// A second one comes when the lock of the first has run out, and before its work is done.
    ExpiredLock,
    /// A crash between an effect and the storing of its reply.
    CrashInTheWindow,
    /// The store forgets while the first is at work or soon after.
    LostEntry,
    /// A second one looks the key up just before the first has stored its reply, and locks it just after.
    StaleRead,
}

/// The world with this number.
pub fn world(index: u64) -> World {
    let dice = &mut Dice(index.wrapping_mul(0x2545_f491_4f6c_dd1d));
    let aim = match dice.below(20) {
        0..6 => Aim::Nothing,
        6..9 => Aim::ExpiredLock,
        9..13 => Aim::CrashInTheWindow,
        13..16 => Aim::LostEntry,
        _ => Aim::StaleRead,
    };
    let server = server(dice);
    let store = store(dice);
    let key = match dice.below(20) {
        0 => KeyMode::PerOperation,
        1..10 => KeyMode::PerAction,
        _ => KeyMode::PerThing,
    };
    let again = dice.chance(75).then(|| Again {
        after: dice.ms(1, 400),
        times: 1 + dice.below(2) as u32,
        same: if dice.chance(70) { Same::Key } else { Same::Thing },
    });
    let short = dice.chance(5);
    let mut world = World {
        start: if dice.chance(50) { 0 } else { dice.ms(1, 100) },
        duration: if short { dice.ms(101, 500) } else { 4 * SECOND },
        drain: if short { dice.ms(1, 500) } else { 9 * SECOND },
        again,
        method: if dice.chance(85) { Method::Post } else { dice.pick(&[Method::Put, Method::Get]) },
        wanted: if dice.chance(60) { None } else { Some(1 + dice.below(2) as u32) },
        client: client(dice, key),
        server,
        store,
        windows: windows(dice),
    };
    if world.store.asked == Asked::First && dice.chance(50) {
        // Something is turned away behind the store.
        world.server.workers = Some(1);
        world.server.queue = Some(0);
    }
    take_aim(dice, aim, &mut world);
    if let (Asked::First, Some(lock)) = (world.store.asked, &mut world.store.lock) {
        // No worker waits at the door.
        lock.on_conflict = OnConflict::Refuse;
    }
    world
}

fn server(dice: &mut Dice) -> Server {
    let workers = if dice.chance(80) { None } else { Some(1 + dice.below(2) as u32) };
    Server {
        workers,
        queue: if workers.is_some() && dice.chance(40) { Some(dice.below(2) as u32) } else { None },
        network: if dice.chance(50) { 0 } else { dice.ms(1, 30) },
        service: dice.between(20_000, 200_000) * 1_000,
        effect_at: if dice.chance(40) { 1_000 } else { dice.pick(&[0, 100, 300, 500, 700, 900]) },
        cancels: dice.chance(20),
        script: (0..dice.below(5)).map(|_| scripted(dice)).collect(),
        permanent: if dice.chance(4) { Some(402) } else { None },
    }
}

fn scripted(dice: &mut Dice) -> Scripted {
    match dice.below(20) {
        0..8 => Scripted::Ok,
        8..11 => Scripted::Status(dice.pick(&[400, 409, 429, 500, 503])),
        11 | 12 => Scripted::Hang,
        13 | 14 => Scripted::LostReply,
        15 | 16 => Scripted::LateReset,
        17 => Scripted::Reset,
        18 => Scripted::LostRequest,
        _ => Scripted::Refused,
    }
}

fn store(dice: &mut Dice) -> Store {
    Store {
        lock: dice.chance(85).then(|| lock(dice)),
        retention: if dice.chance(25) { dice.ms(10, 300) } else { dice.ms(1_000, 86_400_000) },
        stores: dice.pick(&[Stores::Successes, Stores::Successes, Stores::Effects, Stores::Everything]),
        mismatch: dice.chance(20).then_some(422),
        access: if dice.chance(40) { 0 } else { dice.ms(1, 40) },
        with_effect: dice.chance(25),
        asked: if dice.chance(15) { Asked::First } else { Asked::ByWorker },
        when_down: dice.pick(&[WhenDown::Closed, WhenDown::Open]),
    }
}

fn lock(dice: &mut Dice) -> Lock {
    let ttl = match dice.below(4) {
        0 => None,
        1 | 2 => Some(dice.ms(10, 200)),
        _ => Some(dice.ms(300, 3_000)),
    };
    let waits = dice.chance(30);
    Lock {
        ttl,
        atomic: dice.chance(60),
        on_conflict: if waits { OnConflict::Wait(simlab::units::Span(dice.ms(5, 150))) } else { OnConflict::Refuse },
        conflict_status: dice.pick(&[409, 409, 425, 503]),
        freed_by: dice.pick(&[FreedBy::Owner, FreedBy::Anyone]),
        on_failure: dice.pick(&[LockOnFailure::Free, LockOnFailure::Keep]),
    }
}

fn client(dice: &mut Dice, key: KeyMode) -> Client {
    use OutcomeClass::{Any, ClientErrors, Connection, Refused, Reset, ServerErrors, Status, Timeout};
    let retry_on = match dice.below(8) {
        0 | 1 => vec![ServerErrors, Status(429), Timeout, Connection],
        2 | 3 => vec![Any],
        4 => vec![ServerErrors, Status(409), Timeout, Connection],
        5 => vec![Timeout, Connection, ClientErrors],
        6 => vec![Timeout, Reset, Status(500)],
        _ => vec![Refused, ServerErrors, Status(425)],
    };
    Client {
        key,
        attempts: 1 + dice.below(4) as u32,
        timeout: if dice.chance(15) { None } else { Some(dice.ms(10, 400)) },
        deadline: dice.chance(12).then(|| dice.ms(100, 1_000)),
        backoff: if dice.chance(15) { 0 } else { dice.ms(1, 300) },
        retry_on,
    }
}

/// Up to three windows. Shares of all attempts must not add up to more than 1, and whether a store forgets anew while it is in the window of an
/// earlier loss is left out: of these two kinds there is one window each.
fn windows(dice: &mut Dice) -> Vec<Window> {
    const FORGETS: u64 = 3;
    const ALL: u64 = 7;
    let mut left: Vec<u64> = (0..=ALL).collect();
    let windows = if dice.chance(45) { 0 } else { 1 + dice.below(3) };
    let one = |_| {
        let place = dice.below(left.len() as u64) as usize;
        let kind = if [FORGETS, ALL].contains(&left[place]) { left.swap_remove(place) } else { left[place] };
        let from = dice.ms(1, 500);
        let what = match kind {
            0 => Wrong::Crash,
            1 => Wrong::Freeze,
            2 => Wrong::Down,
            FORGETS => Wrong::Forgets,
            4 => Wrong::Slow(dice.ms(1, 60)),
            5 => Wrong::Latency(dice.ms(1, 60)),
            6 => Wrong::Slowdown(2 + dice.below(2)),
            _ => Wrong::All(dice.pick(&[
                Fate::Refused,
                Fate::LostRequest,
                Fate::Reset,
                Fate::Error(502),
                Fate::Failure(500),
                Fate::Hang,
                Fate::LateError(504),
                Fate::LateError(500),
                Fate::LostReply,
                Fate::LateReset,
            ])),
        };
        Window { from, until: from + dice.ms(1, 300), what }
    };
    (0..windows).map(one).collect()
}

/// Bends a world towards what would be rare.
fn take_aim(dice: &mut Dice, aim: Aim, world: &mut World) {
    if aim == Aim::Nothing {
        return;
    }
    // Most of the time the first attempt works as it should, and nobody else disturbs it.
    if dice.chance(80) {
        world.windows.retain(|window| matches!(window.what, Wrong::Slowdown(_) if dice.chance(30)));
        world.server.workers = None;
        world.server.script.truncate(1);
        world.server.script.iter_mut().for_each(|fate| *fate = dice.pick(&[Scripted::Ok, Scripted::LostReply]));
    }
    let is_of_two = world.again.is_some_and(|again| again.same == Same::Thing);
    if world.client.key == KeyMode::PerOperation || is_of_two {
        world.client.key = KeyMode::PerThing;
    }
    // Somebody else has the same key.
    let again = |world: &World, after| {
        Some(Again { after, ..world.again.unwrap_or(Again { after, times: 1, same: Same::Key }) })
    };
    let accesses = |store: &Store| {
        if store.lock.as_ref().is_some_and(|lock| !lock.atomic) { 2 * store.access } else { store.access }
    };
    match aim {
        Aim::Nothing => {}
        Aim::ExpiredLock => {
            let ttl = dice.between(world.server.service / 10, world.server.service * 8 / 10);
            let lock = world.store.lock.take().unwrap_or_else(|| lock(dice));
            world.store.lock = Some(Lock { ttl: Some(ttl), ..lock });
            world.again = again(world, dice.between(ttl, world.server.service) | 1);
        }
        Aim::CrashInTheWindow => {
            world.store.with_effect &= dice.chance(20);
            if world.store.access == 0 {
                world.server.effect_at = dice.pick(&[0, 100, 300, 500, 700]);
            }
            let begun = world.start + world.server.network + accesses(&world.store);
            let effect = begun + world.server.service * world.server.effect_at / 1_000;
            let from = dice.between(effect, begun + world.server.service + world.store.access) | 1;
            world.windows.retain(|window| window.what != Wrong::Crash);
            world.windows.push(Window { from, until: from + dice.ms(1, 50), what: Wrong::Crash });
            world.client.attempts = world.client.attempts.max(2);
        }
        Aim::LostEntry => {
            let begun = world.start + world.server.network + accesses(&world.store);
            let from = dice.between(begun, begun + world.server.service + world.store.access + 50 * MS) | 1;
            world.windows.retain(|window| window.what != Wrong::Forgets);
            world.windows.push(Window { from, until: from + dice.ms(1, 50), what: Wrong::Forgets });
            world.again = again(world, from + dice.ms(1, 200));
        }
        Aim::StaleRead => {
            let access = dice.ms(3, 40);
            let lock = world.store.lock.take().unwrap_or_else(|| lock(dice));
            world.store.lock = Some(Lock { atomic: false, ..lock });
            world.store.access = access;
            world.store.asked = Asked::ByWorker;
            let service = world.server.service;
            world.again = again(world, dice.between(service + access, service + 2 * access) | 1);
        }
    }
}
