//! Policies beside the HPA body in a `scaling` section.

use plimsoll_scale::policy::Policy;
use plimsoll_scale::spec::policy::{FallbackBehavior, FlapDetector, FormulaTarget, ScalingPolicy};
use plimsoll_scale::vpa::{Mode, Wish};
use plimsoll_stack::{parse, parse_hpa, parse_scaling};

const EVERY: &str = r#"
minReplicas: 0
maxReplicas: 20
formula:
  expression: >-
    max(waiting * 2, jobs ?? 0)
  target: "5"
  metricType: Value
  activationTarget: -1.5
  signals:
    waiting: { name: http_requests_waiting }
    jobs: { name: queue_depth, selector: { matchLabels: { queue: evaluate } } }
queueLatency: { queue: evaluate, targetWaitSeconds: 2.5, slots: 2, serviceSeconds: 30 }
concurrency: { target: "7.5", stableWindowSeconds: 30, panicWindowSeconds: 3, panicThresholdPercentage: 150 }
slo: { p95Seconds: 0.5, slots: 8 }
demandQuantile: { quantile: 0.99, windowSeconds: 600, perInstance: 8 }
schedule:
  - { name: office, start: 0 8 * * MON-FRI, end: 0 18 * * MON-FRI, timezone: Europe/Berlin, replicas: 3 }
  - { name: batch, start: 30 1 * * *, end: 0 3 * * *, replicas: 5 }
forecast: { perInstance: 8, periodSeconds: 3600, bucketSeconds: 60, horizonSeconds: 90 }
signalLoss: { holdSeconds: 20, fallback: { failureThreshold: 2, replicas: 6, behavior: static } }
settleSeconds: 15
pause: { scaleIn: true }
freeze: true
step: { max: 4, alertAbove: 2 }
flapDetector: { reversals: 4 }
"#;

fn scaling(source: &str) -> ScalingPolicy {
    parse_scaling("scaling.yaml", source.as_bytes()).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn every_policy_is_read_as_serde_reads_it() {
    let policy = scaling(EVERY);
    let formula = policy.formula.clone().unwrap_or_else(|| panic!("no formula"));
    assert_eq!((formula.expression.as_str(), formula.target_milli), ("max(waiting * 2, jobs ?? 0)", 5000));
    assert_eq!((formula.metric_type, formula.activation_milli), (FormulaTarget::Value, -1500));
    assert_eq!(formula.signals["jobs"].selector.match_labels["queue"], "evaluate");
    let queue = policy.queue_latency.clone().unwrap_or_else(|| panic!("no queueLatency"));
    assert_eq!(queue.queue.as_deref(), Some("evaluate"));
    assert_eq!((queue.target_wait_s, queue.slots, queue.service_s), (2.5, 2, Some(30.0)));
    assert_eq!(policy.concurrency.map(|one| one.target_milli), Some(7500));
    assert_eq!(policy.schedule[0].timezone, "Europe/Berlin");
    assert_eq!(policy.schedule[1].timezone, "UTC");
    let fallback = policy.signal_loss.and_then(|loss| loss.fallback);
    assert_eq!(fallback.map(|one| one.behavior), Some(FallbackBehavior::Static));
    assert_eq!(policy.flap_detector, Some(FlapDetector { reversals: 4, ..FlapDetector::default() }));
    // The log of decisions holds the same spec in JSON, and what is read back is what was meant.
    let json = serde_json::to_string(&policy).unwrap_or_else(|error| panic!("{error}"));
    let back: ScalingPolicy = serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(back, policy);
    assert!(Policy::compile(policy).is_ok());
}

#[test]
fn defaults_of_the_file_are_those_of_the_scaler() {
    let source = "maxReplicas: 2\nformula: { expression: '4', target: 1 }\nqueueLatency: { targetWaitSeconds: 1 }\nconcurrency: { target: 1 }\n\
                  slo: { p95Seconds: 1 }\ndemandQuantile: { quantile: 1, perInstance: 1 }\nforecast: { perInstance: 1 }\nsignalLoss: { fallback: { replicas: 1 } }\n\
                  flapDetector: {}\n";
    let json = r#"{"maxReplicas":2,"formula":{"expression":"4","target":"1"},"queueLatency":{"targetWaitSeconds":1},"concurrency":{"target":"1"},
        "slo":{"p95Seconds":1},"demandQuantile":{"quantile":1,"perInstance":"1"},"forecast":{"perInstance":"1"},"signalLoss":{"fallback":{"replicas":1}},
        "flapDetector":{}}"#;
    let expected: ScalingPolicy = serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(scaling(source), expected);
}

