//! The comparison of `docs/scaling.md`: real traces, stock and tuned autoscalers, our policies and an oracle. Parameters are
//! chosen on the first half of each trace and reported on the second. Prints every row, then a verdict per comparison.

mod contenders;
mod traces;
mod verdict;

use std::io::Write;
use std::path::PathBuf;

use plimsoll_sim::search::least_harm_in_parts;
use plimsoll_sim::{Delay, Limits, Request, Scaler, Service, Setup, Timing, oracle};

use contenders::{Contender, Figures, checked, hpa, keda, keda_open, ours, test_all, try_all};
use traces::{Case, load};
use verdict::{Aim, Hindsight, Verdict};

const SLOTS: u32 = 8;
/// A budget has to hold in each of so many equal parts of the first half: few enough that a part of an hour's trace is
/// longer than a hold.
const PARTS: usize = 4;
/// Start-ups that take so much longer than the policy believes.
const SLOW_START: f64 = 1.5;
/// Of the hours of stock HPA on the first half: a little less than what is wanted on the second.
const CALM_BUDGET: f64 = 0.82;
/// Traces with more requests than this take hours: for them KEDA is tuned over open requests only (over waiting ones it runs
/// to its maximum in any case).
const SHORT_REQUESTS: usize = 400_000;

/// One trace at one start-up time, in its two halves.
pub(crate) struct Scene<'a> {
    pub(crate) requests: &'a [Request],
    pub(crate) first_half: &'a [Request],
    half_s: f64,
    startup_s: f64,
    slots: u32,
    limits: Limits,
    initial_replicas: u32,
    /// Per cent of the second half that takes too long whatever the replicas.
    unavoidable: f64,
}

/// Lines of the long table.
struct Rows<'a, W> {
    out: &'a mut W,
    name: &'a str,
    startup_s: f64,
    best_h: f64,
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
    if cases.is_empty() {
        return writeln!(
            out,
            "skipped: {} has no trace whose name contains `{wanted}`. hint: the files are named in crates/sim/examples/scaling/traces.rs",
            directory.display()
        );
    }
    writeln!(
        out,
        "| trace | start-up | policy | over SLO % | waited > 1 s % | replica-hours | of oracle | parameters |"
    )?;
    writeln!(out, "|---|---|---|---|---|---|---|---|")?;
    let mut verdicts = Vec::new();
    for case in &cases {
        for &startup_s in case.startups_s {
            verdicts.extend(compare(case, startup_s, &mut out)?);
        }
    }
    verdict::print(&verdicts, &mut out)
}

