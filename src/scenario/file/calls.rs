//! Who calls whom: what calls and steps do not say themselves, and what is wrong with them.

use std::collections::BTreeMap;

use toml::de::DeTable;

use super::diagnostic::Diagnostic;
use super::shape::call::{Called, InOrder, OF_ROWS, build_calls, build_steps};
use super::shape::durable::DurableTable;
use super::shape::policy::PolicyTable;
use super::shape::top::OperationTable;
use super::tree::names;
use super::{Named, Parts, Tables, checks, mixes, tree};
use crate::flow::MOST_STEPS;
use crate::protocol::Method;
use crate::scenario::call::MOST_PLACES;
use crate::scenario::nearest::nearest;
use crate::scenario::{Member, Operation, RowUse, ServerConfig};
use crate::text::{cut, there_are};

/// A call without a method has that of what makes it: that of the request, where all who call its server use the same one, or else `POST`.
impl Tables {
    /// Fills in the server and the method of every step and call. No server calls itself.
    pub fn resolve_calls(&mut self) {
        if self.operation.step.is_empty() {
            self.operation.server.get_or_insert_with(|| self.servers[0].name.clone());
        }
        let mut known = BTreeMap::new();
        let methods: Vec<Method> = self.servers.iter().map(|server| self.method_at(&server.name, &mut known)).collect();
        let on_failure = self.operation.on_failure.clone();
        let members = self.mixes.iter_mut().flat_map(|mix| &mut mix.table.0).map(|(_, member)| &mut member.step);
        for steps in members.chain([&mut self.operation.step]) {
            steps.0.iter_mut().for_each(|(name, step)| {
                step.resolve(name, Method::default());
                step.resolve_failure(&on_failure);
            });
        }
        for (server, method) in self.servers.iter_mut().zip(methods) {
            server.table.words.call.0.iter_mut().for_each(|(name, call)| call.resolve(name, method));
        }
    }

    /// With which method a server is called.
    fn method_at(&self, server: &str, known: &mut BTreeMap<String, Method>) -> Method {
        if let Some(method) = known.get(server) {
            return *method;
        }
        let mut methods = Vec::new();
        let members = self.mixes.iter().flat_map(|mix| &mix.table.0);
        let own: Vec<OperationTable> = members.filter_map(|(_, member)| member.operation(&self.operation)).collect();
        for operation in own.iter().chain([&self.operation]) {
            if operation.server.as_deref() == Some(server) {
                methods.push(operation.method);
            }
            let steps = operation.step.0.iter().filter(|(name, step)| calls(name, step) == server);
            methods.extend(steps.map(|(_, step)| step.common().method.unwrap_or_default()));
        }
        for caller in &self.servers {
            for (_, call) in caller.table.words.call.0.iter().filter(|(name, call)| calls(name, call) == server) {
                methods.push(call.common().method.unwrap_or_else(|| self.method_at(&caller.name, known)));
            }
        }
        let same = methods.first().filter(|first| methods.iter().all(|method| method == *first));
        let method = same.copied().unwrap_or_default();
        known.insert(server.to_owned(), method);
        method
    }

    /// Servers with their calls, as the engine knows them.
    pub fn build_servers(&self) -> Vec<ServerConfig> {
        let build = |server: &Named<_>| self.build_server(server);
        self.servers.iter().map(build).collect()
    }

    fn build_server(&self, server: &Named<super::shape::server::Server>) -> ServerConfig {
        let calls = build_calls(&server.table.words.call, |name| self.server(name));
        ServerConfig { calls, ..server.table.build(&server.name) }
    }

    /// Index of the server of this name, which has been checked.
    pub fn server(&self, name: &str) -> usize {
        self.servers.iter().position(|server| server.name == name).expect("names have been checked")
    }

    /// What an operation does, as the engine knows it. With steps, server and method are those of the first.
    pub fn build_operation(&self, operation: &OperationTable) -> Operation {
        let steps = build_steps(&operation.step, |name| self.server(name));
        let (server, method) = match (steps.first(), &operation.server) {
            (Some(first), _) => (first.server, first.method),
            (None, name) => (self.server(name.as_deref().unwrap_or_default()), operation.method),
        };
        let row = RowUse { reads: operation.reads, writes: operation.writes, locks: operation.locks };
        Operation { server, method, steps, row, wanted: operation.wanted.0, journal: operation.journal() }
    }

