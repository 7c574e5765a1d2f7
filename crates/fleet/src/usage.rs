//! CPU and memory of an instance, summed over its whole process tree.

use std::time::Instant;

use crate::process::table::{Group, Row, tree};

/// A measurement of one instance's tree, to be compared with the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sample {
    group: Group,
    at: Instant,
    cpu_ticks: u64,
    /// Resident pages of all processes; shared ones count once per process.
    pub(crate) resident_bytes: u64,
}

// === impl Sample ===

impl Sample {
    /// Adds up the tree of `group`; `None` when nothing of it is left.
    pub(crate) fn take(rows: &[Row], group: Group, at: Instant) -> Option<Self> {
        let tree = tree(rows, &group);
        if tree.is_empty() {
            return None;
        }
        // Time of children that ended and were waited for is in their parent's figure, so it is not lost.
        let cpu_ticks = tree.iter().fold(0u64, |sum, row| sum.saturating_add(row.cpu_ticks));
        let resident_bytes = tree.iter().fold(0u64, |sum, row| sum.saturating_add(row.resident_bytes));
        Some(Self { group, at, cpu_ticks, resident_bytes })
    }

    /// CPU used since `earlier` in thousandths of a core; `None` for another process or no time between.
    ///
    /// A child that ended without being waited for takes its time along, which may make the sum fall:
    /// that counts as nothing used.
    pub(crate) fn cpu_milli_since(&self, earlier: &Sample, ticks_per_second: u64) -> Option<u64> {
        let elapsed = self.at.checked_duration_since(earlier.at)?.as_secs_f64();
        if self.group != earlier.group || elapsed <= 0.0 || ticks_per_second == 0 {
            return None;
        }
        let used_s = self.cpu_ticks.saturating_sub(earlier.cpu_ticks) as f64 / ticks_per_second as f64;
        Some((used_s / elapsed * 1000.0).round() as u64)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const GROUP: Group = Group { id: 10, start_ticks: 1 };

    fn rows(leader_ticks: u64, child_ticks: Option<u64>) -> Vec<Row> {
        let row = |pid, parent, cpu_ticks| Row {
            pid,
            parent,
            group: 10,
            start_ticks: 1,
            cpu_ticks,
            resident_bytes: 1000,
            dead: false,
        };
        let mut rows = vec![row(10, 1, leader_ticks)];
        rows.extend(child_ticks.map(|ticks| row(11, 10, ticks)));
        rows
    }

    #[test]
    fn children_count_while_they_live_and_after_they_were_waited_for() {
        let start = Instant::now();
        let first = Sample::take(&rows(100, Some(50)), GROUP, start).expect("alive");
        let second =
            Sample::take(&rows(110, Some(90)), GROUP, start + Duration::from_secs(1)).expect("alive");
        assert_eq!(second.cpu_milli_since(&first, 100), Some(500));
        assert_eq!(second.resident_bytes, 2000);
        // The child ended with 95 ticks, which its parent's figure now holds.
        let third = Sample::take(&rows(210, None), GROUP, start + Duration::from_secs(3)).expect("alive");
        assert_eq!(third.cpu_milli_since(&second, 100), Some(50));
        assert_eq!(third.resident_bytes, 1000);
    }

    #[test]
    fn figures_of_different_processes_are_not_compared() {
        let now = Instant::now();
        let first = Sample::take(&rows(100, None), GROUP, now).expect("alive");
        let other =
            Sample { group: Group { id: 10, start_ticks: 2 }, at: now + Duration::from_secs(1), ..first };
        assert_eq!(other.cpu_milli_since(&first, 100), None);
        assert_eq!(first.cpu_milli_since(&first, 100), None);
        assert_eq!(Sample::take(&[], GROUP, now), None);
    }
}
