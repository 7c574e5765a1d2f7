//! What is printed: every assumption first, then one row per policy.

use std::path::Path;

use plimsoll_sim::trace::Format;
use plimsoll_sim::{Outcome, Timing};
use serde::Serialize;

use super::optimize::{Front, PARTS};
use super::{Load, Named, Scene, args::SimulateArgs, service_file::ServiceFile};
use crate::{printer::Printer, table::Table};

/// Every assumption of the comparison.
#[derive(Debug, Serialize)]
pub(super) struct Head {
    trace: String,
    format: Format,
    /// When the first request arrives, in seconds of the run; absent for rates.
    first_arrival_s: Option<f64>,
    /// When the last one does.
    span_s: f64,
    /// Requests of the trace; absent for rates.
    requests: Option<usize>,
    times: u32,
    jitter_s: f64,
    seed: u64,
    measure_from_s: f64,
    /// Requests of a steady stretch that are simulated; absent when all are.
    sample: Option<u32>,
    slo_response_s: f64,
    slo_wait_s: f64,
    initial_replicas: u32,
    service: ServiceFile,
}

#[derive(Serialize)]
struct Everything<'a> {
    assumptions: &'a Head,
    policies: Vec<Run<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    fronts: &'a [Front],
}

#[derive(Serialize)]
struct Run<'a> {
    name: &'a str,
    control: Timing,
    keda: Option<plimsoll_sim::Keda>,
    spec: &'a plimsoll_scale::spec::policy::ScalingPolicy,
    over_slo_pct: f64,
    over_wait_pct: f64,
    replica_hours: f64,
    reversals_per_hour: f64,
    outcome: &'a Outcome,
}

// === impl Head ===

impl Head {
    pub(super) fn new(trace: &Path, format: Format, scene: &Scene, args: &SimulateArgs) -> Self {
        let requests = match &scene.load {
            Load::Requests(requests) => Some(requests.len()),
            Load::Rates(..) => None,
        };
        Self {
            trace: trace.display().to_string(),
            format,
            first_arrival_s: match &scene.load {
                Load::Requests(requests) => requests.first().map(|first| first.arrival_s),
                Load::Rates(..) => None,
            },
            span_s: scene.end_s(),
            requests,
            times: args.times,
            jitter_s: args.jitter,
            seed: scene.seed,
            measure_from_s: scene.measure_from_s,
            sample: scene.setup(false, None).sample.filter(|_| requests.is_none()),
            slo_response_s: scene.limits.response_s,
            slo_wait_s: scene.limits.wait_s,
            initial_replicas: scene.initial_replicas,
            service: scene.service.clone(),
        }
    }

    fn lines(&self, own: bool, plain: bool) -> Vec<String> {
        let service = &self.service;
        let said = |value: &dyn erased::Said| value.said();
        let what = self.requests.map_or_else(
            || format!("rates, {} arrivals", said(&service.arrivals)),
            |requests| format!("{requests} requests from {} s on", self.first_arrival_s.unwrap_or(0.0)),
        );
        let times = match self.times {
            1 => String::new(),
            times => format!(", every one {times} times, copies up to {} s later", self.jitter_s),
        };
        let mut lines = vec![
            format!("trace     {} ({what}, until {}{times})", self.trace, hours(self.span_s)),
            format!(
                "service   {} slots, start-up {}, {} to begin with, price {} an hour, service time where the trace has none: {}",
                service.slots,
                said(&service.startup),
                self.initial_replicas,
                service.price_per_hour,
                said(&service.service_time)
            ),
            format!("limits    response {:.3} s, wait {:.3} s", self.slo_response_s, self.slo_wait_s),
        ];
        if plain {
            lines.push(format!("control   {}", timing(&service.control)));
        }
        if own {
            lines.push(format!(
                "own       {} (policies that look at the platform's own signals)",
                timing(&service.own_control)
            ));
        }
        let seed = format!("seed {}, measured from {} s", self.seed, self.measure_from_s);
        lines.push(match self.sample {
            Some(sample) => format!("run       {seed}, about {sample} requests a control interval simulated while steady (--whole: all)"),
            None => format!("run       {seed}, every request simulated"),
        });
        lines
    }
}

/// How a value reads in a sentence: its JSON without the quotes and braces.
mod erased {
    pub(super) trait Said {
        fn said(&self) -> String;
    }

