//! In how many replications each policy was back to normal after the last fault that ended.

use super::ReportInput;
use crate::units::{SimTime, Span};

/// Recovery of one policy. There is no mean here: over the runs that did recover it says nothing without those that did not.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recovered {
    /// Replications with a time to recover.
    pub runs: usize,
    /// Replications.
    pub of: usize,
    /// The longest time to recover among them, in seconds.
    pub slowest: Option<f64>,
}

impl Recovered {
    /// Replications that stayed down.
    pub fn down(&self) -> usize {
        self.of - self.runs
    }
}

/// Time that has to be left of the demand for a run to show that it recovered (the view of `time_to_recover`).
const VIEW: Span = Span::secs(30);

/// Per policy; `None` if there was no fault that ended, nothing before it to compare with, or too little time after it.
pub fn recovered(input: &ReportInput) -> Option<Vec<Recovered>> {
    let (scenario, comparison) = (input.scenario, input.comparison);
    let (start, end) = (scenario.first_fault_start()?, scenario.last_fault_end()?);
    if end + VIEW > SimTime::ZERO + scenario.duration {
        return None;
    }
    let normal_before = comparison.policies.iter().any(|policy| {
        let bins_before = (start.0 / policy.timeline.bin.0.max(1)) as usize;
        policy.timeline.goodput.iter().take(bins_before).any(|goodput| *goodput > 0.0)
    });
    let per_policy = comparison.policies.iter().map(|policy| {
        let times = policy.metric("time_to_recover").map_or(&[][..], |metric| &metric.values);
        let slowest = times.iter().flatten().copied().reduce(f64::max);
        Recovered { runs: times.iter().flatten().count(), of: times.len(), slowest }
    });
    let per_policy: Vec<Recovered> = per_policy.collect();
    (normal_before || per_policy.iter().any(|r| r.runs > 0)).then_some(per_policy)
}

/// The name of the last fault that ends within the run.
pub fn last_fault<'a>(input: &ReportInput<'a>) -> Option<&'a str> {
    let end = input.scenario.last_fault_end()?;
    input.scenario.faults.iter().find(|fault| fault.until == end).map(|fault| fault.name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::{row, with_input};

    /// Runs that recovered, of a policy with these times, with a fault from and until these seconds; `None` if there is no telling.
    fn check(fault: (u64, u64), times: [Option<f64>; 3], expected: Option<usize>) {
        let rows = vec![row("a", &[0.7; 3]).maybe("time_to_recover", times.to_vec())];
        let got = with_input(rows, |input| {
            let mut scenario = input.scenario.clone();
            let second = |s: u64| SimTime::ZERO + Span::secs(s);
            (scenario.faults[0].from, scenario.faults[0].until) = (second(fault.0), second(fault.1));
            recovered(&ReportInput { scenario: &scenario, ..*input })
        });
        assert_eq!(got.map(|all| all[0].runs), expected, "{fault:?}");
    }

    #[test]
    fn when_there_is_something_to_recover_from() {
        let (all, some, none) = ([Some(5.0); 3], [Some(0.0), None, Some(9.0)], [None; 3]);
        check((120, 240), all, Some(3));
        check((120, 240), some, Some(2));
        check((120, 240), none, Some(0));
        // It never ends within the run, or ends too late to see a recovery in a run of ten minutes.
        check((120, 1_200), none, None);
        check((120, 571), none, None);
        check((120, 570), none, Some(0));
        // Nothing before it.
        check((0, 240), none, None);
    }
}
