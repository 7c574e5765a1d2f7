//! What the controller remembers across restarts: a small JSON file, replaced as a whole.

use std::{collections::BTreeMap, io, path::Path};

use serde::{Deserialize, Serialize};

use crate::{feed::Feed, service::Memory};

const FILE: &str = "controller.json";

/// What is remembered.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Content {
    /// By name of the service.
    pub(crate) services: BTreeMap<String, Memory>,
    /// What was learnt of queues and of the edge.
    #[serde(default)]
    pub(crate) feed: Feed,
}

/// Reads what an earlier run left. A file that cannot be understood is an error the caller reports; starting afresh costs one
/// stabilisation window, not the stack.
pub(crate) fn load(state_dir: &Path) -> io::Result<Content> {
    match std::fs::read(state_dir.join(FILE)) {
        Ok(text) => Ok(serde_json::from_slice(&text)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Content::default()),
        Err(error) => Err(error),
    }
}

/// Replaces the file: a reader sees the old one or the new one, never half of it.
pub(crate) fn save(state_dir: &Path, content: &Content) -> io::Result<()> {
    let text = serde_json::to_vec(content)?;
    let fresh = state_dir.join(format!("{FILE}.new"));
    std::fs::write(&fresh, text)?;
    std::fs::rename(fresh, state_dir.join(FILE))
}
