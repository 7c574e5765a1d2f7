//! One file per subcommand; each takes its resolved arguments and says how it ended.

pub(crate) mod act;
pub(crate) mod down;
pub(crate) mod events;
pub(crate) mod import;
pub(crate) mod queue;
pub(crate) mod report;
pub(crate) mod simulate;
pub(crate) mod status;
pub(crate) mod up;
pub(crate) mod validate;
pub(crate) mod why;
