//! What an instance asks for: HPA.md section 4.2.

use super::MetricError;
use crate::observe::Instance;

/// The request of an instance in milli-units: of the named container, else of the instance as a whole when it has its
/// own requests and the gate is on, else the sum over its containers.
pub fn request(
    instance: &Instance,
    resource: &str,
    container: Option<&str>,
    pod_level_resources: bool,
) -> Result<i64, MetricError> {
    let missing = |container: &str| MetricError::MissingRequest {
        instance: instance.name.to_string(),
        container: container.to_owned(),
        resource: resource.to_owned(),
    };
    if let Some(name) = container {
        let found = instance.containers.iter().find(|one| *one.name == *name);
        let found = found.ok_or_else(|| MetricError::ContainerNotFound {
            instance: instance.name.to_string(),
            container: name.to_owned(),
        })?;
        return found.requests.get(resource).ok_or_else(|| missing(name));
    }
    if pod_level_resources && let Some(whole) = instance.whole.filter(|whole| !whole.is_empty()) {
        // A request for another resource leaves this one to the containers that state it.
        let stated = instance.containers.iter().filter_map(|one| one.requests.get(resource));
        let from_containers = || stated.reduce(i64::saturating_add);
        return whole.get(resource).or_else(from_containers).ok_or_else(|| missing(""));
    }
    let mut sum = 0_i64;
    for container in &instance.containers {
        let own = container.requests.get(resource).ok_or_else(|| missing(&container.name))?;
        sum = sum.saturating_add(own);
    }
    Ok(sum)
}
