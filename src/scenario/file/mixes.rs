//! Mixes: rows of clients that follow several policies, and which policies are rows.

use toml::de::DeTable;

use super::checks::{self, ROUNDING};
use super::diagnostic::Diagnostic;
use super::shape::mix::{MemberTable, MixTable};
use super::shape::policy::PolicyTable;
use super::shape::top::OperationTable;
use super::{Named, Parts, Tables, tree};
use crate::scenario::nearest::nearest;
use crate::scenario::{Member, PolicyConfig};
use crate::text::{cut, there_are};

/// Most members of a mix.
const MOST_MEMBERS: usize = 64;

/// A policy, and an operation that clients make who follow it.
pub struct Use<'a> {
    /// Which.
    pub policy: &'a Named<PolicyTable>,
    /// What.
    pub operation: OperationTable,
}

/// Every use of every policy, by rows and by members.
pub fn uses<'a>(
    policies: &'a [Named<PolicyTable>],
    mixes: &'a [Named<MixTable>],
    operation: &OperationTable,
) -> Vec<Use<'a>> {
    let rows = policies.iter().filter(|policy| policy.table.row);
    let rows = rows.map(|policy| Use { policy, operation: operation.clone() });
    let member = |(_, member): &'a (String, MemberTable)| {
        let policy = policies.iter().find(|policy| policy.name == member.policy)?;
        Some(Use { policy, operation: member.operation(operation).unwrap_or_else(|| operation.clone()) })
    };
    rows.chain(mixes.iter().flat_map(|mix| &mix.table.0).filter_map(member)).collect()
}

/// The names of all rows that a file has: policies, then mixes.
pub fn rows<'a>(root: &'a DeTable<'_>) -> Vec<&'a str> {
    let policies = tree::names(root, &["policy"]).into_iter().filter(|name| {
        let row = tree::find(root, &["policy", name, "row"]);
        row.and_then(|node| node.get_ref().as_bool()) != Some(false)
    });
    policies.chain(tree::names(root, &["mix"])).collect()
}

/// The names of all members, each once, in the file's order: measures know them by their places here.
pub fn members<'a>(root: &'a DeTable<'_>) -> Vec<&'a str> {
    let mut members = Vec::new();
    for mix in tree::names(root, &["mix"]) {
        for member in tree::names(root, &["mix", mix]) {
            if !members.contains(&member) {
                members.push(member);
            }
        }
    }
    members
}

/// Everything that is wrong with mixes.
pub fn check(parts: &Parts, root: &DeTable<'_>) -> Vec<Diagnostic> {
    let mut errors = Vec::new();
    let policies = tree::names(root, &["policy"]);
    for mix in &parts.mixes {
        if policies.contains(&mix.name.as_str()) {
            let title = format!("`{}` is a policy and a mix", mix.name);
            let place = tree::key_place(root, &["mix", &mix.name]);
            errors.push(
                Diagnostic::error("named-twice", title, place, "rows have names of their own")
                    .also(tree::key_place(root, &["policy", &mix.name]), "the policy"),
            );
        }
        of_mix(mix, parts, root, &mut errors);
    }
    for policy in parts.policies.iter().filter(|policy| !policy.table.row) {
        let place = |key: &str| tree::key_place(root, &["policy", &policy.name, key]);
        let is_member = |(_, member): &(String, MemberTable)| member.policy == policy.name;
        if !parts.mixes.iter().flat_map(|mix| &mix.table.0).any(is_member) {
            let title = format!("policy `{}` is neither a row nor a member of a mix", policy.name);
            let error = Diagnostic::error("without-effect", title, place("row"), "is no row of its own");
            errors.push(error.help(format!("`[mix.NAME.MEMBER]` with `policy = \"{}\"`", policy.name)));
        }
    }
    errors
}

