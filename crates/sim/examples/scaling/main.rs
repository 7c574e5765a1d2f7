//! The comparison of `docs/scaling.md`: real traces, stock and tuned autoscalers, our policies and an oracle. Parameters are
//! chosen on the first half of each trace and reported on the second.

mod contenders;
mod traces;

use std::io::Write;
use std::path::PathBuf;

use plimsoll_sim::{Delay, Limits, Request, Service, Setup, Timing, oracle};

use contenders::{Contender, Figures, hpa, keda, keda_open, ours, try_all};
use traces::{Case, load};

const SLOTS: u32 = 8;

/// One trace at one start-up time, in its two halves.
pub(crate) struct Scene<'a> {
    pub(crate) requests: &'a [Request],
    pub(crate) first_half: &'a [Request],
    half_s: f64,
    startup_s: f64,
    limits: Limits,
    initial_replicas: u32,
}

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let directory = PathBuf::from(arguments.next().unwrap_or_else(|| "../shared/traces".into()));
    let wanted = arguments.next().unwrap_or_default();
    let mut out = std::io::stdout();
    if !directory.is_dir() {
        return writeln!(
            out,
            "skipped: there are no traces in {}. hint: give their directory",
            directory.display()
        );
    }
    let cases = load(&directory, &wanted)?;
    writeln!(
        out,
        "| trace | start-up | policy | over SLO % | waited > 1 s % | replica-hours | of oracle | parameters |"
    )?;
    writeln!(out, "|---|---|---|---|---|---|---|---|")?;
    let mut verdicts = Vec::new();
    for case in &cases {
        for &startup_s in case.startups_s {
            let found = compare(case, startup_s, &mut out)?;
            verdicts.extend(
                found.iter().map(|verdict| format!("| {} | {startup_s:.0} s | {verdict}", case.name)),
            );
        }
    }
    writeln!(
        out,
        "\n| trace | start-up | kind | against | over SLO % | of it avoidable | waited % | replica-hours | aim |\n|---|---|---|---|---|---|---|---|---|"
    )?;
    verdicts.iter().try_for_each(|verdict| writeln!(out, "{verdict}"))
}

fn compare(case: &Case, startup_s: f64, out: &mut impl Write) -> std::io::Result<Vec<String>> {
    let requests = case.requests.as_slice();
    let half_s = requests.last().map_or(0.0, |last| last.arrival_s) / 2.0;
    let split = requests.partition_point(|request| request.arrival_s < half_s);
    let mut times: Vec<f64> = requests.iter().map(|request| request.service_s).collect();
    let offered = times.iter().sum::<f64>() / (2.0 * half_s);
    let at = times.len() * 95 / 100;
    let p95_s = *times.select_nth_unstable_by(at, f64::total_cmp).1;
    let limits = Limits { response_s: 2.0 * p95_s, wait_s: 1.0 };
    let initial_replicas = (offered / f64::from(SLOTS) / 0.7).ceil().max(1.0) as u32;
    let first_half = &requests[..split];
    let scene = Scene { requests, first_half, half_s, startup_s, limits, initial_replicas };

    let late: Vec<Request> =
        requests[split..].iter().map(|one| Request { arrival_s: one.arrival_s - half_s, ..*one }).collect();
    let best_h = oracle::within_limit(&late, SLOTS, startup_s, limits).replica_hours();
    let calm_h = oracle::without_wait(&late, SLOTS, startup_s).replica_hours();
    let unavoidable = late.iter().filter(|one| one.service_s > limits.response_s).count() as f64 * 100.0
        / late.len() as f64;

    let kubernetes = Timing::kubernetes();
    let own = Timing {
        sync: plimsoll_sim::Clock::every(case.look_s),
        scrape: plimsoll_sim::Clock::every(case.look_s),
        ..Timing::own()
    };
    let hpas = try_all(&scene, hpa(), kubernetes);
    let kedas = try_all(&scene, keda(), kubernetes);
    let kedas_open = try_all(&scene, keda_open(), kubernetes);
    let mine = try_all(&scene, ours(), own);

    let stock = &hpas[0];
    let all_kedas: Vec<&Contender> = kedas.iter().chain(&kedas_open).collect();
    let name = &case.name;
    let start = format!("{startup_s:.0} s");
    let mut row = |label: &str, over_slo: String, waited: String, hours: f64, words: &str| {
        let of_best = hours / best_h;
        writeln!(
            out,
            "| {name} | {start} | {label} | {over_slo} | {waited} | {hours:.2} | {of_best:.2} | {words} |"
        )
    };
    row("oracle, within the SLO", format!("{unavoidable:.2}"), String::new(), best_h, "")?;
    row("oracle, nobody waits", format!("{unavoidable:.2}"), "0.00".into(), calm_h, "")?;
    let mut contender = |label: &str, one: &Contender| -> std::io::Result<Figures> {
        let figures = one.test(&scene);
        let words = if one.words.is_empty() { "as given" } else { &one.words };
        row(
            label,
            format!("{:.2}", figures.over_slo),
            format!("{:.2}", figures.waited),
            figures.hours,
            words,
        )?;
        Ok(figures)
    };
    let old = contender("HPA stock", stock)?;
    contender("KEDA stock", &kedas[0])?;
    let bursty = old.over_slo - unavoidable > 0.5;
    if !bursty {
        // As good for 85 % of the money.
        let new = contender("ours, as good as stock", cheapest(&mine, stock.trained.over_slo + 0.03))?;
        let met = new.over_slo <= old.over_slo + 0.05 && new.hours <= 0.85 * old.hours;
        return Ok(vec![format!(
            "calm | HPA stock | {} | {} |",
            difference(old, new, 0.0),
            if met { "met" } else { "missed" }
        )]);
    }
    // Tuned: the least harm that this much money buys on the first half; ours with a tenth less, since what a policy spends
    // on the second half differs from what it spent on the first.
    let mut verdicts = Vec::new();
    for (factor, money) in [(1.0, "stock hours"), (1.5, "1.5 x stock hours"), (2.5, "2.5 x stock hours")] {
        let budget_h = stock.trained.hours * factor * 1.001;
        let mut rivals = vec![("HPA", least_harm(&hpas, budget_h))];
        if factor > 2.0 {
            rivals.push(("KEDA", least_harm(all_kedas.iter().copied(), budget_h)));
        }
        for (family, rival) in rivals {
            let old = contender(&format!("{family} tuned, {money}"), rival)?;
            let new = contender("ours, 0.9 x its hours", least_harm(&mine, 0.9 * rival.trained.hours))?;
            let excess = |it: Figures| (it.over_slo - unavoidable).max(0.0);
            let half = new.waited <= old.waited / 2.0 && new.hours <= old.hours;
            let aim = if half && new.over_slo <= old.over_slo / 2.0 {
                "met"
            } else if half && excess(new) <= excess(old) / 2.0 {
                "met in what can be avoided"
            } else {
                "missed"
            };
            verdicts.push(format!(
                "bursty | {family} tuned, {money} | {} | {aim} |",
                difference(old, new, unavoidable)
            ));
        }
    }
    Ok(verdicts)
}

