//! The same in blocking code, with the policy of a production client.
//!
//! `cargo run --example retry_blocking --features live`

use simlab::live::Client;
use std::io::{Error, ErrorKind};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::preset("stripe-python")?;
    let answer = client.call_blocking(|attempt| ask(attempt.number, attempt.timeout)).run()?;
    println!("{answer}, {:?}", client.metrics());
    Ok(())
}

/// A connection that breaks once; a real client would be told the time-out.
fn ask(attempt: u32, timeout: Option<std::time::Duration>) -> Result<&'static str, Error> {
    println!("attempt {attempt}, at most {timeout:?}");
    if attempt < 2 { Err(Error::from(ErrorKind::ConnectionReset)) } else { Ok("42") }
}