fn compare(case: &Case, startup_s: f64, out: &mut impl Write) -> std::io::Result<Vec<Verdict>> {
    let scene = Scene::new(&case.requests, startup_s);
    let (best_h, calm_h) = scene.oracles();
    let mut rows = Rows { out, name: &case.name, startup_s, best_h };
    rows.oracle("oracle, within the SLO", scene.unavoidable, "", best_h)?;
    rows.oracle("oracle, nobody waits", scene.unavoidable, "0.00", calm_h)?;

    let kubernetes = Timing::kubernetes();
    let own = Timing {
        sync: plimsoll_sim::Clock::every(case.look_s),
        scrape: plimsoll_sim::Clock::every(case.look_s),
        ..Timing::own()
    };
    let stock = &try_all(&scene, hpa().unsearched(), kubernetes)[0];
    let old = rows.contender("HPA stock", &scene, stock)?;
    rows.contender("KEDA stock", &scene, &try_all(&scene, keda().unsearched(), kubernetes)[0])?;
    let bursty = old.over_slo - scene.unavoidable > 0.5;
    if !bursty {
        let all = try_all(&scene, ours(), own);
        let new = rows.contender("ours", &scene, safest(&scene, &all, stock, own))?;
        let aim = Aim::calm(old, new);
        let hindsight = (!aim.is_met()).then(|| {
            let met = test_all(&scene, &all).into_iter().filter(|it| Aim::calm(old, *it).is_met()).count();
            Hindsight { words: format!("{met} of {} variants meet it", all.len()), in_reach: met > 0 }
        });
        let (trace, unavoidable) = (case.name.clone(), scene.unavoidable);
        let against = "HPA stock".to_owned();
        return Ok(vec![Verdict { trace, startup_s, against, old, new, unavoidable, aim, hindsight }]);
    }
    let is_short = case.requests.len() < SHORT_REQUESTS;
    let (hpas, mine) = (try_all(&scene, hpa(), kubernetes), try_all(&scene, ours(), own));
    let mut kedas = try_all(&scene, keda_open(), kubernetes);
    if is_short {
        kedas.extend(try_all(&scene, keda(), kubernetes));
    }
    let known = test_all(&scene, &mine);
    // Tuned: the least harm that this much money buys on the first half.
    let mut verdicts = Vec::new();
    for (factor, money) in [(1.0, "stock hours"), (1.5, "1.5 x stock hours"), (2.5, "2.5 x stock hours")] {
        let budget_h = stock.trained.hours * factor * 1.001;
        let mut rivals = vec![("HPA", least_harm(&hpas, budget_h))];
        if factor > 2.0 {
            rivals.push(("KEDA", least_harm(&kedas, budget_h)));
        }
        for (family, rival) in rivals {
            let old = rows.contender(&format!("{family} tuned, {money}"), &scene, rival)?;
            let trials: Vec<_> = mine.iter().map(|one| one.trial.clone()).collect();
            let mine = &mine[least_harm_in_parts(&trials, &rival.trial).expect("there is one")];
            let new = rows.contender("ours at its hours", &scene, mine)?;
            verdicts.push(Verdict {
                trace: case.name.clone(),
                startup_s,
                against: format!("{family} tuned, {money}"),
                old,
                new,
                unavoidable: scene.unavoidable,
                aim: Aim::bursty(old, new, scene.unavoidable),
                hindsight: Some(hindsight(&scene, old, &known, own)),
            });
        }
    }
    Ok(verdicts)
}

/// What somebody would have got who knows the second half, but not when its bursts come: the best count that never changes,
/// and how many of our variants meet the aim there.
fn hindsight(scene: &Scene<'_>, old: Figures, known: &[Figures], own: Timing) -> Hindsight {
    let count = (old.hours * 3600.0 / scene.half_s).floor() as u32;
    let (mut words, mut in_reach) = (Vec::new(), false);
    if count > 0 {
        let setup = scene.setup(own, scene.test_from_s());
        let it = Figures::of(&checked(&setup, &Scaler::Fixed(count), scene.requests));
        let over = it.over_slo - scene.unavoidable;
        let aim = Aim::bursty(old, it, scene.unavoidable);
        in_reach |= aim.is_met();
        words.push(format!("constant {count}: {over:.2} / {:.2}, {}", it.waited, aim.word()));
    }
    let met = known.iter().filter(|it| Aim::bursty(old, **it, scene.unavoidable).is_met()).count();
    in_reach |= met > 0;
    words.push(format!("{met} of {} variants meet it", known.len()));
    Hindsight { words: words.join("; "), in_reach }
}

/// Of those within the budget, the one that hurts least; the cheapest when none is.
fn least_harm(all: &[Contender], budget_h: f64) -> &Contender {
    let harm = |one: &Contender| one.trained.over_slo + one.trained.waited;
    let within = all.iter().filter(|one| one.trained.hours <= budget_h);
    let order = |a: &&Contender, b: &&Contender| {
        harm(a).total_cmp(&harm(b)).then(a.trained.hours.total_cmp(&b.trained.hours))
    };
    let least = within.min_by(order);
    least.unwrap_or_else(|| {
        all.iter().min_by(|a, b| a.trained.hours.total_cmp(&b.trained.hours)).expect("there is one")
    })
}

/// For clearly less money than stock HPA, the one that stays as good when every instance serves a request less and starts
/// later than the policy believes; of several the cheapest. The cheapest that is just good enough on one half is not on the other.
fn safest<'a>(scene: &Scene<'_>, all: &'a [Contender], stock: &Contender, own: Timing) -> &'a Contender {
    let is_affordable = |index: usize| all[index].trained.hours <= CALM_BUDGET * stock.trained.hours;
    let affordable: Vec<usize> = (0..all.len()).filter(|&index| is_affordable(index)).collect();
    let weak = try_all(&scene.weakened(), ours().only(&affordable), own);
    let harm = |weak: &Contender| (weak.trained.over_slo - stock.trained.over_slo - 0.03).max(0.0);
    let tried = affordable.into_iter().zip(&weak).map(|(index, weak)| (&all[index], harm(weak)));
    let order = |a: &(&Contender, f64), b: &(&Contender, f64)| {
        a.1.total_cmp(&b.1).then(a.0.trained.hours.total_cmp(&b.0.trained.hours))
    };
    tried.min_by(order).map_or_else(|| least_harm(all, 0.0), |(one, _)| one)
}

