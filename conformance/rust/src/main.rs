//! Records the waits of one crate, named by the argument, as JSON. Each makes its retries under tokio's paused clock, which jumps to the next
//! timer; it knows whole milliseconds.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

const CALLS: usize = 2000;
const RESOLUTION: f64 = 0.001;

/// The waits between the attempts of each call.
#[derive(Clone, Default)]
struct Script(Arc<Mutex<(Vec<f64>, Option<Instant>)>>);

impl Script {
    fn attempt(&self) {
        let mut state = self.0.lock().expect("one thread");
        let now = Instant::now();
        if let Some(last) = state.1.replace(now) {
            state.0.push((now - last).as_secs_f64());
        }
    }

    /// The attempt that every operation here makes.
    async fn fail(&self) -> Result<(), &'static str> {
        self.attempt();
        Err("scripted")
    }

    fn waits(self) -> Vec<f64> {
        std::mem::take(&mut self.0.lock().expect("one thread").0)
    }
}

async fn backon() -> Value {
    use backon::{ExponentialBuilder, Retryable};
    let mut calls = Vec::new();
    for _ in 0..5 {
        let script = Script::default();
        (|| script.fail()).retry(ExponentialBuilder::default()).await.expect_err("scripted to fail");
        calls.push(script.waits());
    }
    json!({ "preset": "backon", "calls": calls })
}

/// The crate asks a clock of the standard library how long a call has lasted; it gets tokio's.
#[derive(Default)]
struct Jumping;

impl backoff::Clock for Jumping {
    fn now(&self) -> std::time::Instant {
        Instant::now().into_std()
    }
}

async fn backoff() -> Value {
    let mut calls = Vec::new();
    for _ in 0..CALLS {
        let script = Script::default();
        let policy = backoff::exponential::ExponentialBackoff::<Jumping>::default();
        let operation = || async { script.fail().await.map_err(backoff::Error::transient) };
        backoff::future::retry(policy, operation).await.expect_err("scripted to fail");
        calls.push(script.waits());
    }
    json!({ "preset": "backoff-rs", "calls": calls })
}

async fn tower() -> Value {
    use tower::retry::backoff::{Backoff, ExponentialBackoffMaker, MakeBackoff};
    async fn wait(maker: &mut ExponentialBackoffMaker) -> Vec<f64> {
        let (script, mut backoff) = (Script::default(), maker.make_backoff());
        script.attempt();
        for _ in 0..10 {
            backoff.next_backoff().await;
            script.attempt();
        }
        script.waits()
    }
    let mut calls = Vec::new();
    for _ in 0..CALLS {
        calls.push(wait(&mut ExponentialBackoffMaker::default()).await);
    }
    let mut one = ExponentialBackoffMaker::default();
    let alike = wait(&mut one).await == wait(&mut one).await;
    let note =
        format!("a maker for each call; the calls of one maker {}", if alike { "all wait alike" } else { "differ" });
    json!({ "preset": "tower-default", "calls": calls, "own_attempts": true, "note": note })
}

async fn tokio_retry() -> Value {
    use tokio_retry::{Retry, strategy::ExponentialBackoff};
    let mut calls = Vec::new();
    for _ in 0..5 {
        let script = Script::default();
        let delays = ExponentialBackoff::from_millis(10).max_delay(Duration::from_secs(3600)).take(6);
        Retry::start(delays, || script.fail()).await.expect_err("scripted to fail");
        calls.push(script.waits());
    }
    json!({ "preset": "tokio-retry", "calls": calls, "own_attempts": true, "note": "from_millis(10): 10 ms, 100 ms, 1 s, 10 s …" })
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() {
    let mut row = match std::env::args().nth(1).as_deref() {
        Some("backon") => backon().await,
        Some("backoff") => backoff().await,
        Some("tower") => tower().await,
        Some("tokio-retry") => tokio_retry().await,
        other => panic!("no recorder for {other:?}"),
    };
    row["resolution"] = json!(RESOLUTION);
    println!("{}", json!([row]));
}
