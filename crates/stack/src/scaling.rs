//! The `scaling` section: the body of an `autoscaling/v2` HorizontalPodAutoscaler, as one would paste it, and policies
//! beside its keys.
//!
//! The limits are those of the Kubernetes validation (HPA reference, section "behavior") and are checked where the
//! value stands. What is left over is found by [`ScalingPolicy::problems`], the rules of the scaler itself, so that a stack
//! file that is accepted here is never refused there.

mod behavior;
mod formula;
mod metric;
mod policy;
mod target;

use plimsoll_scale::spec::policy::ScalingPolicy;
use plimsoll_scale::spec::{Behavior, HpaSpec};

use crate::decode::{At, Field, Fields};
use crate::diagnostic::{Diagnostics, Mark, Sink};
use crate::load;
use crate::node::{Node, Value};

/// Keys of an HPA. `scaleTargetRef` is accepted and ignored: the service is the target.
const KNOWN: [&str; 5] = ["scaleTargetRef", "minReplicas", "maxReplicas", "metrics", "behavior"];
/// Replica counts are 32 signed bits in Kubernetes.
const MOST: u32 = i32::MAX as u32;

/// The section as far as it could be read.
pub(crate) struct ScalingDraft {
    spec: Option<ScalingPolicy>,
    /// Where a target is a percentage of a request, and of which resource.
    utilization: Vec<At<String>>,
}

/// Reads the body of an HPA on its own. `file_name` only appears in messages.
///
/// # Errors
/// Every mistake with its position, as [`crate::parse`] gives them.
pub fn parse_hpa(file_name: &str, source: &[u8]) -> Result<HpaSpec, Diagnostics> {
    parse_section(file_name, source, false).map(|policy| policy.hpa)
}

/// Reads the body of a `scaling` section on its own: an HPA and the policies beside it.
///
/// # Errors
/// Every mistake with its position, as [`crate::parse`] gives them.
pub fn parse_scaling(file_name: &str, source: &[u8]) -> Result<ScalingPolicy, Diagnostics> {
    parse_section(file_name, source, true)
}

fn parse_section(file_name: &str, source: &[u8], with_policies: bool) -> Result<ScalingPolicy, Diagnostics> {
    if let Some(refusal) = load::too_large(file_name, source.len() as u64) {
        return Err(refusal);
    }
    let mut sink = Sink::default();
    let spec = load::document(source, &mut sink).and_then(|root| {
        let field = Field { label: "a scaling spec".to_owned(), node: &root };
        section(&field, with_policies, &mut sink)?.finish()
    });
    sink.finish(file_name, spec)
}

/// Reads the section.
pub(crate) fn scaling(field: &Field<'_>, sink: &mut Sink) -> Option<ScalingDraft> {
    section(field, true, sink)
}

fn section(field: &Field<'_>, with_policies: bool, sink: &mut Sink) -> Option<ScalingDraft> {
    let before = sink.count();
    let known = KNOWN.iter().chain(policy::KNOWN.iter().filter(|_| with_policies));
    let fields = Fields::open(field, &known.copied().collect::<Vec<_>>(), sink)?;
    let max_replicas = fields
        .required("maxReplicas", "the most instances, such as `maxReplicas: 4`", sink)
        .and_then(|field| field.integer(1..=MOST, sink));
    let min_replicas = fields
        .optional("minReplicas")
        .and_then(|field| Some(At { at: field.at(), value: field.integer(0..=MOST, sink)? }));
    let (metrics, utilization) = match fields.optional("metrics") {
        Some(field) => metric::metrics(&field, sink),
        None => (Vec::new(), Vec::new()),
    };
    let behavior = fields.optional("behavior").and_then(|field| behavior::behavior(&field, sink));
    let asked_for = with_policies && policy::asks(&fields);
    check_bounds(&fields, min_replicas, max_replicas, asked_for, sink);

    // The bound stands in for one that is missing, which has been noted; the policies are read all the same.
    let mut spec = ScalingPolicy::from(HpaSpec {
        min_replicas: min_replicas.map(|min| min.value),
        max_replicas: max_replicas.unwrap_or(MOST),
        metrics,
        behavior,
    });
    if with_policies {
        policy::policies(&fields, &mut spec, sink);
    }
    // An incomplete spec would break rules that the file does not break.
    if sink.count() == before {
        for problem in spec.problems() {
            let what = format!("`{}` {}", problem.path, problem.message);
            let hint = "change it, or leave it out where it has a default";
            sink.hint(locate(field.node, &problem.path), what, hint);
        }
    }
    // Without metrics Kubernetes scales on CPU utilisation.
    let by_default = !asked_for && fields.optional("metrics").is_none_or(|field| is_empty_list(field.node));
    let implied = by_default.then(|| At { at: fields.at, value: "cpu".to_owned() });
    let spec = max_replicas.map(|_| spec);
    Some(ScalingDraft { spec, utilization: utilization.into_iter().chain(implied).collect() })
}

