//! The arguments of `plimsoll queue`.

use clap::{Args, Subcommand};

use crate::cli::{Target, at_least_one};

#[derive(Debug, Args)]
#[command(
    after_help = "Without a command: one line a queue. Actions on jobs are written down in `plimsoll events` with who did them."
)]
pub(crate) struct QueueArgs {
    #[command(subcommand)]
    pub(crate) command: Option<QueueCommand>,
    /// Address of the admin API
    #[arg(long, env = "PLIMSOLL_ADMIN", default_value = "http://127.0.0.1:8081", global = true)]
    pub(crate) admin: String,
    /// Bearer token of the admin API, when it needs one
    #[arg(long, env = "PLIMSOLL_ADMIN_TOKEN", hide_env_values = true, global = true)]
    pub(crate) token: Option<String>,
    /// Work on this queue itself while the stack is down: sqlite:///absolute/path/queue.db or postgres://…
    #[arg(long, value_name = "URL", global = true)]
    pub(crate) queue_url: Option<String>,
    /// Print JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum QueueCommand {
    /// List dead letters, oldest first: jobs that nobody will try again unless told to
    Dead {
        /// Only this queue
        #[arg(long, value_name = "QUEUE")]
        kind: Option<String>,
        /// How many
        #[arg(long, short = 'n', default_value_t = 20, value_parser = at_least_one)]
        limit: usize,
    },
    /// Show one job: where it stands, how large its payload is, why each attempt failed
    Show {
        /// Number of the job
        id: i64,
    },
    /// Make dead letters ready again, with all their attempts before them
    Requeue {
        #[command(flatten)]
        chosen: Chosen,
    },
    /// Delete dead letters for good
    Discard {
        #[command(flatten)]
        chosen: Chosen,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Withdraw jobs: a waiting one will not run, the worker of a running one is told to give it up
    Cancel {
        /// Numbers of jobs
        #[arg(required = true, value_name = "ID")]
        ids: Vec<i64>,
    },
}

/// Dead letters: some, or all.
#[derive(Debug, Args)]
pub(crate) struct Chosen {
    /// Numbers of jobs
    #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
    pub(crate) ids: Vec<i64>,
    /// All dead letters
    #[arg(long)]
    pub(crate) all: bool,
    /// With --all: only those of this queue
    #[arg(long, value_name = "QUEUE", requires = "all")]
    pub(crate) kind: Option<String>,
}

// === impl QueueArgs ===

impl QueueArgs {
    /// What clap cannot see.
    pub(crate) fn misuse(&self) -> Option<&'static str> {
        let memory = self.queue_url.as_deref().is_some_and(|url| url.contains("memory:"));
        memory.then_some("a queue in memory belongs to the process that holds it: name a file or a server")
    }

    /// Which running plimsoll to talk to.
    pub(crate) fn target(&self) -> Target {
        Target { admin: self.admin.clone(), token: self.token.clone() }
    }
}

// === impl QueueCommand ===

impl QueueCommand {
    /// Whether it changes anything.
    pub(crate) fn order(&self) -> Option<()> {
        matches!(self, Self::Requeue { .. } | Self::Discard { .. } | Self::Cancel { .. }).then_some(())
    }
}