    /// Clients that follow a policy and make this operation, with their rules for single steps of it.
    pub fn build_member(&self, name: &str, policy: &Named<PolicyTable>, operation: &OperationTable) -> Member {
        let method = methods_of_row(operation, &policy.table).first().copied();
        let rules = policy.table.build(method.unwrap_or(Method::Post));
        let steps = policy.table.step.0.iter().filter_map(|(name, rules)| {
            // A step of others is none of theirs.
            let number = operation.step.position(name)?;
            let method = operation.step.0[number].1.common().method.unwrap_or_default();
            Some((number, rules.0.build(method)))
        });
        let durable = policy.table.durable.as_ref().map(DurableTable::build);
        Member { steps: steps.collect(), durable, ..Member::all(name, rules) }
    }
}

/// True if any call of this operation follows a policy's own rules.
pub fn is_followed(operation: &OperationTable, row: &PolicyTable) -> bool {
    !methods_of_row(operation, row).is_empty()
}

/// The methods of calls that follow a row's own rules.
fn methods_of_row(operation: &OperationTable, row: &PolicyTable) -> Vec<Method> {
    if operation.step.is_empty() {
        return vec![operation.method];
    }
    let steps = operation.step.0.iter();
    let own = steps.filter(|(name, step)| step.common().rules.is_none() && row.step.position(name).is_none());
    own.map(|(_, step)| step.common().method.unwrap_or_default()).collect()
}

/// The server that a step or call of this name calls.
fn calls<'a>(name: &'a str, call: &'a impl Called) -> &'a str {
    call.common().server.unwrap_or(name)
}

/// Rules of a row, or of a call: where they stand, how they are called, and what they are.
pub struct Told<'a> {
    /// Keys from the top of the file.
    pub path: Vec<&'a str>,
    /// Whether they are a row's, of a step of a row, or of a call.
    pub words: String,
    /// The keys.
    pub table: &'a PolicyTable,
}

impl Told<'_> {
    /// The path of one of its keys, or of what is below.
    pub fn below<'b>(&'b self, keys: &[&'b str]) -> Vec<&'b str> {
        self.path.iter().copied().chain(keys.iter().copied()).collect()
    }
}

/// All rules of a file, those of rows first.
pub fn all_rules(parts: &Parts) -> Vec<Told<'_>> {
    let mut all = Vec::new();
    for Named { name, table } in &parts.policies {
        all.push(Told { path: vec!["policy", name], words: format!("policy `{name}`"), table });
    }
    for row in &parts.policies {
        for (step, rules) in &row.table.step.0 {
            let words = format!("policy `{}.step.{step}`", row.name);
            all.push(Told { path: vec!["policy", &row.name, "step", step], words, table: &rules.0 });
        }
    }
    for list in lists(parts) {
        for (name, call) in &list.calls {
            let Some(rules) = call.common().rules else { continue };
            let path: Vec<&str> = list.path.iter().copied().chain([*name, "policy"]).collect();
            let words = format!("policy of `{}`", path[..path.len() - 1].join("."));
            all.push(Told { path, words, table: &rules.0 });
        }
    }
    all
}

/// The calls of one who makes them, in order.
struct List<'a> {
    path: Vec<&'a str>,
    calls: Vec<(&'a str, &'a dyn Called)>,
}

fn entries<T: Called>(calls: &InOrder<T>) -> Vec<(&str, &dyn Called)> {
    calls.0.iter().map(|(name, call)| (name.as_str(), call as &dyn Called)).collect()
}

/// The steps of the operation, and the calls of each server.
fn lists(parts: &Parts) -> Vec<List<'_>> {
    let steps = parts
        .operation
        .iter()
        .map(|operation| List { path: vec!["operation", "step"], calls: entries(&operation.step) });
    let members = parts.mixes.iter().flat_map(|mix| mix.table.0.iter().map(move |member| (mix, member)));
    let members = members
        .map(|(mix, (name, member))| List { path: vec!["mix", &mix.name, name, "step"], calls: entries(&member.step) });
    let servers = parts.servers.iter();
    let calls = servers
        .map(|server| List { path: vec!["server", &server.name, "call"], calls: entries(&server.table.words.call) });
    steps.chain(members).chain(calls).collect()
}

