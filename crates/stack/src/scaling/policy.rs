//! The policies beside `metrics`: keys next to those of the HPA, each off until it is written.

use plimsoll_scale::policy::schedule::{Schedule, ScheduleError};
use plimsoll_scale::spec::policy::{
    Concurrency, DemandQuantile, Fallback, FallbackBehavior, FlapDetector, Forecast, Pause, QueueLatency,
    ScalingPolicy, ScheduleFloor, SignalLoss, Slo, Step, defaults,
};

use super::MOST;
use super::formula::formula;
use crate::decode::{Field, Fields};
use crate::diagnostic::Sink;

/// Keys of the policies.
pub(super) const KNOWN: [&str; 13] = [
    "formula",
    "queueLatency",
    "concurrency",
    "slo",
    "demandQuantile",
    "schedule",
    "forecast",
    "signalLoss",
    "settleSeconds",
    "pause",
    "freeze",
    "step",
    "flapDetector",
];
/// Policies beside which no metric is needed.
const ASKING: [&str; 5] = ["formula", "queueLatency", "concurrency", "slo", "demandQuantile"];
/// Jobs or requests one instance works on at once; more is a slip of the pen.
const MOST_SLOTS: u32 = 100_000;
/// A year: longer times are a slip of the pen.
const LONGEST_S: u32 = 366 * 86_400;
/// Schedules of one service.
const MOST_SCHEDULES: usize = 100;

/// Whether something is written that leads to a count without a metric, and so sees load while no instance runs.
pub(super) fn asks(fields: &Fields<'_>) -> bool {
    ASKING.iter().any(|key| fields.optional(key).is_some())
}

/// Reads the policies into `policy`; what is wrong has been noted and is left out.
pub(super) fn policies(fields: &Fields<'_>, policy: &mut ScalingPolicy, sink: &mut Sink) {
    policy.formula = fields.optional("formula").and_then(|field| formula(&field, sink));
    policy.queue_latency = fields.optional("queueLatency").and_then(|field| queue_latency(&field, sink));
    policy.concurrency = fields.optional("concurrency").and_then(|field| concurrency(&field, sink));
    policy.slo = fields.optional("slo").and_then(|field| slo(&field, sink));
    policy.demand_quantile =
        fields.optional("demandQuantile").and_then(|field| demand_quantile(&field, sink));
    policy.schedule = fields.optional("schedule").map(|field| schedules(&field, sink)).unwrap_or_default();
    policy.forecast = fields.optional("forecast").and_then(|field| forecast(&field, sink));
    policy.signal_loss = fields.optional("signalLoss").and_then(|field| signal_loss(&field, sink));
    policy.settle_s = fields.optional("settleSeconds").and_then(|field| field.integer(0..=LONGEST_S, sink));
    policy.pause = fields.optional("pause").and_then(|field| pause(&field, sink)).unwrap_or_default();
    policy.freeze = fields.optional("freeze").and_then(|field| field.boolean(sink)).unwrap_or(false);
    policy.step = fields.optional("step").and_then(|field| step(&field, sink)).unwrap_or_default();
    policy.flap_detector = fields.optional("flapDetector").and_then(|field| flap_detector(&field, sink));
}

fn queue_latency(field: &Field<'_>, sink: &mut Sink) -> Option<QueueLatency> {
    let fields = Fields::open(field, &["queue", "targetWaitSeconds", "slots", "serviceSeconds"], sink)?;
    let hint = "the wait a job may have, such as `targetWaitSeconds: 5`";
    let target = fields.required("targetWaitSeconds", hint, sink).and_then(|field| field.seconds(sink));
    let queue = fields.optional("queue").and_then(|field| Some(field.text(sink)?.to_owned()));
    let slots = slots(&fields, sink);
    let service_s = fields.optional("serviceSeconds").and_then(|field| field.seconds(sink));
    Some(QueueLatency { queue, target_wait_s: target?, slots, service_s })
}

fn concurrency(field: &Field<'_>, sink: &mut Sink) -> Option<Concurrency> {
    let known = ["target", "stableWindowSeconds", "panicWindowSeconds", "panicThresholdPercentage"];
    let fields = Fields::open(field, &known, sink)?;
    let hint = "requests in flight for each instance, such as `target: 8`";
    let target_milli = fields.required("target", hint, sink).and_then(|field| field.positive_milli(sink));
    let mut or = |key: &str, range, default| {
        fields.optional(key).and_then(|field| field.integer(range, sink)).unwrap_or(default)
    };
    let stable_window_s = or("stableWindowSeconds", 6..=3600, defaults::STABLE_WINDOW_S);
    let panic_window_s = or("panicWindowSeconds", 1..=3600, defaults::PANIC_WINDOW_S.min(stable_window_s));
    let panic_threshold_pct = or("panicThresholdPercentage", 110..=100_000, defaults::PANIC_THRESHOLD_PCT);
    Some(Concurrency { target_milli: target_milli?, stable_window_s, panic_window_s, panic_threshold_pct })
}