#[test]
fn pasted_hpa_has_no_policies() {
    let source = "maxReplicas: 3\nmetrics: []\nbehavior: { scaleDown: { stabilizationWindowSeconds: 60 } }\n";
    let policy = scaling(source);
    let hpa = parse_hpa("hpa.yaml", source.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(policy, ScalingPolicy::from(hpa));
}

#[test]
fn policies_do_not_belong_to_an_hpa_on_its_own() {
    let error = parse_hpa("hpa.yaml", b"maxReplicas: 3\nfreeze: true\n").map_err(|error| error.to_string());
    assert!(error.is_err_and(|error| error.contains("unknown key `freeze`")));
}

#[test]
fn asking_policy_needs_neither_metric_nor_request_and_leaves_zero() {
    for asking in ["queueLatency: { targetWaitSeconds: 1 }", "formula: { expression: '1', target: 1 }"] {
        let spec = scaling(&format!("minReplicas: 0\nmaxReplicas: 2\n{asking}\n"));
        assert!(spec.metrics().is_empty() && spec.problems().is_empty());
    }
    let source = "name: x\nservices:\n  a:\n    command: [a]\n    scaling: { minReplicas: 0, maxReplicas: 2, \
                  queueLatency: { targetWaitSeconds: 1 } }\n    shadow: { maxReplicas: 9, concurrency: { target: 2 } }\n    \
                  vertical_scaling: { mode: Off }\n";
    let stack = parse("x.yaml", source.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    let service = &stack.services["a"];
    assert_eq!(service.bounds(), (0, 2));
    assert_eq!(service.shadow.as_ref().map(|shadow| shadow.hpa.max_replicas), Some(9));
    assert!(service.vertical.is_some());
}

#[test]
fn sizes_are_applied_to_what_no_autoscaler_owns() {
    let read = |vertical: &str, scaling: &str| {
        let source = format!(
            "name: x\nservices:\n  a:\n    command: [a]\n    resources: {{ cpu: 1, memory: 1Gi }}\n    \
             scaling: {{ maxReplicas: 3{scaling} }}\n    vertical_scaling: {vertical}\n"
        );
        let stack = parse("x.yaml", source.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
        stack.services["a"].vertical.unwrap_or_else(|| panic!("nothing was read"))
    };
    // Advice is given beside any metric.
    assert_eq!(read("{ mode: Off }", ""), Wish::of(Mode::Off));
    let memory = read("{ mode: Recreate, controlledResources: [memory], minReplicas: 1 }", "");
    assert_eq!((memory.mode, memory.min_replicas), (Mode::Recreate, 1));
    assert!(memory.controls_memory && !memory.controls_cpu);
    let queue = ", queueLatency: { targetWaitSeconds: 1 }";
    let both = read(
        "{ mode: Initial, minAllowed: { cpu: 100m, memory: 64Mi }, maxAllowed: { memory: 2Gi } }",
        queue,
    );
    assert!(both.controls_memory && both.controls_cpu);
    assert_eq!((both.allowed.min_cpu_milli, both.allowed.max_cpu_milli), (Some(100), None));
    assert_eq!(
        (both.allowed.min_memory_bytes, both.allowed.max_memory_bytes),
        (Some(64 << 20), Some(2 << 30))
    );
}
