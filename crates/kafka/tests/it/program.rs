//! End to end with the real program: record → job → worker → outbox → record.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;

use plimsoll_jobs::{JobContext, Worker, WorkerOptions};
use plimsoll_kafka::outbox::{MESSAGE_ID, Message, Outbox};
use rustix::process::Signal;
use tokio_util::sync::CancellationToken;

use crate::process::{Process, output};
use crate::support::{Broker, GROUP, QUEUE, Queue, header, until};

fn get(port: &str, path: &str) -> String {
    let mut text = String::new();
    let Ok(mut socket) = TcpStream::connect(format!("127.0.0.1:{port}")) else { return text };
    write!(socket, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    drop(socket.read_to_string(&mut text));
    text
}

fn free_port() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string()
}

async fn terminated(process: Process) {
    process.signal(Signal::TERM);
    let process = Mutex::new(process);
    until("the end of the program", || async { process.lock().unwrap().ended().is_some() }).await;
    assert_eq!(process.lock().unwrap().ended(), Some(true), "the program ends well");
}

#[tokio::test(flavor = "multi_thread")]
async fn record_becomes_job_becomes_result_through_the_real_program() {
    for queue in Queue::each().await {
        let broker = Broker::with_topic("evaluate-jobs", 3);
        broker.cluster.create_topic("results", 3, 1).unwrap();
        let bootstrap = broker.cluster.bootstrap_servers();
        let (ingest_port, outbox_port) = (free_port(), free_port());
        let common = [
            ("PLIMSOLL_QUEUE_URL", queue.url.as_str()),
            ("KAFKA_BROKERS", &bootstrap),
            ("KAFKA_GROUP", GROUP),
        ];
        let of = |port, more: &[(&'static str, &'static str)]| {
            let mut all: Vec<(&str, &str)> = common.to_vec();
            all.push(("PORT", port));
            all.extend(more.iter().copied());
            all
        };
        let ingest = Process::start(
            &["ingest", "--queue", QUEUE, "--dedupe", "header:message-id"],
            &of(&ingest_port, &[("KAFKA_TOPIC", "evaluate-jobs"), ("KAFKA_FETCH_MIN_BYTES", "1")]),
        );
        let publish = Process::start(&["outbox"], &of(&outbox_port, &[]));
        // As an API or another system would send them, one of them twice.
        for n in [0, 1, 2, 3, 3, 4, 5, 6, 7, 8, 9] {
            let id = format!("request-{n}");
            let headers = header("traceparent", &format!("00-{n:032}-{n:016}-01"))
                .insert(rdkafka::message::Header { key: MESSAGE_ID, value: Some(&id) });
            let (key, value) = (format!("job-{n}"), format!("{{\"n\":{n}}}"));
            broker.send_with("evaluate-jobs", n % 3, &key, value, headers).await;
        }
        let outbox = Outbox::open(&queue.jobs).await.unwrap();
        let handler = move |context: JobContext| {
            let outbox = outbox.clone();
            async move {
                let payload: serde_json::Value = context.job().payload.parse()?;
                let kafka = &payload["kafka"];
                let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
                let message = Message::new(
                    "results",
                    format!("{{\"twice\":{}}}", 2 * payload["value"]["n"].as_i64().unwrap()),
                )
                .id(format!("result-of-{}", context.job().id))
                .key(text(&kafka["key"]))
                .header("traceparent", text(&kafka["headers"]["traceparent"]));
                let mut tx = context.jobs().begin().await?;
                outbox.put(&mut tx, &message).await?;
                context.complete(&mut tx).await?;
                Ok(tx.commit().await?)
            }
        };
        let stop = CancellationToken::new();
        let worker = Worker::new(queue.jobs.clone(), QUEUE, WorkerOptions::default());
        let working = tokio::spawn(worker.run(handler, stop.clone()));
        let mut seen = broker.read("results", 3, |seen| seen.len() >= 10).await;
        seen.sort_by(|a, b| a.key.cmp(&b.key));
        for (n, one) in seen.iter().enumerate() {
            assert_eq!(
                (one.key.as_str(), one.value.as_str()),
                (&*format!("job-{n}"), &*format!("{{\"twice\":{}}}", 2 * n))
            );
            let trace = format!("00-{n:032}-{n:016}-01");
            assert_eq!(one.headers.last("traceparent"), Some(trace.as_bytes()));
            assert!(one.headers.last(MESSAGE_ID).is_some_and(|id| id.starts_with(b"result-of-")));
        }
        stop.cancel();
        working.await.unwrap();

        assert!(get(&ingest_port, "/readyz").starts_with("HTTP/1.1 200"), "{}", get(&ingest_port, "/readyz"));
        until("the lag", || async {
            let page = get(&ingest_port, "/metrics");
            page.contains("kafka_records_ingested_total{topic=\"evaluate-jobs\"} 10")
                && page.contains("kafka_records_duplicate_total{topic=\"evaluate-jobs\"} 1")
                && page.contains("partition=\"2\"} 0\n")
        })
        .await;
        until("the count of results", || async {
            let page = get(&outbox_port, "/metrics");
            page.contains("outbox_published_total{topic=\"results\"} 10") && page.contains("outbox_leader 1")
        })
        .await;
        let lag = output(&["lag", "--topic", "evaluate-jobs", "--json"], &common);
        assert!(lag.status.success(), "{}", String::from_utf8_lossy(&lag.stderr));
        let lag: serde_json::Value = serde_json::from_slice(&lag.stdout).unwrap();
        assert_eq!((lag["lag"].as_i64(), lag["partitions"].as_array().unwrap().len()), (Some(0), 3));
        terminated(ingest).await;
        terminated(publish).await;
    }
}

