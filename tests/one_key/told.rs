//! What is counted in the end.

use std::collections::BTreeMap;

use simlab::protocol::Method;

use super::super::world::Ns;
use super::{Attempt, Due, Life, Operation, Stage, Told, Who};

impl Life<'_> {
    pub(super) fn told(mut self) -> Told {
        self.now = self.world.end();
        // Books that are open when the run ends are closed after the others.
        for index in 0..self.operations.len() {
            let moves = |due: &Due| match due.who {
                Who::World => false,
                Who::Operation(operation) => operation == index,
                Who::Attempt(attempt) => self.attempts[attempt].operation == index,
            };
            if self.operations[index].ended.is_none() || self.dues.iter().any(moves) {
                self.operations[index].moved = u64::MAX;
            }
        }
        let still_there = |own: &Attempt| own.stage != Stage::Away;
        let left: Vec<usize> = (0..self.attempts.len()).filter(|index| still_there(&self.attempts[*index])).collect();
        left.into_iter().for_each(|attempt| self.leave(attempt));
        let mut counts = BTreeMap::new();
        let mut count = |name: &str, number: usize| counts.insert(name.to_owned(), number as f64);
        let with_end = |end: fn(&Option<(Ns, bool)>) -> bool| {
            self.operations.iter().filter(|operation| end(&operation.ended)).count()
        };
        count("operations", self.operations.len());
        count("succeeded", with_end(|end| end.is_some_and(|(_, succeeded)| succeeded)));
        count("failed", with_end(|end| end.is_some_and(|(_, succeeded)| !succeeded)));
        count("unresolved", with_end(|end| end.is_none()));
        count("attempts", self.attempts.len());
        count("retries", self.attempts.len() - self.operations.iter().filter(|own| own.attempts > 0).count());
        for (name, number) in &self.outcomes {
            count(name, *number as usize);
        }
        count("outcome_open", self.attempts.iter().filter(|own| own.awaited).count());
        let of = |executions: u32| match self.world.method {
            Method::Get | Method::Head => 0,
            Method::Put | Method::Delete => executions.min(1),
            Method::Post | Method::Patch => executions,
        };
        // What is wanted is wanted of each operation, or of the one thing that all are about; what is too much is the later one's.
        let mut books: Vec<&Operation> = self.operations.iter().collect();
        books.sort_by_key(|own| own.moved);
        let (mut before, mut effects, mut duplicates, mut duplicated, mut phantoms) = (0, 0, 0, 0, 0);
        for own in books {
            let (made, unwanted) = match self.world.wanted {
                None => (of(own.executions), of(own.executions).saturating_sub(1)),
                Some(wanted) => {
                    let unwanted = |executions| of(executions).saturating_sub(wanted);
                    let after = before + own.executions;
                    (of(after) - of(before), unwanted(after) - unwanted(before))
                }
            };
            before += own.executions;
            effects += made;
            duplicates += unwanted;
            duplicated += usize::from(unwanted > 0);
            phantoms += usize::from(made > 0 && own.ended.is_some_and(|(_, succeeded)| !succeeded));
        }
        count("executions", before as usize);
        count("effects", effects as usize);
        count("duplicates", duplicates as usize);
        count("duplicated_operations", duplicated);
        count("phantom_successes", phantoms);
        let mut mean = |name: &str, lengths: &[Ns]| {
            if !lengths.is_empty() {
                let sum: Ns = lengths.iter().sum();
                counts.insert(name.to_owned(), sum as f64 / lengths.len() as f64 / 1e9);
            }
        };
        let lasted = |which: fn(bool) -> bool| -> Vec<Ns> {
            let ended = self.operations.iter().filter_map(|own| own.ended.map(|(end, how)| (end - own.start, how)));
            ended.filter(|(_, how)| which(*how)).map(|(lasted, _)| lasted).collect()
        };
        let successes = lasted(|succeeded| succeeded);
        mean("latency_mean", &successes);
        mean("latency_max", &successes.iter().max().copied().into_iter().collect::<Vec<Ns>>());
        mean("duration_mean", &lasted(|_| true));
        counts.insert("in_flight_mean".to_owned(), self.presence as f64 / self.world.duration as f64);
        Told { counts, seen: self.seen }
    }
}
