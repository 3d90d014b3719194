//! Timelines made short enough to draw.

use crate::units::Span;

/// Most points of a line.
pub const MOST_POINTS: usize = 300;

/// How many bins of a timeline make one point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grouping {
    /// Bins per point.
    pub bins: usize,
    /// Seconds of a bin.
    pub bin_seconds: f64,
}

impl Grouping {
    /// Groups `length` seconds of bins so that no more than `most` points result: a number of bins that readers count in.
    pub fn new(bin: Span, length: f64, most: usize) -> Grouping {
        let bin_seconds = bin.seconds();
        let bins = (length / bin_seconds).ceil().max(1.0) as usize;
        let needed = bins.div_ceil(most);
        let round = [1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600];
        Grouping { bins: round.into_iter().find(|n| *n >= needed).unwrap_or(needed), bin_seconds }
    }

    /// Seconds of a point.
    pub fn seconds(self) -> f64 {
        self.bins as f64 * self.bin_seconds
    }

    /// The mean of each group with the time of its middle, up to `end` seconds.
    pub fn means(self, values: &[f64], end: f64) -> Vec<(f64, f64)> {
        let shown = (end / self.bin_seconds).ceil() as usize;
        let width = self.seconds();
        let shown = &values[..shown.min(values.len())];
        shown
            .chunks(self.bins)
            .enumerate()
            .map(|(i, group)| (((i as f64 + 0.5) * width).min(end), group.iter().sum::<f64>() / group.len() as f64))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_round_and_few() {
        for (length, most, bins) in
            [(100.0, 300, 1), (1260.0, 300, 5), (6000.0, 300, 20), (6000.0, 130, 60), (6000.0, 4, 1500)]
        {
            let grouping = Grouping::new(Span::secs(1), length, most);
            assert_eq!(grouping.bins, bins, "{length} s in {most} points");
            let points = grouping.means(&vec![2.0; length as usize], length);
            assert!(points.len() <= most && points.iter().all(|(t, v)| *v == 2.0 && *t <= length));
        }
    }

    #[test]
    fn the_last_group_is_a_mean_of_what_it_has() {
        let grouping = Grouping { bins: 2, bin_seconds: 1.0 };
        assert_eq!(grouping.means(&[1.0, 3.0, 5.0, 9.0], 3.0), [(1.0, 2.0), (3.0, 5.0)]);
        assert_eq!(grouping.means(&[], 3.0), []);
    }
}
