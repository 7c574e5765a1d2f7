//! What a stack file says once it has been found to be right. Every value is present: defaults are filled in.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use plimsoll_balance::Policy;
use plimsoll_scale::spec::policy::ScalingPolicy;
use plimsoll_scale::vpa;

use crate::IpNetwork;

/// Values used where the stack file is silent.
pub mod defaults {
    use std::net::{IpAddr, Ipv4Addr, SocketAddr};
    use std::time::Duration;

    /// `admin.listen`: loopback, so that nobody else can reach it without a decision.
    pub const ADMIN_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8081);
    /// `control.sync_period`, that of the Kubernetes controller.
    pub const SYNC_PERIOD: Duration = Duration::from_secs(15);
    /// `gateway.max_connections`.
    pub const MAX_CONNECTIONS: usize = 10_000;
    /// `gateway.max_waiting`.
    pub const MAX_WAITING: usize = 1024;
    /// `gateway.wait_for_upstream`.
    pub const WAIT_FOR_UPSTREAM: Duration = Duration::from_secs(10);
    /// `gateway.timeouts.connect`.
    pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
    /// `gateway.timeouts.response`.
    pub const RESPONSE_TIMEOUT: Duration = Duration::from_secs(60);
    /// `gateway.timeouts.idle`.
    pub const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
    /// `gateway.timeouts.header_read`.
    pub const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(10);
    /// `services.*.start_timeout`.
    pub const START_TIMEOUT: Duration = Duration::from_secs(30);
    /// `services.*.drain`.
    pub const DRAIN: Duration = Duration::from_secs(30);
    /// `services.*.replicas`.
    pub const REPLICAS: u32 = 1;
}

/// One stack: services, the edge in front of them and the loop that keeps them sized.
#[derive(Debug, Clone, PartialEq)]
pub struct Stack {
    /// A DNS label.
    pub name: String,
    /// Where the stack keeps its state, as written; see [`Stack::state_dir`].
    pub state: Option<PathBuf>,
    /// The edge; a stack of workers needs none.
    pub gateway: Option<Gateway>,
    /// Services by name, at least one. Every name is a DNS label that leaves room for an instance number.
    pub services: BTreeMap<String, Service>,
    /// The scaling loop.
    pub control: Control,
    /// The admin API.
    pub admin: Admin,
    /// Where the stack's jobs wait.
    pub queue: Queue,
}

/// The listener that takes requests from outside.
#[derive(Debug, Clone, PartialEq)]
pub struct Gateway {
    /// Address and port; port 0 lets the kernel choose.
    pub listen: SocketAddr,
    /// Peers whose forwarded headers are believed.
    pub trusted_proxies: Vec<IpNetwork>,
    /// Client connections open at once.
    pub max_connections: usize,
    /// Limits on waiting.
    pub timeouts: Timeouts,
    /// How long a request may wait while no instance can take it.
    pub wait_for_upstream: Duration,
    /// How many requests may wait at once; zero refuses at once.
    pub max_waiting: usize,
    /// Routes in the order of the file, no two with the same host and path.
    pub routes: Vec<Route>,
}

/// Limits on waiting at the edge. All are above zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Opening a connection to an instance.
    pub connect: Duration,
    /// From the request to the head of the response.
    pub response: Duration,
    /// Silence on an open connection.
    pub idle: Duration,
    /// From an accepted connection to a whole request head.
    pub header_read: Duration,
}

/// Which requests go to which service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Host to match, lower case and without port; every host when absent.
    pub host: Option<String>,
    /// Path prefix, starts with `/`.
    pub path: String,
    /// A service of the same stack.
    pub service: String,
    /// Overrides [`Timeouts::response`] for this route.
    pub timeout: Option<Duration>,
}

/// A program of which one or more instances run.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// Program and arguments, at least the program.
    pub command: Vec<String>,
    /// Working directory as written; see [`Service::working_dir`].
    pub directory: Option<PathBuf>,
    /// Settings of the application. Never holds a name that Plimsoll sets itself.
    pub env: BTreeMap<String, String>,
    /// Where to ask how an instance is; without it an instance counts as ready while its process lives.
    pub health: Option<Health>,
    /// How long an instance may take from start to ready.
    pub start_timeout: Duration,
    /// How long an instance may take from SIGTERM to its end before it is killed.
    pub drain: Duration,
    /// How the edge chooses among the instances.
    pub balance: Policy,
    /// What one instance may use.
    pub resources: Resources,
    /// Number of instances when there is no `scaling`; the first number of instances when there is.
    pub replicas: u32,
    /// The scaling policy: an `autoscaling/v2` spec and, beside it, policies that are off until named.
    pub scaling: Option<ScalingPolicy>,
    /// A second policy that decides beside `scaling` and acts on nothing, for comparison. Only together with `scaling`.
    pub shadow: Option<ScalingPolicy>,
    /// What is made of the advice on the size of the instances; absent means that there is none.
    pub vertical: Option<vpa::Wish>,
}

/// Paths that answer 2xx while an instance is well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Whether the process is alive.
    pub liveness: String,
    /// Whether the instance can serve now.
    pub readiness: String,
}

/// What one instance may use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Resources {
    /// Requested CPU in thousandths of a core: the hundred per cent of a utilisation target.
    pub cpu_milli: Option<i64>,
    /// Memory limit in bytes, also the hundred per cent of a utilisation target.
    pub memory_bytes: Option<u64>,
}

/// The scaling loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Control {
    /// Time between two looks at every service.
    pub sync_period: Duration,
}

/// The admin API and console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// Address and port; port 0 lets the kernel choose. Not loopback only with a token.
    pub listen: SocketAddr,
    /// Name of the environment variable that holds the admin token.
    pub token_env: Option<String>,
}

/// The database of the stack's jobs, which is the applications' own as well.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Queue {
    /// Name of the environment variable that holds its address (`postgres://…` or `sqlite://…`), for an address may hold a
    /// password. None: a SQLite file in the stack's state directory.
    pub url_env: Option<String>,
}

// === impl Stack ===

impl Stack {
    /// The directory of the stack's state, given the directory of the stack file: what `state` says, else
    /// `.plimsoll/<name>`.
    pub fn state_dir(&self, base: &Path) -> PathBuf {
        match &self.state {
            Some(state) => base.join(state),
            None => base.join(".plimsoll").join(&self.name),
        }
    }
}

// === impl Service ===

impl Service {
    /// The working directory of every instance, given the directory of the stack file.
    pub fn working_dir(&self, base: &Path) -> PathBuf {
        match &self.directory {
            Some(directory) => base.join(directory),
            None => base.to_path_buf(),
        }
    }

    /// The fewest and the most instances the service may have; the same number when it is not scaled.
    pub fn bounds(&self) -> (u32, u32) {
        match &self.scaling {
            Some(scaling) => (scaling.hpa.min(), scaling.hpa.max_replicas),
            None => (self.replicas, self.replicas),
        }
    }
}

// === impl Timeouts ===

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts {
            connect: defaults::CONNECT_TIMEOUT,
            response: defaults::RESPONSE_TIMEOUT,
            idle: defaults::IDLE_TIMEOUT,
            header_read: defaults::HEADER_READ_TIMEOUT,
        }
    }
}

// === impl Control ===

impl Default for Control {
    fn default() -> Control {
        Control { sync_period: defaults::SYNC_PERIOD }
    }
}

// === impl Admin ===

impl Default for Admin {
    fn default() -> Admin {
        Admin { listen: defaults::ADMIN_LISTEN, token_env: None }
    }
}