fn of_mix(mix: &Named<MixTable>, parts: &Parts, root: &DeTable<'_>, errors: &mut Vec<Diagnostic>) {
    let members = &mix.table.0;
    let key = tree::key_place(root, &["mix", &mix.name]);
    if members.is_empty() {
        let title = format!("the mix `{}` has no members", mix.name);
        errors.push(
            Diagnostic::error("missing-table", title, key, "needs members")
                .help(format!("`[mix.{}.NAME]` with `share` and `policy`", mix.name)),
        );
        return;
    }
    if members.len() > MOST_MEMBERS {
        let title = format!("{} members of the mix `{}` are too many", members.len(), mix.name);
        let label = format!("there can be at most {MOST_MEMBERS}");
        errors.push(Diagnostic::error("too-many-tables", title, key.clone(), label));
    }
    let policies = tree::names(root, &["policy"]);
    for (name, member) in members {
        let place = |key: &str| tree::value_place(root, &["mix", &mix.name, name, key]);
        errors.extend(checks::name("member", name, tree::key_place(root, &["mix", &mix.name, name])));
        if !policies.contains(&member.policy.as_str()) {
            let title = format!("there is no policy `{}`", cut(&member.policy));
            let error = Diagnostic::error("unknown-name", title, place("policy"), "names no policy of this file");
            errors.push(match nearest(&member.policy, policies.iter().copied()) {
                Some(near) => error.fix("a policy with a similar name exists", place("policy"), format!("\"{near}\"")),
                None => error.help(there_are(policies.iter().copied())),
            });
        }
        let changes = parts.policies.iter().find(|policy| policy.name == member.policy && policy.table.with.is_some());
        if let Some(policy) = changes {
            let title =
                format!("the members of `{}` meet one world, and policy `{}` has its own", mix.name, policy.name);
            let error =
                Diagnostic::error("misplaced", title, place("policy"), "follows a policy with a world of its own");
            errors.push(error.also(tree::key_place(root, &["policy", &policy.name, "with"]), "its world"));
        }
        let beside = ["server", "method"].into_iter().filter(|_| !member.step.is_empty());
        for key in beside.filter(|key| tree::find(root, &["mix", &mix.name, name, key]).is_some()) {
            let title = format!("`{key}` of `mix.{}.{name}` means nothing beside steps", mix.name);
            let place = tree::key_place(root, &["mix", &mix.name, name, key]);
            errors.push(Diagnostic::error("misplaced", title, place, format!("each step has a `{key}` of its own")));
        }
        let steps = !tree::names(root, &["operation", "step"]).is_empty();
        if steps && member.step.is_empty() && member.method.is_some() && member.server.is_none() {
            let title = format!("`mix.{}.{name}` does not say which server it calls", mix.name);
            let label = "makes one call, where `[operation]` has steps";
            errors.push(Diagnostic::error("which-server", title, place("method"), label).help("add `server = \"…\"`"));
        }
    }
    let sum: f64 = members.iter().map(|(_, member)| member.share.0.0).sum();
    if (sum - 1.0).abs() > ROUNDING {
        let title = format!("the shares of the mix `{}` add up to {}", mix.name, checks::percent(sum));
        let last = &members[members.len() - 1].0;
        let place = tree::value_place(root, &["mix", &mix.name, last, "share"]);
        let mut error = Diagnostic::error("shares-not-1", title, place, "every client belongs to a member");
        for (name, member) in &members[..members.len() - 1] {
            let share = checks::percent(member.share.0.0);
            error = error.also(tree::value_place(root, &["mix", &mix.name, name, "share"]), share);
        }
        let room = 1.0 - (sum - members[members.len() - 1].1.share.0.0);
        errors.push(match room > 0.0 {
            true => error.help(format!("`share = \"{}\"` here, or others elsewhere", checks::percent(room))),
            false => error,
        });
    }
}

impl Tables {
    /// The names of all rows: policies, then mixes.
    pub fn rows(&self) -> Vec<&str> {
        let policies = self.policies.iter().filter(|policy| policy.table.row).map(|policy| policy.name.as_str());
        policies.chain(self.mixes.iter().map(|mix| mix.name.as_str())).collect()
    }

