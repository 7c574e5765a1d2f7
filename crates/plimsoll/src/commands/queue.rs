//! `plimsoll queue`: what waits, what died, and what to do about it; through the running stack, or straight on a queue.

mod args;
mod reach;
mod render;

use std::io::IsTerminal;

use plimsoll_console::queue::{Act, LetterQuery, MAX_LETTERS, MAX_NAMED, Order, OrderReport};

pub(crate) use self::args::QueueArgs;
use self::args::{Chosen, QueueCommand};
pub(crate) use self::reach::QueueError;
use self::reach::Reach;
use crate::{exit::ExitStatus, printer::Printer, units};

pub(crate) async fn run(args: QueueArgs, printer: Printer) -> anyhow::Result<ExitStatus> {
    if let Some(misuse) = args.misuse() {
        printer.error(misuse, None);
        return Ok(ExitStatus::Misuse);
    }
    let order = args.command.as_ref().and_then(QueueCommand::order);
    let reach = Reach::open(&args, order.is_some()).await?;
    let show = Show { printer, json: args.json };
    match args.command {
        None => show.queues(&reach).await,
        Some(QueueCommand::Dead { kind, limit }) => show.dead(&reach, kind, limit).await,
        Some(QueueCommand::Show { id }) => show.job(&reach, id).await,
        Some(QueueCommand::Requeue { chosen }) => show.order(&reach, Act::Requeue, &chosen).await,
        Some(QueueCommand::Discard { chosen, yes }) => {
            if !yes && !show.is_confirmed(&reach, &chosen).await? {
                return Ok(ExitStatus::Misuse);
            }
            show.order(&reach, Act::Discard, &chosen).await
        }
        Some(QueueCommand::Cancel { ids }) => {
            show.order(&reach, Act::Cancel, &Chosen { ids, all: false, kind: None }).await
        }
    }
}

/// How to answer.
#[derive(Clone, Copy)]
struct Show {
    printer: Printer,
    json: bool,
}

// === impl Show ===

impl Show {
    async fn queues(self, reach: &Reach) -> anyhow::Result<ExitStatus> {
        let queues = reach.queues().await?;
        if self.json {
            self.printer.json(&render::queues_json(&queues, reach.is_watched()));
        } else if queues.is_empty() {
            self.printer.note("no queue has held a job yet");
        } else {
            self.lines(render::queues(&queues, reach.is_watched()));
            if queues.iter().any(|queue| queue.dead > 0) {
                self.printer.note("\nplimsoll queue dead lists the dead letters");
            }
        }
        Ok(ExitStatus::Success)
    }

    async fn dead(self, reach: &Reach, queue: Option<String>, limit: usize) -> anyhow::Result<ExitStatus> {
        let mut letters = Vec::new();
        let mut after = None;
        let mut more = false;
        while letters.len() < limit {
            let query =
                LetterQuery { queue: queue.clone(), after, limit: (limit - letters.len()).min(MAX_LETTERS) };
            let page = reach.letters(query).await?;
            letters.extend(page.letters);
            more = page.next.is_some();
            let Some(next) = page.next else { break };
            after = Some(next.parse()?);
        }
        if self.json {
            self.printer.json(&letters);
            return Ok(ExitStatus::Success);
        }
        if letters.is_empty() {
            self.printer.note("no dead letters");
            return Ok(ExitStatus::Success);
        }
        self.lines(render::letters(&letters));
        let rest = if more { "; there are more: --limit" } else { "" };
        self.printer.note(format!("\nplimsoll queue show ID tells more, requeue ID tries again{rest}"));
        Ok(ExitStatus::Success)
    }

    async fn job(self, reach: &Reach, id: i64) -> anyhow::Result<ExitStatus> {
        let job = reach.job(id).await?;
        if self.json {
            self.printer.json(&job);
        } else {
            self.lines(render::job(&job, units::now_ms()));
        }
        Ok(ExitStatus::Success)
    }

    async fn order(self, reach: &Reach, act: Act, chosen: &Chosen) -> anyhow::Result<ExitStatus> {
        let by = by();
        let mut whole: Option<OrderReport> = None;
        // One order names so many jobs; a shell's list may be longer.
        let parts: Vec<&[i64]> = if chosen.all { vec![&[]] } else { chosen.ids.chunks(MAX_NAMED).collect() };
        for jobs in parts {
            let order =
                Order { jobs: jobs.to_vec(), all: chosen.all, queue: chosen.kind.clone(), by: by.clone() };
            let report = reach.order(act, order).await?;
            match &mut whole {
                None => whole = Some(report),
                Some(whole) => {
                    whole.message = format!("{}\n{}", whole.message, report.message);
                    whole.done += report.done;
                    whole.refused.extend(report.refused);
                }
            }
        }
        let Some(report) = whole else { return Ok(ExitStatus::Misuse) };
        if self.json {
            self.printer.json(&report);
        } else {
            if report.done > 0 || report.refused.is_empty() {
                self.printer.data(&report.message);
            }
            for refused in &report.refused {
                self.printer.error(&refused.why, None);
            }
            if report.more {
                self.printer.note("there are more: run it again");
            }
        }
        if act == Act::Requeue && report.done > 0 {
            reach.note_when_nobody_works(self.printer);
        }
        Ok(if report.refused.is_empty() { ExitStatus::Success } else { ExitStatus::Failure })
    }

    /// Deleting cannot be undone, so somebody must say so: at a terminal when asked, elsewhere with `--yes`.
    async fn is_confirmed(self, reach: &Reach, chosen: &Chosen) -> anyhow::Result<bool> {
        let what = if chosen.all {
            let queues = reach.queues().await?;
            let asked = |name: &str| chosen.kind.as_deref().is_none_or(|kind| kind == name);
            let count: u64 = queues.iter().filter(|queue| asked(&queue.name)).map(|queue| queue.dead).sum();
            format!("all {count} dead letters")
        } else {
            format!("{} dead letter{}", chosen.ids.len(), if chosen.ids.len() == 1 { "" } else { "s" })
        };
        if !std::io::stdin().is_terminal() {
            self.printer.error(
                format!("discarding {what} cannot be undone and nobody is here to ask"),
                Some("say --yes"),
            );
            return Ok(false);
        }
        Ok(self.printer.is_agreed(format!("discard {what} for good?")))
    }

    fn lines(self, lines: Vec<String>) {
        for line in lines {
            self.printer.data(line);
        }
    }
}

/// Who gives orders: the user of this session, as the environment names them.
fn by() -> String {
    let named = ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
    let named = named.map(|name| name.chars().filter(|c| !c.is_control()).take(32).collect::<String>());
    let name = named.filter(|name| !name.is_empty());
    let name = name.unwrap_or_else(|| format!("user {}", rustix::process::getuid().as_raw()));
    format!("{name} (command line)")
}
