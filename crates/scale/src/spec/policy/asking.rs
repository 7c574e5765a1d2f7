//! What asks for replicas by a rule of its own, beside `metrics`.

use serde::{Deserialize, Serialize};

use super::{defaults, quantity};

/// Scale a worker pool so that nobody waits longer than this.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueLatency {
    /// The queue by name; all queues together when absent. The caller measures it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// Wanted wait, in seconds.
    #[serde(rename = "targetWaitSeconds")]
    pub target_wait_s: f64,
    /// Jobs one instance works on at once.
    #[serde(default = "one")]
    pub slots: u32,
    /// Time one job takes in a slot, used until it is measured, in seconds.
    #[serde(default, rename = "serviceSeconds", skip_serializing_if = "Option::is_none")]
    pub service_s: Option<f64>,
}

/// Scale on requests in flight as Knative does, with a stable and a panic window.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Concurrency {
    /// Wanted requests in flight per instance, in thousandths.
    #[serde(rename = "target", with = "quantity::milli_required")]
    pub target_milli: i64,
    /// The calm window.
    #[serde(default = "stable_window_s", rename = "stableWindowSeconds")]
    pub stable_window_s: u32,
    /// The window that notices bursts.
    #[serde(default = "panic_window_s", rename = "panicWindowSeconds")]
    pub panic_window_s: u32,
    /// A burst is this many per cent of what the ready instances should carry.
    #[serde(default = "panic_threshold_pct", rename = "panicThresholdPercentage")]
    pub panic_threshold_pct: u32,
}

/// Scale so that a queueing model predicts the wanted response time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Slo {
    /// Wanted 95th percentile of the response time, in seconds.
    #[serde(rename = "p95Seconds")]
    pub p95_s: f64,
    /// Requests one instance works on at once.
    #[serde(default = "one")]
    pub slots: u32,
}

/// Keep enough for this share of the requests of the recent past, because bursts come back.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DemandQuantile {
    /// Share of requests that shall not meet more demand than there are instances for, above 0 and at most 1.
    pub quantile: f64,
    /// How long a burst is remembered, in seconds.
    #[serde(default = "burst_window_s", rename = "windowSeconds")]
    pub window_s: u32,
    /// Demand one instance carries, in thousandths of the unit of the demand signal; its slots, as a rule.
    #[serde(rename = "perInstance", with = "quantity::milli_required")]
    pub per_instance_milli: i64,
}

fn one() -> u32 {
    defaults::SLOTS
}

fn stable_window_s() -> u32 {
    defaults::STABLE_WINDOW_S
}

fn panic_window_s() -> u32 {
    defaults::PANIC_WINDOW_S
}

fn panic_threshold_pct() -> u32 {
    defaults::PANIC_THRESHOLD_PCT
}

fn burst_window_s() -> u32 {
    defaults::BURST_WINDOW_S
}
