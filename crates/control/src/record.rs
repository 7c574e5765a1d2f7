//! What the controller writes down: one record for each thing that happened, with everything needed to explain it later.

use serde::{Deserialize, Serialize};

use crate::view::DecisionView;

/// What kind of event a record tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The number of instances was changed by the scaling policy.
    Scale,
    /// The policy was evaluated and kept the number, for a reason other than before.
    Hold,
    /// An operator asked for something.
    Operator,
    /// The policy wants something that an operator should look at: a jump, or up and down again and again.
    Alert,
    /// The second policy, which acts on nothing, would have decided otherwise.
    Shadow,
    /// An instance gets another size than is stated, or is replaced for its size.
    Size,
    /// An instance ended without being asked to.
    Crash,
    /// The stack or an instance started or stopped as planned.
    Lifecycle,
}

/// One line of the decision log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Counts up by one; never reused within a state directory.
    pub id: u64,
    /// Milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// What kind of event.
    pub kind: Kind,
    /// The service concerned; empty for the stack as a whole.
    pub service: String,
    /// Instances asked for before.
    pub from: u32,
    /// Instances asked for after.
    pub to: u32,
    /// Why, in one sentence.
    pub summary: String,
    /// Inputs and reasoning: for a decision of the policy the spec, the observation, the state before and the explanation.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub detail: serde_json::Value,
}

/// A record before the log has given it an id and a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// See [`Record::kind`].
    pub kind: Kind,
    /// See [`Record::service`].
    pub service: String,
    /// See [`Record::from`].
    pub from: u32,
    /// See [`Record::to`].
    pub to: u32,
    /// See [`Record::summary`].
    pub summary: String,
    /// See [`Record::detail`].
    pub detail: serde_json::Value,
}

// === impl Kind ===

impl Kind {
    /// The word used in the log, the admin API and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scale => "scale",
            Self::Hold => "hold",
            Self::Operator => "operator",
            Self::Alert => "alert",
            Self::Shadow => "shadow",
            Self::Size => "size",
            Self::Crash => "crash",
            Self::Lifecycle => "lifecycle",
        }
    }
}

// === impl Draft ===

impl Draft {
    /// An event that changes no number of instances.
    pub fn event(kind: Kind, service: &str, summary: impl Into<String>) -> Self {
        Self {
            kind,
            service: service.to_owned(),
            from: 0,
            to: 0,
            summary: summary.into(),
            detail: serde_json::Value::Null,
        }
    }

    /// Adds the numbers of instances before and after.
    #[must_use]
    pub fn replicas(mut self, from: u32, to: u32) -> Self {
        (self.from, self.to) = (from, to);
        self
    }

    /// Adds what `plimsoll why` shows.
    #[must_use]
    pub fn detail(mut self, detail: serde_json::Value) -> Self {
        self.detail = detail;
        self
    }
}

// === impl Record ===

impl From<&Record> for DecisionView {
    fn from(record: &Record) -> Self {
        Self {
            id: record.id,
            at_ms: record.at_ms,
            kind: record.kind.as_str().to_owned(),
            service: record.service.clone(),
            from: record.from,
            to: record.to,
            summary: record.summary.clone(),
        }
    }
}
