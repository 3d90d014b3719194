//! The numbers behind the figures, as tables that open on demand.

use super::Page;
use crate::report::chart::Table;
use crate::report::escape::escape;

impl Page<'_> {
    /// Tables behind one title, that of the first; each of several has its own above it.
    pub(super) fn data_tables(&self, tables: &[&Table]) -> String {
        let Some(first) = tables.first() else { return String::new() };
        let more = if tables.len() > 1 { " and more" } else { "" };
        let all: String = match tables {
            [one] => self.policy_table(one),
            _ => tables.iter().map(|table| self.titled_table(table)).collect(),
        };
        format!("<details><summary>Data table: {}{more}</summary>{all}</details>", escape(&first.title))
    }

    /// A table below its title.
    pub(super) fn titled_table(&self, table: &Table) -> String {
        format!("<p class=\"fh\">{}</p>{}", escape(&table.title), self.policy_table(table))
    }

    fn policy_table(&self, table: &Table) -> String {
        let heads: String = table.heads.iter().map(|head| format!("<th scope=\"col\">{}</th>", escape(head))).collect();
        let rows = table.rows.iter().enumerate().map(|(policy, row)| {
            let cells: String = row.iter().map(|cell| format!("<td>{}</td>", escape(cell))).collect();
            format!("<tr class=\"{}\"><th scope=\"row\">{}</th>{cells}</tr>", self.class(policy), self.name(policy))
        });
        let rows: String = rows.collect();
        let title = escape(&table.title);
        format!(
            "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{title}\"><table class=\"plain\"><thead>\
             <tr><th scope=\"col\">policy</th>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
        )
    }
}
