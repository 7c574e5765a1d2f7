//! The `cv-evaluator` program: one role per subcommand.

use std::io::{Read as _, Write as _};
use std::process::ExitCode;

use app_kit::server::shutdown_signal;
use app_kit::settings::Settings;
use app_kit::telemetry;
use clap::{Parser, Subcommand};
use cv_evaluator::settings::{ServeSettings, VARIABLES, WorkSettings};
use cv_evaluator::{admin, api, serve, work};

/// Scores CVs and project reports against a job. All settings are environment variables: see `settings`.
#[derive(Parser)]
#[command(name = "cv-evaluator", version, about)]
struct Cli {
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    /// Serve the HTTP API
    Serve,
    /// Work on queued evaluations
    Work,
    /// Print every setting and what it means
    Settings,
    /// Print the OpenAPI document as JSON
    Openapi,
    /// Read a password from standard input, print its hash for ADMIN_PASSWORD_HASH
    HashPassword,
    /// Read one document from standard input (a worker starts this for each, with limits)
    #[command(hide = true, name = work::EXTRACT_COMMAND)]
    ExtractOne,
}

/// Wrong use or bad input.
const BAD_INPUT: u8 = 2;

fn main() -> ExitCode {
    // Before any thread: this role lowers its own limits and does nothing else.
    let role = Cli::parse().role;
    if let Role::ExtractOne = role {
        return app_documents::run_isolated_child();
    }
    // rustls panics at the first connection when it has to choose between providers.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let outcome = match role {
        Role::Serve | Role::Work => run(&role),
        Role::Settings => print(&settings_text()),
        Role::Openapi => match api::document().to_pretty_json() {
            Ok(text) => print(&text),
            Err(error) => Err((ExitCode::FAILURE, error.to_string())),
        },
        Role::HashPassword => hash_password(),
        Role::ExtractOne => Ok(()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, message)) => {
            // Standard error may be closed; there is nobody left to tell then.
            let _ = writeln!(std::io::stderr(), "error: {message}");
            code
        }
    }
}

type Told = (ExitCode, String);

fn run(role: &Role) -> Result<(), Told> {
    let env = Settings::from_environment();
    let filter = env.text("RUST_LOG").or_else(|| env.text("LOG_LEVEL"));
    telemetry::init(filter.as_deref(), env.text("LOG_FORMAT").as_deref() == Some("json"));
    let bad = |error: &dyn std::fmt::Display| (ExitCode::from(BAD_INPUT), format!("settings\n{error}"));
    let failed = |error: &dyn std::fmt::Display| (ExitCode::FAILURE, error.to_string());
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| failed(&error))?;
    match role {
        Role::Serve => {
            let settings = ServeSettings::read(env).map_err(|error| bad(&error))?;
            runtime.block_on(async {
                let shutdown = shutdown_signal().map_err(|error| failed(&error))?;
                serve::serve(settings, shutdown, |_| ()).await.map(drop).map_err(|error| failed(&error))
            })
        }
        _ => {
            let settings = WorkSettings::read(env).map_err(|error| bad(&error))?;
            runtime.block_on(async {
                let shutdown = shutdown_signal().map_err(|error| failed(&error))?;
                work::work(settings, None, shutdown, |_| ()).await.map(drop).map_err(|error| failed(&error))
            })
        }
    }
}

fn settings_text() -> String {
    VARIABLES.iter().map(|(name, meaning)| format!("{name:<22} {meaning}\n")).collect()
}

fn hash_password() -> Result<(), Told> {
    let mut password = String::new();
    let read = std::io::stdin().take(4096).read_to_string(&mut password);
    read.map_err(|error| (ExitCode::from(BAD_INPUT), format!("cannot read the password: {error}")))?;
    let password = password.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err((ExitCode::from(BAD_INPUT), "give the password on standard input".to_owned()));
    }
    let hash = admin::hash_password(password.as_bytes()).map_err(|error| (ExitCode::FAILURE, error))?;
    print(&hash)
}

/// Data for standard output.
fn print(text: &str) -> Result<(), Told> {
    match writeln!(std::io::stdout(), "{}", text.trim_end()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err((ExitCode::FAILURE, error.to_string()))
        }
        _ => Ok(()),
    }
}
