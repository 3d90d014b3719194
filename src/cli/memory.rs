//! How much memory there is: the smaller of what is available and what the control group allows.

use std::fs;

/// Share of the available memory that the simulator may take for its state.
const SHARE: f64 = 0.8;

/// What is assumed where the system does not tell.
const ASSUMED: u64 = 4 << 30;

/// Bytes that the state of all runs together may take.
pub fn limit() -> u64 {
    let available = meminfo().into_iter().chain(control_group()).min().unwrap_or(ASSUMED);
    (available as f64 * SHARE) as u64
}

fn meminfo() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// What the process's control group has left, version 2 or 1.
fn control_group() -> Option<u64> {
    let number = |path: &str| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let left = |limit: u64, used: Option<u64>| limit.saturating_sub(used.unwrap_or(0));
    number("/sys/fs/cgroup/memory.max").map(|limit| left(limit, number("/sys/fs/cgroup/memory.current"))).or_else(
        || {
            number("/sys/fs/cgroup/memory/memory.limit_in_bytes")
                .map(|limit| left(limit, number("/sys/fs/cgroup/memory/memory.usage_in_bytes")))
        },
    )
}

/// Bytes for people: `1.2 GB`.
pub fn readable(bytes: u64) -> String {
    let units = [("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)];
    match units.iter().find(|(_, size)| bytes as f64 >= *size) {
        Some((unit, size)) => format!("{:.1} {unit}", bytes as f64 / size),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_for_people() {
        for (bytes, expected) in [(0, "0 bytes"), (999, "999 bytes"), (1_500, "1.5 kB"), (48_000_000_000, "48.0 GB")] {
            assert_eq!(readable(bytes), expected);
        }
    }

    #[test]
    fn there_is_some_memory() {
        assert!(limit() > 1 << 20);
    }
}
