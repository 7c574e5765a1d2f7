//! `plimsoll events`: what was decided and what happened, newest last so that it reads like a log.

use plimsoll_console::DecisionQuery;
use plimsoll_control::view::DecisionView;

use crate::{cli::Target, client, exit::ExitStatus, printer::Printer, table::Table, units};

pub(crate) async fn run(
    target: &Target,
    service: Option<String>,
    limit: usize,
    json: bool,
    printer: Printer,
) -> anyhow::Result<ExitStatus> {
    let query = DecisionQuery { service, before: None, limit };
    let mut decisions = client(target)?.events(&query).await?.decisions;
    decisions.reverse();
    if json {
        printer.json(&decisions);
        return Ok(ExitStatus::Success);
    }
    for line in render(&decisions) {
        printer.data(line);
    }
    if decisions.iter().any(|decision| decision.kind == "scale") {
        printer.note("\nplimsoll why ID explains one of them");
    }
    Ok(ExitStatus::Success)
}

fn render(decisions: &[DecisionView]) -> Vec<String> {
    let mut table = Table::new(["ID", "TIME", "KIND", "SERVICE", "CHANGE", "WHY"]);
    for decision in decisions {
        table.row([
            decision.id.to_string(),
            units::clock(decision.at_ms),
            decision.kind.clone(),
            if decision.service.is_empty() { "-".into() } else { decision.service.clone() },
            change(decision),
            decision.summary.clone(),
        ]);
    }
    table.lines()
}

fn change(decision: &DecisionView) -> String {
    if decision.from == decision.to { "-".into() } else { format!("{} -> {}", decision.from, decision.to) }
}