    /// All rows, as the engine knows them.
    pub fn build_rows(&self) -> Vec<PolicyConfig> {
        let row = |policy: &Named<PolicyTable>| {
            let all = self.build_member(&policy.name, policy, &self.operation);
            PolicyConfig { name: policy.name.clone(), members: vec![all], world: None }
        };
        let mut rows: Vec<PolicyConfig> = self.policies.iter().filter(|policy| policy.table.row).map(row).collect();
        let mut names: Vec<&str> = Vec::new();
        for mix in &self.mixes {
            let mut members = Vec::new();
            for (name, table) in &mix.table.0 {
                if !names.contains(&name.as_str()) {
                    names.push(name);
                }
                let number = names.iter().position(|other| other == name).expect("it is among them") as u32;
                let policy = self.policies.iter().find(|policy| policy.name == table.policy);
                let policy = policy.expect("names have been checked");
                let own = table.operation(&self.operation);
                let member = self.build_member(name, policy, own.as_ref().unwrap_or(&self.operation));
                let operation = own.map(|own| self.build_operation(&own));
                members.push(Member { number, share: table.share.0.0, operation, ..member });
            }
            rows.push(PolicyConfig { name: mix.name.clone(), members, world: None });
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::protocol::Method;
    use crate::scenario::file::{LoadError, Loaded, Overrides, Source, parse};

    const WORLD: &str = "duration = \"10s\"\n[load]\narrivals.poisson = { rate = \"10/s\" }\n[server.api]\n[server.db]\n\
                         [server.api.call.db]\n[policy.once]\n[policy.twice]\nattempts = 2\nrow = false\n";

    fn read_with(text: &str, set: &[(&str, &str)]) -> Result<Loaded, LoadError> {
        let set = set.iter().map(|(path, value)| ((*path).to_owned(), (*value).to_owned())).collect();
        let source = Source::new("test.toml", format!("{WORLD}{text}"));
        parse(source, "test", Path::new(""), &Overrides { set, ..Overrides::default() })
    }

    fn read(text: &str) -> Loaded {
        read_with(text, &[]).unwrap_or_else(|error| panic!("{text}\n{}", error.render(false)))
    }

    const BOTH: &str =
        "[mix.both.one]\nshare = \"60%\"\npolicy = \"once\"\n[mix.both.two]\nshare = 0.4\npolicy = \"twice\"\n";

    #[test]
    fn mixes_are_rows_behind_policies() {
        let loaded =
            read(&format!("{BOTH}method = \"GET\"\n[mix.alone.two]\nshare = 1\npolicy = \"twice\"\nserver = \"db\"\n"));
        let rows = &loaded.scenario.policies;
        let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names, ["once", "both", "alone"], "`twice` is none");
        assert_eq!(loaded.scenario.frame.baseline, 0);
        let told: Vec<_> =
            rows[1].members.iter().map(|member| (member.name.as_str(), member.share, member.number)).collect();
        assert_eq!(told, [("one", 0.6, 0), ("two", 0.4, 1)]);
        assert_eq!(rows[2].members[0].number, 1, "measured as others of its name");
        let operation = |row: usize, member: usize| rows[row].members[member].operation.as_ref();
        assert!(operation(1, 0).is_none());
        let of = |row, member| operation(row, member).map(|own| (own.server, own.method));
        assert_eq!((of(1, 1), of(2, 0)), (Some((0, Method::Get)), Some((1, Method::Post))));
        let attempts = |row: usize| format!("{:?}", rows[row].members[row - 1].rules.policy);
        assert!(attempts(1).contains("attempts: Some(1)"), "{}", attempts(1));
        // What is shown is read as the same rows.
        let source = Source::new("test.toml", loaded.resolved.clone());
        let again = parse(source, "test", Path::new(""), &Overrides::default());
        let again = again.unwrap_or_else(|error| panic!("{}\n{}", loaded.resolved, error.render(false)));
        assert_eq!(format!("{rows:?}"), format!("{:?}", again.scenario.policies));
        assert!(loaded.resolved.contains("\n[mix.both.two]\nshare = 0.4\npolicy = \"twice\"\nmethod = \"GET\"\n"));
    }

    #[test]
    fn members_may_have_steps_of_their_own() {
        let steps = "[mix.both.two.step.look]\nserver = \"db\"\nmethod = \"GET\"\n[mix.both.two.step.buy]\nserver = \"api\"\n\
                     policy.attempts = 7\n[policy.more]\nstep.look.attempts = 5\nrow = false\n";
        let text =
            format!("{BOTH}{steps}").replace("policy = \"twice\"", "policy = \"more\"").replace("[policy.once]", "");
        let loaded = read_with(&text, &[("policy.twice.row", "true")]);
        let loaded = loaded.unwrap_or_else(|error| panic!("{}", error.render(false)));
        let member = &loaded.scenario.policies[2].members[1];
        let steps = &member.operation.as_ref().expect("its own").steps;
        let told: Vec<_> = steps.iter().map(|step| (step.name.as_str(), step.server, step.method)).collect();
        assert_eq!(told, [("look", 1, Method::Get), ("buy", 0, Method::Post)]);
        let rules: Vec<usize> = member.steps.iter().map(|(step, _)| *step).collect();
        assert_eq!(rules, [0], "the policy's rules for a step of that name");
        assert!(steps[1].rules.is_some());
    }

    #[test]
    fn they_are_changed_like_others() {
        let set = |path: &str, value: &str| {
            let loaded = read_with(BOTH, &[(path, value), ("mix.both.two.share", "30%")]);
            loaded.map(|loaded| loaded.scenario.policies[1].members[0].share).map_err(|error| error.render(false))
        };
        assert_eq!(set("mix.both.one.share", "70%"), Ok(0.7));
        assert!(set("mix.both.one.share", "60%").is_err_and(|told| told.contains("add up to 90%")));
        assert!(set("mix.both.onee.share", "60%").is_err_and(|told| told.contains("`one`")));
        assert!(set("mix.bothh.one.share", "60%").is_err_and(|told| told.contains("`both`")));
    }

    /// Each policy is warned about once, be it a row or a member.
    #[test]
    fn members_are_warned_about() {
        let lost = "[fault.f]\nserver = \"api\"\nlost_replies = \"1%\"\n";
        let loaded = read(&format!("{BOTH}{lost}"));
        let titles: Vec<String> = loaded.warnings.iter().map(|warning| warning.in_words()).collect();
        for policy in ["once", "twice"] {
            let of: Vec<&String> =
                titles.iter().filter(|title| title.contains(&format!("policy `{policy}` may wait for ever"))).collect();
            assert_eq!(of.len(), 1, "{titles:?}");
        }
    }
}
