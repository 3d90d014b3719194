//! Clients from files and presets.

use std::path::Path;

use simlab::live::Client;
use simlab::scenario::file::preset;

#[test]
fn from_files_and_presets() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/stripe-outage.toml");
    let client = Client::from_file(&file, "full-jitter").expect("it is there");
    assert_eq!(client.call_blocking(|_| Ok::<_, ()>(3)).run(), Ok(3));
    let told = |result: Result<Client, simlab::live::NoClient>| result.expect_err("there is none").to_string();
    let unknown = told(Client::from_file(&file, "full-jiter"));
    assert!(unknown.starts_with("there is no policy `full-jiter`; there are no-retry, "), "{unknown}");
    assert!(told(Client::from_file("no/such.toml", "p")).contains("no/such.toml"));
    assert!(told(Client::preset("envoyy")).contains("envoyy"));
    assert!(told(Client::preset("x\"\nname = \"y")).contains("preset"));
}

/// Every preset can be used, unless it does something about replicas; those that hedge, on tokio only.
#[test]
fn all_presets() {
    let (mut used, mut refused) = (0, Vec::new());
    for name in preset::NAMES {
        match Client::preset(name) {
            Ok(_) => used += 1,
            Err(error) => refused.push((*name, error.to_string())),
        }
    }
    assert!(used > 60, "{used}");
    for (name, error) in &refused {
        assert!(error.contains("replicas"), "{name}: {error}");
    }
}
