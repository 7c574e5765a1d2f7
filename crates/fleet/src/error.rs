//! Why a fleet could not be opened.

use std::io;
use std::path::PathBuf;

/// Errors of [`Fleet::start`](crate::Fleet::start). What goes wrong with a single instance later is not an
/// error of the fleet: it is that instance's state.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// The state directory cannot be created, read or written.
    #[error("cannot use `{}` in the state directory: {source}; check that its owner and the disk allow it", path.display())]
    State {
        /// File or directory concerned.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another plimsoll holds the state directory.
    #[error("another plimsoll runs this stack (state directory `{}` is locked); stop it or use another state directory", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// The guard process did not start. Without it a killed plimsoll would leave its instances behind.
    #[error("cannot start the guard process `{command}`: {source}")]
    Guard {
        /// Program of the guard.
        command: String,
        /// What the system said.
        source: io::Error,
    },
    /// A setting makes no sense.
    #[error("fleet setting `{setting}` {problem}")]
    Config {
        /// Name of the field.
        setting: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
}
