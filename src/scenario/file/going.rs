//! What is wrong with what steps say of failures and journals, and with crashes of clients.

use toml::de::DeTable;

use super::calls::near;
use super::checks::MOST_SPELLS;
use super::diagnostic::Diagnostic;
use super::shape::call::{InOrder, StepTable, WhenChoice};
use super::shape::top::{JournalChoice, OperationTable};
use super::{Named, Parts, tree};
use crate::scenario::Scenario;
use crate::text::cut;
use crate::units::SimTime;

/// All of it.
pub fn check(parts: &Parts, root: &DeTable<'_>) -> Vec<Diagnostic> {
    let mut errors = Vec::new();
    of_servers(parts, root, &mut errors);
    let Some(operation) = &parts.operation else { return errors };
    let mut lists: Vec<(Vec<&str>, &InOrder<StepTable>)> = vec![(vec!["operation", "step"], &operation.step)];
    for mix in &parts.mixes {
        let own = mix.table.0.iter().filter(|(_, member)| !member.step.is_empty());
        lists.extend(own.map(|(name, member)| (vec!["mix", &mix.name, name, "step"], &member.step)));
    }
    for (path, steps) in &lists {
        Steps { path, steps, operation }.check(root, &mut errors);
    }
    let all: Vec<&StepTable> = lists.iter().flat_map(|(_, steps)| &steps.0).map(|(_, step)| step).collect();
    of_operation(parts, operation, &all, root, &mut errors);
    crashes(parts, operation, lists.len() > 1, root, &mut errors);
    errors
}

/// A worker does not wait, and has no journal.
fn of_servers(parts: &Parts, root: &DeTable<'_>, errors: &mut Vec<Diagnostic>) {
    for Named { name, table } in &parts.servers {
        for (call, of) in &table.words.call.0 {
            let at = |key| tree::value_place(root, &["server", name, "call", call, key]);
            let wrong = [("when", of.when().is_undo()), ("on_failure", of.on_failure().is_of_steps())];
            for (key, _) in wrong.iter().filter(|(_, is_wrong)| *is_wrong) {
                let title = format!("call `{}` of server `{}` is no step of an operation", cut(call), cut(name));
                errors.push(Diagnostic::error("misplaced", title, at(key), "only steps go on later, or are undone"));
            }
        }
    }
}

/// The steps of an operation.
struct Steps<'a> {
    path: &'a [&'a str],
    steps: &'a InOrder<StepTable>,
    operation: &'a OperationTable,
}

