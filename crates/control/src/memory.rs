//! What the controller remembers across restarts: a small JSON file, replaced as a whole.

use std::{collections::BTreeMap, io, path::Path};

use serde::{Deserialize, Serialize};

use crate::service::Memory;

const FILE: &str = "controller.json";

#[derive(Default, Serialize, Deserialize)]
struct Content {
    services: BTreeMap<String, Memory>,
}

/// Reads what an earlier run left. A file that cannot be understood is an error the caller reports; starting afresh costs one
/// stabilisation window, not the stack.
pub(crate) fn load(state_dir: &Path) -> io::Result<BTreeMap<String, Memory>> {
    match std::fs::read(state_dir.join(FILE)) {
        Ok(text) => Ok(serde_json::from_slice::<Content>(&text)?.services),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(error),
    }
}

/// Replaces the file: a reader sees the old one or the new one, never half of it.
pub(crate) fn save(state_dir: &Path, services: BTreeMap<String, Memory>) -> io::Result<()> {
    let text = serde_json::to_vec(&Content { services })?;
    let fresh = state_dir.join(format!("{FILE}.new"));
    std::fs::write(&fresh, text)?;
    std::fs::rename(fresh, state_dir.join(FILE))
}
