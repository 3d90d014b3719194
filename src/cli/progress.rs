//! Progress on stderr: one line, redrawn, for runs that take a while. Silent when stderr is not a terminal.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Nothing is shown before this much time has passed.
const PATIENCE: Duration = Duration::from_millis(500);
/// And not more often than this.
const REDRAW: Duration = Duration::from_millis(100);
const BAR: usize = 24;

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
        let line = line(done, total, what, elapsed);
        let _ = write!(std::io::stderr(), "\r\x1b[2K{line}");
    }

    /// Erases the line, if it is there.
    pub fn clear(&self) {
        if self.drawn.lock().expect("nobody panics while drawing").take().is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[2K");
        }
    }
}

fn line(done: usize, total: usize, what: &str, elapsed: Duration) -> String {
    let share = done as f64 / total as f64;
    let left = elapsed.as_secs_f64() * (1.0 - share) / share.max(1e-9);
    let full = (share * BAR as f64) as usize;
    let bar: String = std::iter::repeat_n('█', full).chain(std::iter::repeat_n('·', BAR - full)).collect();
    format!("running  {done}/{total}  {what}  {bar}  {:.0}%  {left:.0} s left", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_how_far_and_how_long() {
        assert_eq!(
            line(36, 90, "full-jitter, replication 2", Duration::from_secs(2)),
            "running  36/90  full-jitter, replication 2  █████████···············  40%  3 s left"
        );
    }
}
