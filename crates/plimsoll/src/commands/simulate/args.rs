//! What `plimsoll simulate` is asked.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use plimsoll_sim::trace::{Columns, Format};

#[derive(Debug, Args)]
pub(crate) struct SimulateArgs {
    /// Trace: requests (Azure LLM CSV, Mooncake JSONL, arrival and service seconds), rates (CSV), the answer of a
    /// Prometheus range query or an nginx access log; may be compressed with zstd
    #[arg(long, value_name = "FILE")]
    pub(super) trace: PathBuf,
    /// Policies to compare: HPA or ScaledObject manifests, or the body of a `scaling` section
    #[arg(long = "policy", value_name = "FILE", required = true, num_args = 1..)]
    pub(super) policies: Vec<PathBuf>,
    /// What is scaled: slots, start-up, service times, price, how old metrics are
    #[arg(long, value_name = "FILE")]
    pub(super) service: Option<PathBuf>,
    /// Print JSON, with the whole series
    #[arg(long)]
    pub(super) json: bool,
    /// Draw load, replicas and violations over time
    #[arg(long, value_name = "OUT.SVG")]
    pub(super) plot: Option<PathBuf>,
    /// Write every request of every policy: when it came, how long it waited, whether that was too long
    #[arg(long, value_name = "OUT.CSV")]
    pub(super) requests: Option<PathBuf>,
    /// Search the parameters of each policy and print what is worth looking at
    #[arg(long)]
    pub(super) optimize: bool,
    /// Seed of everything random
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    /// Simulate every request of a trace of rates (as --requests does, too), instead of cutting stretches in equilibrium
    #[arg(long)]
    pub(super) whole: bool,
    /// Every request so many times
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) times: u32,
    /// With --times: copies arrive up to this many seconds later
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0)]
    pub(super) jitter: f64,
    /// Report only what comes after this many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0)]
    pub(super) measure_from: f64,
    #[command(flatten)]
    pub(super) reading: Reading,
}

/// How the trace is read.
#[derive(Debug, Args)]
pub(super) struct Reading {
    /// Format of the trace, instead of guessing it
    #[arg(long, value_enum)]
    format: Option<FormatArg>,
    /// Column or field with the arrival time
    #[arg(long, value_name = "NAME")]
    time_column: Option<String>,
    /// Column or field with the seconds of service
    #[arg(long, value_name = "NAME")]
    service_column: Option<String>,
    /// Column or field with the tokens read
    #[arg(long, value_name = "NAME")]
    input_tokens_column: Option<String>,
    /// Column or field with the tokens written
    #[arg(long, value_name = "NAME")]
    output_tokens_column: Option<String>,
    /// Column with requests per second
    #[arg(long, value_name = "NAME")]
    rate_column: Option<String>,
    /// What a time that is a number counts, in seconds: 0.001 for milliseconds
    #[arg(long, value_name = "SECONDS")]
    time_unit: Option<f64>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FormatArg {
    Csv,
    Jsonl,
    Prometheus,
    Nginx,
}

// === impl Reading ===

impl Reading {
    pub(super) fn columns(&self) -> Columns {
        Columns {
            time: self.time_column.clone(),
            service: self.service_column.clone(),
            input_tokens: self.input_tokens_column.clone(),
            output_tokens: self.output_tokens_column.clone(),
            rate: self.rate_column.clone(),
            time_unit_s: self.time_unit,
        }
    }

    pub(super) fn format(&self) -> Option<Format> {
        self.format.map(|format| match format {
            FormatArg::Csv => Format::Csv,
            FormatArg::Jsonl => Format::Jsonl,
            FormatArg::Prometheus => Format::Prometheus,
            FormatArg::Nginx => Format::Nginx,
        })
    }
}