impl Steps<'_> {
    fn check(&self, root: &DeTable<'_>, errors: &mut Vec<Diagnostic>) {
        // Rows may compare those that compensate with those that do not.
        let rows_differ = tree::names(root, &["policy"])
            .iter()
            .any(|row| tree::find(root, &["policy", row, "with", "operation"]).is_some());
        let compensates = self.steps.0.iter().any(|(_, step)| self.compensates(step));
        let mut undone: Vec<&str> = Vec::new();
        for (number, (name, step)) in self.steps.0.iter().enumerate() {
            let path = |keys: &[&'static str]| -> Vec<&str> {
                self.path.iter().copied().chain([name.as_str()]).chain(keys.iter().copied()).collect()
            };
            if let WhenChoice::Undoing(of) | WhenChoice::UndoingIfSent(of) = step.when() {
                let place = tree::value_place(root, &path(&["when"]));
                let other = self.steps.position(of).map(|other| &self.steps.0[other].1);
                if other.is_some_and(|other| other.when().is_undo()) {
                    let title = format!("step `{}` undoes `{}`, which undoes another one", cut(name), cut(of));
                    errors.push(Diagnostic::error("misplaced", title, place.clone(), "an undo is not undone"));
                }
                if undone.contains(&of.as_str()) {
                    let title = format!("step `{}` is undone twice", cut(of));
                    errors.push(Diagnostic::error("misplaced", title, place.clone(), "an earlier step undoes it"));
                }
                undone.push(of);
                if !compensates && !rows_differ {
                    let title = format!("step `{}` is never made", cut(name));
                    let error = Diagnostic::error("without-effect", title, place, "no step compensates when it fails");
                    errors.push(error.help("`on_failure = \"compensate\"` of `[operation]`"));
                }
                if !step.on_failure().is_stop() {
                    let title = format!("step `{}` undoes another one: its failure is left for a person", cut(name));
                    let place = tree::key_place(root, &path(&["on_failure"]));
                    errors.push(Diagnostic::error("without-effect", title, place, "means nothing here"));
                }
            }
            if let Some(with) = step.committed_with() {
                let place = tree::value_place(root, &path(&["committed_with"]));
                let later: Vec<&str> = self.steps.0[number + 1..]
                    .iter()
                    .filter(|(_, step)| !step.when().is_undo())
                    .map(|(name, _)| name.as_str())
                    .collect();
                if !later.contains(&with) {
                    let title = format!("there is no step `{}` after `{}`", cut(with), cut(name));
                    let error = Diagnostic::error("unknown-name", title, place.clone(), "names no later step");
                    errors.push(near(error, "step", with, &later, |near| (place, format!("\"{near}\""))));
                }
            }
        }
        if compensates && undone.is_empty() && !self.steps.is_empty() {
            let title = "there is nothing to undo";
            let place = tree::key_place(root, self.path);
            let error = Diagnostic::error("without-effect", title, place, "none of these undoes another one");
            errors.push(error.help("`when.undoing = \"charge\"` in a step that takes `charge` back"));
        }
    }

    fn compensates(&self, step: &StepTable) -> bool {
        step.failing_in(self.operation).compensates() && !step.when().is_undo()
    }
}

fn of_operation(
    parts: &Parts,
    operation: &OperationTable,
    steps: &[&StepTable],
    root: &DeTable<'_>,
    errors: &mut Vec<Diagnostic>,
) {
    let mut without = |key: &str, title: &str, label: &str| {
        let place = tree::key_place(root, &["operation", key]);
        errors.push(Diagnostic::error("without-effect", title, place, label.to_owned()));
    };
    if steps.is_empty() && !operation.on_failure.is_stop() {
        without("on_failure", "there are no steps that could fail", "is said of steps");
    }
    let may_go_on = steps.iter().any(|step| step.failing_in(operation).goes_on());
    // If it cannot be read, that is said already.
    let crashes = parts.load.as_ref().is_none_or(|load| load.crash.is_some());
    match &operation.journal {
        JournalChoice::Memory => {}
        JournalChoice::None if may_go_on || crashes => {}
        JournalChoice::Durable { .. } if crashes => {}
        JournalChoice::None => without("journal", "no operation goes on later", "nobody looks into it"),
        JournalChoice::Durable { .. } => without("journal", "no client crashes", "is as good in memory"),
    }
    if operation.lists_undone && !steps.iter().any(|step| step.when().is_undo()) {
        without("lists_undone", "no step is undone", "means nothing without `when.undoing`");
    }
}

fn crashes(
    parts: &Parts,
    operation: &OperationTable,
    has_others: bool,
    root: &DeTable<'_>,
    errors: &mut Vec<Diagnostic>,
) {
    let Some(load) = &parts.load else { return };
    let Some(crash) = &load.crash else { return };
    let place = tree::key_place(root, &["load", "crash"]);
    if crash.is_empty() {
        let error = Diagnostic::error("misplaced", "no client crashes", place, "says neither when nor where");
        errors.push(error.help("`random = { mean_between = \"10m\", restart = \"5s\" }`, or `at_step`"));
    }
    if let Some(step) = crash.step() {
        let place = tree::value_place(root, &["load", "crash", "at_step", "step"]);
        let known: Vec<&str> = operation.step.0.iter().map(|(name, _)| name.as_str()).collect();
        if has_others {
            let title = "clients of mixes have steps of their own";
            errors.push(Diagnostic::error("misplaced", title, place, "is said of the steps of `[operation]`"));
        } else if !known.contains(&step) {
            let title = format!("there is no step `{}`", cut(step));
            let error = Diagnostic::error("unknown-name", title, place.clone(), "names no step of `[operation]`");
            errors.push(near(error, "step", step, &known, |near| (place, format!("\"{near}\""))));
        }
    }
    if load.clients.0 == 1 && crash.takes_over() {
        let place = tree::key_place(root, &["load", "crash", "takeover"]);
        errors.push(Diagnostic::error("without-effect", "there is no other client", place, "by whom?"));
    }
}

