//! What happens in the name of a process after its end.

use futures::poll;
use plimsoll_jobs::{Jobs, NewJob};
use serde_json::json;

use crate::child::{self, QUEUE};
use crate::database::Database;
use crate::history::let_go;

/// An empty queue is not the end of a history while something is on its way from the dead: a history that was judged then
/// had a job that nobody would ever do.
#[tokio::test]
async fn commit_that_arrives_after_its_sender_has_died_is_waited_for() {
    let Some(server) = plimsoll_test_postgres::server(true) else { return };
    let database = Database::postgres(server).await;
    let jobs = child::open(&database.url(), 1).await.unwrap();
    let intake = child::open(&database.exposed_url(), 2).await.unwrap();
    let (tx, _) = child::requested(&intake, 1, NewJob::new(QUEUE, json!(1))).await.unwrap();
    database.block(true);
    {
        let mut commit = Box::pin(tx.commit());
        assert!(poll!(&mut commit).is_pending(), "the network is blocked");
    }
    drop(intake);
    assert_eq!(ready(&jobs).await, 0);
    assert!(!database.has_let_go().await);
    database.block(false);
    let_go(&database).await.unwrap();
    assert_eq!(ready(&jobs).await, 1, "it was committed although its sender never heard of it");
}

async fn ready(jobs: &Jobs) -> u64 {
    jobs.stats(Some(QUEUE)).await.unwrap().iter().map(|queue| queue.ready).sum()
}
