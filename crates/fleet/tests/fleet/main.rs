//! A fleet with real processes. One test binary, because linking four takes longer than running them.

mod lifecycle;
mod orphans;
mod resources;
mod support;
