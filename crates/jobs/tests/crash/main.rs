//! Workers and enqueuers are real processes that are killed, stopped and woken at random points; a checker then
//! reads the tables and the recorded history.
//!
//! Each history follows from its seed, as far as the operating system's scheduling allows. `PLIMSOLL_TORTURE_SEED`
//! repeats one, `PLIMSOLL_TORTURE_HISTORIES` asks for more of them.

mod checker;
mod child;
mod faults;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// Histories in an ordinary test run; `make torture` asks for thousands.
const HISTORIES: u64 = 4;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn nothing_is_lost_and_nothing_finished_twice_on_sqlite() {
    let seed = setting("PLIMSOLL_TORTURE_SEED").unwrap_or_else(rand::random);
    for n in 0..setting("PLIMSOLL_TORTURE_HISTORIES").unwrap_or(HISTORIES) {
        let seed = seed.wrapping_add(n);
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", dir.path().join("queue.db").display());
        let seen = tokio::runtime::Runtime::new()
            .unwrap()
            .block_on(async { faults::history(&url, StdRng::seed_from_u64(seed).random(), seed).await });
        match seen {
            Ok(seen) => report(&format!("seed {seed}: {seen}")),
            Err(fault) => panic!("PLIMSOLL_TORTURE_SEED={seed} PLIMSOLL_TORTURE_HISTORIES=1: {fault}"),
        }
    }
}

/// Not a test: what the processes run, which are this very program.
#[test]
#[ignore = "started by the tests as a process of its own"]
fn child_process() {
    child::main();
}

#[expect(clippy::print_stderr, reason = "the seed of a history must be seen")]
fn report(text: &str) {
    eprintln!("{text}");
}