// === impl Scene ===

impl<'a> Scene<'a> {
    fn new(requests: &'a [Request], startup_s: f64) -> Self {
        let half_s = requests.last().map_or(0.0, |last| last.arrival_s) / 2.0;
        let split = requests.partition_point(|request| request.arrival_s < half_s);
        let mut times: Vec<f64> = requests.iter().map(|request| request.service_s).collect();
        let offered = times.iter().sum::<f64>() / (2.0 * half_s);
        let at = times.len() * 95 / 100;
        let p95_s = *times.select_nth_unstable_by(at, f64::total_cmp).1;
        let limits = Limits { response_s: 2.0 * p95_s, wait_s: 1.0 };
        let late = &requests[split..];
        let too_long = late.iter().filter(|one| one.service_s > limits.response_s).count();
        Self {
            requests,
            first_half: &requests[..split],
            half_s,
            startup_s,
            slots: SLOTS,
            limits,
            initial_replicas: (offered / f64::from(SLOTS) / 0.7).ceil().max(1.0) as u32,
            unavoidable: too_long as f64 * 100.0 / late.len() as f64,
        }
    }

    /// Replica-hours of the two oracles on the second half.
    fn oracles(&self) -> (f64, f64) {
        let second = &self.requests[self.first_half.len()..];
        let late: Vec<Request> =
            second.iter().map(|one| Request { arrival_s: one.arrival_s - self.half_s, ..*one }).collect();
        let best = oracle::within_limit(&late, SLOTS, self.startup_s, self.limits);
        (best.replica_hours(), oracle::without_wait(&late, SLOTS, self.startup_s).replica_hours())
    }

    /// The same with instances that serve one request less at once than the policies believe, and start later.
    fn weakened(&self) -> Self {
        Self { slots: SLOTS - 1, startup_s: self.startup_s * SLOW_START, ..*self }
    }

    pub(crate) fn setup(&self, timing: Timing, measure_from_s: f64) -> Setup {
        let service = Service {
            slots: self.slots,
            startup: Delay::Fixed { s: self.startup_s },
            initial_replicas: self.initial_replicas,
            ..Service::default()
        };
        Setup { service, timing, limits: self.limits, measure_from_s, ..Setup::default() }
    }

    /// Fine enough to cut a bill into [`PARTS`].
    pub(crate) fn series_step_s(&self) -> f64 {
        (self.half_s / 1000.0).max(1.0)
    }

    /// What is before this warms up.
    pub(crate) fn train_from_s(&self) -> f64 {
        self.half_s * 0.15
    }

    pub(crate) fn test_from_s(&self) -> f64 {
        self.half_s
    }
}

// === impl Rows ===

impl<W: Write> Rows<'_, W> {
    fn row(
        &mut self,
        label: &str,
        over_slo: f64,
        waited: &str,
        hours: f64,
        words: &str,
    ) -> std::io::Result<()> {
        let Self { name, startup_s, best_h, .. } = *self;
        let of_best = hours / best_h;
        writeln!(
            self.out,
            "| {name} | {startup_s:.0} s | {label} | {over_slo:.2} | {waited} | {hours:.2} | {of_best:.2} | {words} |"
        )
    }

    fn oracle(&mut self, label: &str, unavoidable: f64, waited: &str, hours: f64) -> std::io::Result<()> {
        self.row(label, unavoidable, waited, hours, "")
    }

    /// On the second half.
    fn contender(&mut self, label: &str, scene: &Scene<'_>, one: &Contender) -> std::io::Result<Figures> {
        let figures = one.test(scene);
        let words = if one.words.is_empty() { "as given" } else { &one.words };
        self.row(label, figures.over_slo, &format!("{:.2}", figures.waited), figures.hours, words)?;
        Ok(figures)
    }
}
