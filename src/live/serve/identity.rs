//! Whose draws a request has: which operation it belongs to, and which of its attempts it is.

use std::collections::BTreeMap;

use crate::key::CallKey;
use crate::mix::mix;

/// What a request says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Papers {
    /// `Simlab-Operation` and `Simlab-Attempt`.
    pub simlab: Option<(u64, u32)>,
    /// `Idempotency-Key`.
    pub idempotency: Option<String>,
    /// `X-Request-Id`.
    pub request: Option<String>,
    /// `traceparent`.
    pub traceparent: Option<String>,
    /// `Simlab-Client`, or else the address that it comes from.
    pub client: String,
    /// Method and path.
    pub line: String,
    /// A hash of the body.
    pub body: u64,
}

/// Whose draws a request has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// By what it is known.
    pub by: &'static str,
    /// What that says.
    pub name: String,
    /// Its draws.
    pub key: CallKey,
    /// Which attempt of the operation it is.
    pub attempt: u32,
}

/// What has come so far: requests of each name, and clients.
#[derive(Debug, Default)]
pub struct Known {
    attempts: BTreeMap<String, u32>,
    clients: BTreeMap<String, u32>,
}

impl Papers {
    /// By what the operation is known, and what that says.
    fn name(&self) -> (&'static str, String) {
        // A trace is the second part of four; what is none, says nothing.
        let trace = self.traceparent.as_deref().and_then(|parts| parts.split('-').nth(1)).filter(|id| id.len() == 32);
        let named = [
            ("idempotency-key", self.idempotency.as_deref()),
            ("x-request-id", self.request.as_deref()),
            ("traceparent", trace),
        ];
        let first = named.into_iter().find_map(|(by, name)| Some((by, name?.to_owned())));
        first.unwrap_or_else(|| ("request", format!("{} {} {:016x}", self.client, self.line, self.body)))
    }
}

impl Papers {
    /// What it asks for: two with one key that ask for something else are not one action.
    pub fn action(&self) -> CallKey {
        CallKey::operation(hash(format!("{} {:016x}", self.line, self.body).as_bytes()))
    }
}

/// Names that are remembered: of more, all are forgotten, and counted anew.
const MOST_NAMES: usize = 1_000_000;

impl Known {
    /// Whose draws this request has, which comes next.
    pub fn identify(&mut self, papers: &Papers) -> Identity {
        if let Some((operation, attempt)) = papers.simlab {
            let key = CallKey::operation(operation);
            return Identity { by: "simlab-operation", name: operation.to_string(), key, attempt };
        }
        let (by, name) = papers.name();
        let key = CallKey::operation(hash(format!("{by} {name}").as_bytes()));
        if self.attempts.len() >= MOST_NAMES {
            self.attempts.clear();
        }
        let attempts = self.attempts.entry(format!("{by} {name}")).or_default();
        *attempts = attempts.saturating_add(1);
        Identity { by, name, key, attempt: *attempts }
    }

    /// The number of a client, below `most`: later ones share them.
    pub fn client(&mut self, papers: &Papers, most: u32) -> u32 {
        if self.clients.len() >= MOST_NAMES {
            self.clients.clear();
        }
        let next = self.clients.len() as u32 % most;
        *self.clients.entry(papers.client.clone()).or_insert(next)
    }
}

/// A number for some bytes, the same everywhere.
pub fn hash(bytes: &[u8]) -> u64 {
    let mut hash = Hash::default();
    hash.add(bytes);
    hash.value()
}

/// The same of bytes that come in pieces.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hash {
    sum: u64,
    count: u64,
}

impl Hash {
    /// More of them.
    pub fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.sum = mix(self.sum ^ u64::from(*byte));
            self.count += 1;
        }
    }

    /// The number.
    pub fn value(self) -> u64 {
        mix(self.sum ^ self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(papers: Papers, by: &str, name: &str, attempt: u32, known: &mut Known) {
        let identity = known.identify(&papers);
        assert_eq!((identity.by, identity.name.as_str(), identity.attempt), (by, name, attempt));
    }

    #[test]
    fn the_first_that_there_is_counts() {
        let known = &mut Known::default();
        let trace = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01";
        let some = |text: &str| Some(text.to_owned());
        let bare = Papers { client: "c".to_owned(), line: "POST /x".to_owned(), ..Papers::default() };
        let traced = Papers { traceparent: some(trace), ..bare.clone() };
        let requested = Papers { request: some("r"), ..traced.clone() };
        let keyed = Papers { idempotency: some("k"), ..requested.clone() };
        let told = Papers { simlab: Some((7, 3)), ..keyed.clone() };
        check(told.clone(), "simlab-operation", "7", 3, known);
        check(told, "simlab-operation", "7", 3, known);
        for attempt in 1..=2 {
            check(keyed.clone(), "idempotency-key", "k", attempt, known);
            check(requested.clone(), "x-request-id", "r", attempt, known);
            check(traced.clone(), "traceparent", "0123456789abcdef0123456789abcdef", attempt, known);
            check(bare.clone(), "request", "c POST /x 0000000000000000", attempt, known);
        }
        check(Papers { body: 1, ..bare.clone() }, "request", "c POST /x 0000000000000001", 1, known);
        check(Papers { traceparent: some("junk"), ..bare }, "request", "c POST /x 0000000000000000", 3, known);
    }

    #[test]
    fn draws_belong_to_a_name() {
        let mut keys: Vec<u64> = Vec::new();
        for name in ["a", "b", "ab"] {
            let papers = Papers { idempotency: Some(name.to_owned()), ..Papers::default() };
            let (mut one, mut other) = (Known::default(), Known::default());
            assert_eq!(one.identify(&papers).key, other.identify(&papers).key);
            keys.push(one.identify(&papers).key.value());
        }
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), 3);
        let told = Papers { simlab: Some((5, 1)), ..Papers::default() };
        assert_eq!(Known::default().identify(&told).key, CallKey::operation(5), "those of the simulator");
    }

    #[test]
    fn bodies_are_told_apart() {
        let all = [&b""[..], b"\0", b"\0\0", b"a", b"b", b"ab", b"ba"].map(hash);
        let mut apart = all.to_vec();
        apart.sort_unstable();
        apart.dedup();
        assert_eq!(apart.len(), all.len());
        let mut pieces = Hash::default();
        pieces.add(b"a");
        pieces.add(b"b");
        assert_eq!(pieces.value(), hash(b"ab"));
    }
}
