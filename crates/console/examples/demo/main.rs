//! The console over a stack that is acted, not run: for work on the page and for its browser test.
//!
//! ```text
//! cargo run -p plimsoll-console --example demo -- [--listen 127.0.0.1:8081] [--token TOKEN]
//! ```
//! A play of a minute and a half repeats: jobs arrive in a burst, the controller adds workers, the queue drains, workers
//! leave, one instance crashes. Orders (`scale`, `drain`, `restart`) are obeyed.

mod play;

use std::{io::Write, net::SocketAddr, sync::Arc, time::Duration};

use plimsoll_console::{Console, Operator, Secret};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut listen: SocketAddr = "127.0.0.1:8081".parse()?;
    let mut token = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{argument} needs a value"))?;
        match argument.as_str() {
            "--listen" => listen = value.parse()?,
            "--token" => token = Some(Secret::new(value)),
            _ => return Err(format!("unknown argument `{argument}`").into()),
        }
    }
    let play = play::Play::new();
    let operator: Arc<dyn Operator> = Arc::<play::Play>::clone(&play);
    let console = Console::start(listen, token, operator).await?;
    // The browser test reads the address from this line.
    writeln!(std::io::stdout(), "http://{}/", console.local_addr())?;
    tokio::select! {
        () = play.run() => {}
        result = tokio::signal::ctrl_c() => result?,
    }
    console.shutdown(Duration::from_secs(2)).await;
    Ok(())
}
