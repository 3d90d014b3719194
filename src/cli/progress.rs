//! Progress on stderr: one line, redrawn, for runs that take a while. Never longer than the terminal is wide: what wraps cannot be redrawn.
//! Silent when stderr is not a terminal.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::terminal;
use crate::text::printable;

/// Nothing is shown before this much time has passed.
const PATIENCE: Duration = Duration::from_millis(500);
/// And not more often than this.
const REDRAW: Duration = Duration::from_millis(100);
const BAR: usize = 24;
/// Between parts.
const GAP: usize = 2;
/// Less of a name than this says nothing.
const SHORTEST: usize = 8;

/// Characters that the line is drawn with.
#[derive(Clone, Copy)]
struct Look {
    /// What is ahead, and what is behind.
    bar: [char; 2],
    /// At the end of a name that is not whole.
    cut: &'static str,
}

impl Look {
    const UNICODE: Look = Look { bar: ['·', '█'], cut: "…" };
    const ASCII: Look = Look { bar: ['.', '#'], cut: "..." };
}

/// A progress line.
pub struct ProgressLine {
    shown: bool,
    started: Instant,
    drawn: Mutex<Option<Instant>>,
}

impl ProgressLine {
    /// A line that is shown if stderr is a terminal and `quiet` is not asked for.
    pub fn new(quiet: bool) -> ProgressLine {
        ProgressLine {
            shown: !quiet && std::io::stderr().is_terminal(),
            started: Instant::now(),
            drawn: Mutex::new(None),
        }
    }

    /// A run is done, `what` it was: now there are `done` of `total`.
    pub fn update(&self, done: usize, total: usize, what: &str) {
        let elapsed = self.started.elapsed();
        if !self.shown || elapsed < PATIENCE {
            return;
        }
        let mut drawn = self.drawn.lock().expect("nobody panics while drawing");
        if drawn.is_some_and(|last| last.elapsed() < REDRAW) {
            return;
        }
        *drawn = Some(Instant::now());
        let look = if terminal::unicode() { Look::UNICODE } else { Look::ASCII };
        let line = line(done, total, what, elapsed, terminal::stderr_width(), look);
        let _ = write!(std::io::stderr(), "\r\x1b[2K{line}");
    }

    /// Erases the line, if it is there.
    pub fn clear(&self) {
        if self.drawn.lock().expect("nobody panics while drawing").take().is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[2K");
        }
    }
}

/// The line in less than `width` columns, since a terminal may go to the next line when its last column is written: with all its
/// parts, else without the bar and with as much of the name as there is room for, else without the name, and in the end the share alone.
fn line(done: usize, total: usize, what: &str, elapsed: Duration, width: usize, look: Look) -> String {
    let room = width.saturating_sub(1);
    let what = printable(what);
    let share = done as f64 / total as f64;
    let left = elapsed.as_secs_f64() * (1.0 - share) / share.max(1e-9);
    let full = (share * BAR as f64) as usize;
    let [ahead, behind] = look.bar;
    let bar: String = std::iter::repeat_n(behind, full).chain(std::iter::repeat_n(ahead, BAR - full)).collect();
    let (count, percent) = (format!("{done}/{total}"), format!("{:.0}%", share * 100.0));
    let (begin, end) = (format!("running  {count}"), format!("{percent}  {left:.0} s left"));
    let nameless = format!("{begin}  {end}");
    let room_for_name = room.checked_sub(columns(&nameless) + GAP).filter(|room| *room >= SHORTEST);
    let named = room_for_name.map(|room| format!("{begin}  {}  {end}", shortened(&what, room, look.cut)));
    let whole = format!("{begin}  {what}  {bar}  {end}");
    let lines = [Some(whole), named, Some(nameless), Some(format!("{count}  {percent}")), Some(percent)];
    lines.into_iter().flatten().find(|line| columns(line) <= room).unwrap_or_default()
}

/// As much of the beginning of a text as fits.
fn shortened(text: &str, room: usize, cut: &str) -> String {
    if columns(text) <= room {
        return text.to_owned();
    }
    let room = room.saturating_sub(columns(cut));
    let mut taken = 0;
    let fits = |c: &char| {
        taken += column(*c);
        taken <= room
    };
    text.chars().take_while(fits).chain(cut.chars()).collect()
}

/// Columns that a text takes, at most.
fn columns(text: &str) -> usize {
    text.chars().map(column).sum()
}

/// From the first Asian scripts on a character may be two columns wide.
fn column(c: char) -> usize {
    if c < '\u{1100}' || c == '…' || c == '█' { 1 } else { 2 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(width: usize, what: &str) -> String {
        line(36, 90, what, Duration::from_secs(2), width, Look::UNICODE)
    }

    #[test]
    fn says_how_far_and_how_long() {
        let what = "full-jitter, replication 2";
        for (width, expected) in [
            (88, "running  36/90  full-jitter, replication 2  █████████···············  40%  3 s left"),
            (84, "running  36/90  full-jitter, replication 2  █████████···············  40%  3 s left"),
            (83, "running  36/90  full-jitter, replication 2  40%  3 s left"),
            (58, "running  36/90  full-jitter, replication 2  40%  3 s left"),
            (57, "running  36/90  full-jitter, replication…  40%  3 s left"),
            (40, "running  36/90  full-ji…  40%  3 s left"),
            (39, "running  36/90  40%  3 s left"),
            (20, "36/90  40%"),
            (11, "36/90  40%"),
            (10, "40%"),
            (4, "40%"),
            (3, ""),
        ] {
            assert_eq!(at(width, what), expected, "{width}");
        }
        assert_eq!(
            line(45, 90, "p", Duration::from_secs(2), 80, Look::ASCII),
            "running  45/90  p  ############............  50%  2 s left"
        );
    }

    /// Whatever the numbers and the name, and however slow it is.
    #[test]
    fn fits_every_width() {
        let long = "a-name-of-a-hundred-characters-".repeat(4);
        for what in ["p", &long, "\u{1b}[31mred\r\n, replication 1", "決済サービス, no-retry, run 3"] {
            for (done, total) in [(1, 1), (1, 90), (12_345_678, 20_000_000), (20_000_000, 20_000_000)] {
                for look in [Look::UNICODE, Look::ASCII] {
                    for width in 0..=200 {
                        let line = line(done, total, what, Duration::from_secs(1_000_000), width, look);
                        assert!(columns(&line) < width.max(1), "{width}: {line}");
                        assert!(!line.contains(char::is_control), "{width}: {line:?}");
                    }
                }
            }
        }
        assert!(at(120, "\u{1b}[31mred").contains("\\u{1b}[31mred"));
    }
}
