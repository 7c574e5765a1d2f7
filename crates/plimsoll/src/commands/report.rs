//! `plimsoll report`: what a stack carried and decided over a period; from the running one, or from the files of one that stopped.

use std::path::{Path, PathBuf};

use clap::Args;
use plimsoll_console::OperatorError;
use plimsoll_stack::Stack;

use crate::{
    cli::Target,
    client,
    exit::ExitStatus,
    logbook::{self, Entry},
    printer::Printer,
    report::{self, Prices, Report, Sources},
    stack_file, units,
};

/// Longest period that can be asked for: more than the logs keep.
pub(crate) const LONGEST_S: u64 = 366 * 86_400;

#[derive(Debug, Args)]
#[command(
    after_help = "The logbook has an entry a minute and keeps one to two weeks; the report says how much of the period was measured."
)]
pub(crate) struct ReportArgs {
    /// Read the state of this stack file's stack instead of asking a running one
    pub(crate) file: Option<PathBuf>,
    /// How far back: 30m, 24h, 7d
    #[arg(long, default_value = "24h", value_parser = period_s, value_name = "PERIOD")]
    pub(crate) since: u64,
    /// Price of an instance hour, of all services or of one: 0.04, worker=0.08; can be repeated
    #[arg(long, value_parser = price, value_name = "[SERVICE=]PRICE")]
    pub(crate) price: Vec<(Option<String>, f64)>,
    /// Write a page that needs nothing else to this file; - is standard output
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    pub(crate) html: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Where its state is, instead of what the stack file says
    #[arg(long, env = "PLIMSOLL_STATE_DIR", requires = "file")]
    pub(crate) state_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) target: Target,
}

pub(crate) async fn run(args: ReportArgs, printer: Printer) -> anyhow::Result<ExitStatus> {
    let mut report: Report = match &args.file {
        None => serde_json::from_value(client(&args.target)?.report(args.since).await?)?,
        Some(file) => {
            let stack = match stack_file::read(file) {
                Ok(stack) => stack,
                Err(mistakes) => {
                    printer.note(mistakes.to_string());
                    return Ok(ExitStatus::Misuse);
                }
            };
            let directory = state_dir(&args, &stack, file)?;
            if !directory.is_dir() {
                printer.error(
                    format!("{}: no state of `{}` is here: it never ran", directory.display(), stack.name),
                    Some("plimsoll up starts it; --state-dir names another place"),
                );
                return Ok(ExitStatus::Failure);
            }
            from_files(&stack, &directory, args.since, None)?
        }
    };
    report.price(&prices(&args.price));
    if args.json {
        printer.json(&report);
    } else if let Some(path) = &args.html {
        let page = report::html::render(&report);
        if path == Path::new("-") {
            printer.data(page.trim_end());
        } else {
            std::fs::write(path, page)
                .map_err(|error| anyhow::anyhow!("cannot write {}: {error}", path.display()))?;
            printer.note(format!("written to {}", path.display()));
        }
    } else {
        for line in report::text::render(&report) {
            printer.data(line);
        }
    }
    Ok(ExitStatus::Success)
}

/// The report from what a stack left in its state directory; `open` is what a running one has not written yet.
///
/// # Errors
/// When the files are there and cannot be read.
pub(crate) fn from_files(
    stack: &Stack,
    directory: &Path,
    since_s: u64,
    open: Option<Entry>,
) -> std::io::Result<Report> {
    let to_ms = units::now_ms();
    let from_ms = to_ms.saturating_sub(since_s.saturating_mul(1000));
    let (mut entries, damaged_entries) = logbook::read(directory, from_ms)?;
    entries.extend(open.filter(|entry| entry.from_ms >= from_ms));
    let (records, damaged_records) = plimsoll_control::log::read(directory)?;
    Ok(report::build(&Sources {
        stack,
        entries: &entries,
        records: &records,
        damaged_lines: damaged_entries + damaged_records,
        from_ms,
        to_ms,
    }))
}

/// For the admin API.
pub(crate) fn for_operator(
    stack_file: &Path,
    directory: &Path,
    since_s: u64,
    open: Option<Entry>,
) -> Result<serde_json::Value, OperatorError> {
    if !(1..=LONGEST_S).contains(&since_s) {
        return Err(OperatorError::Invalid(format!("`since_s` is {since_s} but must be 1 to {LONGEST_S}")));
    }
    let refused = |message: String, hint: &str| OperatorError::Refused { message, hint: hint.to_owned() };
    let stack = stack_file::read(stack_file)
        .map_err(|mistakes| refused(mistakes.to_string(), "mend the stack file: targets are read from it"))?;
    let report = from_files(&stack, directory, since_s, open).map_err(|error| {
        refused(format!("the logs cannot be read: {error}"), "look at the state directory")
    })?;
    serde_json::to_value(report).map_err(|error| refused(error.to_string(), "this should not happen"))
}

fn state_dir(args: &ReportArgs, stack: &Stack, file: &Path) -> anyhow::Result<PathBuf> {
    let base = std::fs::canonicalize(file)?;
    let base = base.parent().unwrap_or(Path::new("/"));
    match &args.state_dir {
        Some(directory) => Ok(std::path::absolute(directory)?),
        None => Ok(stack.state_dir(base)),
    }
}

fn prices(given: &[(Option<String>, f64)]) -> Prices {
    let mut prices = Prices::default();
    for (service, price) in given {
        match service {
            None => prices.every = Some(*price),
            Some(service) => {
                prices.of.insert(service.clone(), *price);
            }
        }
    }
    prices
}

fn price(text: &str) -> Result<(Option<String>, f64), String> {
    let (service, price) = match text.split_once('=') {
        Some((service, price)) => (Some(service.to_owned()), price),
        None => (None, text),
    };
    match price.parse::<f64>() {
        Ok(price) if price.is_finite() && price >= 0.0 => Ok((service, price)),
        _ => Err("write a number of zero or more, such as 0.04 or worker=0.08".to_owned()),
    }
}

fn period_s(text: &str) -> Result<u64, String> {
    let wrong = || "write a number with a unit: 30m, 24h, 7d (at most 366d)".to_owned();
    let (number, unit) = text.split_at(text.len() - text.chars().next_back().map_or(0, char::len_utf8));
    let unit_s = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let seconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit_s));
    seconds.filter(|seconds| (1..=LONGEST_S).contains(seconds)).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_and_prices_are_read_as_people_write_them() {
        assert_eq!([period_s("90s"), period_s("24h"), period_s("7d")], [Ok(90), Ok(86_400), Ok(604_800)]);
        for wrong in ["", "24", "0h", "1w", "-1h", "367d", "ä", "99999999999999999999d"] {
            assert!(period_s(wrong).is_err(), "{wrong}");
        }
        assert_eq!(price("worker=0.08"), Ok((Some("worker".to_owned()), 0.08)));
        assert!(price("worker=").is_err() && price("NaN").is_err() && price("-1").is_err());
    }
}
