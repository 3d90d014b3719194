//! A client: a policy and its gates in one, from a scenario file, from a preset, or made here.

use std::sync::Arc;

use super::blocking::Blocking;
use super::calling::Attempt;
use super::gates::{Gates, Metrics};
use super::reply::AnyError;
use super::retry::{Holds, Make, Retry};
use crate::retry::Policy;
use crate::scenario::call::ClientRules;

/// A policy, with the gates and the hedging of its calls. It is shared by reference or in an `Arc`.
#[derive(Debug)]
pub struct Client {
    policy: Arc<dyn Policy>,
    gates: Gates,
}

/// Why there is no such client.
#[derive(Debug, thiserror::Error)]
pub enum NoClient {
    /// The file cannot be read, or has errors; what is told is what `simlab check` tells.
    #[error("{0}")]
    File(String),
    /// No policy has this name.
    #[error("there is no policy `{name}`; there are {}", .known.join(", "))]
    NoPolicy {
        /// The name.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// It does something about replicas, which are not known here.
    #[error("`{0}` leaves out replicas or retries at another one, and here nobody knows of any")]
    Replicas(String),
}

impl Holds for Client {
    fn policy(&self) -> &dyn Policy {
        &*self.policy
    }
    fn gates(&self) -> &Gates {
        &self.gates
    }
}

impl Client {
    /// With this policy and these gates.
    pub fn new(policy: impl Policy + 'static, gates: Gates) -> Client {
        Client { policy: Arc::new(policy), gates }
    }

    /// With the rules of a scenario's policy. What it says about replicas does not count here.
    pub fn of(rules: &ClientRules) -> Client {
        let gates = match &rules.hedge {
            Some(hedge) => Gates::hedging(&rules.gates, hedge),
            None => Gates::new(&rules.gates),
        };
        Client { policy: Arc::clone(&rules.policy), gates }
    }

    /// With the policy of this name in a scenario file.
    ///
    /// # Errors
    /// If the file cannot be read, has errors, or has no such policy.
    #[cfg(feature = "scenario-files")]
    pub fn from_file(path: impl AsRef<std::path::Path>, policy: &str) -> Result<Client, NoClient> {
        use crate::scenario::file;
        let loaded = file::load(path.as_ref(), &file::Overrides::default());
        Client::loaded(&loaded.map_err(|error| NoClient::File(error.render(false)))?, policy)
    }

    /// With the policy of a production client: its name in `simlab policies`.
    ///
    /// # Errors
    /// If there is no such preset.
    #[cfg(feature = "scenario-files")]
    pub fn preset(name: &str) -> Result<Client, NoClient> {
        use crate::scenario::file::{self, Overrides, Source};
        let name_in_toml = serde_json::Value::from(name);
        let text = format!(
            "duration = \"1s\"\n[load]\narrivals.burst = {{ operations = 1, at = \"0s\" }}\n[server.s]\n[policy.client]\npreset = {name_in_toml}\n"
        );
        let loaded =
            file::parse(Source::new("preset", text), "preset", std::path::Path::new(""), &Overrides::default());
        Client::loaded(&loaded.map_err(|error| NoClient::File(error.render(false)))?, "client")
    }

    #[cfg(feature = "scenario-files")]
    fn loaded(loaded: &crate::scenario::file::Loaded, name: &str) -> Result<Client, NoClient> {
        let rows = &loaded.scenario.policies;
        let Some(row) = rows.iter().find(|row| row.name == name && !row.is_mix()) else {
            let known = rows.iter().filter(|row| !row.is_mix()).map(|row| row.name.clone()).collect();
            return Err(NoClient::NoPolicy { name: name.to_owned(), known });
        };
        let rules = row.rules();
        if rules.endpoints != crate::endpoint::EndpointRules::default() {
            return Err(NoClient::Replicas(name.to_owned()));
        }
        Ok(Client::of(rules))
    }

    /// What has been counted so far.
    pub fn metrics(&self) -> Metrics {
        self.gates.metrics()
    }

    /// A call on tokio: see [`retry`](super::retry). The client may be a reference or an `Arc`.
    pub fn call<F: Future, M: FnMut(Attempt) -> F>(&self, attempt: M) -> Retry<&Client, M, F, AnyError> {
        Retry::new(self, attempt)
    }

    /// The same of an `Arc`, so that the call may live as long as it wants to.
    pub fn call_shared<F: Future, M: Make<F>>(self: &Arc<Self>, attempt: M) -> Retry<Arc<Client>, M, F, AnyError> {
        Retry::new(Arc::clone(self), attempt)
    }

    /// A call of a thread that waits: see [`blocking`](super::blocking).
    ///
    /// # Panics
    /// If the client hedges.
    pub fn call_blocking<R, M: FnMut(Attempt) -> R>(&self, attempt: M) -> Blocking<'_, M, AnyError> {
        Blocking::new(self.policy(), &self.gates, attempt)
    }
}
