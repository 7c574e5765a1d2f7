//! Policy files: whatever people have, to something that decides.

use std::path::Path;

use anyhow::{Context, anyhow, bail};
use plimsoll_scale::policy::Policy;
use plimsoll_scale::spec::policy::ScalingPolicy;
use plimsoll_sim::{Clock, Keda, PolicyScaler};
use serde_json::Value;

use super::yaml;
use crate::{printer::Printer, stack_file};

/// A policy under its name.
#[derive(Debug, Clone)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) spec: ScalingPolicy,
    pub(super) keda: Option<Keda>,
}

/// Reads every policy of a file.
pub(super) fn read(path: &Path, printer: Printer) -> anyhow::Result<Vec<Named>> {
    let name = path.display().to_string();
    let source = stack_file::read_bounded(path).map_err(|error| anyhow!("{error}"))?;
    let text = std::str::from_utf8(&source).with_context(|| name.clone())?;
    let documents = yaml::documents(text).map_err(|error| anyhow!("{name}:{error}"))?;
    let stem = path.file_stem().map_or_else(|| name.clone(), |stem| stem.to_string_lossy().into_owned());
    let manifest = documents.iter().any(|document| document.get("kind").is_some());
    if manifest {
        return imported(&name, &stem, &source, &documents, printer);
    }
    let [_] = documents.as_slice() else {
        bail!("{name}: one policy is expected, there are {} documents", documents.len())
    };
    // The reader of stack files shows mistakes at their place.
    let spec = plimsoll_stack::parse_scaling(&name, &source).map_err(|mistakes| anyhow!("{mistakes}"))?;
    Ok(vec![checked(&name, stem, spec, None)?])
}

/// Through the same door as `plimsoll import`.
fn imported(
    name: &str,
    stem: &str,
    source: &[u8],
    documents: &[Value],
    printer: Printer,
) -> anyhow::Result<Vec<Named>> {
    let imported = plimsoll_stack::import(name, source).map_err(|mistakes| anyhow!("{mistakes}"))?;
    if !imported.notes.is_empty() {
        printer.note(imported.report());
    }
    let keda = documents.iter().find(|document| document["kind"] == "ScaledObject").map(keda);
    let fragment =
        yaml::documents(&imported.stack_yaml_fragment).map_err(|error| anyhow!("{name}: {error}"))?;
    let services =
        fragment.first().and_then(|fragment| fragment["services"].as_object()).cloned().unwrap_or_default();
    let several = services.len() > 1;
    let mut policies = Vec::new();
    for (service, body) in services {
        let json = body["scaling"].to_string();
        let spec =
            plimsoll_stack::parse_scaling(name, json.as_bytes()).map_err(|mistakes| anyhow!("{mistakes}"))?;
        let label = if several { format!("{stem}/{service}") } else { stem.to_owned() };
        policies.push(checked(name, label, spec, keda)?);
    }
    Ok(policies)
}

/// What of a ScaledObject is KEDA's own.
fn keda(manifest: &Value) -> Keda {
    let number = |key: &str, default: f64| manifest["spec"][key].as_f64().unwrap_or(default);
    Keda {
        poll: Clock::every(number("pollingInterval", 30.0).max(1.0)),
        cooldown_s: number("cooldownPeriod", 300.0),
        min_replicas: number("minReplicaCount", 0.0) as u32,
        activation: 0.0,
    }
}

fn checked(file: &str, name: String, spec: ScalingPolicy, keda: Option<Keda>) -> anyhow::Result<Named> {
    if let Some(problem) = spec.problems().first() {
        bail!("{file}: `{}` {}", problem.path, problem.message);
    }
    Ok(Named { name, spec, keda })
}

// === impl Named ===

impl Named {
    /// Ready to decide.
    pub(super) fn scaler(&self) -> anyhow::Result<PolicyScaler> {
        let policy = Policy::compile(self.spec.clone()).map_err(|error| anyhow!("{}: {error}", self.name))?;
        Ok(PolicyScaler { keda: self.keda, ..PolicyScaler::new(policy) })
    }

    /// It looks at signals that the platform owns, and need not wait for a scrape.
    pub(super) fn is_own(&self) -> bool {
        self.spec.has_asking_policy() || self.spec.forecast.is_some()
    }
}
