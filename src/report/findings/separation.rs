//! What the replications do not separate, told in as few words as possible, and what would help.

use super::Facts;
use crate::report::column::Column;
use crate::report::name::list;

/// Statements before the rest is only counted.
const MOST_STATEMENTS: usize = 4;
/// Half width that is worth more replications: one point.
const TARGET: f64 = 0.01;

/// Two policies, the earlier one first.
type Pair = (usize, usize);

impl Facts<'_> {
    /// "exponential from any policy but immediate": pairs whose success rates do not differ.
    pub(super) fn not_separable(&self) -> Vec<String> {
        let measured = |policy: &&usize| self.mean(**policy, Column::Success).is_some();
        let policies: Vec<usize> = self.all.iter().filter(measured).copied().collect();
        let differ = |a: usize, b: usize| self.contrasts.differs(a, b, Column::Success).is_some();
        let of = |a: usize| policies.iter().map(move |b| (a, *b)).filter(|(a, b)| a < b && !differ(*a, *b));
        let pairs: Vec<Pair> = policies.iter().flat_map(|a| of(*a)).collect();
        let mut left = pairs.clone();
        let mut statements = Vec::new();
        while statements.len() < MOST_STATEMENTS && !left.is_empty() {
            // Whoever settles most pairs comes first; of equals the earlier one, the baseline last.
            let weight = |p: &usize| (partners(*p, &left).len(), *p != self.baseline(), std::cmp::Reverse(*p));
            let Some(first) = policies.iter().copied().max_by_key(weight) else { break };
            let (statement, told) = self.statement(first, &policies, &pairs, &left);
            statements.push(statement);
            left.retain(|pair| !told.contains(pair));
        }
        match left.len() {
            0 => {}
            1 => statements.push("and 1 further pair".to_owned()),
            further => statements.push(format!("and {further} further pairs")),
        }
        statements
    }

    /// What cannot be told apart from `first`, from the shorter side, and the pairs that are told with it.
    fn statement(&self, first: usize, policies: &[usize], pairs: &[Pair], left: &[Pair]) -> (String, Vec<Pair>) {
        let with_first = |pairs: &[Pair]| {
            let mut group = partners(first, pairs);
            group.push(first);
            group.sort_unstable();
            group
        };
        let group = with_first(left);
        let within: Vec<Pair> =
            group.iter().flat_map(|a| group.iter().map(|b| (*a, *b))).filter(|(a, b)| a < b).collect();
        if group.len() > 2 && within.iter().all(|pair| pairs.contains(pair)) {
            let who = if group.len() == policies.len() {
                "all policies".to_owned()
            } else {
                list(&self.named(&group), "and")
            };
            return (format!("{who} from each other"), within);
        }
        let group = with_first(pairs);
        let apart: Vec<usize> = policies.iter().copied().filter(|policy| !group.contains(policy)).collect();
        let from = match apart.len() {
            0 if group.len() > 2 => "any other policy".to_owned(),
            few if few > 0 && few + 1 < group.len() => format!("any policy but {}", list(&self.named(&apart), "and")),
            _ => list(&self.named(&partners(first, left)), "or"),
        };
        let told = pairs.iter().copied().filter(|(a, b)| *a == first || *b == first).collect();
        (format!("{} from {from}", self.name(first)), told)
    }

    /// Differences too small to see in the table, and the replications that would narrow the widest interval around 0.
    pub(super) fn hints(&self) -> Vec<String> {
        let baseline = self.baseline();
        let mut hints = Vec::new();
        let mut widest: f64 = 0.0;
        for policy in self.all.iter().copied().filter(|policy| *policy != baseline) {
            let paired = self.contrasts.paired(policy, baseline, Column::Success);
            if paired.excludes_zero() {
                let apart = self.apart(policy, baseline);
                if !apart.visible {
                    let (own, base) = (self.name(policy), self.name(baseline));
                    hints.push(format!("{own} differs from {base} by a difference {}.", apart.text));
                }
            } else if let Some(half) = paired.half_width() {
                widest = widest.max(half);
            }
        }
        if widest > TARGET {
            let ratio = widest / TARGET;
            let needed = two_digits_up(f64::from(self.comparison.replications) * ratio * ratio);
            let (pm, half) = (self.notation.plus_minus, self.notation.points(widest, 1));
            hints.push(format!("Try --replications {needed:.0}: that would narrow {pm}{half} points to {pm}1 or so."));
        }
        hints
    }
}

/// Whoever is paired with `policy`, in the file's order.
fn partners(policy: usize, pairs: &[Pair]) -> Vec<usize> {
    let other = |(a, b): &Pair| if *a == policy { Some(*b) } else { (*b == policy).then_some(*a) };
    let mut partners: Vec<usize> = pairs.iter().filter_map(other).collect();
    partners.sort_unstable();
    partners
}

/// Rounded up to two significant digits.
fn two_digits_up(value: f64) -> f64 {
    let mut unit = 1.0;
    while value / unit > 99.0 {
        unit *= 10.0;
    }
    (value / unit).ceil() * unit
}

#[cfg(test)]
mod tests {
    use super::two_digits_up;

    #[test]
    fn replications_are_rounded_up() {
        for (value, expected) in [(11.2, 12.0), (99.0, 99.0), (99.2, 100.0), (101.0, 110.0), (2_371.6, 2_400.0)] {
            assert_eq!(two_digits_up(value), expected, "{value}");
        }
    }
}
