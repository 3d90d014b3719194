//! What is needed to get the same report again.

use super::Page;
use crate::report::escape::escape;

impl Page<'_> {
    /// The command, the resolved scenario, files and digests.
    pub(super) fn repeat(&self) -> String {
        let input = self.input;
        format!(
            "<section id=\"repeat\"><h2>How to repeat this</h2>\n\
             <p class=\"lead\"><code>{}</code> with simlab {} and seed {} gives these bytes again.</p>\n\
             <details><summary>Resolved scenario</summary><pre tabindex=\"0\">{}</pre></details>\n{}{}</section>",
            escape(input.command),
            env!("CARGO_PKG_VERSION"),
            input.scenario.frame.seed,
            escape(input.resolved_toml),
            self.files(),
            self.digests()
        )
    }

    /// Files that the scenario reads, by the hash of what they hold.
    fn files(&self) -> String {
        let row = |(path, hash): &(String, String)| {
            format!("<tr><th scope=\"row\">{}</th><td class=\"code\">{}</td></tr>", escape(path), escape(hash))
        };
        let rows: String = self.input.files.iter().map(row).collect();
        if rows.is_empty() { rows } else { table("Files", "file", "hash of its content", &rows) }
    }

    /// The digest of every attempt's end, per policy.
    fn digests(&self) -> String {
        let rows = self.input.comparison.policies.iter().enumerate().map(|(index, policy)| {
            format!(
                "<tr><th scope=\"row\">{}</th><td class=\"code\">{:016x}</td></tr>",
                self.name(index),
                policy.digest
            )
        });
        table("Digests", "policy", "digest of every attempt's end", &rows.collect::<String>())
    }
}

fn table(title: &str, first: &str, second: &str, rows: &str) -> String {
    format!(
        "<details><summary>{title}</summary><div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{title}\">\
         <table class=\"plain\"><thead><tr><th scope=\"col\">{first}</th><th scope=\"col\">{second}</th></tr></thead>\
         <tbody>{rows}</tbody></table></div></details>\n"
    )
}
