//! Logs: lines for people on a terminal's standard error, or JSON where a collector reads.

use tracing_subscriber::EnvFilter;

/// Sends logs to standard error. `filter` is the value of `RUST_LOG` or `LOG_LEVEL`, e.g. `info` or `debug,sqlx=warn`.
/// A second call changes nothing.
pub fn init(filter: Option<&str>, json: bool) {
    let filter = EnvFilter::try_new(filter.unwrap_or("info")).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    let outcome = if json { builder.json().try_init() } else { builder.try_init() };
    if let Err(error) = outcome {
        tracing::debug!(%error, "logging was set up before");
    }
}
