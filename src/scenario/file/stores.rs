//! What is wrong with stores of keys, and with effects before the end of the work.

use toml::de::DeTable;

use super::diagnostic::Diagnostic;
use super::{Named, Parts, tree};
use crate::protocol::Method;
use crate::scenario::{Asked, Idempotency, OnConflict, Writes};
use crate::units::Span;

/// Everything that is wrong with them.
pub fn check(parts: &Parts, root: &DeTable<'_>) -> Vec<Diagnostic> {
    let mut errors = Vec::new();
    for Named { name, table } in &parts.servers {
        let config = &table.config;
        if config.effect_at < 1.0 && !table.words.call.is_empty() {
            let place = tree::value_place(root, &["server", name, "effect_at"]);
            let title = format!("server `{name}` makes calls, and its effect comes after all of them");
            errors.push(
                Diagnostic::error("misplaced", title, place, "must be \"100%\" here")
                    .also(tree::key_place(root, &["server", name, "call"]), "calls that it makes"),
            );
        }
        let Idempotency::Lock(lock) = &config.idempotency else { continue };
        let of = |key| tree::value_place(root, &["server", name, "idempotency", "lock", key]);
        if !lock.atomic && lock.access == Span::ZERO {
            let title = format!("the store of server `{name}` looks up and locks in two accesses, which take no time");
            errors.push(
                Diagnostic::error("without-effect", title, of("atomic"), "nothing can come between them")
                    .help("the time of an access, such as `access = \"5ms\"`"),
            );
        }
        if let OnConflict::Wait(_) = lock.on_conflict
            && lock.asked == Asked::First
        {
            let title = format!("the store of server `{name}` is asked first, and no worker waits at its door");
            errors.push(
                Diagnostic::error("misplaced", title, of("on_conflict"), "needs a worker that waits")
                    .help("`asked = \"by-worker\"`, or `on_conflict = \"refuse\"`"),
            );
        }
    }
    writes_of_reads(parts, root, &mut errors);
    errors
}

/// What has no effect writes nothing.
fn writes_of_reads(parts: &Parts, root: &DeTable<'_>, errors: &mut Vec<Diagnostic>) {
    let mut all: Vec<(Vec<&str>, Method, Writes)> = Vec::new();
    if let Some(operation) = &parts.operation {
        if operation.step.is_empty() {
            all.push((vec!["operation"], operation.method, operation.writes));
        }
        let steps = operation.step.0.iter();
        all.extend(steps.map(|(name, step)| (vec!["operation", "step", name], step.written_by(), step.writes())));
    }
    for (mix, (member, table)) in parts.mixes.iter().flat_map(|mix| mix.table.0.iter().map(move |member| (mix, member)))
    {
        let steps = table.step.0.iter();
        all.extend(
            steps.map(|(name, step)| (vec!["mix", &mix.name, member, "step", name], step.written_by(), step.writes())),
        );
    }
    for (mut path, method, writes) in all {
        if method.effects(1) == 0 && !writes.is_nothing() {
            let title = format!("a {} writes nothing", method.name());
            path.push("writes");
            let place = tree::key_place(root, &path);
            errors.push(
                Diagnostic::error("misplaced", title, place, "has no effect to write with")
                    .help("`method = \"PUT\"` or `\"POST\"`"),
            );
        }
    }
}
