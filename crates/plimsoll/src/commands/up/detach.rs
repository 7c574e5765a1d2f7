//! `plimsoll up --detach`: leaves the stack running and returns when every service is ready, or says what went wrong.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Seek, SeekFrom},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::Context;
use plimsoll_console::{AdminClient, ClientError, Secret};
use plimsoll_control::view::StackView;
use plimsoll_stack::Stack;

use super::{Place, create_state_dir, parts::reachable};
use crate::{cli::UpArgs, exit::ExitStatus, printer::Printer};

/// How often to look.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Added to the longest `start_timeout` of the stack.
const GRACE: Duration = Duration::from_secs(15);
/// How much of the log to show when the start failed.
const LOG_TAIL_BYTES: u64 = 4_000;

pub(super) async fn run(
    args: &UpArgs,
    stack: &Stack,
    place: &Place,
    printer: Printer,
) -> anyhow::Result<ExitStatus> {
    let admin = format!("http://{}", reachable(stack.admin.listen));
    let token = stack.admin.token_env.as_ref().and_then(|name| std::env::var(name).ok());
    let client = AdminClient::new(&admin, token.map(Secret::new))?;
    match client.status().await {
        Err(ClientError::NothingRuns { .. }) => {}
        Ok(view) => {
            printer.error(
                format!("`{}` runs already at {admin}", view.name),
                Some("`plimsoll down` stops it, `plimsoll reload` applies a changed stack file"),
            );
            return Ok(ExitStatus::Failure);
        }
        Err(error) => return Err(error.into()),
    }

    create_state_dir(&place.state_dir)?;
    let log_path = place.state_dir.join("plimsoll.log");
    let log = OpenOptions::new().create(true).append(true).open(&log_path)?;
    let mut child = spawn(args, place, log)?;

    let patience =
        stack.services.values().map(|service| service.start_timeout).max().unwrap_or_default() + GRACE;
    let deadline = Instant::now() + patience;
    let mut looks = tokio::time::interval(LOOK_EVERY);
    let mut last = None;
    loop {
        looks.tick().await;
        if let Some(status) = child.try_wait()? {
            printer.note(tail(&log_path));
            printer.error(format!("the stack ended during its start ({status})"), None);
            return Ok(ExitStatus::Failure);
        }
        match client.status().await {
            Ok(view) if is_ready(&view) => {
                say_where(&view, stack, &admin, &log_path, printer);
                return Ok(ExitStatus::Success);
            }
            Ok(view) => last = Some(view),
            Err(_) => {}
        }
        if Instant::now() > deadline {
            let waiting = last.map(|view| unready(&view)).unwrap_or_default();
            printer.error(
                format!("not ready after {}s: {waiting}", patience.as_secs()),
                Some("it keeps trying; `plimsoll status` shows why, `plimsoll down` stops it"),
            );
            return Ok(ExitStatus::Failure);
        }
    }
}

fn spawn(args: &UpArgs, place: &Place, log: File) -> anyhow::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("up").arg(&args.file).arg("--detached-child");
    if args.state_dir.is_some() {
        command.arg("--state-dir").arg(&place.state_dir);
    }
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    command.spawn().context("cannot start plimsoll in the background")
}

fn is_ready(view: &StackView) -> bool {
    !view.services.is_empty() && view.services.iter().all(|service| service.ready >= service.desired)
}

fn unready(view: &StackView) -> String {
    let waiting = view.services.iter().filter(|service| service.ready < service.desired);
    let waiting: Vec<String> = waiting
        .map(|service| format!("{} has {}/{}", service.name, service.ready, service.desired))
        .collect();
    waiting.join(", ")
}

fn say_where(view: &StackView, stack: &Stack, admin: &str, log: &Path, printer: Printer) {
    let ready: Vec<String> = view
        .services
        .iter()
        .map(|service| format!("{} {}/{}", service.name, service.ready, service.desired))
        .collect();
    printer.heading(format!("{} is up: {}", view.name, ready.join(", ")));
    if let Some(gateway) = &stack.gateway {
        printer.note(format!("  edge    http://{}", reachable(gateway.listen)));
    }
    printer.note(format!("  page    {admin}/"));
    printer.note(format!("  log     {}", log.display()));
    printer.note("  status  plimsoll status      events  plimsoll events      stop  plimsoll down");
}

fn tail(path: &Path) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL_BYTES)))?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    };
    read().unwrap_or_else(|error| format!("{}: {error}", path.display()))
}
