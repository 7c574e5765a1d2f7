//! What a container used: VPA.md "Feeding".

use serde::{Deserialize, Serialize};

use super::estimate::scale_amount;
use super::{Buckets, Checkpoint, Histogram, defaults};
use crate::Time;

const EPSILON: f64 = 1e-4;

/// Usage of one container, over all instances of its service.
#[derive(Debug, Clone, PartialEq)]
pub struct ContainerUsage {
    cpu: Histogram,
    memory: Histogram,
    span: Span,
    memory_window: MemoryWindow,
}

/// Lifespan and number of the CPU samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Span {
    first: Option<Time>,
    last: Option<Time>,
    samples: u64,
}

/// The memory interval that is being watched; it contributes one peak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
struct MemoryWindow {
    end: Option<Time>,
    last: Option<Time>,
    peak_bytes: i64,
    oom_peak_bytes: i64,
}

/// A [`ContainerUsage`] made small, for storage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UsageCheckpoint {
    cpu: Checkpoint,
    memory: Checkpoint,
    span: Span,
    memory_window: MemoryWindow,
}

/// An out-of-memory event came too late to mean anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("out-of-memory event is older than the watched interval")]
pub struct OomTooOld;

/// The memory sample that stands for running out of memory with this request and this recent peak.
pub fn oom_sample(request_bytes: i64, peak_bytes: i64, ratio: f64, min_bump_bytes: i64) -> i64 {
    let used = request_bytes.max(peak_bytes);
    used.saturating_add(min_bump_bytes).max(scale_amount(used, ratio))
}

// === impl ContainerUsage ===

impl Default for ContainerUsage {
    fn default() -> Self {
        let half_life_s = Some(defaults::HALF_LIFE_S);
        Self {
            cpu: Histogram::new(Buckets::CPU, EPSILON, half_life_s),
            memory: Histogram::new(Buckets::MEMORY, EPSILON, half_life_s),
            span: Span::default(),
            memory_window: MemoryWindow::default(),
        }
    }
}

impl ContainerUsage {
    /// Adds a CPU sample in cores. False when it is out of order, negative or not a number, and thus not counted.
    pub fn add_cpu(&mut self, cores: f64, at: Time) -> bool {
        if !cores.is_finite() || cores < 0.0 || self.span.last.is_some_and(|last| at <= last) {
            return false;
        }
        self.cpu.add(cores, defaults::CPU_SAMPLE_WEIGHT, at);
        self.span.first.get_or_insert(at);
        self.span.last = Some(at);
        self.span.samples += 1;
        true
    }

    /// Adds a memory sample. Only the peak of each interval stays. False when it is out of order or negative.
    pub fn add_memory(&mut self, bytes: i64, at: Time) -> bool {
        if bytes < 0 || self.memory_window.last.is_some_and(|last| at < last) {
            return false;
        }
        self.add_peak(bytes, at, false);
        true
    }

    /// Records that an instance ran out of memory while requesting this much.
    pub fn record_oom(&mut self, request_bytes: i64, at: Time) -> Result<(), OomTooOld> {
        if self.memory_window.end.is_some_and(|end| at < end.minus_s(defaults::MEMORY_INTERVAL_S)) {
            return Err(OomTooOld);
        }
        // Earlier out-of-memory peaks are left out, or repeated ones would build on each other.
        let peak_bytes = self.memory_window.peak_bytes;
        let (ratio, bump) = (defaults::OOM_BUMP_RATIO, defaults::OOM_MIN_BUMP_BYTES);
        self.add_peak(oom_sample(request_bytes, peak_bytes, ratio, bump), at, true);
        Ok(())
    }

    /// CPU usage in cores.
    pub fn cpu(&self) -> &Histogram {
        &self.cpu
    }

    /// Memory peaks in bytes.
    pub fn memory(&self) -> &Histogram {
        &self.memory
    }

    /// Seconds from the first to the last CPU sample.
    pub fn lifespan_s(&self) -> f64 {
        match (self.span.first, self.span.last) {
            (Some(first), Some(last)) => last.since_ms(first) as f64 / 1000.0,
            _ => 0.0,
        }
    }

    /// Number of CPU samples.
    pub fn samples(&self) -> u64 {
        self.span.samples
    }

    /// The small form.
    pub fn checkpoint(&self) -> UsageCheckpoint {
        UsageCheckpoint {
            cpu: self.cpu.checkpoint(),
            memory: self.memory.checkpoint(),
            span: self.span,
            memory_window: self.memory_window,
        }
    }

    /// From the small form.
    pub fn restore(checkpoint: &UsageCheckpoint) -> Self {
        let mut usage = Self::default();
        usage.cpu.restore(&checkpoint.cpu);
        usage.memory.restore(&checkpoint.memory);
        Self { span: checkpoint.span, memory_window: checkpoint.memory_window, ..usage }
    }

    /// Inside the interval a higher value replaces the peak; after it a new interval starts with the value as its peak.
    /// Peaks are stamped with the end of their interval, so that replacing finds the weight it added.
    fn add_peak(&mut self, bytes: i64, at: Time, oom: bool) {
        let window = &mut self.memory_window;
        window.last = Some(at);
        let end = *window.end.get_or_insert(at);
        let old = window.peak_bytes.max(window.oom_peak_bytes);
        if at < end {
            if old == 0 || bytes <= old {
                return;
            }
            self.memory.subtract(old as f64, 1.0, end);
        } else {
            let interval_ms = i64::from(defaults::MEMORY_INTERVAL_S) * 1000;
            let intervals = at.since_ms(end) / interval_ms + 1;
            *window = MemoryWindow {
                end: Some(Time(end.0 + intervals * interval_ms)),
                last: Some(at),
                ..MemoryWindow::default()
            };
        }
        let window = &mut self.memory_window;
        self.memory.add(bytes as f64, 1.0, window.end.unwrap_or(at));
        if oom {
            window.oom_peak_bytes = bytes;
        } else {
            window.peak_bytes = bytes;
        }
    }
}