/// Everything that is wrong with calls and steps.
pub fn check(parts: &Parts, root: &DeTable<'_>) -> Vec<Diagnostic> {
    let mut errors = Vec::new();
    for list in lists(parts) {
        list.check(root, &mut errors);
    }
    beside_steps(root, &mut errors);
    cancelling(parts, root, &mut errors);
    rows(parts, root, &mut errors);
    for told in all_rules(parts).iter().filter(|told| told.path.len() > 2) {
        for key in OF_ROWS.iter().filter(|key| tree::find(root, &told.below(&[key])).is_some()) {
            let title = format!("unknown key `{key}` in `{}`", told.path.join("."));
            let place = tree::key_place(root, &told.below(&[key]));
            errors.push(Diagnostic::error("unknown-key", title, place, "a key of rows, not of the rules of one call"));
        }
    }
    let all_read = names(root, &["server"]).len() == parts.servers.len();
    if errors.is_empty() && all_read && parts.operation.is_some() {
        errors.extend(Graph::new(parts).check(root));
    }
    errors
}

impl List<'_> {
    fn check(&self, root: &DeTable<'_>, errors: &mut Vec<Diagnostic>) {
        let kind = self.path[self.path.len() - 1];
        let servers = names(root, &["server"]);
        for (number, (name, call)) in self.calls.iter().enumerate() {
            let below = |keys: &[&'static str]| -> Vec<&str> {
                self.path.iter().copied().chain([*name]).chain(keys.iter().copied()).collect()
            };
            let place = tree::key_place(root, &below(&[]));
            errors.extend(checks::name(kind, name, place.clone()));
            if number == MOST_STEPS {
                let title = format!("{} tables `{}` are too many", self.calls.len(), self.path.join("."));
                let label = format!("there can be at most {MOST_STEPS}");
                errors.push(Diagnostic::error("too-many-tables", title, place.clone(), label));
            }
            let common = call.common();
            let server = common.server.unwrap_or(name);
            if !servers.is_empty() && !servers.contains(&server) {
                let title = format!("there is no server `{}`", cut(server));
                errors.push(match common.server {
                    Some(_) => {
                        let place = tree::value_place(root, &below(&["server"]));
                        let error =
                            Diagnostic::error("unknown-name", title, place.clone(), "names no server of this file");
                        near(error, "server", server, &servers, |near| (place, format!("\"{near}\"")))
                    }
                    None => {
                        let label = format!("a {kind} without `server` calls the server of its own name");
                        let help = format!(
                            "add `server = \"{}\"`",
                            nearest(server, servers.iter().copied()).unwrap_or(servers[0])
                        );
                        Diagnostic::error("unknown-name", title, place, label).help(help)
                    }
                });
            }
            let Some((word, asked)) = common.when.asks_about() else { continue };
            let earlier: Vec<&str> = self.calls[..number].iter().map(|(name, _)| *name).collect();
            if !earlier.contains(&asked) {
                let place = tree::value_place(root, &below(&["when", word]));
                let later = self.calls[number..].iter().any(|(other, _)| *other == asked);
                let (title, label) = match later {
                    true => (format!("the {kind} `{asked}` is not made before `{name}`"), "is not known yet"),
                    false => (format!("there is no {kind} `{}` before `{name}`", cut(asked)), "names no earlier one"),
                };
                let error = Diagnostic::error("unknown-name", title, place.clone(), label);
                errors.push(near(error, kind, asked, &earlier, |near| (place, format!("\"{near}\""))));
            }
        }
    }
}

/// With the nearest name as a fix, or all that there are.
pub fn near(
    error: Diagnostic,
    kind: &str,
    name: &str,
    known: &[&str],
    fix: impl FnOnce(&str) -> (super::source::Place, String),
) -> Diagnostic {
    match nearest(name, known.iter().copied()) {
        Some(near) => {
            let (place, text) = fix(near);
            error.fix(format!("a {kind} with a similar name exists"), place, text)
        }
        None if known.is_empty() => error.help(format!("there is no earlier {kind}")),
        None => error.help(there_are(known.iter().copied())),
    }
}

/// What an operation without steps has, and one with steps has not.
fn beside_steps(root: &DeTable<'_>, errors: &mut Vec<Diagnostic>) {
    if names(root, &["operation", "step"]).is_empty() {
        return;
    }
    for key in ["server", "method", "reads", "writes", "locks"]
        .iter()
        .filter(|key| tree::find(root, &["operation", key]).is_some())
    {
        let title = format!("`operation.{key}` means nothing beside steps");
        let place = tree::key_place(root, &["operation", key]);
        let error = Diagnostic::error("misplaced", title, place, format!("each step has a `{key}` of its own"));
        errors.push(error.also(tree::key_place(root, &["operation", "step"]), "steps of the operation"));
    }
}

