//! The program `plimsoll-kafka`: ingest and outbox as services of a stack, and the tools around them.

mod cli;
mod serve;
mod tools;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use plimsoll_jobs::{Jobs, JobsOptions};

use crate::KafkaError;
use cli::{Cli, Command};

/// Wrong use or bad input.
const BAD_INPUT: u8 = 2;

/// Runs the program. 0: done; 1: it failed; 2: wrong use.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let log = |name| std::env::var(name).ok().filter(|text| !text.trim().is_empty());
    let filter = log("RUST_LOG").or_else(|| log("LOG_LEVEL"));
    app_kit::telemetry::init(filter.as_deref(), log("LOG_FORMAT").as_deref() == Some("json"));
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return told(&error),
    };
    match runtime.block_on(run(cli.command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(
            error @ (KafkaError::Option { .. }
            | KafkaError::Broker(rdkafka::error::KafkaError::ClientConfig(..))),
        ) => {
            told(&error);
            ExitCode::from(BAD_INPUT)
        }
        Err(error) => told(&error),
    }
}

async fn run(command: Command) -> Result<(), KafkaError> {
    match command {
        Command::Ingest(arguments) => serve::ingest(*arguments).await,
        Command::Outbox(arguments) => serve::outbox(arguments).await,
        Command::Lag(arguments) => tools::lag(arguments).await,
        Command::Reset(arguments) => tools::reset(arguments).await,
        Command::Topic(command) => tools::topic(command).await,
        Command::Dead(command) => tools::dead(command).await,
    }
}

async fn open(queue_url: &str) -> Result<Jobs, KafkaError> {
    Ok(Jobs::open(queue_url, JobsOptions::default()).await?)
}

/// Standard error may be closed; there is nobody left to tell then.
fn told(error: &dyn std::fmt::Display) -> ExitCode {
    drop(writeln!(std::io::stderr(), "error: {error}"));
    ExitCode::FAILURE
}

/// Data for standard output. A reader that left early is no fault of ours.
fn print(text: &str) {
    drop(writeln!(std::io::stdout(), "{text}"));
}
