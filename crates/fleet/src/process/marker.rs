//! The environment variable by which every process of a fleet can be found again.
//!
//! Children inherit it whatever they do with process groups and sessions. The value is a list, because an
//! instance may itself run a plimsoll: `<fleet>/<instance>` elements joined with `:`, outermost first, so
//! that ending the outer fleet also finds what the inner one started.

/// Name of the variable.
pub(crate) const VARIABLE: &str = "PLIMSOLL_FLEET";

/// What to look for in a process' environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Marker {
    /// Unique id of the fleet.
    pub(crate) fleet: String,
    /// One instance of it; all of them when absent.
    pub(crate) instance: Option<String>,
}

// === impl Marker ===

impl Marker {
    pub(crate) fn of_fleet(fleet: impl Into<String>) -> Self {
        Self { fleet: fleet.into(), instance: None }
    }

    pub(crate) fn of_instance(fleet: impl Into<String>, instance: impl Into<String>) -> Self {
        Self { fleet: fleet.into(), instance: Some(instance.into()) }
    }

    /// The variable's value for a child, given the value in our own environment.
    pub(crate) fn value(&self, inherited: Option<&str>) -> String {
        let own = match &self.instance {
            Some(instance) => format!("{}/{instance}", self.fleet),
            None => self.fleet.clone(),
        };
        match inherited {
            Some(outer) if !outer.is_empty() => format!("{outer}:{own}"),
            _ => own,
        }
    }

    /// Is the variable, with this marker in it, part of `environ` (as `/proc/<pid>/environ` has it)?
    pub(crate) fn is_in(&self, environ: &[u8]) -> bool {
        environ
            .split(|byte| *byte == 0)
            .filter_map(|entry| entry.strip_prefix(VARIABLE.as_bytes())?.strip_prefix(b"="))
            .flat_map(|value| value.split(|byte| *byte == b':'))
            .any(|element| self.is(element))
    }

    fn is(&self, element: &[u8]) -> bool {
        let Some(rest) = element.strip_prefix(self.fleet.as_bytes()) else { return false };
        match &self.instance {
            Some(instance) => rest.strip_prefix(b"/") == Some(instance.as_bytes()),
            None => rest.is_empty() || rest.starts_with(b"/"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environ(value: &str) -> Vec<u8> {
        format!("PATH=/bin\0{VARIABLE}={value}\0HOME=/").into_bytes()
    }

    #[test]
    fn marker_finds_its_fleet_and_its_instance_only() {
        let worker = Marker::of_instance("f1", "worker-1");
        let value = worker.value(None);
        assert!(worker.is_in(&environ(&value)));
        assert!(Marker::of_fleet("f1").is_in(&environ(&value)));
        assert!(!Marker::of_fleet("f").is_in(&environ(&value)));
        assert!(!Marker::of_fleet("f2").is_in(&environ(&value)));
        assert!(!Marker::of_instance("f1", "worker").is_in(&environ(&value)));
        assert!(!Marker::of_instance("f1", "worker-12").is_in(&environ(&value)));
        assert!(!worker.is_in(b"OTHER=f1/worker-1\0"));
        assert!(!worker.is_in(b""));
    }

    #[test]
    fn fleet_inside_an_instance_carries_both_markers() {
        let outer = Marker::of_instance("outer", "api-1");
        let inner = Marker::of_instance("inner", "worker-1");
        let value = inner.value(Some(&outer.value(None)));
        assert!(outer.is_in(&environ(&value)));
        assert!(inner.is_in(&environ(&value)));
        assert!(!Marker::of_instance("outer", "worker-1").is_in(&environ(&value)));
    }
}
