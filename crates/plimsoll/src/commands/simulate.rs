//! `plimsoll simulate`: a trace through a service under several policies, and what each would have hurt and cost.

mod args;
mod optimize;
mod plot;
mod policy_file;
mod progress;
mod report;
mod request_list;
mod service_file;
mod trace_file;
mod yaml;

use anyhow::{Context, bail};
use plimsoll_sim::trace::Trace;
use plimsoll_sim::workload::{self, List, RateStep, Rates, Request};
use plimsoll_sim::{Limits, Outcome, PolicyScaler, Scaler, Service, Setup, run as simulate};

pub(crate) use args::SimulateArgs;
use policy_file::Named;
use progress::Progress;
use service_file::ServiceFile;

use crate::{exit::ExitStatus, printer::Printer};

/// Requests of a steady stretch between two moments of control that are simulated.
const SAMPLE: u32 = 16;
/// Points of a plotted or printed series.
const POINTS: f64 = 600.0;

/// Everything about a comparison but the policies.
struct Scene {
    service: ServiceFile,
    load: Load,
    limits: Limits,
    initial_replicas: u32,
    seed: u64,
    measure_from_s: f64,
    whole: bool,
    keep_requests: bool,
}

/// Who arrives.
enum Load {
    Requests(Vec<Request>),
    Rates(Vec<RateStep>, f64),
}

pub(crate) fn run(args: &SimulateArgs, printer: Printer) -> ExitStatus {
    match compare(args, printer) {
        Ok(()) => ExitStatus::Success,
        Err(error) => {
            printer.error(format!("{error:#}"), None);
            ExitStatus::Misuse
        }
    }
}

fn compare(args: &SimulateArgs, printer: Printer) -> anyhow::Result<()> {
    let service = service_file::read(args.service.as_deref())?;
    let mut policies: Vec<Named> = Vec::new();
    for path in &args.policies {
        policies.extend(policy_file::read(path, printer)?);
    }
    if policies.is_empty() {
        bail!(
            "no policy is left. hint: give an autoscaler, a ScaledObject or the body of a `scaling` section"
        );
    }
    let read = trace_file::read(&args.trace, &args.reading, &service, args.seed)?;
    let mut scene = Scene::new(service, read.trace, args)?;
    let head = report::Head::new(&args.trace, read.format, &scene, args);

    let series_step_s = (args.plot.is_some() || args.json || args.optimize).then(|| scene.step_s());
    let progress = Progress::new(policies.len());
    let mut runs: Vec<(Named, Outcome)> = Vec::new();
    for policy in policies {
        progress.name(&policy.name);
        let outcome = scene.run(&policy.scaler()?, policy.is_own(), series_step_s);
        if !outcome.flow.adds_up() {
            bail!(
                "{}: requests were lost or made up, which is a mistake of the simulator: {:?}",
                policy.name,
                outcome.flow
            );
        }
        progress.done();
        runs.push((policy, outcome));
    }
    if let Some(path) = &args.requests {
        request_list::write(path, &runs, scene.limits).with_context(|| path.display().to_string())?;
        printer.note(format!("written: {}", path.display()));
    }
    scene.keep_requests = false;
    let fronts = match args.optimize {
        true => runs
            .iter()
            .map(|(policy, outcome)| optimize::front(&scene, policy, outcome, &progress))
            .collect::<Result<_, _>>()?,
        false => Vec::new(),
    };
    drop(progress);
    if let Some(path) = &args.plot {
        let lines: Vec<(&str, &Outcome)> =
            runs.iter().map(|(policy, run)| (policy.name.as_str(), run)).collect();
        std::fs::write(path, plot::svg(&lines, scene.step_s()))
            .with_context(|| format!("{}", path.display()))?;
        printer.note(format!("drawn: {}", path.display()));
    }
    if args.json {
        report::json(&head, &runs, &fronts, printer)
    } else {
        report::text(&head, &runs, &fronts, printer)
    }
    Ok(())
}

// === impl Scene ===

