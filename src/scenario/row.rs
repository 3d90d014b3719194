//! A row of the comparison: whose clients meet a world.

use std::sync::Arc;

use super::call::{CallConfig, ClientRules};
use super::{Operation, World};
use crate::durable::DurableConfig;

/// A row of the comparison: clients that all follow one policy, or a mix of clients with several.
#[derive(Clone, Debug)]
pub struct PolicyConfig {
    /// Its name in the file.
    pub name: String,
    /// Who its clients are: at least one. Where there is one policy, it has them all.
    pub members: Vec<Member>,
    /// The world it runs in, if that is not the scenario's. Of files, servers and faults are the same ones in the same order, with other values.
    pub world: Option<Arc<World>>,
}

/// Clients of a row that do the same.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its name in the mix; that of the row, where there is no mix.
    pub name: String,
    /// By which its measures are known: members of one name, in whatever mix, have the same.
    pub number: u32,
    /// Its share of all clients, above 0; those of a row add up to 1.
    pub share: f64,
    /// What they do.
    pub rules: ClientRules,
    /// Their rules for single steps of the operation, by their numbers.
    pub steps: Vec<(usize, ClientRules)>,
    /// What their operations do; `None`: what the world says.
    pub operation: Option<Operation>,
    /// Where operations go that have failed; `None`: nowhere.
    pub durable: Option<DurableConfig>,
}

impl Member {
    /// All clients of a row, who follow these rules.
    pub fn all(name: &str, rules: ClientRules) -> Member {
        Member {
            name: name.to_owned(),
            number: 0,
            share: 1.0,
            rules,
            steps: Vec::new(),
            operation: None,
            durable: None,
        }
    }

    /// What their operations do.
    pub fn operation<'a>(&'a self, world: &'a World) -> &'a Operation {
        self.operation.as_ref().unwrap_or(&world.operation)
    }

    /// The rules for the step with this number, if it does not follow the member's own.
    pub fn rules_of<'a>(&'a self, number: usize, step: &'a CallConfig) -> Option<&'a ClientRules> {
        let own = self.steps.iter().find(|(of, _)| *of == number).map(|(_, rules)| rules);
        own.or(step.rules.as_ref())
    }
}

impl PolicyConfig {
    /// A row of clients that all follow these rules, in the common world.
    pub fn new(name: &str, rules: ClientRules) -> PolicyConfig {
        PolicyConfig { name: name.to_owned(), members: vec![Member::all(name, rules)], world: None }
    }

    /// The rules of its first member, or of its only one.
    pub fn rules(&self) -> &ClientRules {
        &self.members[0].rules
    }

    /// The same, to be changed.
    pub fn rules_mut(&mut self) -> &mut ClientRules {
        &mut self.members[0].rules
    }

    /// True if its clients are of several kinds, or do something else than the world says: then there are measures of each member.
    pub fn is_mix(&self) -> bool {
        self.members.len() > 1 || self.members[0].operation.is_some()
    }

    /// True if any of its operations goes to a durable queue when it has failed.
    pub fn is_durable(&self) -> bool {
        self.members.iter().any(|member| member.durable.is_some())
    }

    /// True if any of its operations does anything with the row of its thing.
    pub fn uses_rows(&self, world: &World) -> bool {
        self.members.iter().any(|member| member.operation(world).uses_rows())
    }

    /// True if all of its operations make one call to the server that the world's call.
    pub fn calls_one_server(&self, world: &World) -> bool {
        let one =
            |operation: &Operation| operation.steps.is_empty() && operation.called_index() == world.called_index();
        self.members.iter().all(|member| one(member.operation(world)))
    }

    /// The index of the member that a client belongs to who drew `unit`, in [0, 1).
    pub fn member(&self, unit: f64) -> usize {
        let mut left = unit;
        let other = self.members.iter().position(|member| {
            left -= member.share;
            left < 0.0
        });
        // Shares may add up to a little less than 1.
        other.unwrap_or(self.members.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_shared_out() {
        let member = |share| Member { share, ..Member::all("m", ClientRules::default()) };
        let row = |shares: &[f64]| PolicyConfig {
            members: shares.iter().map(|share| member(*share)).collect(),
            ..PolicyConfig::new("mix", ClientRules::default())
        };
        let tenths =
            |row: &PolicyConfig| -> Vec<usize> { (0..10).map(|tenth| row.member(f64::from(tenth) / 10.0)).collect() };
        assert_eq!(tenths(&row(&[1.0])), [0; 10]);
        assert_eq!(tenths(&row(&[0.25, 0.5, 0.25])), [0, 0, 0, 1, 1, 1, 1, 1, 2, 2]);
        let thirds = row(&[1.0 / 3.0; 3]);
        assert_eq!(thirds.member(1.0 - f64::EPSILON), 2, "nobody is left over");
    }
}
