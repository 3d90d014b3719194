//! `timeline.csv`: what happened when, under each policy.

use super::ReportInput;
use super::csv::{field, lines};

/// The columns, in the contract's order.
const HEADER: [&str; 12] = [
    "policy",
    "t",
    "operations",
    "attempts",
    "attempts_low",
    "attempts_high",
    "goodput",
    "failed",
    "in_flight",
    "queue",
    "refused",
    "breaker_open",
];

/// Further ones, where any policy has a durable queue.
const OF_QUEUES: [&str; 2] = ["messages", "oldest"];

/// The timelines of all policies as CSV, one below the other.
pub fn timeline(input: &ReportInput) -> String {
    let has_queues = input.comparison.policies.iter().any(|policy| !policy.timeline.messages.is_empty());
    let rows = input.comparison.policies.iter().flat_map(|policy| {
        let line = &policy.timeline;
        let columns = [
            &line.operations,
            &line.attempts,
            &policy.attempts_low,
            &policy.attempts_high,
            &line.goodput,
            &line.failed,
            &line.in_flight,
            &line.queue,
            &line.refused,
            &line.breaker_open,
        ];
        (0..line.attempts.len()).map(move |bin| {
            // Whole nanoseconds: a bin's start has no rounding error of its own.
            let start = (line.bin.0 as u128 * bin as u128) as f64 / 1e9;
            let mut row = vec![policy.name.clone(), field(Some(start))];
            row.extend(columns.iter().map(|column| field(column.get(bin).copied())));
            let queues = [&line.messages, &line.oldest].into_iter().filter(|_| has_queues);
            row.extend(queues.map(|column| field(column.get(bin).copied())));
            row
        })
    });
    let further = OF_QUEUES.iter().filter(|_| has_queues);
    let header = HEADER.iter().chain(further).map(|column| (*column).to_owned()).collect();
    lines(std::iter::once(header).chain(rows))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::{row, with_input};

    fn check(policies: &[&'static str], expected: &str) {
        let rows = policies.iter().map(|name| row(name, &[0.7])).collect();
        assert_eq!(with_input(rows, timeline), expected);
    }

    #[test]
    fn all_bins_of_all_policies() {
        check(
            &["a", "b,c"],
            "policy,t,operations,attempts,attempts_low,attempts_high,goodput,failed,in_flight,queue,refused,breaker_open\n\
             a,0,1,2,9,10,3,4,5,6,7,8\n\
             a,1,1.33333333,2.33333333,9.33333333,10.3333333,3.33333333,4.33333333,5.33333333,6.33333333,7.33333333,\
             8.33333333\n\
             \"b,c\",0,1,2,9,10,3,4,5,6,7,8\n\
             \"b,c\",1,1.33333333,2.33333333,9.33333333,10.3333333,3.33333333,4.33333333,5.33333333,6.33333333,7.33333333,\
             8.33333333\n",
        );
    }
}
