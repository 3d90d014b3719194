//! What is wrong with durable queues.

use toml::de::DeTable;

use super::diagnostic::Diagnostic;
use super::shape::call::Called;
use super::shape::durable::Beside;
use super::{Named, Parts, tree};
use crate::text::cut;
use crate::units::Span;

/// All of it.
pub fn check(parts: &Parts, root: &DeTable<'_>) -> Vec<Diagnostic> {
    let mut errors = Vec::new();
    for Named { name, table } in &parts.policies {
        let Some(durable) = &table.durable else { continue };
        let end = parts.top.as_ref().map(|top| {
            let duration = top.duration.span();
            duration + top.drain.map_or(duration, |drain| drain.0)
        });
        // If it cannot be read, that is said already.
        let has_things = parts.load.as_ref().is_none_or(|load| load.repeat.is_some() || load.contend.is_some());
        let steps = || parts.operation.iter().flat_map(|operation| &operation.step.0);
        let has_keys = table.has_keys()
            || table.step.0.iter().any(|(_, rules)| rules.0.has_keys())
            || steps().any(|(_, step)| step.common().rules.is_some_and(|rules| rules.0.has_keys()));
        if let Some((key, label)) = durable.without_effect(Beside { has_keys, has_things, end }) {
            let title = format!("`{key}` of the durable queue of `{}` means nothing", cut(name));
            let place = tree::key_place(root, &["policy", name, "durable", key]);
            errors.push(Diagnostic::error("without-effect", title, place, label));
        }
        // Each time is an event.
        if durable.visibility().is_some_and(|visibility| visibility < Span::millis(1)) {
            let title = format!("messages of `{}` are given out more than a thousand times a second", cut(name));
            let place = tree::value_place(root, &["policy", name, "durable", "visibility"]);
            errors.push(Diagnostic::error("invalid-value", title, place, "is at least \"1ms\""));
        }
    }
    let has_queues = parts.policies.iter().any(|policy| policy.table.durable.is_some());
    let read_all = tree::names(root, &["policy"]).len() == parts.policies.len();
    for Named { name, table } in &parts.faults {
        if table.is_of_queues() && !has_queues && read_all {
            let title = "no policy has a durable queue";
            let place = tree::key_place(root, &["fault", name, "queue"]);
            errors.push(Diagnostic::error("without-effect", title, place, "is down for whom? `policy.NAME.durable`"));
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::durable::{DurableConfig, Handover, Order, Redrive};
    use crate::retry::Backoff;
    use crate::scenario::QueueFault;
    use crate::scenario::file::{LoadError, Loaded, Overrides, Source, parse};
    use crate::units::Span;

    fn read(text: &str) -> Result<Loaded, LoadError> {
        let text = format!("duration = \"1h\"\n[load]\narrivals.poisson = {{ rate = \"1/s\" }}\n{text}");
        parse(Source::new("test.toml", text), "test", Path::new(""), &Overrides::default())
    }

    /// The queue of the only policy, whose keys are these.
    fn queue(keys: &str) -> DurableConfig {
        let text = format!("[server.s]\n[policy.p]\nkey = \"per-operation\"\n[policy.p.durable]\n{keys}");
        let loaded = read(&text).unwrap_or_else(|error| panic!("{text}\n{}", error.render(false)));
        loaded.scenario.policies[0].members[0].durable.clone().expect("it has one")
    }

    #[test]
    fn what_is_said_of_a_queue() {
        let fixed = DurableConfig { backoff: Backoff::fixed(Span::secs(60)), ..DurableConfig::default() };
        assert_eq!(queue("backoff.fixed = { delay = \"1m\" }"), fixed);
        let all = "backoff.fixed = { delay = \"1m\" }\nattempts = 7\nmax_age = \"30m\"\nworkers = 5\npoll = \"1s\"\nbatch = 10\npartial = true\n\
                   visibility = \"30s\"\nheart_beat = \"10s\"\norder = \"fifo\"\nkey = \"per-try\"\ncheck_first = true\n\
                   handover.after = { takes = \"5ms\", fails = \"1%\" }\ndead_letter = { redrive_at = \"50m\", rate = \"10/s\" }";
        let expected = DurableConfig {
            attempts: Some(7),
            max_age: Some(Span::secs(1_800)),
            workers: 5,
            poll: Span::secs(1),
            batch: 10,
            partial: true,
            visibility: Some(Span::secs(30)),
            heart_beat: Some(Span::secs(10)),
            order: Order::Fifo,
            key_per_try: true,
            check_first: true,
            handover: Handover::After { takes: Span::from_seconds(0.005), fails: 0.01 },
            redrive: Some(Redrive { at: Span::secs(3_000), rate: Some(10.0) }),
            ..fixed
        };
        assert_eq!(queue(all), expected);
        let again = "[server.s]\n[policy.p]\ndurable = { backoff = \"none\", deduplicated = true }\n[load.contend]\nthings = 5\n";
        let loaded = read(again).unwrap_or_else(|error| panic!("{}", error.render(false)));
        assert!(loaded.scenario.policies[0].members[0].durable.as_ref().is_some_and(|queue| queue.deduplicated));
    }

    #[test]
    fn somebody_elses_schedule() {
        let sidekiq = queue("preset = \"sidekiq\"");
        assert_eq!(sidekiq.attempts, Some(26));
        assert_eq!(queue("preset = \"sidekiq\"\nattempts = 3").attempts, Some(3));
        let own = queue("preset = \"sidekiq\"\nbackoff = \"none\"");
        assert_eq!((own.attempts, own.backoff), (Some(26), Backoff::none()));
    }

    #[test]
    fn a_queue_is_down_at_whatever_server() {
        let text = "[server.s]\n[server.other]\n[operation]\nstep.s = {}\nstep.other = {}\n[policy.p]\ndurable = { backoff = \"none\" }\n\
                    [fault.f]\nfrom = \"1m\"\nqueue = \"down\"\n";
        let loaded = read(text).unwrap_or_else(|error| panic!("{}", error.render(false)));
        assert_eq!(loaded.scenario.world.faults[0].queue, Some(QueueFault::Down));
    }

    /// The code of the only error, and its title.
    fn check(text: &str, code: &str, title: &str) {
        let Err(LoadError::Invalid { diagnostics, .. }) = read(text) else { panic!("it can be read: {text}") };
        let found: Vec<_> = diagnostics.iter().map(|error| (error.code, error.title.as_str())).collect();
        assert_eq!(found, [(code, title)], "{text}");
    }

    #[test]
    fn nothing_is_said_in_vain() {
        let of = |keys: &str, key: &str| {
            let text = format!("[server.s]\n[policy.p.durable]\nbackoff = \"none\"\n{keys}\n");
            check(&text, "without-effect", &format!("`{key}` of the durable queue of `p` means nothing"));
        };
        of("partial = true", "partial");
        of("heart_beat = \"1s\"", "heart_beat");
        of("heart_beat = \"30s\"\nvisibility = \"30s\"", "heart_beat");
        of("key = \"per-try\"", "key");
        of("deduplicated = true", "deduplicated");
        of("dead_letter = { redrive_at = \"5m\" }", "dead_letter");
        of("attempts = 3\ndead_letter = { redrive_at = \"2h\" }", "dead_letter");
        let often = "[server.s]\n[policy.p.durable]\nbackoff = \"none\"\nvisibility = \"999us\"\n";
        check(often, "invalid-value", "messages of `p` are given out more than a thousand times a second");
        let down = "[server.s]\n[policy.p]\n[fault.f]\nqueue = \"down\"\n";
        check(down, "without-effect", "no policy has a durable queue");
        let step = "[server.s]\n[policy.p]\n[operation.step.s]\npolicy = { durable = { backoff = \"none\" } }\n";
        check(step, "unknown-key", "unknown key `durable` in `operation.step.s.policy`");
    }
}