fn cancelling(parts: &Parts, root: &DeTable<'_>, errors: &mut Vec<Diagnostic>) {
    for Named { name, table } in parts.servers.iter().filter(|server| !server.table.cancels_work()) {
        for (call, _) in table.words.call.0.iter().filter(|(_, call)| call.cancels()) {
            let title =
                format!("call `{call}` cancels what is below, but work of server `{name}` is finished in any case");
            let place = tree::key_place(root, &["server", name, "call", call, "cancel"]);
            errors.push(
                Diagnostic::error("without-effect", title, place, "`cancel` means nothing without cancelled work")
                    .help(format!("`abandoned_work = \"cancel\"` of `[server.{name}]`")),
            );
        }
    }
}

/// What rows say about steps.
fn rows(parts: &Parts, root: &DeTable<'_>, errors: &mut Vec<Diagnostic>) {
    let Some(operation) = &parts.operation else { return };
    let uses = mixes::uses(&parts.policies, &parts.mixes, operation);
    for policy in &parts.policies {
        let Named { name, table } = policy;
        // One that nobody uses is an error of its own.
        let of: Vec<&OperationTable> =
            uses.iter().filter(|one| one.policy.name == *name).map(|one| &one.operation).collect();
        let steps: Vec<&str> =
            of.iter().flat_map(|operation| &operation.step.0).map(|(step, _)| step.as_str()).collect();
        for (step, _) in table.step.0.iter().filter(|(step, _)| !of.is_empty() && !steps.contains(&step.as_str())) {
            let place = tree::key_place(root, &["policy", name, "step", step]);
            let title = format!("there is no step `{}`", cut(step));
            let error = Diagnostic::error("unknown-name", title, place.clone(), "names no step of the operation");
            errors.push(match steps.is_empty() {
                true => error.help("the operation has no steps"),
                false => near(error, "step", step, &steps, |near| (place, near.to_owned())),
            });
        }
        let methods: Vec<Vec<Method>> = of.iter().map(|operation| methods_of_row(operation, table)).collect();
        let nobody_follows = !methods.is_empty() && methods.iter().all(Vec::is_empty);
        // Every step has other rules: nobody follows the row's own.
        let keys = names(root, &["policy", name]);
        if let Some(key) = keys.iter().find(|key| nobody_follows && !OF_ROWS.contains(key)) {
            let title = format!("no step follows the own rules of policy `{name}`");
            let place = tree::key_place(root, &["policy", name, key]);
            errors.push(Diagnostic::error(
                "without-effect",
                title,
                place,
                "every step of the operation has other rules",
            ));
        }
        let asks = || table.retry_policy(Method::Get) != table.retry_policy(Method::Post);
        let differ =
            |methods: &Vec<Method>| methods.iter().any(|method| method.is_idempotent() != methods[0].is_idempotent());
        if methods.iter().any(differ) && asks() {
            let title = format!(
                "policy `{name}` asks whether the method is idempotent, and is that of steps which differ in it"
            );
            let place = tree::key_place(root, &["policy", name]);
            errors.push(
                Diagnostic::error("mixed-methods", title, place, "has outcomes that are retried by method")
                    .help(format!("rules of their own for some of them: `[policy.{name}.step.{}]`", steps[0])),
            );
        }
    }
}

/// Who calls whom. All names are those of servers.
struct Graph<'a> {
    /// Those that operations call, with repetitions.
    roots: Vec<&'a str>,
    /// By server: its calls, and the servers that they call.
    calls: BTreeMap<&'a str, Vec<(&'a str, &'a str)>>,
    /// In the file's order.
    servers: Vec<&'a str>,
}

impl<'a> Graph<'a> {
    fn new(parts: &'a Parts) -> Graph<'a> {
        let servers: Vec<&str> = parts.servers.iter().map(|server| server.name.as_str()).collect();
        let made = |server: &'a Named<super::shape::server::Server>| {
            server.table.words.call.0.iter().map(|(name, call)| (name.as_str(), calls(name, call))).collect()
        };
        let by_server = parts.servers.iter().map(|server| (server.name.as_str(), made(server))).collect();
        let mut roots: Vec<&str> = Vec::new();
        if let Some(operation) = &parts.operation {
            roots.extend(operation.step.0.iter().map(|(name, step)| calls(name, step)));
            if roots.is_empty() {
                roots.extend(operation.server.as_deref().or(servers.first().copied()));
            }
        }
        for (_, member) in parts.mixes.iter().flat_map(|mix| &mix.table.0) {
            roots.extend(member.server.as_deref());
            roots.extend(member.step.0.iter().map(|(name, step)| calls(name, step)));
        }
        Graph { roots, calls: by_server, servers }
    }

