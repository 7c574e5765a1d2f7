//! Starts and watches a stack the way an operator does: through the binary, the edge and the admin API.

use std::{
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use plimsoll_control::view::{ServiceView, StackView};
use serde_json::Value;
use tempfile::TempDir;

/// Longest that any single expectation may take: generous, because machines are shared; a passing test never needs it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Where a stack whose queue is elsewhere finds its address.
const QUEUE_URL_ENV: &str = "E2E_DATABASE_URL";

/// A stack in a directory of its own.
pub(crate) struct Stack {
    directory: TempDir,
    pub(crate) edge: SocketAddr,
    pub(crate) admin: SocketAddr,
    process: Option<Child>,
    queue_url: Option<String>,
    pub(crate) http: reqwest::Client,
}

/// What differs between the tests' stacks.
pub(crate) struct Settings {
    /// Environment of both services.
    pub(crate) env: Vec<(&'static str, String)>,
    /// Instances of the API: minimum and maximum.
    pub(crate) api: (u32, u32),
    /// Instances of the worker: minimum and maximum.
    pub(crate) worker: (u32, u32),
    /// Database of the queue, handed over in the environment; none keeps it in the stack's own file.
    pub(crate) queue_url: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { env: Vec::new(), api: (1, 2), worker: (1, 4), queue_url: None }
    }
}

// === impl Stack ===

impl Stack {
    /// Writes the stack file and starts it; returns when every service is ready.
    pub(crate) async fn start(settings: &Settings) -> Self {
        build_the_application();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (edge, admin) = (free_address(), free_address());
        let file = directory.path().join("stack.yaml");
        std::fs::write(&file, stack_file(settings, edge, admin)).expect("the stack file is written");
        let http = reqwest::Client::builder().timeout(PATIENCE).build().expect("an HTTP client");
        let mut stack =
            Self { directory, edge, admin, process: None, queue_url: settings.queue_url.clone(), http };
        stack.up().await;
        stack
    }

    /// Starts plimsoll on the stack file and waits until every service is ready.
    pub(crate) async fn up(&mut self) {
        assert!(self.process.is_none(), "already up");
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.directory.path().join("plimsoll.log"))
            .expect("a log file");
        let process = Command::new(binary("plimsoll"))
            .arg("up")
            .arg(self.directory.path().join("stack.yaml"))
            .envs(self.queue_url.iter().map(|url| (QUEUE_URL_ENV, url)))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file handle"))
            .stderr(log)
            .spawn()
            .expect("plimsoll starts");
        self.process = Some(process);
        self.wait("every service to be ready", |view| {
            let ready = |service: &ServiceView| service.desired > 0 && service.ready >= service.desired;
            !view.services.is_empty() && view.services.iter().all(ready)
        })
        .await;
    }

    /// Sends a signal to plimsoll itself and waits until the process is gone.
    pub(crate) fn stop(&mut self, signal: &str) {
        let mut process = self.process.take().expect("plimsoll runs");
        send_signal(process.id(), signal);
        let deadline = Instant::now() + PATIENCE;
        while process.try_wait().expect("a child of ours").is_none() {
            assert!(Instant::now() < deadline, "plimsoll did not end after {signal}\n{}", self.log());
            std::thread::yield_now();
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn edge_url(&self, path: &str) -> String {
        format!("http://{}{path}", self.edge)
    }

    /// What the admin API shows now.
    pub(crate) async fn view(&self) -> Option<StackView> {
        let response = self.http.get(format!("http://{}/api/v1/stack", self.admin)).send().await.ok()?;
        response.json().await.ok()
    }

    /// Follows the stack until `holds`; returns the view in which it did.
    pub(crate) async fn wait(&self, what: &str, holds: impl Fn(&StackView) -> bool) -> StackView {
        let deadline = Instant::now() + PATIENCE;
        let mut ticks = tokio::time::interval(Duration::from_millis(50));
        let mut last = None;
        while Instant::now() < deadline {
            ticks.tick().await;
            if let Some(view) = self.view().await {
                if holds(&view) {
                    return view;
                }
                last = Some(view);
            }
        }
        panic!("waited too long for {what}\nlast view: {last:#?}\nlog:\n{}", self.log());
    }

    /// Runs a plimsoll subcommand against this stack.
    pub(crate) fn cli(&self, arguments: &[&str]) -> Output {
        Command::new(binary("plimsoll"))
            .args(arguments)
            .env("PLIMSOLL_ADMIN", format!("http://{}", self.admin))
            .output()
            .expect("plimsoll runs")
    }

    /// Standard output of a subcommand that must succeed.
    pub(crate) fn cli_text(&self, arguments: &[&str]) -> String {
        let output = self.cli(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "plimsoll {arguments:?}: {stderr}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// The last part of what plimsoll and its instances wrote.
    pub(crate) fn log(&self) -> String {
        let text = std::fs::read_to_string(self.directory.path().join("plimsoll.log")).unwrap_or_default();
        let start = text.char_indices().rev().nth(6_000).map_or(0, |(index, _)| index);
        text[start..].to_owned()
    }

    /// Processes of this stack that are alive: those whose environment names its directory.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let needle = format!("PLIMSOLL_QUEUE_URL=sqlite://{}", self.directory.path().display());
        let entries = std::fs::read_dir("/proc").expect("/proc").flatten();
        entries
            .filter_map(|entry| {
                let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
                let environment = std::fs::read(entry.path().join("environ")).ok()?;
                let found = environment.windows(needle.len()).any(|window| window == needle.as_bytes());
                found.then_some(pid)
            })
            .collect()
    }
}

impl Drop for Stack {
    #[expect(clippy::print_stderr, reason = "a failed test shows what plimsoll and its instances wrote")]
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            send_signal(process.id(), "KILL");
            let _ = process.wait();
        }
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
    }
}

/// Sends a signal to a process that a test started or that its stack names.
pub(crate) fn send_signal(pid: u32, signal: &str) {
    let status = Command::new("kill").args([&format!("-{signal}"), &pid.to_string()]).status();
    assert!(status.expect("kill runs").success(), "kill -{signal} {pid}");
}

/// A file that ships with the application.
pub(crate) fn sample(name: &str) -> Vec<u8> {
    let path = repository().join("apps/cv-evaluator/samples").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Text of a JSON field, for comparing.
pub(crate) fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("no text `{field}` in {value}"))
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn binary(name: &str) -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_plimsoll")).with_file_name(name)
}

