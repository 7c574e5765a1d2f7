//! The `plimsoll` binary: parses the command line and hands over to one function per subcommand.

mod cli;
mod commands;
mod desk;
mod exit;
mod logbook;
mod operator;
mod printer;
mod report;
mod stack_file;
mod table;
mod units;

use std::process::ExitCode;

use clap::Parser;
use plimsoll_console::{AdminClient, ClientError, Secret};

use crate::{
    cli::{Cli, Command, Target},
    exit::ExitStatus,
    printer::Printer,
};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { ExitStatus::Misuse } else { ExitStatus::Success }.into();
        }
    };
    // These two become or watch other processes: no runtime, no threads, no output of their own.
    match cli.command {
        Command::Guard => plimsoll_fleet::run_guard(std::io::stdin().lock(), std::io::stdout().lock()),
        Command::Exec { args } => plimsoll_fleet::run_exec(args),
        command => with_runtime(command, Printer),
    }
}

fn with_runtime(command: Command, printer: Printer) -> ExitCode {
    // Two TLS providers in one binary panic at the first handshake; this names the one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            printer.error(format!("cannot start the runtime: {error}"), None);
            return ExitStatus::Failure.into();
        }
    };
    match runtime.block_on(run(command, printer)) {
        Ok(status) => status.into(),
        Err(error) => tell(&error, printer).into(),
    }
}

async fn run(command: Command, printer: Printer) -> anyhow::Result<ExitStatus> {
    match command {
        Command::Up(args) => commands::up::run(args, printer).await,
        Command::Down(target) => commands::down::run(&target, printer).await,
        Command::Validate { file } => Ok(commands::validate::run(&file, printer)),
        Command::Import { file } => Ok(commands::import::run(&file, printer)),
        Command::Simulate(args) => Ok(commands::simulate::run(&args, printer)),
        Command::Status { target, json } => commands::status::run(&target, json, printer).await,
        Command::Scale { service, replicas, target } => {
            commands::act::say(client(&target)?.scale(&service, replicas).await?, printer)
        }
        Command::Drain { instance, target } => {
            commands::act::say(client(&target)?.drain(&instance).await?, printer)
        }
        Command::Restart { name, target } => {
            commands::act::say(client(&target)?.restart(&name).await?, printer)
        }
        Command::Reload(target) => commands::act::list(client(&target)?.reload().await?, printer),
        Command::Events { service, limit, target, json } => {
            commands::events::run(&target, service, limit, json, printer).await
        }
        Command::Why { asked, target, json } => {
            commands::why::run(&target, asked.into(), json, printer).await
        }
        Command::Report(args) => commands::report::run(args, printer).await,
        Command::Queue(args) => commands::queue::run(args, printer).await,
        Command::Logs { instance, lines, target } => {
            commands::act::list(client(&target)?.logs(&instance, lines).await?, printer)
        }
        Command::Version => {
            printer.data(format!("plimsoll {}", env!("CARGO_PKG_VERSION")));
            Ok(ExitStatus::Success)
        }
        Command::Guard | Command::Exec { .. } => unreachable!("handled before the runtime starts"),
    }
}

/// The admin API that the command line names.
fn client(target: &Target) -> Result<AdminClient, ClientError> {
    AdminClient::new(&target.admin, target.token.clone().map(Secret::new))
}

/// The error and what caused it, each said once: some errors name their cause in their own text.
fn told(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |told, cause| match cause.to_string() {
        cause if told.is_empty() => cause,
        cause if told.contains(&cause) => told,
        cause => format!("{told}: {cause}"),
    })
}

/// Prints a failure with its mend and says how the program ends.
fn tell(error: &anyhow::Error, printer: Printer) -> ExitStatus {
    if let Some(refusal) = error.downcast_ref::<commands::queue::QueueError>() {
        printer.error(refusal.to_string(), refusal.hint());
        return ExitStatus::Failure;
    }
    let Some(refusal) = error.downcast_ref::<ClientError>() else {
        let taken = error.chain().filter_map(|cause| cause.downcast_ref::<std::io::Error>());
        let is_taken = taken.map(std::io::Error::kind).any(|kind| kind == std::io::ErrorKind::AddrInUse);
        let hint = "another program listens there: stop it, or choose another port in the stack file";
        printer.error(told(error), is_taken.then_some(hint));
        return ExitStatus::Failure;
    };
    let (hint, status) = match refusal {
        ClientError::NothingRuns { .. } => (
            Some("start a stack with `plimsoll up FILE`, or name its admin address with --admin"),
            ExitStatus::Failure,
        ),
        ClientError::Unauthorized { .. } => (
            Some("set PLIMSOLL_ADMIN_TOKEN to the token that the stack was started with"),
            ExitStatus::Failure,
        ),
        ClientError::BadUrl { .. } => (Some("such as http://127.0.0.1:8081"), ExitStatus::Misuse),
        ClientError::Invalid(_) => (None, ExitStatus::Misuse),
        ClientError::Refused { hint, .. } => (hint.as_deref(), ExitStatus::Failure),
        _ => (None, ExitStatus::Failure),
    };
    printer.error(refusal.to_string(), hint);
    status
}