fn slo(field: &Field<'_>, sink: &mut Sink) -> Option<Slo> {
    let fields = Fields::open(field, &["p95Seconds", "slots"], sink)?;
    let hint = "the response time that 95 of 100 requests may have, such as `p95Seconds: 0.5`";
    let p95_s = fields.required("p95Seconds", hint, sink).and_then(|field| field.seconds(sink));
    let slots = slots(&fields, sink);
    Some(Slo { p95_s: p95_s?, slots })
}

fn demand_quantile(field: &Field<'_>, sink: &mut Sink) -> Option<DemandQuantile> {
    let fields = Fields::open(field, &["quantile", "windowSeconds", "perInstance"], sink)?;
    let hint = "the share of requests that shall find enough instances, such as `quantile: 0.99`";
    let quantile = fields.required("quantile", hint, sink).and_then(|field| field.share(sink));
    let hint = "requests or jobs that one instance works on at once, such as `perInstance: 8`";
    let per_instance_milli =
        fields.required("perInstance", hint, sink).and_then(|field| field.positive_milli(sink));
    let window_s = fields.optional("windowSeconds").and_then(|field| field.integer(1..=7200, sink));
    let window_s = window_s.unwrap_or(defaults::BURST_WINDOW_S);
    Some(DemandQuantile { quantile: quantile?, window_s, per_instance_milli: per_instance_milli? })
}

fn slots(fields: &Fields<'_>, sink: &mut Sink) -> u32 {
    let written = fields.optional("slots").and_then(|field| field.integer(1..=MOST_SLOTS, sink));
    written.unwrap_or(defaults::SLOTS)
}

fn schedules(field: &Field<'_>, sink: &mut Sink) -> Vec<ScheduleFloor> {
    let hint = "such as `- { name: office, start: 0 8 * * 1-5, end: 0 18 * * 1-5, replicas: 4 }`";
    let items = field.list(hint, sink).unwrap_or_default();
    if items.len() > MOST_SCHEDULES {
        let what = format!("`schedule` holds more than {MOST_SCHEDULES} entries");
        sink.hint(field.at(), what, "a cron time can name several hours and days, such as `0 8,14 * * 1-5`");
    }
    let mut floors: Vec<ScheduleFloor> = Vec::new();
    for item in items.iter().take(MOST_SCHEDULES) {
        let Some(floor) = schedule(item, sink) else { continue };
        if floors.iter().any(|other| other.name == floor.name) {
            let what = format!("a second schedule is called `{}`", floor.name);
            sink.hint(item.at(), what, "explanations call a schedule by its name");
        }
        floors.push(floor);
    }
    floors
}

fn schedule(field: &Field<'_>, sink: &mut Sink) -> Option<ScheduleFloor> {
    let fields = Fields::open(field, &["name", "start", "end", "timezone", "replicas"], sink)?;
    let text = |key: &str, hint: &str, sink: &mut Sink| {
        fields.required(key, hint, sink).and_then(|field| Some(field.text(sink)?.to_owned()))
    };
    let name = text("name", "explanations call the schedule by it, such as `name: office`", sink);
    let start = text("start", "a cron time, such as `start: 0 8 * * 1-5`", sink);
    let end = text("end", "a cron time, such as `end: 0 18 * * 1-5`", sink);
    let timezone = match fields.optional("timezone") {
        Some(field) => field.text(sink).map(str::to_owned),
        None => Some(defaults::TIMEZONE.to_owned()),
    };
    let replicas = fields
        .required("replicas", "the least number of instances in that time", sink)
        .and_then(|field| field.integer(1..=MOST, sink));
    let floor =
        ScheduleFloor { name: name?, start: start?, end: end?, timezone: timezone?, replicas: replicas? };
    match Schedule::compile(&floor) {
        Ok(_) => return Some(floor),
        Err(ScheduleError::Cron { field: key, error, .. }) => {
            let at = fields.optional(key).map_or(fields.at, |field| field.at());
            let hint = "minute, hour, day of month, month, day of week, such as `0 8 * * 1-5`";
            sink.hint(at, format!("`{key}` is not a cron time: {error}"), hint);
        }
        Err(ScheduleError::Zone { timezone, .. }) => {
            let at = fields.key_at("timezone");
            let what = format!("unknown time zone {}", crate::diagnostic::quote(&timezone));
            sink.hint(at, what, "an IANA name such as `Europe/Berlin` or `UTC`");
        }
    }
    None
}

