//! A layer of tower: every request of a service is retried.
//!
//! `cargo run --example retry_tower --features live`

use simlab::live::{Client, Gates, Layer, http};
use simlab::retry::{Backoff, RetryPolicy};
use simlab::units::Span;
use tower_layer::Layer as _;
use tower_service::Service;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let policy = RetryPolicy { attempts: Some(4), backoff: Backoff::fixed(Span::millis(50)), ..RetryPolicy::default() };
    let layer = Layer::new(Client::new(policy, Gates::none()), |result: &Result<u16, std::io::Error>| {
        http(result.as_ref().map_or(502, |status| *status), |_| None)
    });
    let status = layer.layer(Flaky::default()).call("/charge").await?;
    println!("answered with {status}");
    Ok(())
}

/// A service that fails twice, then answers.
#[derive(Clone, Default)]
struct Flaky {
    asked: std::sync::Arc<std::sync::atomic::AtomicU32>,
}

impl Service<&'static str> for Flaky {
    type Response = u16;
    type Error = std::io::Error;
    type Future = std::future::Ready<Result<u16, std::io::Error>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), std::io::Error>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, path: &'static str) -> Self::Future {
        let asked = self.asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        println!("{path}, request {}", asked + 1);
        std::future::ready(Ok(if asked < 2 { 503 } else { 200 }))
    }
}
