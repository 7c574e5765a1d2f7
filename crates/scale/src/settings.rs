//! What a Kubernetes cluster sets with flags and feature gates of its controller manager.

use serde::{Deserialize, Serialize};

use crate::spec::{HpaSpec, defaults};

/// Controller-wide settings; [`Settings::default`] is a stock cluster with every scaling feature gate on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Half-width of the dead band, both directions.
    pub tolerance: f64,
    /// How long a falling recommendation is held, in seconds.
    pub downscale_stabilization_s: u32,
    /// Age below which CPU samples of an instance are suspect, in seconds.
    pub cpu_initialization_period_s: u32,
    /// Age below which becoming unready means "never was ready", in seconds.
    pub initial_readiness_delay_s: u32,
    /// Without `behavior` an upscale may multiply the replicas by this much.
    pub scale_up_limit_factor: f64,
    /// Without `behavior` an upscale may always reach this many replicas.
    pub scale_up_limit_minimum: f64,
    /// Gate HPAScaleToZero.
    pub scale_to_zero: bool,
    /// Gate HPAConfigurableTolerance.
    pub configurable_tolerance: bool,
    /// Gate PodLevelResources.
    pub pod_level_resources: bool,
    /// Samples older than this count as absent. Kubernetes leaves that to the metrics server, hence none by default.
    pub stale_after_s: Option<u32>,
}

/// Half-widths of the dead band around a ratio of 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerances {
    /// Below 1.
    pub down: f64,
    /// Above 1.
    pub up: f64,
}

// === impl Settings ===

impl Default for Settings {
    fn default() -> Self {
        Self {
            tolerance: defaults::TOLERANCE,
            downscale_stabilization_s: defaults::DOWNSCALE_STABILIZATION_S,
            cpu_initialization_period_s: defaults::CPU_INITIALIZATION_PERIOD_S,
            initial_readiness_delay_s: defaults::INITIAL_READINESS_DELAY_S,
            scale_up_limit_factor: defaults::SCALE_UP_LIMIT_FACTOR,
            scale_up_limit_minimum: defaults::SCALE_UP_LIMIT_MINIMUM,
            scale_to_zero: true,
            configurable_tolerance: true,
            pod_level_resources: true,
            stale_after_s: None,
        }
    }
}

impl Settings {
    /// The dead band of this spec: the global one, overridden per direction where the gate allows it.
    pub fn tolerances(&self, spec: &HpaSpec) -> Tolerances {
        let mut tolerances = Tolerances { down: self.tolerance, up: self.tolerance };
        if !self.configurable_tolerance {
            return tolerances;
        }
        if let Some(behavior) = &spec.behavior {
            let own = |rules: &Option<crate::spec::ScalingRules>| rules.as_ref().and_then(|r| r.tolerance);
            tolerances.down = own(&behavior.scale_down).unwrap_or(tolerances.down);
            tolerances.up = own(&behavior.scale_up).unwrap_or(tolerances.up);
        }
        tolerances
    }
}

// === impl Tolerances ===

impl Tolerances {
    /// True when the ratio is close enough to 1 to leave things alone; both ends belong to the band.
    pub fn within(self, ratio: f64) -> bool {
        1.0 - self.down <= ratio && ratio <= 1.0 + self.up
    }
}