#[test]
fn wrong_use_is_told_with_status_2() {
    let queue = ("PLIMSOLL_QUEUE_URL", "sqlite:///nowhere/queue.db");
    for (arguments, told) in [
        (
            &["ingest", "--queue", "q", "--topic", "t", "--brokers", "x:1", "--property", "acks=0"][..],
            "`acks` is fixed",
        ),
        (&["ingest", "--queue", "q", "--topic", "t"], "--brokers"),
        (
            &["ingest", "--queue", "q", "--topic", "t", "--brokers", "x:1", "--unique", "header"],
            "header:NAME",
        ),
        (&["ingest", "--queue", "", "--topic", "t", "--brokers", "x:1"], "queue must have"),
        (
            &["ingest", "--queue", "q", "--topic", "t", "--brokers", "x:1", "--max-attempts", "0"],
            "max_attempts",
        ),
        (&["reset", "--topic", "t", "--partition", "0", "--to", "-1"], "--to"),
    ] {
        let output = output(arguments, &[queue]);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(told), "{text}");
    }
}

#[test]
fn options_that_cannot_be_are_told_before_a_record_moves() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", dir.path().join("queue.db").display());
    let common = [("PLIMSOLL_QUEUE_URL", url.as_str()), ("KAFKA_BROKERS", "127.0.0.1:1"), ("PORT", "0")];
    let ingest = &["ingest", "--queue", "q", "--topic", "t"][..];
    for (arguments, variable, told) in [
        (ingest, ("KAFKA_SESSION_MS", "1000"), "half of the session"),
        (ingest, ("KAFKA_BATCH_RECORDS", "0"), "at least one record"),
        (ingest, ("KAFKA_START", "yesterday"), "earliest"),
        (ingest, ("KAFKA_PROPERTIES", "nonsense.name=1"), "nonsense.name"),
        (&["ingest", "--queue", "q", "--topic", "b/c"], ("KAFKA_GROUP", "g"), "letters, digits"),
        (&["outbox"], ("KAFKA_COMPRESSION", "zip"), "zip"),
        (&["outbox"], ("KAFKA_LINGER_MS", "soon"), "--linger-ms"),
    ] {
        let output = output(arguments, &[&common[..], &[variable]].concat());
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{variable:?}: {text}");
        assert!(text.contains(told), "{variable:?}: {text}");
    }
}
