//! The desk on an in-memory queue: what it shows, what it moves, what it writes down.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use plimsoll_jobs::{FailureClass, JobsOptions, NewJob};

use super::*;

struct Office {
    desk: Desk,
    jobs: Jobs,
    records: Arc<Mutex<Vec<Draft>>>,
}

impl Office {
    async fn open() -> Self {
        let jobs = Jobs::open("memory:", JobsOptions::default()).await.expect("a queue in memory");
        let records = Arc::new(Mutex::new(Vec::new()));
        let written = Arc::clone(&records);
        let record: Recorder =
            Arc::new(move |draft| written.lock().unwrap_or_else(PoisonError::into_inner).push(draft));
        Self { desk: Desk::new(jobs.clone(), record), jobs, records }
    }

    async fn enqueue(&self, queue: &str) -> i64 {
        let mut tx = self.jobs.begin().await.unwrap();
        let job = NewJob::new(queue, json!({ "secret": "of the applicant" }));
        let id = self.jobs.enqueue(&mut tx, job).await.unwrap().id();
        tx.commit().await.unwrap();
        id.0
    }

    /// A job of `queue` that failed for good with `message`.
    async fn dead(&self, queue: &str, message: &str) -> i64 {
        let id = self.enqueue(queue).await;
        let claimed = self.jobs.claim(queue, "worker-1", Duration::from_secs(30), 1).await.unwrap();
        assert_eq!(claimed[0].id.0, id, "nothing else waits");
        self.jobs.fail(&claimed[0], FailureClass::Never, message).await.unwrap();
        id
    }

    async fn ids(&self, queue: Option<&str>) -> Vec<i64> {
        let query = LetterQuery { queue: queue.map(str::to_owned), after: None, limit: 200 };
        self.desk.letters(&query).await.unwrap().letters.iter().map(|letter| letter.id).collect()
    }

    fn summaries(&self) -> Vec<String> {
        self.records.lock().unwrap().iter().map(|draft| draft.summary.clone()).collect()
    }
}

fn some(jobs: &[i64]) -> Order {
    Order { jobs: jobs.to_vec(), by: "amelie (command line)".to_owned(), ..Order::default() }
}

#[tokio::test]
async fn letters_of_all_queues_come_in_the_order_of_their_death_page_by_page() {
    let office = Office::open().await;
    let mut died = Vec::new();
    for number in 0..7 {
        died.push(office.dead(["evaluate", "mail"][number % 2], "model.refused: no").await);
    }
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = office.desk.letters(&LetterQuery { queue: None, after, limit: 3 }).await.unwrap();
        assert!(page.letters.len() <= 3);
        seen.extend(page.letters.iter().map(|letter| letter.id));
        let Some(next) = page.next else { break };
        after = Some(next.parse().unwrap());
    }
    assert_eq!(seen, died);
    assert_eq!(office.ids(Some("mail")).await.len(), 3);
    let nobody =
        office.desk.letters(&LetterQuery { queue: Some("mial".into()), after: None, limit: 3 }).await;
    assert_eq!(nobody, Err(OperatorError::NotFound("no queue `mial`; there are: evaluate, mail".to_owned())));
}

#[tokio::test]
async fn a_job_is_shown_without_its_payload_and_without_credentials() {
    let office = Office::open().await;
    let id = office.dead("evaluate", "model.refused: https://u:hunter2@m.example said 401").await;
    let job = office.desk.job(id).await.unwrap();
    assert_eq!((job.state.as_str(), job.attempts, job.failures.len()), ("dead", 1, 1));
    assert_eq!(job.failures[0].error.as_deref(), Some("model.refused"));
    let shown = serde_json::to_string(&job).unwrap();
    assert!(!shown.contains("applicant") && !shown.contains("hunter2"), "{shown}");
    assert_eq!(job.payload_bytes, Some(json!({ "secret": "of the applicant" }).to_string().len() as u64));
    assert!(matches!(office.desk.job(id + 100).await, Err(OperatorError::NotFound(_))));
}

#[tokio::test]
async fn an_order_does_what_it_can_and_says_the_rest_and_who_gave_it() {
    let office = Office::open().await;
    let dead = office.dead("evaluate", "no").await;
    let waiting = office.enqueue("evaluate").await;

    let report = office.desk.order(Act::Requeue, &some(&[dead, waiting])).await.unwrap();
    assert_eq!((report.done, report.refused.len()), (1, 1));
    assert_eq!(report.refused[0], RefusedJob { job: waiting, why: format!("no dead letter {waiting}") });
    assert_eq!(office.ids(None).await, Vec::<i64>::new());
    assert_eq!(office.desk.job(dead).await.unwrap().state, "ready");

    let report = office.desk.order(Act::Cancel, &some(&[waiting])).await.unwrap();
    assert_eq!((report.done, report.message.as_str()), (1, "cancelled 1 job: 2"));
    let report = office.desk.order(Act::Cancel, &some(&[waiting])).await.unwrap();
    assert_eq!(report.done, 0);
    assert_eq!(
        office.summaries(),
        ["amelie (command line) requeued 1 dead letter: 1", "amelie (command line) cancelled 1 job: 2"],
        "an order that did nothing is not an event"
    );
}

#[tokio::test]
async fn all_dead_letters_of_a_queue_are_moved_and_no_others() {
    let office = Office::open().await;
    for _ in 0..120 {
        office.dead("evaluate", "no").await;
    }
    let other = office.dead("mail", "no").await;
    let order = Order { all: true, queue: Some("evaluate".to_owned()), ..Order::default() };
    let report = office.desk.order(Act::Discard, &order).await.unwrap();
    assert_eq!((report.done, report.more), (120, false));
    assert_eq!(office.ids(None).await, [other]);
    assert_eq!(office.summaries(), ["an operator discarded 120 dead letters of evaluate: 1, 2, 3, 4, 5, …"]);
    let report = office.desk.order(Act::Discard, &order).await.unwrap();
    assert_eq!((report.done, report.message.as_str()), (0, "no dead letters"));
}
