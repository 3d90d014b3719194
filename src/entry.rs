//! What is said of a gate or a hedge where its name is explained. It stands beside what it describes; the catalog has the list.

/// One name and what is said of it.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// As in scenario files.
    pub name: &'static str,
    /// One line.
    pub summary: &'static str,
    /// What it does, exactly.
    pub rule: &'static str,
    /// Where it comes from.
    pub source: &'static str,
    /// A line for a policy's table.
    pub example: &'static str,
}