/// `cargo test` builds the binaries of this package only; the application is another package.
fn build_the_application() {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--locked", "-p", "cv-evaluator"]).current_dir(repository());
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        assert!(build.status().expect("cargo runs").success(), "the application builds");
        assert!(binary("cv-evaluator").exists(), "the application is beside the plimsoll binary");
    });
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address")
}

/// The shipped stack with free ports, shorter windows, and the sizes that a test asks for.
fn stack_file(settings: &Settings, edge: SocketAddr, admin: SocketAddr) -> String {
    let env: String = settings.env.iter().map(|(name, value)| format!("      {name}: {value:?}\n")).collect();
    let (api_min, api_max) = settings.api;
    let (worker_min, worker_max) = settings.worker;
    let queue = match &settings.queue_url {
        Some(_) => format!("queue: {{ url_env: {QUEUE_URL_ENV} }}"),
        None => String::new(),
    };
    format!(
        r#"name: e2e
state: state
{queue}
gateway:
  listen: {edge}
  routes:
    - {{ path: /, service: api }}
services:
  api:
    command: [cv-evaluator, serve]
    env:
      RATE_LIMIT_PER_MIN: "100000"
{env}
    health: {{ liveness: /healthz, readiness: /readyz }}
    balance: {{ policy: least-conn }}
    drain: 10s
    resources: {{ cpu: 500m, memory: 512Mi }}
    scaling:
      minReplicas: {api_min}
      maxReplicas: {api_max}
      metrics:
        - type: Resource
          resource: {{ name: cpu, target: {{ type: Utilization, averageUtilization: 70 }} }}
  worker:
    command: [cv-evaluator, work]
    env:
      WORKER_CONCURRENCY: "1"
{env}
    health: {{ liveness: /healthz, readiness: /readyz }}
    drain: 10s
    resources: {{ cpu: 500m, memory: 512Mi }}
    scaling:
      minReplicas: {worker_min}
      maxReplicas: {worker_max}
      metrics:
        - type: External
          external:
            metric: {{ name: queue_age_seconds, selector: {{ matchLabels: {{ queue: evaluate }} }} }}
            target: {{ type: AverageValue, averageValue: "1" }}
      behavior:
        scaleDown:
          stabilizationWindowSeconds: 3
          policies: [{{ type: Percent, value: 100, periodSeconds: 1 }}]
control: {{ sync_period: 1s }}
admin: {{ listen: {admin} }}
"#
    )
}