    fn check(&self, root: &DeTable<'_>) -> Vec<Diagnostic> {
        let mut done = Vec::new();
        let circle = self.servers.iter().find_map(|server| self.circle(&mut vec![*server], &mut done, root));
        if let Some(circle) = circle {
            return vec![circle];
        }
        let mut errors = Vec::new();
        let all = self.calls.values().flatten().map(|(_, server)| *server);
        let called: Vec<&str> = self.roots.iter().copied().chain(all).collect();
        for server in self.servers.iter().filter(|server| !called.contains(server)) {
            let place = tree::key_place(root, &["server", server]);
            let title = format!("nobody calls the server `{server}`");
            let label = match names(root, &["operation", "step"]).is_empty() {
                true => {
                    format!("operations call `{}`, and no server calls this one", self.roots.first().unwrap_or(&""))
                }
                false => "no step and no server calls it".to_owned(),
            };
            errors.push(Diagnostic::error("not-called", title, place, label).help(format!(
                "`[server.NAME.call.{server}]` for a server that calls it, `[operation.step.{server}]`, or no such server"
            )));
        }
        let mut known = BTreeMap::new();
        let places = self.roots.iter().fold(0, |sum: u64, server| sum.saturating_add(self.places(server, &mut known)));
        if places > MOST_PLACES as u64 {
            let kind = if names(root, &["operation", "step"]).is_empty() { "server" } else { "operation" };
            let title = "servers call each other at too many places".to_owned();
            let label = format!("{places} of them, each below others; at most {MOST_PLACES}");
            errors.push(Diagnostic::error("too-many-places", title, tree::key_place(root, &[kind]), label));
        }
        errors
    }

    /// The first way back to a server on `way`, from its last.
    fn circle(&self, way: &mut Vec<&'a str>, done: &mut Vec<&'a str>, root: &DeTable<'_>) -> Option<Diagnostic> {
        let last = *way.last()?;
        if done.contains(&last) {
            return None;
        }
        for (call, server) in self.calls.get(last).into_iter().flatten() {
            if let Some(start) = way.iter().position(|other| other == server) {
                let circle: Vec<&str> = way[start..].iter().copied().chain([*server]).collect();
                let title = format!("the server `{server}` calls itself: {}", circle.join(" → "));
                let place = tree::key_place(root, &["server", last, "call", call]);
                return Some(Diagnostic::error("circle", title, place, "calls what it is called by"));
            }
            way.push(server);
            if let Some(found) = self.circle(way, done, root) {
                return Some(found);
            }
            way.pop();
        }
        done.push(last);
        None
    }

