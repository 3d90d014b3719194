//! The nearest name: what somebody may have meant.

/// Names of more bytes are no slips, and comparing them takes long.
const LONGEST: usize = 200;

/// The candidate closest to `wanted`, if any is close enough to be a slip: at most a third of its letters apart.
/// `_` and `-` count as the same.
pub fn nearest<'a>(wanted: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |name: &str| -> Vec<char> { name.to_lowercase().replace('_', "-").chars().collect() };
    if wanted.len() > LONGEST {
        return None;
    }
    let wanted = plain(wanted);
    let allowed = (wanted.len() / 3).max(1);
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates.filter(|candidate| candidate.len() <= LONGEST) {
        let candidate_letters = plain(candidate);
        // As many letters apart as one is longer, at least.
        if candidate_letters.len().abs_diff(wanted.len()) > allowed {
            continue;
        }
        let distance = edit_distance(&wanted, &candidate_letters);
        if distance <= allowed && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, name)| name)
}

/// Insertions, deletions, substitutions and swaps of neighbours that turn one into the other (optimal string alignment).
fn edit_distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut next = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let substitution = row[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            next[j] = substitution.min(row[j] + 1).min(next[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                next[j] = next[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut row, next);
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    fn check(wanted: &str, expected: Option<&str>) {
        let names = ["attempts", "timeout", "full-jitter", "equal-jitter", "retry_on", "key"];
        assert_eq!(nearest(wanted, names.into_iter()), expected, "{wanted}");
    }

    #[test]
    fn slips() {
        check("atempts", Some("attempts"));
        check("attmepts", Some("attempts"));
        check("full_jitter", Some("full-jitter"));
        check("fulljitter", Some("full-jitter"));
        check("retry-on", Some("retry_on"));
        check("kye", Some("key"));
        check("budget", None);
        check("", None);
    }
}
