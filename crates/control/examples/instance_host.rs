//! The two helper programs that a fleet needs, for the integration tests of the controller: `__guard` ends instances
//! when their fleet is gone, `__exec` becomes an instance.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    match arguments.next().as_deref().and_then(|word| word.to_str()) {
        Some("__guard") => plimsoll_fleet::run_guard(std::io::stdin().lock(), std::io::stdout().lock()),
        Some("__exec") => plimsoll_fleet::run_exec(arguments),
        _ => ExitCode::FAILURE,
    }
}
