//! `plimsoll down`: asks the running stack to drain and end, and waits until it has.

use std::time::Duration;

use plimsoll_console::ClientError;

use crate::{cli::Target, client, exit::ExitStatus, printer::Printer};

/// How often to look whether it has ended.
const LOOK_EVERY: Duration = Duration::from_millis(100);

pub(crate) async fn run(target: &Target, printer: Printer) -> anyhow::Result<ExitStatus> {
    let client = client(target)?;
    let stack = client.status().await?;
    printer.note(format!("stopping {}: instances finish what they hold", stack.name));
    client.shutdown().await?;
    let pid = stack.pid;
    let mut looks = tokio::time::interval(LOOK_EVERY);
    loop {
        looks.tick().await;
        match client.status().await {
            // Another stack may have taken the address; ours is gone all the same.
            Ok(view) if view.pid == pid => {}
            Ok(_) | Err(ClientError::NothingRuns { .. }) if !is_alive(pid) => break,
            _ => {}
        }
    }
    printer.data(format!("{} stopped", stack.name));
    Ok(ExitStatus::Success)
}

/// Whether the process still exists on this machine (a stack reached over the network is taken as gone).
fn is_alive(pid: u32) -> bool {
    i32::try_from(pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw)
        .is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok())
}
