//! Levels over time: how many, integrated over the measured window, in exact integers.

use crate::units::{SimTime, Span};

/// The part of a run in which something is measured: [from, until).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First instant.
    pub from: SimTime,
    /// First instant after it.
    pub until: SimTime,
}

impl Window {
    /// True if `t` lies in it.
    pub fn contains(self, t: SimTime) -> bool {
        self.from <= t && t < self.until
    }

    /// How much of [a, b) lies in it.
    pub fn overlap(self, a: SimTime, b: SimTime) -> Span {
        b.min(self.until).since(a.max(self.from))
    }

    /// Its length.
    pub fn length(self) -> Span {
        self.until.since(self.from)
    }
}

/// A level that changes in steps.
#[derive(Clone, Copy, Debug)]
pub struct LevelMeter {
    window: Window,
    level: u32,
    since: SimTime,
    integral: u128,
}

impl LevelMeter {
    /// Level 0 from the beginning.
    pub fn new(window: Window) -> LevelMeter {
        LevelMeter { window, level: 0, since: SimTime::ZERO, integral: 0 }
    }

    /// The level changes.
    pub fn set(&mut self, now: SimTime, level: u32) {
        self.integral += u128::from(self.window.overlap(self.since, now).0) * u128::from(self.level);
        self.level = level;
        self.since = now;
    }

    /// Level × ns within the window, up to `now`.
    pub fn integral(&self, now: SimTime) -> u128 {
        self.integral + u128::from(self.window.overlap(self.since, now).0) * u128::from(self.level)
    }

    /// The window.
    pub fn window(&self) -> Window {
        self.window
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integrates_within_its_window() {
        let mut meter = LevelMeter::new(Window { from: SimTime(10), until: SimTime(20) });
        meter.set(SimTime(5), 3);
        meter.set(SimTime(12), 1);
        assert_eq!(meter.integral(SimTime(15)), 2 * 3 + 3);
        assert_eq!(meter.integral(SimTime(99)), 2 * 3 + 8);
    }
}
