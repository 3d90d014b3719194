//! One time-out per operation, which may be cleared.
//!
//! Most time-outs never happen: the reply comes first. Their entries stay in the queue, know which setting of the timer they belong to, and mean
//! nothing when they pop. If such entries make up most of the queue, as under a long time-out and many retries, they are taken out.

use super::event::Event;
use super::queue::{Queue, SETTINGS};
use crate::units::SimTime;

/// Fewer stale entries than this are not worth the effort of taking them out.
const FEW: usize = 1 << 16;

/// The timers, by the operation's place.
#[derive(Debug, Default)]
pub struct Timers {
    /// Number of the last setting of each, odd while it is set.
    settings: Vec<u32>,
    /// Entries in the queue that mean nothing any more.
    stale: usize,
}

impl Timers {
    /// Sets the timer of `row`, which is not set.
    #[inline(always)]
    pub fn set(&mut self, row: u32, due: SimTime, queue: &mut Queue) {
        if self.settings.len() <= row as usize {
            self.settings.resize(row as usize + 1, 0);
        }
        let setting = &mut self.settings[row as usize];
        *setting = (*setting + 1) % SETTINGS;
        debug_assert!(*setting % 2 == 1, "a timer is cleared before it is set again");
        queue.push(due, Event::TimeOut { row, setting: *setting });
    }

    /// Clears the timer of `row` if it is set.
    pub fn clear(&mut self, row: u32) {
        if let Some(setting) = self.settings.get_mut(row as usize)
            && *setting % 2 == 1
        {
            *setting = (*setting + 1) % SETTINGS;
            self.stale += 1;
        }
    }

    /// The entry of this `setting` popped: true if the timer is due. It is not set any more then.
    pub fn popped(&mut self, row: u32, setting: u32) -> bool {
        let due = self.settings[row as usize] == setting;
        if due {
            self.settings[row as usize] = (setting + 1) % SETTINGS;
        } else {
            self.stale -= 1;
        }
        due
    }

    /// Takes stale entries out of the queue if they are most of it. Costs as much as it saves; to be called from time to time.
    pub fn tidy(&mut self, queue: &mut Queue) {
        if self.stale > FEW && self.stale > queue.len() / 2 {
            let settings = &self.settings;
            queue.retain(|event| match event {
                Event::TimeOut { row, setting } => settings[row as usize] == setting,
                _ => true,
            });
            self.stale = 0;
        }
    }

    /// Bytes taken.
    pub fn bytes(&self) -> usize {
        self.settings.capacity() * size_of::<u32>()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    /// What is set: which row, and after how long; `None` clears it.
    type Setting = (u32, Option<u64>);

    /// Plays a script: its settings are made one after the other, a few at the beginning and one more each time a timer fires.
    /// Returns which rows fired, and when.
    fn fired(script: &[Setting]) -> Vec<(u64, u32)> {
        let (mut queue, mut timers) = (Queue::default(), Timers::default());
        let mut fired = Vec::new();
        let mut script = script.iter();
        let mut now = SimTime::ZERO;
        let mut settings = 6;
        loop {
            for (row, after) in script.by_ref().take(settings) {
                timers.clear(*row);
                if let Some(after) = after {
                    timers.set(*row, SimTime(now.0 + after), &mut queue);
                }
            }
            settings = 0;
            let Some((time, Event::TimeOut { row, setting })) = queue.pop() else { return fired };
            now = time;
            if timers.popped(row, setting) {
                fired.push((now.0, row));
                settings = 2;
            }
        }
    }

    /// The same with a plain list: (due, order of setting, row).
    fn expected(script: &[Setting]) -> Vec<(u64, u32)> {
        let mut list: Vec<(u64, usize, u32)> = Vec::new();
        let mut fired = Vec::new();
        let mut script = script.iter().enumerate();
        let (mut now, mut settings) = (0, 6);
        loop {
            for (order, (row, after)) in script.by_ref().take(settings) {
                list.retain(|entry| entry.2 != *row);
                list.extend(after.map(|after| (now + after, order, *row)));
            }
            list.sort_unstable();
            if list.is_empty() {
                return fired;
            }
            let (due, _, row) = list.remove(0);
            now = due;
            fired.push((due, row));
            settings = 2;
        }
    }

    /// A call that retries for ever under a long time-out does not fill the queue with time-outs that never come.
    #[test]
    fn long_timeouts_do_not_pile_up() {
        let (mut queue, mut timers) = (Queue::default(), Timers::default());
        for round in 0..1_000_000 {
            timers.set(0, SimTime(1_000_000_000 + round), &mut queue);
            if round % 1_000 == 999 {
                timers.tidy(&mut queue);
            }
            assert!(queue.len() <= FEW + 1_001, "{} entries for one timer", queue.len());
            if round < 999_999 {
                timers.clear(0);
            }
        }
        let mut due = 0;
        while let Some((time, Event::TimeOut { row, setting })) = queue.pop() {
            if timers.popped(row, setting) {
                due += 1;
                assert_eq!(time, SimTime(1_000_999_999));
            }
        }
        assert_eq!(due, 1, "the last setting is still there");
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 4_000,
            failure_persistence: None,
            rng_seed: RngSeed::Fixed(4),
            ..ProptestConfig::default()
        })]

        #[test]
        fn fire_in_the_order_in_which_they_were_set(
            script in proptest::collection::vec((0u32..4, proptest::option::weighted(0.9, 0u64..8)), 0..60)
        ) {
            prop_assert_eq!(fired(&script), expected(&script));
        }
    }
}