    /// Places of a call to this server, and of all below.
    fn places(&self, server: &'a str, known: &mut BTreeMap<&'a str, u64>) -> u64 {
        if let Some(places) = known.get(server) {
            return *places;
        }
        let calls = self.calls.get(server).into_iter().flatten();
        let places = calls.fold(1, |sum: u64, (_, below)| sum.saturating_add(self.places(below, known)));
        known.insert(server, places);
        places
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::flow::{OnFailure, When};
    use crate::protocol::Outcome;
    use crate::retry::RetryPolicy;
    use crate::scenario::call::{Answer, Failed};
    use crate::scenario::file::{LoadError, Loaded, Overrides, Source, parse};

    const TOP: &str = "duration = \"10s\"\n[load]\narrivals.poisson = { rate = \"10/s\" }\n";

    fn read_with(text: &str, set: &[(&str, &str)]) -> Result<Loaded, LoadError> {
        let set = set.iter().map(|(path, value)| ((*path).to_owned(), (*value).to_owned())).collect();
        let source = Source::new("test.toml", format!("{TOP}{text}"));
        parse(source, "test", Path::new(""), &Overrides { set, ..Overrides::default() })
    }

    fn read(text: &str) -> Loaded {
        read_with(text, &[]).unwrap_or_else(|error| panic!("{text}\n{}", error.render(false)))
    }

    /// What is said of a file: each of these.
    fn check(text: &str, expected: &[&str]) {
        match read_with(text, &[]) {
            Ok(loaded) => panic!("{text} was read: {}", loaded.resolved),
            Err(error) => {
                let told = error.render(false);
                assert!(expected.iter().all(|part| told.contains(part)), "{text}\n{told}\n{expected:?}");
            }
        }
    }

    const SHOP: &str = r#"
[server.api]
abandoned_work = "cancel"
[server.api.call.cache]
on_failure = "go-on"
[server.api.call.db]
policy = { attempts = 3, timeout = "200ms", backoff.fixed = { delay = "20ms" }, breaker = "none" }
when.failed = "cache"
propagate = true
cancel = true
map = { 429 = 503, 5xx = "pass", gate = 502 }
[server.db]
[server.cache]
[operation.step.quote]
server = "api"
method = "GET"
policy.preset = "envoy"
[operation.step.charge]
server = "api"
when.share = "30%"
on_failure.start-over = { on = [409], times = 2 }
[policy.p]
step.charge = { attempts = 1, timeout = "10s" }
[policy.q]
with.server.api.call.db.policy.attempts = 1
with.operation.step.charge.method = "PUT"
"#;

    #[test]
    fn calls_are_as_the_engine_knows_them() {
        let scenario = read(SHOP).scenario;
        let steps = &scenario.world.operation.steps;
        let told: Vec<_> = steps.iter().map(|step| (step.name.as_str(), step.server, step.method)).collect();
        assert_eq!(told, [("quote", 0, Method::Get), ("charge", 0, Method::Post)]);
        assert!(steps[0].rules.is_some() && steps[1].rules.is_none());
        assert_eq!(steps[1].step.when, When::Share(0.3));
        assert!(matches!(steps[1].step.on_failure, OnFailure::StartOver { times: 2, .. }));
        let calls = &scenario.world.servers[0].calls;
        let told: Vec<_> = calls.iter().map(|call| (call.name.as_str(), call.server, call.method)).collect();
        assert_eq!(told, [("cache", 2, Method::Post), ("db", 1, Method::Post)], "in the file's order");
        let (cache, db) = (&calls[0], &calls[1]);
        assert!(cache.rules.is_none() && !cache.propagate && !cache.cancel && db.propagate && db.cancel);
        assert_eq!((&cache.step.on_failure, db.step.when), (&OnFailure::GoOn, When::Failed(0)));
        let answers = [429, 500, 404].map(|status| db.map.of(Failed::With(Outcome::Status(status))));
        assert_eq!(answers, [Answer::Status(503), Answer::Pass, Answer::Status(502)]);
        assert_eq!(db.map.of(Failed::Unsent), Answer::Status(502));
        let rows = &scenario.policies;
        assert_eq!(rows[0].members[0].steps.iter().map(|(step, _)| *step).collect::<Vec<_>>(), [1]);
        assert!(rows[1].members[0].steps.is_empty() && rows[0].world.is_none());
        let own = rows[1].world.as_ref().expect("a world of its own");
        assert_eq!(own.operation.steps[1].method, Method::Put);
        let attempts = |world: &crate::scenario::World| {
            format!("{:?}", world.servers[0].calls[1].rules).contains("attempts: Some(3)")
        };
        assert_eq!((attempts(&scenario.world), attempts(own)), (true, false));
    }

    /// What is shown is read as the same scenario, and shown alike.
    #[test]
    fn what_is_shown_is_read_again() {
        let first = read(SHOP);
        let shown = &first.resolved;
        let source = Source::new("test.toml", shown.clone());
        let again = parse(source, "test", Path::new(""), &Overrides::default());
        let again = again.unwrap_or_else(|error| panic!("{shown}\n{}", error.render(false)));
        let without_comments = |text: &str| -> Vec<String> {
            text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
        };
        assert_eq!(without_comments(&first.resolved), without_comments(&again.resolved));
        let world = |loaded: &Loaded| format!("{:?} {:?}", loaded.scenario.world, loaded.scenario.policies);
        assert_eq!(world(&first), world(&again));
        for line in [
            "[server.api.call.db]",
            "[server.api.call.db.policy]",
            "when.failed = \"cache\"",
            "map = { 429 = 503, 5xx = \"pass\", gate = 502 }",
            "[operation.step.quote.policy]",
            "# preset = \"envoy\", written out:",
            "[policy.p.step.charge]",
            "on_failure.start-over = { on = [\"409\"], times = 2 }",
            "with.operation.step.charge.method = \"PUT\"",
        ] {
            assert!(shown.lines().any(|other| other == line), "no {line}:\n{shown}");
        }
        assert!(!shown.contains("[operation]\nserver"), "{shown}");
    }

    /// Whether a call without a method may be made again is known from above, if that is known.
    #[test]
    fn methods_come_from_above() {
        let method = |text: &str| {
            let text = format!(
                "{text}\n[server.api]\ncall.db = {{}}\n[server.db]\ncall.disk = {{}}\n[server.disk]\n[policy.p]\n"
            );
            let servers = &read(&text).scenario.world.servers;
            [servers[0].calls[0].method, servers[1].calls[0].method]
        };
        assert_eq!(method(""), [Method::Post; 2]);
        assert_eq!(method("[operation]\nmethod = \"GET\""), [Method::Get; 2]);
        assert_eq!(method("[operation]\nstep.a = { server = \"api\", method = \"PUT\" }"), [Method::Put; 2]);
        let both = "[operation]\nstep.api.method = \"PUT\"\nstep.db.method = \"GET\"";
        assert_eq!(method(both), [Method::Put, Method::Post], "of two that differ none");
    }

    #[test]
    fn rules_go_by_the_method_of_their_step() {
        let rules = "{ attempts = 2, retry_on = [], retry_on_idempotent = [503] }";
        let text = format!(
            "[server.s]\n[operation]\nstep.get = {{ server = \"s\", method = \"GET\", policy = {rules} }}\n\
             step.post = {{ server = \"s\", policy = {rules} }}\n[policy.p]\nstep.get = {rules}\nstep.post = {rules}"
        );
        let scenario = read(&text).scenario;
        let retried = |rules: &dyn std::fmt::Debug| format!("{rules:?}").contains("Status(503)");
        let steps = &scenario.world.operation.steps;
        assert_eq!([0, 1].map(|step| retried(&steps[step].rules)), [true, false]);
        assert_eq!([0, 1].map(|step: usize| retried(&scenario.policies[0].members[0].steps[step].1)), [true, false]);
        assert!(!retried(&RetryPolicy {
            retry_on: crate::retry::OutcomeSet::new(Vec::new()),
            ..RetryPolicy::default()
        }));
    }

    #[test]
    fn what_calls_and_steps_get_wrong() {
        let step = |text: &str| {
            format!("[server.s]\n[server.t]\n[operation.step.s]\n[operation.step.t]\n{text}\n[policy.p]\n")
        };
        check(&step("server = \"tt\""), &["unknown-name", "there is no server `tt`", "\"t\""]);
        check(&step("[operation.step.u]"), &["no server `u`", "calls the server of its own name"]);
        check(&step("when.failed = \"ss\""), &["there is no step `ss` before `t`", "\"s\""]);
        check(&step("when.failed = \"t\""), &["the step `t` is not made before `t`"]);
        check(&step("when.sometimes = \"1%\""), &["unknown-choice", "`failed`"]);
        check(&step("on_failure = \"start-over\""), &["parameters-missing"]);
        check(&step("on_failure.start-over = {}"), &["missing-key", "times"]);
        check(&step("propagate = true"), &["unknown key `propagate`", "not a key of a step"]);
        check(&step("policy.atempts = 1"), &["unknown key `atempts`", "attempts"]);
        check(&step("policy.with = {}"), &["unknown key `with` in `operation.step.t.policy`"]);
        check(&step("policy.attempts = 1\npolicy.backoff = \"aws\""), &["unknown-choice"]);
        check(&step("policy.backoff.fixed = { delay = \"1s\" }"), &["no-retries", "policy of `operation.step.t`"]);
        check(&step("[operation]\nmethod = \"GET\""), &["misplaced", "`operation.method`", "steps of the operation"]);
        check(&step("[operation.step.\"a b\"]\nserver = \"s\""), &["invalid-name", "a step"]);
        check(&step("[policy.q]\nstep.tt.attempts = 1"), &["no step `tt`"]);
        check(&step("[policy.q]\nstep.t.step = {}"), &["unknown key `step` in `policy.q.step.t`"]);
        check(&step("[policy.q]\nattempts = 1\nstep = { s = {}, t = {} }"), &["no step follows", "`q`"]);
        let asks = "[policy.q]\nattempts = 2\nretry_on_idempotent = [503]";
        check(&step(&format!("method = \"GET\"\n{asks}")), &["mixed-methods"]);
        check("[server.s]\n[policy.p]\nstep.s.attempts = 1\n", &["no step `s`", "the operation has no steps"]);
    }

    #[test]
    fn what_servers_get_wrong() {
        let call = |text: &str| format!("[server.api]\n[server.api.call.db]\n{text}\n[server.db]\n[policy.p]\n");
        read(&call(""));
        check(&call("map = { 200 = 503 }"), &["invalid-value"]);
        check(&call("map = { any = 200 }"), &["neither an error status"]);
        check(&call("cancel = true"), &["without-effect", "abandoned_work"]);
        check(&call("[server.cash]"), &["not-called", "nobody calls the server `cash`", "operations call `api`"]);
        check(&call("[server.db.call.api]"), &["circle", "api → db → api"]);
        check(&call("[server.api.call.api]"), &["circle", "api → api"]);
        check(&call("[operation]\nserver = \"db\""), &["nobody calls the server `api`"]);
        let many = |count: usize| {
            (0..count).map(|call| format!("[server.api.call.c{call}]\nserver = \"db\"\n")).collect::<String>()
        };
        read(&call(&many(63)));
        check(&call(&many(64)), &["too-many-tables", "65 tables `server.api.call`", "at most 64"]);
        // 1 + 31 · 32 are below 1,000, and 32 more are not.
        let deep = |calls: usize| {
            let db = (0..31).map(|call| format!("[server.db.call.d{call}]\nserver = \"disk\"\n")).collect::<String>();
            call(&format!("{}[server.disk]\n{db}", many(calls)))
        };
        read(&deep(30));
        check(&deep(31), &["too-many-places", "1025 of them", "at most 1000"]);
    }

    #[test]
    fn they_are_changed_and_not_added() {
        let set =
            |path: &str, value: &str, expected: Result<&str, &str>| match (read_with(SHOP, &[(path, value)]), expected)
            {
                (Ok(loaded), Ok(line)) => {
                    assert!(loaded.resolved.lines().any(|other| other == line), "{path}:\n{}", loaded.resolved);
                }
                (Err(error), Err(part)) => {
                    assert!(error.render(false).contains(part), "{path}: {}", error.render(false))
                }
                (Ok(loaded), Err(part)) => panic!("{path}: expected `{part}`, got\n{}", loaded.resolved),
                (Err(error), Ok(line)) => panic!("{path}: expected `{line}`, got\n{}", error.render(false)),
            };
        set("operation.step.charge.policy.attempts", "7", Ok("attempts = 7"));
        set("operation.step.charge.when", "always", Ok("when = \"always\""));
        set("operation.step.charge.when.succeeded", "quote", Ok("when.succeeded = \"quote\""));
        set("server.api.call.db.policy.backoff.linearr.base", "1s", Err("unknown-choice"));
        set("server.api.call.db.server", "cache", Err("nobody calls the server `db`"));
        set("policy.q.step.charge.attempts", "9", Ok("attempts = 9"));
        set("operation.step.charged.policy.attempts", "2", Err("there is `charge`"));
        set("server.api.call.dba.policy.attempts", "2", Err("no server.api.call `dba`"));
        set("policy.q.step.charged.attempts", "2", Err("there is `charge`"));
        set("policy.q.with.server.api.call.db.policy.preset", "grpc", Ok("[policy.q]"));
        set("policy.q.with.server.api.call.dbb.propagate", "true", Err("there is no call `dbb` to change"));
        set("policy.q.with.operation.step.other.method", "GET", Err("there is no step `other` to change"));
        set("policy.q.with.server.api.call", "{ other = {} }", Err("there is no call `other` to change"));
    }

    /// A preset that a row changes is filled in anew.
    #[test]
    fn presets_of_calls_are_those_of_the_row() {
        let change = "with.server.api.call.db.policy.preset = \"envoy\"";
        let text = |preset: &str, with: &str| {
            format!(
                "[server.api]\n[server.api.call.db]\npolicy.preset = \"{preset}\"\n[server.db]\n[policy.p]\n{with}\n"
            )
        };
        let (changed, plain) = (read(&text("grpc", change)), read(&text("envoy", "")));
        let rules = |world: &crate::scenario::World| format!("{:?}", world.servers[0].calls[0].rules);
        assert_eq!(rules(changed.scenario.of(0).world), rules(&plain.scenario.world));
        assert_ne!(rules(&changed.scenario.world), rules(&plain.scenario.world));
    }
}
