//! The same policies in a program of one's own: on tokio, in blocking code, and as a layer of tower.
//!
//! What the simulator decides in virtual time is decided here by the same [`Call`], on a clock that runs: whether an attempt goes out, how long to wait
//! before the next one, when another is sent beside it, and when to give up. Nothing here is global: what calls share stands in [`Gates`], which
//! whoever makes them owns.
//!
//! ```
//! use simlab::live::{self, Gates};
//! use simlab::retry::{Backoff, OutcomeSet, RetryPolicy};
//! use simlab::units::Span;
//!
//! # async fn post(_: &str) -> std::io::Result<&'static str> { Ok("charged") }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let backoff = Backoff::full_jitter(Span::millis(100), 2.0, Some(Span::secs(5)));
//! let policy = RetryPolicy { attempts: Some(4), backoff, ..RetryPolicy::default() };
//! let gates = Gates::none();
//! let charged = live::retry(&policy, &gates, || async { post("/charge").await }).await;
//! assert_eq!(charged.unwrap(), "charged");
//! # }
//! ```
//!
//! - **What an attempt came to** is said by a closure ([`Retry::classified_by`]), which sees what the attempt returned; [`http`] says it of a status and headers.
//! - **Time-outs, deadlines and hedges** are those of the policy. What is given up is dropped, which cancels it: losers of hedges do not run on, whatever the policy
//!   says about them.
//! - **Idempotency keys** are the caller's to make and to send: what is made outside of the attempt is one for all of them.
//! - **A call that is dropped** before it is over tells its gates: no probe of a breaker and no place in a pool is lost with it.
//! - **Futures may be `Send` or not**: a call is, if its attempts are, and the closures that make and classify them.
//!
//! [`Call`]: crate::call::Call

pub mod blocking;
mod calling;
mod client;
mod gates;
mod layer;
mod reply;
mod retry;
#[cfg(feature = "scenario-files")]
pub mod serve;

pub use calling::Attempt;
pub use client::{Client, NoClient};
pub use gates::{Gates, Metrics};
pub use layer::{Layer, Service};
pub use reply::{AnyError, Classify, Failed, http};
pub use retry::{Retry, retry};
