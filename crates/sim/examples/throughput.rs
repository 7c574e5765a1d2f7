//! How many requests a second one core simulates: M/M/16 at 80 % with a constant rate. Release builds only mean anything.

use std::io::Write;
use std::time::Instant;

use plimsoll_sim::workload::{ArrivalProcess, Rates};
use plimsoll_sim::{Delay, Scaler, Service, Setup, run};

fn main() -> std::io::Result<()> {
    let requests = 20e6;
    let per_s = 128.0;
    let setup = Setup { service: Service { slots: 16, ..Service::default() }, ..Setup::default() };
    let mut best = 0.0_f64;
    for seed in 0..5 {
        let service = Delay::Exponential { mean_s: 0.1 };
        let workload = Rates::constant(per_s, requests / per_s, ArrivalProcess::Poisson, service, seed);
        let begin = Instant::now();
        let outcome = run(&setup, &Scaler::Fixed(1), workload);
        let rate = outcome.requests as f64 / begin.elapsed().as_secs_f64();
        best = best.max(rate);
        writeln!(std::io::stdout(), "{:.2} M requests/s, p99 wait {:.4} s", rate / 1e6, outcome.wait.p99_s)?;
    }
    writeln!(std::io::stdout(), "best of 5: {:.2} M requests/s (bar: 5 M)", best / 1e6)
}