impl Scene {
    fn new(service: ServiceFile, trace: Trace, args: &SimulateArgs) -> anyhow::Result<Self> {
        if args.times == 0 || args.times > 1000 {
            bail!("--times must be between 1 and 1000");
        }
        let load = match trace {
            Trace::Requests(requests) if args.times > 1 => {
                Load::Requests(workload::replicate(&requests, args.times, args.jitter.max(0.0), args.seed))
            }
            Trace::Requests(requests) => Load::Requests(requests),
            Trace::Rates(mut steps, until_s) => {
                steps.iter_mut().for_each(|step| step.per_s *= f64::from(args.times));
                Load::Rates(steps, until_s)
            }
        };
        let (offered, p95_s) = load.figures(&service).with_context(|| args.trace.display().to_string())?;
        let needed = (offered / f64::from(service.slots) / 0.7).ceil().max(1.0) as u32;
        Ok(Self {
            limits: Limits {
                response_s: service.slo_response_s.unwrap_or(2.0 * p95_s),
                wait_s: service.slo_wait_s,
            },
            initial_replicas: service.initial_replicas.unwrap_or(needed),
            service,
            load,
            seed: args.seed,
            measure_from_s: args.measure_from,
            whole: args.whole || args.requests.is_some(),
            keep_requests: args.requests.is_some(),
        })
    }

    fn setup(&self, own: bool, series_step_s: Option<f64>) -> Setup {
        let file = &self.service;
        Setup {
            service: Service {
                slots: file.slots,
                startup: file.startup(),
                price_per_hour: file.price_per_hour,
                queue_limit: file.queue_limit,
                initial_replicas: self.initial_replicas,
            },
            timing: if own { file.own_control } else { file.control },
            limits: self.limits,
            seed: self.seed,
            until_s: 0.0,
            measure_from_s: self.measure_from_s,
            series_step_s,
            sample: (!self.whole).then_some(SAMPLE),
            keep_requests: self.keep_requests,
        }
    }

    fn run(&self, scaler: &PolicyScaler, own: bool, series_step_s: Option<f64>) -> Outcome {
        let setup = self.setup(own, series_step_s);
        let scaler = Scaler::Policy(Box::new(scaler.clone()));
        match &self.load {
            Load::Requests(requests) => simulate(&setup, &scaler, List::new(requests)),
            Load::Rates(steps, until_s) => {
                let delay = self.service.drawn();
                let rates = Rates::new(steps.clone(), *until_s, self.service.arrivals, delay, self.seed);
                simulate(&setup, &scaler, rates)
            }
        }
    }

    fn end_s(&self) -> f64 {
        match &self.load {
            Load::Requests(requests) => requests.last().map_or(0.0, |last| last.arrival_s),
            Load::Rates(_, until_s) => *until_s,
        }
    }

    fn step_s(&self) -> f64 {
        ((self.end_s() - self.measure_from_s).max(1.0) / POINTS).max(1.0)
    }
}

// === impl Load ===

impl Load {
    /// Slots that are busy on average when nobody waits, and the 95th percentile of the service time in seconds.
    fn figures(&self, service: &ServiceFile) -> anyhow::Result<(f64, f64)> {
        match self {
            Self::Requests(requests) => {
                let mut times: Vec<f64> = requests.iter().map(|request| request.service_s).collect();
                let span_s = requests.last().map_or(0.0, |last| last.arrival_s).max(1.0);
                let offered = times.iter().sum::<f64>() / span_s;
                let at = (times.len() * 95 / 100).min(times.len().saturating_sub(1));
                let (_, p95_s, _) = times.select_nth_unstable_by(at, f64::total_cmp);
                Ok((offered, *p95_s))
            }
            Self::Rates(steps, until_s) => {
                if service.service_time_is_of_tokens() {
                    bail!(
                        "a trace of rates does not say how long a request takes. hint: add `service_time: {{ kind: drawn, delay: {{ kind: exponential, mean_s: 0.2 }} }}` to the file given with --service"
                    );
                }
                let delay = service.drawn();
                let ends = steps.iter().skip(1).map(|step| step.from_s).chain([*until_s]);
                let requests: f64 =
                    steps.iter().zip(ends).map(|(step, end_s)| step.per_s * (end_s - step.from_s)).sum();
                Ok((requests / until_s.max(1.0) * delay.mean_s(), delay.quantile_s(0.95)))
            }
        }
    }
}
