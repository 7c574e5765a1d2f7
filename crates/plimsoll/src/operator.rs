//! Puts the controller behind the admin API.

use std::path::PathBuf;

use plimsoll_console::{
    DecisionQuery, Operator, OperatorError,
    queue::{Act, JobView, LetterPage, LetterQuery, Order, OrderReport, QueueOperator},
};
use plimsoll_control::{
    Handle, Refusal,
    view::{DecisionView, StackView},
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{commands::report, desk::Desk, logbook::Recorder, stack_file};

/// The running stack as the admin API knows it.
pub(crate) struct RunningStack {
    pub(crate) controller: Handle,
    /// Where orders about jobs are carried out.
    pub(crate) desk: Desk,
    /// Keeps the logbook.
    pub(crate) recorder: Recorder,
    /// Where the logs are.
    pub(crate) state_dir: PathBuf,
    /// Read again on reload.
    pub(crate) stack_file: PathBuf,
    /// Cancelled when somebody asks the stack to end.
    pub(crate) ending: CancellationToken,
}

type Answer<'a, T> = std::pin::Pin<Box<dyn Future<Output = Result<T, OperatorError>> + Send + 'a>>;

// === impl RunningStack ===

impl Operator for RunningStack {
    fn view(&self) -> StackView {
        self.controller.view()
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.controller.changes()
    }

    fn decisions(&self, query: DecisionQuery) -> Vec<DecisionView> {
        self.controller.decisions(query.service.as_deref(), query.before, query.limit)
    }

    fn why(&self, id: u64) -> Option<serde_json::Value> {
        let record = self.controller.record(id)?;
        serde_json::to_value(record).ok()
    }

    fn scale<'a>(&'a self, service: &'a str, replicas: u32) -> Answer<'a, String> {
        Box::pin(async move { self.controller.scale(service, replicas).await.map_err(refusal) })
    }

    fn drain<'a>(&'a self, instance: &'a str) -> Answer<'a, String> {
        Box::pin(async move { self.controller.drain(instance).await.map_err(refusal) })
    }

    fn restart<'a>(&'a self, target: &'a str) -> Answer<'a, String> {
        Box::pin(async move { self.controller.restart(target).await.map_err(refusal) })
    }

    fn reload(&self) -> Answer<'_, Vec<String>> {
        Box::pin(async move {
            let stack = stack_file::read(&self.stack_file)
                .map_err(|mistakes| OperatorError::Invalid(mistakes.to_string()))?;
            self.controller.reload(stack).await.map_err(refusal)
        })
    }

    fn shutdown(&self) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.ending.cancel();
        Box::pin(std::future::ready(()))
    }

    fn report(&self, since_s: u64) -> Result<serde_json::Value, OperatorError> {
        report::for_operator(&self.stack_file, &self.state_dir, since_s, self.recorder.open_entry())
    }

    fn logs(&self, instance: &str, lines: usize) -> Option<Vec<String>> {
        self.controller.logs(instance, lines)
    }

    fn render_metrics(&self, out: &mut String) {
        self.controller.render_metrics(out);
    }
}

impl QueueOperator for RunningStack {
    fn dead_letters(&self, query: LetterQuery) -> Answer<'_, LetterPage> {
        Box::pin(async move { self.desk.letters(&query).await })
    }

    fn job(&self, id: i64) -> Answer<'_, JobView> {
        Box::pin(self.desk.job(id))
    }

    fn order(&self, act: Act, order: Order) -> Answer<'_, OrderReport> {
        Box::pin(async move { self.desk.order(act, &order).await })
    }
}

fn refusal(refusal: Refusal) -> OperatorError {
    match refusal {
        Refusal::Unknown(message) => OperatorError::NotFound(message),
        Refusal::NotNow { message, hint } => OperatorError::Refused { message, hint },
        Refusal::Invalid(message) => OperatorError::Invalid(message),
    }
}