fn difference(old: Figures, new: Figures, unavoidable: f64) -> String {
    let (a, b) = (old.over_slo - unavoidable, new.over_slo - unavoidable);
    let ratio = new.hours / old.hours * 100.0;
    format!(
        "{:.2} -> {:.2} | {a:.2} -> {b:.2} | {:.2} -> {:.2} | {:.2} -> {:.2} ({ratio:.0} %)",
        old.over_slo, new.over_slo, old.waited, new.waited, old.hours, new.hours
    )
}

/// Of those within the budget, the one that hurts least; the cheapest when none is.
fn least_harm<'a>(all: impl IntoIterator<Item = &'a Contender>, budget_h: f64) -> &'a Contender {
    let all: Vec<&Contender> = all.into_iter().collect();
    let harm = |one: &Contender| one.trained.over_slo + one.trained.waited;
    let within = all.iter().filter(|one| one.trained.hours <= budget_h);
    let order = |a: &&&Contender, b: &&&Contender| {
        harm(a).total_cmp(&harm(b)).then(a.trained.hours.total_cmp(&b.trained.hours))
    };
    let least = within.min_by(order).copied();
    least.unwrap_or_else(|| {
        all.iter().min_by(|a, b| a.trained.hours.total_cmp(&b.trained.hours)).expect("there is one")
    })
}

/// The cheapest with no more violations; the one with the fewest when there is none.
fn cheapest(all: &[Contender], over_slo: f64) -> &Contender {
    let good = all.iter().filter(|one| one.trained.over_slo <= over_slo);
    let cheap = good.min_by(|a, b| a.trained.hours.total_cmp(&b.trained.hours));
    cheap.unwrap_or_else(|| least_harm(all, f64::INFINITY))
}

// === impl Scene ===

impl Scene<'_> {
    pub(crate) fn setup(&self, timing: Timing, measure_from_s: f64) -> Setup {
        let service = Service {
            slots: SLOTS,
            startup: Delay::Fixed { s: self.startup_s },
            initial_replicas: self.initial_replicas,
            ..Service::default()
        };
        Setup { service, timing, limits: self.limits, measure_from_s, ..Setup::default() }
    }

    /// What is before this warms up.
    pub(crate) fn train_from_s(&self) -> f64 {
        self.half_s * 0.15
    }

    pub(crate) fn test_from_s(&self) -> f64 {
        self.half_s
    }
}
