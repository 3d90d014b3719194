//! Retries, hedges and guards a real async call on tokio with a policy of a scenario file.
//!
//! `cargo run --example retry_async --features live`

use simlab::live::{Client, http};
use std::time::Duration;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::from_file("scenarios/stripe-outage.toml", "full-jitter")?;
    let charge = client.call(|attempt| async move { post("/charge", attempt.number).await });
    let reply = charge.classified_by(|result| http(result.as_ref().map_or(500, |reply| *reply), |_| None)).await;
    say(&format!("{reply:?}, {:?}", client.metrics()));
    Ok(())
}

/// A service that fails twice, then answers.
async fn post(path: &str, attempt: u32) -> std::io::Result<u16> {
    tokio::time::sleep(Duration::from_millis(20)).await;
    say(&format!("POST {path}, attempt {attempt}"));
    Ok(if attempt < 3 { 503 } else { 200 })
}

fn say(line: &str) {
    println!("{line}");
}
