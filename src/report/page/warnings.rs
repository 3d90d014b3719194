//! What to know before believing the page: before its numbers, and each thing once.

use super::{Page, with_code};
use crate::report::name::{harmless, list};

/// A warning, and the policies that it is about if it is the same for several.
struct Gathered {
    text: String,
    /// `text` about no policy in particular.
    common: String,
    policies: Vec<String>,
    times: usize,
}

impl Page<'_> {
    /// The warnings, and folded behind their codes those that the scenario allows.
    pub(super) fn warnings(&self) -> String {
        let comparison = self.input.comparison;
        let said = |word: &str, warnings: &[String]| -> String {
            let line = |warning: &Gathered| {
                let text = with_code(&warning.in_words());
                format!("<p class=\"lead\"><b>{word}.</b> {text}</p>\n")
            };
            self.gathered(warnings).iter().map(line).collect()
        };
        let mut all = said("Warning", &comparison.warnings);
        if !comparison.allowed.is_empty() {
            let mut codes: Vec<&str> =
                comparison.allowed.iter().filter_map(|warning| Some(warning.split_once(':')?.0)).collect();
            codes.dedup();
            let codes = if codes.is_empty() { String::new() } else { format!(": {}", list(&codes, "and")) };
            all.push_str(&format!(
                "<details><summary>Warned of, and allowed by the scenario{}</summary>{}</details>\n",
                with_code(&harmless(&codes)),
                said("Allowed", &comparison.allowed)
            ));
        }
        if all.is_empty() { all } else { format!("<div id=\"warnings\">{all}</div>\n") }
    }

    /// One for all that say the same of different policies.
    fn gathered(&self, warnings: &[String]) -> Vec<Gathered> {
        let mut gathered: Vec<Gathered> = Vec::new();
        for warning in warnings {
            let names = self.input.comparison.policies.iter().map(|policy| policy.name.as_str());
            let about = names.map(|name| (name, format!("policy `{name}`"))).find(|(_, words)| warning.contains(words));
            let common =
                about.as_ref().map_or_else(|| warning.clone(), |(_, words)| warning.replace(words, "the policy"));
            let policy = about.map(|(name, _)| name.to_owned());
            match gathered.iter_mut().find(|other| other.common == common) {
                Some(other) => {
                    other.policies.extend(policy);
                    other.times += 1;
                }
                None => gathered.push(Gathered {
                    text: warning.clone(),
                    common,
                    policies: policy.into_iter().collect(),
                    times: 1,
                }),
            }
        }
        gathered
    }
}

impl Gathered {
    fn in_words(&self) -> String {
        match (self.times, self.policies.len()) {
            (1, _) => self.text.clone(),
            (times, 0) => format!("{}. {times} times.", self.common),
            (_, policies) => {
                let names: Vec<String> = self.policies.iter().map(|name| format!("`{name}`")).collect();
                format!("{}. So with {policies} policies: {}.", self.common, list(&names, "and"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::ReportInput;
    use crate::report::findings::Findings;
    use crate::report::fixture::{around, row, with_input};
    use crate::report::number::Notation;

    #[test]
    fn what_is_the_same_for_several_policies_is_said_once() {
        let rows = ["a", "a-b", "c"].map(|name| row(name, &around(0.7, 0.001)));
        with_input(rows.into(), |input| {
            let said = |warnings: &[&str]| {
                let mut comparison = input.comparison.clone();
                comparison.warnings = warnings.iter().map(|text| (*text).to_owned()).collect();
                let input = ReportInput { comparison: &comparison, ..*input };
                Page { input: &input, findings: Findings::new(&input, Notation::PAGE) }.warnings()
            };
            let one = said(&["slow: policy `a` waits; use `timeout`"]);
            assert!(one.contains("slow: policy <code>a</code> waits; use <code>timeout</code></p>"), "{one}");
            let three =
                said(&["slow: policy `a` waits", "other", "slow: policy `a-b` waits", "slow: policy `c` waits"]);
            assert_eq!(three.matches("<b>Warning.</b>").count(), 2, "{three}");
            let together =
                "slow: the policy waits. So with 3 policies: <code>a</code>, <code>a-b</code> and <code>c</code>.";
            assert!(three.contains(together), "{three}");
            assert!(said(&["same", "same"]).contains("same. 2 times."));
            assert_eq!(said(&[]), "");
        });
    }
}
