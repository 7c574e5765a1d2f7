//! Free loopback ports, each held by at most one live instance.
//!
//! Ports are chosen below the range from which the kernel takes the local ports of outgoing connections:
//! there a connection of any program could take the port between our look and the instance's bind. What is
//! left is another program that binds the very same port in that moment; the instance then fails to start
//! and its next start gets another port.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Hands out ports.
#[derive(Debug)]
pub(crate) struct Ports {
    range: Range<u16>,
    state: Mutex<PortState>,
}

#[derive(Debug)]
struct PortState {
    held: BTreeSet<u16>,
    rng: StdRng,
}

/// A port that nobody else is given until this is dropped.
#[derive(Debug)]
pub(crate) struct Port {
    number: u16,
    ports: Arc<Ports>,
}

/// Lowest port handed out: below live the well-known services people run by hand.
const LOWEST: u16 = 20_000;
/// Fewer ports than this below the kernel's range are not worth choosing from.
const WORTHWHILE: u16 = 1_000;
/// Looks before giving up.
const TRIES: usize = 500;

// === impl Ports ===

impl Ports {
    pub(crate) fn new(seed: u64) -> Arc<Self> {
        let rng = StdRng::seed_from_u64(seed);
        Arc::new(Self { range: range(), state: Mutex::new(PortState { held: BTreeSet::new(), rng }) })
    }

    /// Finds a port that can be bound now and holds it.
    ///
    /// Fails with `AddrInUse` when none was found in 500 looks.
    pub(crate) fn take(self: &Arc<Self>) -> io::Result<Port> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..TRIES {
            let wanted = if self.range.is_empty() { 0 } else { state.rng.random_range(self.range.clone()) };
            if state.held.contains(&wanted) {
                continue;
            }
            let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, wanted)) else { continue };
            let number = listener.local_addr()?.port();
            if state.held.insert(number) {
                return Ok(Port { number, ports: Arc::clone(self) });
            }
        }
        Err(io::Error::new(io::ErrorKind::AddrInUse, "no free port on 127.0.0.1"))
    }
}

// === impl Port ===

impl Port {
    pub(crate) fn number(&self) -> u16 {
        self.number
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.ports.state.lock().unwrap_or_else(PoisonError::into_inner).held.remove(&self.number);
    }
}

/// Ports below the kernel's range for outgoing connections; empty (let the kernel choose) when that is small.
fn range() -> Range<u16> {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let lowest_outgoing = text.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(32_768);
    if lowest_outgoing > LOWEST + WORTHWHILE { LOWEST..lowest_outgoing } else { 0..0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn held_ports_are_all_different_and_come_back_when_dropped() {
        let ports = Ports::new(1);
        let held: Vec<Port> = (0..300).map(|_| ports.take().expect("a free port")).collect();
        let numbers: BTreeSet<u16> = held.iter().map(Port::number).collect();
        assert_eq!(numbers.len(), 300);
        drop(held);
        assert!(ports.state.lock().expect("no panic").held.is_empty());
    }

    #[test]
    fn port_in_use_by_others_is_not_handed_out() {
        let taken = Ports::new(7).take().expect("a free port").number();
        let _other = TcpListener::bind((Ipv4Addr::LOCALHOST, taken)).expect("it was free");
        // The same seed looks at the same port first.
        assert_ne!(Ports::new(7).take().expect("a free port").number(), taken);
    }
}
