//! Steady stretches: simulated in part, so that a fortnight takes less than a second.

use super::Run;
use crate::workload::Workload;

impl<W: Workload> Run<'_, W> {
    /// Cuts the beginning out of a stretch in equilibrium; how many requests each of the rest then stands for.
    pub(super) fn cut(&mut self, to_s: f64) -> Option<u64> {
        let sample = f64::from(self.setup.sample?.max(1));
        let steady = self.source.workload.steady()?;
        if steady.per_s.total_cmp(&self.settled_per_s).is_ne() {
            (self.settled_s, self.settled_per_s) = (self.now_s, steady.per_s);
        }
        let span_s = to_s - self.now_s;
        let slots = self.station.slots().len() as f64;
        let offered = steady.per_s * steady.service_s;
        let utilization = offered / slots.max(1.0);
        let weight = (span_s * steady.per_s / sample).floor();
        if !to_s.is_finite() || weight < 2.0 || utilization > 0.95 || !self.station.waiting.is_empty() {
            return None;
        }
        // Relaxation time of M/M/c.
        let relaxed_s = steady.service_s * (1.0 / (slots * (1.0 - utilization.sqrt()).powi(2))).max(1.0);
        let cut_s = span_s * (1.0 - 1.0 / weight);
        let next_s = self.source.peek_s()?;
        if self.now_s - self.settled_s < 5.0 * relaxed_s || next_s + cut_s >= steady.until_s {
            return None;
        }
        let noise = (2.0 * steady.service_s / (offered * cut_s)).sqrt() * self.random.normal();
        self.station.shift(self.now_s, cut_s, utilization * (1.0 + noise).max(0.0));
        self.source.shift(cut_s);
        Some(weight as u64)
    }
}