fn forecast(field: &Field<'_>, sink: &mut Sink) -> Option<Forecast> {
    let known = ["perInstance", "periodSeconds", "bucketSeconds", "horizonSeconds"];
    let fields = Fields::open(field, &known, sink)?;
    let hint = "open requests or jobs that one instance carries, such as `perInstance: 8`";
    let per_instance_milli =
        fields.required("perInstance", hint, sink).and_then(|field| field.positive_milli(sink));
    let mut seconds =
        |key: &str, least| fields.optional(key).and_then(|field| field.integer(least..=LONGEST_S, sink));
    let period_s = seconds("periodSeconds", 60).unwrap_or(defaults::PERIOD_S);
    let bucket_s = seconds("bucketSeconds", 1).unwrap_or(defaults::BUCKET_S);
    let horizon_s = seconds("horizonSeconds", 0);
    Some(Forecast { per_instance_milli: per_instance_milli?, period_s, bucket_s, horizon_s })
}

fn signal_loss(field: &Field<'_>, sink: &mut Sink) -> Option<SignalLoss> {
    let fields = Fields::open(field, &["holdSeconds", "fallback"], sink)?;
    let hold_s = fields.optional("holdSeconds").and_then(|field| field.integer(0..=LONGEST_S, sink));
    let fallback = fields.optional("fallback").and_then(|field| fallback(&field, sink));
    Some(SignalLoss { hold_s: hold_s.unwrap_or(defaults::HOLD_S), fallback })
}

fn fallback(field: &Field<'_>, sink: &mut Sink) -> Option<Fallback> {
    let behaviors = [
        ("currentReplicasIfHigher", FallbackBehavior::CurrentReplicasIfHigher),
        ("currentReplicas", FallbackBehavior::CurrentReplicas),
        ("currentReplicasIfLower", FallbackBehavior::CurrentReplicasIfLower),
        ("static", FallbackBehavior::Static),
    ];
    let fields = Fields::open(field, &["failureThreshold", "replicas", "behavior"], sink)?;
    let threshold = fields.optional("failureThreshold").and_then(|field| field.integer(0..=MOST, sink));
    let replicas = fields
        .required("replicas", "the number of instances to have while the metric is lost", sink)
        .and_then(|field| field.integer(0..=MOST, sink));
    let behavior = fields.optional("behavior").and_then(|field| field.choice(&behaviors, sink));
    Some(Fallback {
        failure_threshold: threshold.unwrap_or(defaults::FAILURE_THRESHOLD),
        replicas: replicas?,
        behavior: behavior.unwrap_or_default(),
    })
}

fn pause(field: &Field<'_>, sink: &mut Sink) -> Option<Pause> {
    let fields = Fields::open(field, &["scaleIn", "scaleOut"], sink)?;
    let mut on = |key: &str| fields.optional(key).and_then(|field| field.boolean(sink)).unwrap_or_default();
    Some(Pause { scale_in: on("scaleIn"), scale_out: on("scaleOut") })
}

fn step(field: &Field<'_>, sink: &mut Sink) -> Option<Step> {
    let fields = Fields::open(field, &["max", "alertAbove"], sink)?;
    let max = fields.optional("max").and_then(|field| field.integer(1..=MOST, sink));
    let alert_above = fields.optional("alertAbove").and_then(|field| field.integer(0..=MOST, sink));
    Some(Step { max, alert_above })
}

fn flap_detector(field: &Field<'_>, sink: &mut Sink) -> Option<FlapDetector> {
    let fields = Fields::open(field, &["reversals", "windowSeconds"], sink)?;
    let usual = FlapDetector::default();
    // The memory of the detector holds 64 turns.
    let reversals = fields.optional("reversals").and_then(|field| field.integer(1..=50, sink));
    let window_s = fields.optional("windowSeconds").and_then(|field| field.integer(1..=LONGEST_S, sink));
    Some(FlapDetector {
        reversals: reversals.unwrap_or(usual.reversals),
        window_s: window_s.unwrap_or(usual.window_s),
    })
}