/// Crashes at random are events of every run, those of clients that are down too.
pub fn too_many_crashes(scenario: &Scenario, root: &DeTable<'_>) -> Option<Diagnostic> {
    let random = scenario.world.crashes.as_ref()?.random?;
    let between = random.mean_between.seconds() / f64::from(scenario.world.clients);
    let all = scenario.frame.end().since(SimTime::ZERO).seconds() / between;
    (all > MOST_SPELLS).then(|| {
        let title = format!("clients would crash {all:.1e} times in a run");
        let place = tree::value_place(root, &["load", "crash", "random", "mean_between"]);
        let label = format!("of each of {} clients", scenario.world.clients);
        Diagnostic::error("too-many-crashes", title, place, label)
            .help(format!("more time between them, or fewer clients: at most {MOST_SPELLS:.0e} a run"))
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::flow::{Compensate, Journal, OnFailure, When};
    use crate::scenario::file::{LoadError, Loaded, Overrides, Source, parse};
    use crate::scenario::{CrashWhen, InProgress, Meanwhile};
    use crate::units::Span;

    const SAGA: &str = r#"
duration = "10s"
[load]
clients = 3
arrivals.poisson = { rate = "10/s" }
[load.crash]
random = { mean_between = "10m", restart = "5s" }
at_step = { step = "charge", when = "after", share = "1%", restart = "6s" }
in_progress = "lost"
arrivals_meanwhile = "lost"
takeover = "2s"
[operation]
on_failure = "compensate"
journal.durable = { when = "after-run", write = "2ms", fails = "10%" }
lists_undone = true
[operation.step.reserve]
server = "s"
on_failure.resume = { on = [503], after = "30s", times = 3, then = "compensate" }
committed_with = "charge"
[operation.step.charge]
server = "s"
on_failure.compensate-and-retry = { after = "1m", times = 2 }
[operation.step.confirm]
server = "s"
[operation.step.release]
server = "s"
when.undoing = "reserve"
[operation.step.refund]
server = "s"
when.undoing-if-sent = "charge"
[server.s]
[policy.p]
"#;

    fn read(text: &str) -> Result<Loaded, LoadError> {
        parse(Source::new("test.toml", text.to_owned()), "test", Path::new(""), &Overrides::default())
    }

    #[test]
    fn as_the_engine_knows_it() {
        let loaded = read(SAGA).unwrap_or_else(|error| panic!("{}", error.render(false)));
        let world = &loaded.scenario.world;
        let steps = &world.operation.steps;
        let OnFailure::Resume(resume) = &steps[0].step.on_failure else { panic!("{:?}", steps[0]) };
        assert_eq!((resume.after, resume.times), (Span::secs(30), 3));
        assert_eq!((resume.then, steps[0].step.committed_with), (Some(Compensate::default()), Some(1)));
        let again = Compensate { times: 2, after: Span::secs(60) };
        let failures = [1, 2, 3, 4].map(|step: usize| steps[step].step.on_failure.clone());
        let once = OnFailure::Compensate(Compensate::default());
        assert_eq!(failures, [OnFailure::Compensate(again), once, OnFailure::Stop, OnFailure::Stop]);
        assert_eq!(steps[3].step.when, When::Undoing { step: 0, if_sent: false });
        assert_eq!(steps[4].step.when, When::Undoing { step: 1, if_sent: true });
        let journal = world.operation.journal;
        assert_eq!((journal.kept, journal.write, journal.fails), (Journal::AfterRun, Span::millis(2), 0.1));
        assert!(journal.lists_undone);
        let crashes = world.crashes.as_ref().expect("clients crash");
        let (random, at) = (crashes.random.expect("at random"), crashes.at_step.expect("at a step"));
        assert_eq!((random.mean_between, random.restart), (Span::secs(600), Span::secs(5)));
        assert_eq!((at.step, at.when, at.share, at.restart), (1, CrashWhen::After, 0.01, Span::secs(6)));
        assert_eq!((crashes.in_progress, crashes.arrivals_meanwhile), (InProgress::Lost, Meanwhile::Lost));
        assert_eq!(crashes.takeover, Some(Span::secs(2)));
        // What is shown is read again, and is the same.
        let again = read(&loaded.resolved).unwrap_or_else(|error| panic!("{}", error.render(false)));
        assert_eq!(again.resolved, loaded.resolved);
        assert_eq!(format!("{:?}", again.scenario.world), format!("{world:?}"));
    }

    /// With this in place of that, this is said.
    fn check(from: &str, to: &str, expected: &str) {
        assert!(SAGA.contains(from), "{from}");
        let text = SAGA.replacen(from, to, 1);
        let told = read(&text).err().unwrap_or_else(|| panic!("{text} was read")).render(false);
        assert!(told.contains(expected), "{told}\n{expected}");
    }

    #[test]
    fn what_is_wrong() {
        check("when.undoing = \"reserve\"", "when.undoing = \"resrve\"", "there is no step `resrve` before `release`");
        check("when.undoing = \"reserve\"", "when.undoing = \"charge\"", "step `charge` is undone twice");
        check("when.undoing-if-sent = \"charge\"", "when.undoing = \"release\"", "which undoes another one");
        check(
            "when.undoing = \"reserve\"",
            "when.undoing = \"reserve\"\non_failure = \"go-on\"",
            "is left for a person",
        );
        check(
            "committed_with = \"charge\"",
            "committed_with = \"confrm\"",
            "there is no step `confrm` after `reserve`",
        );
        check("step = \"charge\", when", "step = \"chrge\", when", "there is no step `chrge`");
        check("clients = 3", "clients = 1", "there is no other client");
        check(
            "[server.s]\n",
            "[server.s]\n[server.s.call.t]\non_failure = \"compensate\"\n[server.t]\n",
            "is no step of an operation",
        );
        check(
            "[server.s]\n",
            "[server.s]\n[server.s.call.t]\n[server.s.call.u]\nserver = \"t\"\nwhen.undoing = \"t\"\n[server.t]\n",
            "is no step of an operation",
        );
        let crash = &SAGA[SAGA.find("[load.crash]").expect("it is there")..SAGA.find("[operation]").expect("it too")];
        check(crash, "", "no client crashes");
        check(crash, "[load.crash]\nin_progress = \"lost\"\n", "no client crashes");
        let steps = &SAGA
            [SAGA.find("[operation.step.release]").expect("it is there")..SAGA.find("[server.s]").expect("it too")];
        check(steps, "", "there is nothing to undo");
        let none = "duration = \"10s\"\n[load]\narrivals.poisson = { rate = \"1/s\" }\n[operation]\nKEY\n[server.s]\n[policy.p]\n";
        for (key, expected) in [
            ("on_failure = \"compensate\"", "there are no steps that could fail"),
            ("journal = \"none\"", "no operation goes on later"),
            ("journal.durable = {}", "no client crashes"),
            ("lists_undone = true", "no step is undone"),
        ] {
            let told = read(&none.replace("KEY", key)).err().unwrap_or_else(|| panic!("{key} was read")).render(false);
            assert!(told.contains(expected), "{told}");
        }
        let never = "[operation.step.a]\nserver = \"s\"\n[operation.step.b]\nserver = \"s\"\nwhen.undoing = \"a\"";
        let told = read(&none.replace("KEY", never)).expect_err("it is never made").render(false);
        assert!(told.contains("step `b` is never made"), "{told}");
    }
}
