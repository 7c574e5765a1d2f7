//! How far a comparison is, for whoever waits at a terminal. Nothing is drawn when stderr goes elsewhere.

use indicatif::{ProgressBar, ProgressStyle};

/// A line on stderr that is gone when the last run is.
pub(super) struct Progress(ProgressBar);

// === impl Progress ===

impl Progress {
    /// With so many runs to come.
    pub(super) fn new(runs: usize) -> Self {
        let bar = ProgressBar::new(runs as u64);
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos} of {len} runs, {elapsed} {msg}") {
            bar.set_style(style);
        }
        Self(bar)
    }

    /// So many more runs, of this policy.
    pub(super) fn more(&self, runs: usize, policy: &str) {
        self.0.inc_length(runs as u64);
        self.0.set_message(policy.to_owned());
    }

    /// The run that comes next, or that the runs are variants of.
    pub(super) fn name(&self, policy: &str) {
        self.0.set_message(policy.to_owned());
        self.0.tick();
    }

    /// One run is over.
    pub(super) fn done(&self) {
        self.0.inc(1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