pub(crate) use formula::is_name as is_signal_name;

/// Reads a `behavior` on its own, for imports.
pub(crate) fn behavior(field: &Field<'_>, sink: &mut Sink) -> Option<Behavior> {
    behavior::behavior(field, sink)
}

fn check_bounds(
    fields: &Fields<'_>,
    min: Option<At<u32>>,
    max: Option<u32>,
    asked_for: bool,
    sink: &mut Sink,
) {
    let Some(min) = min else { return };
    if let Some(max) = max.filter(|max| min.value > *max) {
        let what = format!("`minReplicas` {} is above `maxReplicas` {max}", min.value);
        sink.hint(min.at, what, "swap them, or raise `maxReplicas`");
    }
    let measurable = fields.optional("metrics").is_some_and(|field| match &field.node.value {
        Value::List(metrics) => metrics.iter().any(metric::is_measurable_at_zero),
        _ => false,
    });
    if min.value == 0 && !measurable && !asked_for {
        let what = "`minReplicas: 0` needs a metric of type Object or External";
        sink.hint(min.at, what, "with no instance left, nothing else says when to start one");
    }
}

fn is_empty_list(node: &Node) -> bool {
    matches!(&node.value, Value::List(items) if items.is_empty())
}

/// The place of a field such as `metrics[0].resource.target`, or of the nearest part of it that is there.
fn locate(root: &Node, path: &str) -> Mark {
    let mut node = root;
    for part in path.split(['.', '[']) {
        let next = match (part.strip_suffix(']'), &node.value) {
            (Some(index), Value::List(items)) => index.parse::<usize>().ok().and_then(|i| items.get(i)),
            _ => node.get(part),
        };
        match next {
            Some(next) => node = next,
            None => break,
        }
    }
    node.at
}

// === impl ScalingDraft ===

impl ScalingDraft {
    /// Notes percentages of a request that `resources` does not state.
    pub(crate) fn check_requests(&self, resources: Option<&Node>, sink: &mut Sink) {
        for At { at, value: resource } in &self.utilization {
            let stated = resources.and_then(|node| node.get(resource)).is_some_and(|node| !node.is_null());
            if !stated {
                let example = if resource == "cpu" { "cpu: 500m" } else { "memory: 512Mi" };
                let what =
                    format!("a utilisation of {resource} needs `resources.{resource}`, its hundred per cent");
                let hint =
                    format!("add `resources: {{ {example} }}` to the service, or use an AverageValue target");
                sink.hint(*at, what, hint);
            }
        }
    }

    /// The spec as far as it is known.
    pub(crate) fn spec(&self) -> Option<&ScalingPolicy> {
        self.spec.as_ref()
    }

    /// The spec, when nothing was missing.
    pub(crate) fn finish(self) -> Option<ScalingPolicy> {
        self.spec
    }
}
