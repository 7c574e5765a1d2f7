//! Starts the parts of a stack in the order in which they need each other, and ends them in the reverse order.

use std::{collections::BTreeMap, ffi::OsString, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context;
use plimsoll_console::{Console, Operator, Secret};
use plimsoll_control::Handle;
use plimsoll_fleet::{Fleet, FleetConfig, LogLine};
use plimsoll_gateway::{Gateway, Options};
use plimsoll_jobs::{Jobs, JobsOptions};
use plimsoll_stack::Stack;
use tokio_util::sync::CancellationToken;

use super::{Place, create_state_dir};
use crate::{desk::Desk, logbook::Recorder, operator::RunningStack, printer::Printer};

/// How long open admin requests may take to end.
const CONSOLE_DRAIN: Duration = Duration::from_secs(2);
/// Instances that may be on their way at the same time: enough to be quick, few enough not to starve those that serve.
const START_PARALLELISM: usize = 8;

/// A stack that runs.
pub(super) struct Running {
    /// Cancelled when somebody asks the stack to end.
    pub(super) ending: CancellationToken,
    controller: Handle,
    operator: Arc<RunningStack>,
    console: Console,
}

/// Starts everything. What was started before a failure ends with the process.
pub(super) async fn start(stack: Stack, place: &Place) -> anyhow::Result<Running> {
    let token = admin_token(&stack)?;
    create_state_dir(&place.state_dir)?;
    // Absolute and without symbolic links, because instances in other directories get it too.
    let state_dir = std::fs::canonicalize(&place.state_dir)?;
    let queue_url = queue_url(&stack, &state_dir)?;

    // The lock in the fleet's start comes first: a second `up` on the same state must touch nothing.
    let fleet = Fleet::start(fleet_config(&stack, state_dir.clone(), &queue_url)?).await?;
    let jobs = Jobs::open(&queue_url, JobsOptions { readers: 1, ..JobsOptions::default() })
        .await
        .context("cannot open the queue")?;
    let gateway = match &stack.gateway {
        Some(gateway) => {
            let policies = stack.services.iter().map(|(name, service)| (name.clone(), service.balance));
            Some(Gateway::start(gateway, &policies.collect(), Options::default()).await?)
        }
        None => None,
    };
    let listen = stack.admin.listen;
    let controller = plimsoll_control::start(plimsoll_control::Parts {
        stack,
        base: place.base.clone(),
        state_dir: state_dir.clone(),
        fleet,
        gateway,
        jobs: jobs.clone(),
    })?;
    let noted = controller.clone();
    let operator = Arc::new(RunningStack {
        controller: controller.clone(),
        desk: Desk::new(jobs, Arc::new(move |draft| noted.note(draft))),
        recorder: Recorder::start(controller.clone(), &state_dir),
        state_dir,
        stack_file: place.file.clone(),
        ending: CancellationToken::new(),
    });
    let console = Console::start(listen, token, Arc::clone(&operator) as Arc<dyn Operator>).await;
    let console = match console {
        Ok(console) => console,
        Err(error) => {
            controller.shutdown().await;
            return Err(error.into());
        }
    };
    Ok(Running { ending: operator.ending.clone(), controller, operator, console })
}

/// Says where the edge and the page are.
pub(super) fn say_where(running: &Running, printer: Printer) {
    printer.heading(format!("{} is starting", running.operator.view().name));
    printer.note(format!("  page and admin API  http://{}/", running.console.local_addr()));
    printer.note("  Ctrl-C drains and stops it");
}

/// Applies the stack file again, for SIGHUP; what is wrong with it is logged and changes nothing.
pub(super) async fn reload(running: &Running) {
    match running.operator.reload().await {
        Ok(changes) => tracing::info!("reloaded: {}", changes.join("; ")),
        Err(error) => tracing::error!("not reloaded: {error}"),
    }
}

// === impl Running ===

impl Running {
    /// Drains and ends everything; the admin API answers until the last instance is gone.
    pub(super) async fn shutdown(self) {
        self.controller.shutdown().await;
        self.operator.recorder.finish().await;
        self.console.shutdown(CONSOLE_DRAIN).await;
    }
}

fn fleet_config(
    stack: &Stack,
    state_dir: std::path::PathBuf,
    queue_url: &str,
) -> anyhow::Result<FleetConfig> {
    let program = std::env::current_exe().context("cannot find the plimsoll binary itself")?;
    let sub = |name: &str| vec![OsString::from(&program), OsString::from(name)];
    let mut config = FleetConfig::new(&stack.name, state_dir, sub("__guard"), sub("__exec"));
    config.path_prefix = program.parent().map(ToOwned::to_owned);
    config.start_parallelism = START_PARALLELISM;
    config.seed = u64::from(std::process::id());
    config.base_env = BTreeMap::from([
        ("PLIMSOLL_ADMIN".to_owned(), format!("http://{}", stack.admin.listen)),
        ("PLIMSOLL_QUEUE_URL".to_owned(), queue_url.to_owned()),
        ("PLIMSOLL_GATEWAY_PEER".to_owned(), "127.0.0.1".to_owned()),
    ]);
    if let Some(name) = &stack.admin.token_env {
        // Applications have no business with the operator's token.
        config.base_env.insert(name.clone(), String::new());
    }
    config.log_sink = Some(Arc::new(|line: &LogLine<'_>| {
        // The same line is in the instance's own log file; here it is for whoever watches the terminal.
        tracing::info!("{} | {}", line.instance, line.text);
    }));
    Ok(config)
}

/// Where jobs wait: in the database that the stack names, else in a file of the stack's own.
fn queue_url(stack: &Stack, state_dir: &std::path::Path) -> anyhow::Result<String> {
    match &stack.queue.url_env {
        Some(name) => {
            std::env::var(name).with_context(|| format!("queue.url_env names {name}, which is not set"))
        }
        None => Ok(format!("sqlite://{}", state_dir.join("queue.db").display())),
    }
}

fn admin_token(stack: &Stack) -> anyhow::Result<Option<Secret>> {
    let Some(name) = &stack.admin.token_env else { return Ok(None) };
    let token =
        std::env::var(name).with_context(|| format!("admin.token_env names {name}, which is not set"))?;
    Ok(Some(Secret::new(token)))
}

/// The address to tell people: a wildcard is reached through loopback.
pub(super) fn reachable(listen: SocketAddr) -> SocketAddr {
    if listen.ip().is_unspecified() { SocketAddr::new([127, 0, 0, 1].into(), listen.port()) } else { listen }
}
