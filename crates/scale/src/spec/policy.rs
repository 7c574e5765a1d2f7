//! What a user may ask for beside `metrics`. Everything is off until it is named, and a spec that names nothing of this
//! is a plain HorizontalPodAutoscaler.

mod asking;
mod formula;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{HpaSpec, MetricSpec, Problem, quantity};

pub use asking::{Concurrency, DemandQuantile, QueueLatency, Slo};
pub use formula::{Formula, FormulaTarget};

/// Values that are used where a policy is silent.
pub mod defaults {
    /// `slots` of a policy.
    pub const SLOTS: u32 = 1;
    /// Knative's `stable-window`, in seconds.
    pub const STABLE_WINDOW_S: u32 = 60;
    /// Knative's `panic-window-percentage` of 10 % of the stable window, in seconds.
    pub const PANIC_WINDOW_S: u32 = 6;
    /// Knative's `panic-threshold-percentage`.
    pub const PANIC_THRESHOLD_PCT: u32 = 200;
    /// `windowSeconds` of `demandQuantile`: bursts of the traces in `docs/scaling.md` come back within this time.
    pub const BURST_WINDOW_S: u32 = 1200;
    /// Time zone of a schedule.
    pub const TIMEZONE: &str = "UTC";
    /// Season of a forecast, in seconds.
    pub const PERIOD_S: u32 = 86_400;
    /// Resolution of a forecast, in seconds.
    pub const BUCKET_S: u32 = 300;
    /// How long the last answer of a lost metric is held, in seconds.
    pub const HOLD_S: u32 = 60;
    /// KEDA's `failureThreshold` in its documentation's examples.
    pub const FAILURE_THRESHOLD: u32 = 3;
}

/// A HorizontalPodAutoscaler spec and the policies beside it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScalingPolicy {
    /// The autoscaling/v2 body. With a policy that asks for replicas, an empty `metrics` stays empty.
    #[serde(flatten)]
    pub hpa: HpaSpec,
    /// One metric out of several signals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub formula: Option<Formula>,
    /// Keep the wait in a queue short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_latency: Option<QueueLatency>,
    /// Keep the requests in flight per instance at a target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Concurrency>,
    /// Keep the 95th percentile of the response time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slo: Option<Slo>,
    /// Keep enough for all but the worst moments of the recent past.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub demand_quantile: Option<DemandQuantile>,
    /// Floors at known times.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schedule: Vec<ScheduleFloor>,
    /// A floor from past days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forecast: Option<Forecast>,
    /// What a metric that cannot be read stands for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal_loss: Option<SignalLoss>,
    /// `Value` targets multiply by ready instances. One that became ready less than this ago has not relieved the
    /// signal yet and is not multiplied again, so that starting capacity is not asked for twice.
    #[serde(default, rename = "settleSeconds", skip_serializing_if = "Option::is_none")]
    pub settle_s: Option<u32>,
    /// Directions that are switched off for now.
    #[serde(default, skip_serializing_if = "Pause::is_none")]
    pub pause: Pause,
    /// Decide, but change nothing.
    #[serde(default, skip_serializing_if = "is_false")]
    pub freeze: bool,
    /// Size of one decision.
    #[serde(default, skip_serializing_if = "Step::is_none")]
    pub step: Step,
    /// Notice when the count goes up and down again and again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flap_detector: Option<FlapDetector>,
}

/// At least this many replicas from one cron time to the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleFloor {
    /// Shown in explanations.
    pub name: String,
    /// When it begins: minute, hour, day of month, month, day of week.
    pub start: String,
    /// When it ends.
    pub end: String,
    /// IANA name of the time zone.
    #[serde(default = "utc")]
    pub timezone: String,
    /// The floor.
    pub replicas: u32,
}

/// A floor from a seasonal model of the demand, on only while it beats the seasonal-naive forecast.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Forecast {
    /// Demand one instance carries, in thousandths of the unit of the demand signal.
    #[serde(rename = "perInstance", with = "quantity::milli_required")]
    pub per_instance_milli: i64,
    /// Season, in seconds.
    #[serde(default = "day_s", rename = "periodSeconds")]
    pub period_s: u32,
    /// Resolution, in seconds.
    #[serde(default = "bucket_s", rename = "bucketSeconds")]
    pub bucket_s: u32,
    /// How far to look ahead, in seconds; the measured start-up time when absent.
    #[serde(default, rename = "horizonSeconds", skip_serializing_if = "Option::is_none")]
    pub horizon_s: Option<u32>,
}

/// What a metric that cannot be read stands for. A healthy metric that asks for more always wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignalLoss {
    /// How long the last answer of the metric is held.
    #[serde(default = "hold_s", rename = "holdSeconds")]
    pub hold_s: u32,
    /// What follows after that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<Fallback>,
}

/// A declared answer for a metric that stays lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fallback {
    /// More failures in a row than this.
    #[serde(default = "failure_threshold")]
    pub failure_threshold: u32,
    /// The answer.
    pub replicas: u32,
    /// How the answer relates to the current count.
    #[serde(default)]
    pub behavior: FallbackBehavior,
}

/// How a fallback relates to the current count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FallbackBehavior {
    /// The higher of the two: a lost signal never scales in.
    #[default]
    CurrentReplicasIfHigher,
    /// The current count.
    CurrentReplicas,
    /// The lower of the two, so it may scale in (KEDA's rule for a source that must not be fed by more).
    CurrentReplicasIfLower,
    /// Exactly the declared count, even when that scales in.
    Static,
}

