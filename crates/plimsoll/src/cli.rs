//! The command line: names here are promises.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Finds how much load an AI backend can carry, keeps it on the safe side of that line, and proves it.
#[derive(Debug, Parser)]
#[command(name = "plimsoll", version, arg_required_else_help = true, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a stack and keep it running
    Up(UpArgs),
    /// Stop the running stack: instances drain, then everything ends
    Down(Target),
    /// Check a stack file and print every mistake in it
    Validate {
        /// The stack file
        file: PathBuf,
    },
    /// Turn a HorizontalPodAutoscaler, a KEDA ScaledObject or a Compose file into a stack file
    Import {
        /// The file to read; what has no equivalent is listed, never dropped in silence
        file: PathBuf,
    },
    /// Run a trace through scaling policies and compare what each would have hurt and cost
    Simulate(crate::commands::simulate::SimulateArgs),
    /// Show services, instances and queues of the running stack
    Status {
        #[command(flatten)]
        target: Target,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Ask for a number of instances of a service
    Scale {
        /// Service name
        service: String,
        /// Number of instances
        replicas: u32,
        #[command(flatten)]
        target: Target,
    },
    /// Take one instance out of service; it finishes what it holds and is replaced
    Drain {
        /// Instance id, such as `worker-3`
        instance: String,
        #[command(flatten)]
        target: Target,
    },
    /// Replace instances one by one, a new one ready before an old one goes
    Restart {
        /// Service name or instance id
        name: String,
        #[command(flatten)]
        target: Target,
    },
    /// Read the stack file again and apply what changed
    Reload(Target),
    /// List what the controller decided and what happened, newest last
    Events {
        /// Only this service
        #[arg(long)]
        service: Option<String>,
        /// How many
        #[arg(long, short = 'n', default_value_t = 30, value_parser = at_least_one)]
        limit: usize,
        #[command(flatten)]
        target: Target,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Explain one decision: its inputs, what each metric alone would have asked for, and the rule that bound it
    Why {
        /// Id from `plimsoll events`, or a service for its latest decision; without, the latest of all
        #[arg(value_name = "ID or SERVICE")]
        asked: Option<String>,
        #[command(flatten)]
        target: Target,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Say what a stack carried, decided and cost over a period, and how much of it was measured
    Report(crate::commands::report::ReportArgs),
    /// Show the queues, look at jobs and dead letters, requeue, discard, cancel
    Queue(crate::commands::queue::QueueArgs),
    /// Show the last log lines of an instance
    Logs {
        /// Instance id, such as `worker-3`
        instance: String,
        /// How many lines
        #[arg(long, short = 'n', default_value_t = 50)]
        lines: usize,
        #[command(flatten)]
        target: Target,
    },
    /// Print the version
    Version,
    /// Watches over the instances of one plimsoll and ends them when it is gone
    #[command(name = "__guard", hide = true)]
    Guard,
    /// Sets limits on itself and becomes the instance's command
    #[command(name = "__exec", hide = true)]
    Exec {
        /// Passed on as they are
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<std::ffi::OsString>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    /// The stack file
    pub(crate) file: PathBuf,
    /// Return as soon as every service is ready and leave the stack running
    #[arg(long, short)]
    pub(crate) detach: bool,
    /// Where to keep state, instead of what the stack file says
    #[arg(long, env = "PLIMSOLL_STATE_DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// Set on the process that `--detach` leaves behind
    #[arg(long, hide = true)]
    pub(crate) detached_child: bool,
}

/// Which running plimsoll to talk to.
#[derive(Debug, Args)]
pub(crate) struct Target {
    /// Address of the admin API
    #[arg(long, env = "PLIMSOLL_ADMIN", default_value = "http://127.0.0.1:8081")]
    pub(crate) admin: String,
    /// Bearer token of the admin API, when it needs one
    #[arg(long, env = "PLIMSOLL_ADMIN_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
}

pub(crate) fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("at least 1".to_owned()),
        Ok(count) => Ok(count),
        Err(_) => Err("not a whole number".to_owned()),
    }
}
