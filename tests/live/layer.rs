//! Services of tower behind a layer.

use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

use simlab::live::{Client, Gates, Layer};
use tokio::time::{Instant, sleep};
use tower_layer::Layer as _;
use tower_service::Service;

use super::*;

/// Answers with these, one after the other, and is ready every other time that it is asked.
#[derive(Clone)]
struct Answers {
    asked: Arc<AtomicU32>,
    of: &'static [Returned],
    is_ready: bool,
}

impl Service<&'static str> for Answers {
    type Response = u32;
    type Error = std::io::Error;
    type Future = Ready<Result<u32, std::io::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), std::io::Error>> {
        self.is_ready = !self.is_ready;
        if self.is_ready {
            return Poll::Ready(Ok(()));
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn call(&mut self, request: &'static str) -> Self::Future {
        assert!(self.is_ready, "it is asked first");
        assert_eq!(request, "/charge");
        let answer = self.of[self.asked.fetch_add(1, Ordering::Relaxed) as usize];
        ready(answer.map_err(|outcome| std::io::Error::other(outcome.to_string())))
    }
}

async fn through(of: &'static [Returned]) -> (Result<u32, String>, u32, Duration) {
    let asked = Arc::new(AtomicU32::new(0));
    let classify = |result: &Result<u32, std::io::Error>| match result {
        Ok(status) => Failure::new(Outcome::Status(*status as u16)),
        Err(_) => Failure::new(Outcome::Reset),
    };
    let layer = Layer::new(Client::new(tries(3), Gates::none()), classify);
    let mut service = layer.layer(Answers { asked: Arc::clone(&asked), of, is_ready: true });
    let began = Instant::now();
    // It runs on any thread.
    let result = tokio::spawn(service.call("/charge")).await.expect("it runs").map_err(|error| error.to_string());
    (result, asked.load(Ordering::Relaxed), began.elapsed())
}

#[tokio::test(start_paused = true)]
async fn requests_are_calls() {
    assert_eq!(through(&[Ok(200)]).await, (Ok(200), 1, MS(0)));
    assert_eq!(through(&[Ok(503), Err(Outcome::Reset), Ok(201)]).await, (Ok(201), 3, MS(1_000)));
    // Whoever gives up hands on what there is.
    assert_eq!(through(&[Ok(402)]).await, (Ok(402), 1, MS(0)));
    assert_eq!(through(&[Ok(503), Ok(503), Ok(500)]).await, (Ok(500), 3, MS(1_000)));
    assert_eq!(through(&[Ok(503), Ok(503), Err(Outcome::Reset)]).await, (Err("connection".to_owned()), 3, MS(1_000)));
}

/// Where nothing came of the last attempt, it says so.
#[tokio::test(start_paused = true)]
async fn silence_is_an_error() {
    #[derive(Clone)]
    struct Silent;
    impl Service<()> for Silent {
        type Response = u32;
        type Error = std::io::Error;
        type Future = std::pin::Pin<Box<dyn Future<Output = Result<u32, std::io::Error>> + Send>>;
        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), std::io::Error>> {
            Poll::Ready(Ok(()))
        }
        fn call(&mut self, (): ()) -> Self::Future {
            Box::pin(async {
                sleep(MS(60_000)).await;
                Ok(200)
            })
        }
    }
    let client = Arc::new(Client::new(tries(2), Gates::none()));
    let ok = |_: &Result<u32, std::io::Error>| Failure::new(Outcome::OK);
    let error = Layer::new(Arc::clone(&client), ok).layer(Silent).call(()).await.expect_err("it times out");
    assert_eq!(error.to_string(), "failed after 2 attempts, the last with timeout: no attempts are left");
    assert_eq!(client.metrics().timed_out, 2);
}
