//! Policies on a real runtime: on tokio's paused clock they decide as in the simulator, attempt by attempt; and what only a program meets: futures that are dropped, that
//! are `Send` or not, threads that wait, and services of tower.

mod blocking;
mod calls;
mod client;
mod command;
mod layer;
mod parity;
mod serve;

use std::cell::RefCell;
use std::time::Duration;

use simlab::protocol::{Failure, Outcome};
use simlab::retry::{Backoff, RetryPolicy};
use simlab::units::Span;

/// So many attempts, half a second apart, each of two seconds at most.
fn tries(attempts: u32) -> RetryPolicy {
    RetryPolicy {
        attempts: Some(attempts),
        timeout: Some(Span::secs(2)),
        backoff: Backoff::fixed(Span::millis(500)),
        ..RetryPolicy::default()
    }
}

/// What attempts return here.
type Returned = Result<u32, Outcome>;

/// And what that came to.
fn classify(returned: &Returned) -> Failure {
    Failure::new(returned.err().unwrap_or(Outcome::OK))
}

const ERROR: Outcome = Outcome::Status(503);
const MS: fn(u64) -> Duration = Duration::from_millis;

/// When attempts were sent, in ms, and which came to something.
#[derive(Debug, Default)]
struct Log {
    sent: RefCell<Vec<u128>>,
    answered: RefCell<Vec<u32>>,
}