/// Directions that are switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Pause {
    /// Never fewer.
    pub scale_in: bool,
    /// Never more.
    pub scale_out: bool,
}

/// Size of one decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Step {
    /// At most this many replicas per decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
    /// Alert when a decision wants to jump by more than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alert_above: Option<u32>,
}

/// When up and down again is too often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FlapDetector {
    /// This many changes of direction.
    pub reversals: u32,
    /// Within this many seconds.
    #[serde(rename = "windowSeconds")]
    pub window_s: u32,
}

// === impl ScalingPolicy ===

impl From<HpaSpec> for ScalingPolicy {
    fn from(hpa: HpaSpec) -> Self {
        Self {
            hpa,
            formula: None,
            queue_latency: None,
            concurrency: None,
            slo: None,
            demand_quantile: None,
            schedule: Vec::new(),
            forecast: None,
            signal_loss: None,
            settle_s: None,
            pause: Pause::default(),
            freeze: false,
            step: Step::default(),
            flap_detector: None,
        }
    }
}

impl ScalingPolicy {
    /// True when something beside `metrics` asks for a count.
    pub fn has_asking_policy(&self) -> bool {
        self.queue_latency.is_some()
            || self.concurrency.is_some()
            || self.slo.is_some()
            || self.demand_quantile.is_some()
    }

    /// True when something beside `metrics` leads from and to zero, so that empty `metrics` stay empty.
    pub fn stands_without_metrics(&self) -> bool {
        self.has_asking_policy() || self.formula.is_some()
    }

    /// The metrics that ask by themselves: those written, or the default CPU target when nothing else asks.
    pub fn metrics(&self) -> Cow<'_, [MetricSpec]> {
        if self.stands_without_metrics() {
            self.hpa.metrics.as_slice().into()
        } else {
            self.hpa.effective_metrics()
        }
    }

    /// Every rule the spec breaks: those of Kubernetes and those of the policies. Schedules and the expression of a
    /// formula are checked when the spec is [compiled](crate::policy::Policy::compile).
    pub fn problems(&self) -> Vec<Problem> {
        let mut found = self.hpa.problems();
        if self.stands_without_metrics() {
            // These see a queue or the gateway, so that zero instances can be left again.
            found.retain(|problem| problem.path != "minReplicas" || self.hpa.min() > self.hpa.max_replicas);
        }
        let mut unless = |holds: bool, path: &str, message: &str| {
            if !holds {
                found.push(Problem { path: path.to_owned(), message: message.to_owned() });
            }
        };
        let positive = |value: f64| value.is_finite() && value > 0.0;
        if let Some(formula) = &self.formula {
            unless(formula.target_milli > 0, "formula.target", "must be above zero");
            let named = formula.signals.values().all(|metric| !metric.name.is_empty());
            unless(named, "formula.signals", "every signal needs the name of a metric");
        }
        if let Some(queue) = &self.queue_latency {
            unless(positive(queue.target_wait_s), "queueLatency.targetWaitSeconds", "must be above zero");
            unless(queue.slots > 0, "queueLatency.slots", "must be above zero");
            let service = queue.service_s.is_none_or(positive);
            unless(service, "queueLatency.serviceSeconds", "must be above zero");
        }
        if let Some(concurrency) = &self.concurrency {
            unless(concurrency.target_milli > 0, "concurrency.target", "must be above zero");
            let window = (6..=3600).contains(&concurrency.stable_window_s);
            unless(window, "concurrency.stableWindowSeconds", "must be between 6 and 3600");
            let panic = (1..=concurrency.stable_window_s).contains(&concurrency.panic_window_s);
            unless(
                panic,
                "concurrency.panicWindowSeconds",
                "must be at least 1 and at most the stable window",
            );
            unless(
                concurrency.panic_threshold_pct >= 110,
                "concurrency.panicThresholdPercentage",
                "must be at least 110",
            );
        }
        if let Some(slo) = &self.slo {
            unless(positive(slo.p95_s), "slo.p95Seconds", "must be above zero");
            unless(slo.slots > 0, "slo.slots", "must be above zero");
        }
        if let Some(demand) = &self.demand_quantile {
            let share = demand.quantile > 0.0 && demand.quantile <= 1.0;
            unless(share, "demandQuantile.quantile", "must be above 0 and at most 1");
            let window = (1..=7200).contains(&demand.window_s);
            unless(window, "demandQuantile.windowSeconds", "must be between 1 and 7200");
            unless(demand.per_instance_milli > 0, "demandQuantile.perInstance", "must be above zero");
        }
        if let Some(forecast) = &self.forecast {
            unless(forecast.per_instance_milli > 0, "forecast.perInstance", "must be above zero");
            let buckets = forecast.period_s.checked_div(forecast.bucket_s).unwrap_or(0);
            unless(
                (4..=10_080).contains(&buckets),
                "forecast.bucketSeconds",
                "must divide the period into 4 to 10080 parts",
            );
        }
        unless(self.step.max != Some(0), "step.max", "must be above zero; use `freeze` to change nothing");
        found
    }
}

// === impl FlapDetector ===

impl Default for FlapDetector {
    fn default() -> Self {
        Self { reversals: 3, window_s: 600 }
    }
}

impl Pause {
    fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl Step {
    fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

fn utc() -> String {
    defaults::TIMEZONE.into()
}

fn day_s() -> u32 {
    defaults::PERIOD_S
}

fn bucket_s() -> u32 {
    defaults::BUCKET_S
}

fn hold_s() -> u32 {
    defaults::HOLD_S
}

fn failure_threshold() -> u32 {
    defaults::FAILURE_THRESHOLD
}
