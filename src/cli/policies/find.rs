//! Which of them somebody means by a word.

use super::Subject;

/// What a word finds: the one of that name; else all that have the word in their name or in the heading they are listed under, in the
/// order of the list. Capitals make no difference.
pub fn find<'a>(word: &str, subjects: &'a [Subject]) -> Vec<&'a Subject> {
    let word = word.to_lowercase();
    if let Some(exact) = subjects.iter().find(|subject| subject.name() == word) {
        return vec![exact];
    }
    let has_it = |text: &str| !word.is_empty() && text.to_lowercase().contains(&word);
    subjects.iter().filter(|subject| has_it(subject.name()) || has_it(&subject.heading())).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Subject, all};
    use super::find;

    fn names(word: &str, subjects: &[Subject]) -> Vec<&'static str> {
        find(word, subjects).into_iter().map(Subject::name).collect()
    }

    #[test]
    fn what_people_mean() {
        let all = all();
        for (word, expected) in [
            ("full-jitter", &["full-jitter"][..]),
            ("Full-Jitter", &["full-jitter"]),
            // A name of its own, though others begin with it.
            ("envoy", &["envoy"]),
            ("sidek", &["sidekiq"]),
            ("budget", &["budget.tokens", "budget.ratio"]),
            ("polly", &["polly-v8", "polly-jitter", "polly-hedging"]),
            ("AXIOS", &["axios-retry", "axios-retry-exponential", "gaxios"]),
            ("hedge", &["hedge.fixed", "hedge.percentile", "hedge.timeout", "envoy-hedge"]),
            // Of the name, of the heading, or of both.
            ("hedging", &["hedge.fixed", "hedge.percentile", "hedge.timeout", "grpc-hedging", "polly-hedging"]),
            ("blogs", &["arch-full", "arch-equal", "arch-decorrelated"]),
            ("rettry", &[]),
            ("", &[]),
        ] {
            assert_eq!(names(word, &all), expected, "{word}");
        }
        let breakers = names("breaker", &all);
        for name in ["breaker.consecutive", "breaker.rate", "resilience4j-breaker", "hystrix", "gobreaker"] {
            assert!(breakers.contains(&name), "{name} is not among {breakers:?}");
        }
    }

    /// Every heading finds what stands below it, and every name itself.
    #[test]
    fn headings_and_names_find_their_own() {
        let all = all();
        for subject in &all {
            assert_eq!(names(subject.name(), &all), [subject.name()]);
            assert!(names(&subject.heading(), &all).contains(&subject.name()), "{}", subject.name());
        }
    }
}