    impl<T: serde::Serialize> Said for T {
        fn said(&self) -> String {
            let json = serde_json::to_string(self).unwrap_or_default();
            json.replace(['"', '{', '}'], "").replace("kind:", "").replace(':', " ").replace(',', ", ")
        }
    }
}

fn timing(timing: &Timing) -> String {
    let Timing { scrape, window_s, sync, own_window_s } = timing;
    format!(
        "scrape every {} s from {} s, averaged over {window_s} s; decision every {} s from {} s; own arrivals over {own_window_s} s",
        scrape.period_s, scrape.phase_s, sync.period_s, sync.phase_s
    )
}

fn hours(seconds: f64) -> String {
    crate::units::age(seconds.max(0.0) as u64)
}

/// For people.
pub(super) fn text(head: &Head, runs: &[(Named, Outcome)], fronts: &[Front], printer: Printer) {
    let own = runs.iter().any(|(policy, _)| policy.is_own());
    let plain = runs.iter().any(|(policy, _)| !policy.is_own());
    for line in head.lines(own, plain) {
        printer.data(line);
    }
    printer.data("");
    let mut table = Table::new([
        "policy",
        "over SLO",
        "waited",
        "wait p50/p95/p99",
        "response p50/p95/p99",
        "hours",
        "cost",
        "up/down",
        "reversals/h",
        "at max",
        "peak",
    ]);
    for (policy, run) in runs {
        let times = |t: plimsoll_sim::Times| {
            format!("{}/{}/{}", seconds(t.p50_s), seconds(t.p95_s), seconds(t.p99_s))
        };
        table.row([
            policy.name.clone(),
            format!("{:.2} %", run.over_slo_pct()),
            format!("{:.2} %", run.over_wait_pct()),
            times(run.wait),
            times(run.response),
            format!("{:.2}", run.replica_hours()),
            format!("{:.2}", run.cost),
            format!("{}/{}", run.scale_ups, run.scale_downs),
            format!("{:.1}", run.reversals_per_hour()),
            hours(run.at_max_s),
            run.peak_replicas.to_string(),
        ]);
    }
    table.lines().into_iter().for_each(|line| printer.data(line));
    if let Some((_, run)) = runs.first()
        && run.unavoidable > 0
    {
        let share = run.unavoidable as f64 * 100.0 / run.requests.max(1) as f64;
        printer.data(format!("{share:.2} % of the requests take longer than the limit without any wait: no policy can help them"));
    }
    for front in fronts {
        let Front { policy, tried, points } = front;
        printer.data(format!("\n{policy}: {tried} variants tried, worth looking at (* as given, + hurts least of those that cost no more than it in any of {PARTS} parts of the time):"));
        let mut table = Table::new(["", "over SLO", "waited", "hours", "cost", "changes"]);
        for point in points {
            let mark = match (point.given, point.steady) {
                (true, true) => "*+",
                (true, false) => "*",
                (false, true) => "+",
                (false, false) => "",
            };
            let changes = match (point.given, point.on_front) {
                (true, true) => "as given".to_owned(),
                (true, false) => "as given, beaten by others".to_owned(),
                _ => point.changes.clone(),
            };
            table.row([
                mark.to_owned(),
                format!("{:.2} %", point.over_slo_pct),
                format!("{:.2} %", point.over_wait_pct),
                format!("{:.2}", point.replica_hours),
                format!("{:.2}", point.cost),
                changes,
            ]);
        }
        table.lines().into_iter().for_each(|line| printer.data(line));
    }
}

fn seconds(value: f64) -> String {
    if value < 10.0 { format!("{value:.2}") } else { format!("{value:.0}") }
}

/// For programs.
pub(super) fn json(head: &Head, runs: &[(Named, Outcome)], fronts: &[Front], printer: Printer) {
    let policies = runs.iter().map(|(policy, outcome)| Run {
        name: &policy.name,
        control: if policy.is_own() { head.service.own_control } else { head.service.control },
        keda: policy.keda,
        spec: &policy.spec,
        over_slo_pct: outcome.over_slo_pct(),
        over_wait_pct: outcome.over_wait_pct(),
        replica_hours: outcome.replica_hours(),
        reversals_per_hour: outcome.reversals_per_hour(),
        outcome,
    });
    printer.json(&Everything { assumptions: head, policies: policies.collect(), fronts });
}
