//! `plimsoll up`: reads the stack file, starts every part, and runs until told to end.

mod detach;
mod parts;

use std::{
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use anyhow::Context;
use plimsoll_stack::Stack;
use tokio::signal::unix::{SignalKind, signal};

use crate::{cli::UpArgs, exit::ExitStatus, printer::Printer, stack_file};

/// Where a stack lives on this machine.
pub(crate) struct Place {
    /// The stack file, absolute.
    pub(crate) file: PathBuf,
    /// Its directory: relative paths in it start here.
    pub(crate) base: PathBuf,
    /// Where state is kept.
    pub(crate) state_dir: PathBuf,
}

pub(crate) async fn run(args: UpArgs, printer: Printer) -> anyhow::Result<ExitStatus> {
    let stack = match stack_file::read(&args.file) {
        Ok(stack) => stack,
        Err(mistakes) => {
            printer.note(mistakes.to_string());
            return Ok(ExitStatus::Misuse);
        }
    };
    if !args.detached_child {
        for warning in stack_file::warnings(&stack) {
            printer.note(format!("warning: {warning}"));
        }
    }
    let place = place(&args, &stack)?;
    if args.detach {
        return detach::run(&args, &stack, &place, printer).await;
    }
    if args.detached_child {
        // Its own session: closing the terminal that started it does not end it.
        let _ = rustix::process::setsid();
    }
    log_to_stderr();

    // Before anything is started: a signal during the start must end what is there already.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;

    let running = parts::start(stack, &place).await?;
    if !args.detached_child {
        parts::say_where(&running, printer);
    }
    loop {
        tokio::select! {
            () = running.ending.cancelled() => break,
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hang_up.recv() => parts::reload(&running).await,
        }
    }
    // A second signal while draining means: now.
    tokio::select! {
        () = running.shutdown() => Ok(ExitStatus::Success),
        _ = terminate.recv() => Ok(ended_early(printer)),
        _ = interrupt.recv() => Ok(ended_early(printer)),
    }
}

fn ended_early(printer: Printer) -> ExitStatus {
    printer.note("ended before every instance had drained; the guard stops what is left");
    ExitStatus::Failure
}

fn place(args: &UpArgs, stack: &Stack) -> anyhow::Result<Place> {
    let file = std::fs::canonicalize(&args.file)?;
    let base = file.parent().map_or_else(|| PathBuf::from("/"), Path::to_owned);
    let state_dir = match &args.state_dir {
        Some(directory) => std::path::absolute(directory)?,
        None => stack.state_dir(&base),
    };
    Ok(Place { file, base, state_dir })
}

/// The state directory, readable by its owner only: logs and decisions speak of what people uploaded.
fn create_state_dir(path: &Path) -> anyhow::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("cannot create the state directory {}", path.display()))
}

fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let colour =
        std::io::IsTerminal::is_terminal(&std::io::stderr()) && std::env::var_os("NO_COLOR").is_none();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(colour)
        .with_writer(std::io::stderr)
        .init();
}
