//! How much memory there is: what `--memory` says, or the smaller of what is available and what the control group allows.

use std::fs;
use std::path::Path;

use super::say;
use crate::experiment::Need;

/// Share of the available memory that the simulator may take for its state.
const SHARE: f64 = 0.8;

/// What is assumed where the system does not tell.
const ASSUMED: u64 = 4 << 30;

/// Bytes that the state of all runs together may take: as many as were `asked` for, or a share of what there is.
pub fn limit(asked: Option<u64>) -> u64 {
    asked.unwrap_or_else(share)
}

fn share() -> u64 {
    let available = meminfo().into_iter().chain(control_group()).min().unwrap_or(ASSUMED);
    (available as f64 * SHARE) as u64
}

fn meminfo() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// What the process's control group has left, or one of those that it is in: version 2, and 1 where that is mounted.
fn control_group() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or("");
    let root = Path::new("/sys/fs/cgroup");
    let folder = root.join(own);
    let version_2 = folder.ancestors().take_while(|folder| folder.starts_with(root));
    version_2
        .filter_map(|folder| left(folder, "memory.max", "memory.current"))
        .min()
        .or_else(|| left(&root.join("memory"), "memory.limit_in_bytes", "memory.usage_in_bytes"))
}

/// What a control group has left. Pages of files that nobody has touched for a while are counted as used, and given up when needed.
fn left(folder: &Path, limit: &str, used: &str) -> Option<u64> {
    let number = |file: &str| fs::read_to_string(folder.join(file)).ok()?.trim().parse::<u64>().ok();
    let stat = fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
    let idle = stat.lines().find_map(|line| line.strip_prefix("inactive_file ")?.parse::<u64>().ok()).unwrap_or(0);
    Some(number(limit)?.saturating_sub(number(used).unwrap_or(0).saturating_sub(idle)))
}

/// Says so, and returns true, if a scenario is known to need more than there is.
pub fn refuses(name: &str, need: Need, limit: u64) -> bool {
    if need.bytes <= limit {
        return false;
    }
    let (bytes, limit) = (readable(need.bytes), readable(limit));
    let (runs, ways) = match need.at_once {
        1 => (String::new(), " or gates with scope = \"fleet\""),
        runs => (format!(" for {runs} runs at once"), ", gates with scope = \"fleet\" or --threads 1"),
    };
    say::error(format_args!(
        "{name}: its state needs about {bytes}{runs}, and there are {limit} for it; nothing was run"
    ));
    say::help(format_args!("fewer clients{ways} need less; --memory SIZE sets another limit"));
    true
}

/// Reads a size: a number of bytes, or of `kB`, `MB`, `GB`, `TB` (powers of 1000), `KiB`, `MiB`, `GiB`, `TiB` (powers of 1024).
pub fn size(text: &str) -> Result<u64, String> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len()));
    let unit = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1u64,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return Err(HOW.to_owned()),
    };
    // A whole number is exact; parts of a unit are not worth it.
    let bytes = match number.parse::<u64>() {
        Ok(whole) => whole.checked_mul(unit),
        Err(_) => number.parse::<f64>().ok().map(|number| (number * unit as f64) as u64).filter(|b| *b < u64::MAX),
    };
    bytes.filter(|bytes| *bytes > 0).ok_or_else(|| HOW.to_owned())
}

const HOW: &str = "write a size above 0, as in 8GB, 512MB or 2GiB, or a number of bytes";

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
    fn sizes_of_people() {
        for (text, expected) in [
            ("1", 1),
            ("8000000000", 8_000_000_000),
            ("18446744073709551615", u64::MAX),
            ("512MB", 512_000_000),
            ("512 mb", 512_000_000),
            ("1.5GB", 1_500_000_000),
            ("2GiB", 2 << 30),
            ("0.5KiB", 512),
            ("3kB", 3_000),
            ("1TB", 1_000_000_000_000),
            ("100B", 100),
        ] {
            assert_eq!(size(text), Ok(expected), "{text}");
        }
        for wrong in [
            "",
            "0",
            "0GB",
            "0.1",
            "GB",
            "8G",
            "8XB",
            "-1",
            "-1GB",
            "1e9",
            "1.2.3GB",
            ".",
            "1 2GB",
            "99999999999TB",
            "NaN",
        ] {
            assert_eq!(size(wrong), Err(HOW.to_owned()), "{wrong}");
        }
    }

    #[test]
    fn what_a_control_group_has_left() {
        let folder = std::env::temp_dir().join(format!("simlab-memory-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let left_with = |max: &str, current: &str, stat: &str| {
            for (file, text) in [("memory.max", max), ("memory.current", current), ("memory.stat", stat)] {
                fs::write(folder.join(file), text).unwrap();
            }
            left(&folder, "memory.max", "memory.current")
        };
        assert_eq!(left_with("1000\n", "300\n", "anon 100\ninactive_file 50\n"), Some(750));
        assert_eq!(left_with("1000\n", "2000\n", ""), Some(0));
        assert_eq!(left_with("max\n", "300\n", ""), None);
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(left(&folder, "memory.max", "memory.current"), None);
    }

    #[test]
    fn there_is_some_memory() {
        assert!(limit(None) > 1 << 20);
        assert_eq!(limit(Some(5)), 5);
    }
}
