//! The programs that the integration tests of the controller need: `__guard` ends instances when their fleet is gone,
//! `__exec` becomes an instance; `work` and `serve` are instances, with nothing in them but what a test wants.

mod serve;
mod work;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    match arguments.next().as_deref().and_then(|word| word.to_str()) {
        Some("__guard") => plimsoll_fleet::run_guard(std::io::stdin().lock(), std::io::stdout().lock()),
        Some("__exec") => plimsoll_fleet::run_exec(arguments),
        Some("work") => run(work::run()),
        Some("serve") => run(serve::run()),
        _ => ExitCode::FAILURE,
    }
}

fn run(instance: impl Future<Output = ()>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_or(ExitCode::FAILURE, |runtime| {
        runtime.block_on(instance);
        ExitCode::SUCCESS
    })
}
