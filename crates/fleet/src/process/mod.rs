//! Everything that knows about processes of this machine: starting, limiting, measuring and ending them.

pub(crate) mod cgroup;
pub(crate) mod command;
pub(crate) mod exec;
pub(crate) mod exit;
pub(crate) mod guard;
pub(crate) mod keeper;
pub(crate) mod marker;
pub(crate) mod spawn;
pub(crate) mod sweep;
pub(crate) mod table;
