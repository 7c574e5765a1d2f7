//! What pages, look-ups and sweeps cost in large tables: rows looked at, not time. `PLIMSOLL_LARGE_ROWS` asks for more rows
//! than an ordinary run has; `make large` takes a million.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cv_evaluator::store::{Cursor, ListQuery, NewEvaluation, Store, UploadReader, WorkStatus};
use plimsoll_jobs::{Jobs, JobsOptions, NewJob};
use serde_json::{Value, json};
use sqlx::Connection as _;
use tokio::sync::{Mutex, MutexGuard};

use super::support::Stack;

const ROWS: u64 = 100_000;
/// Rows that anything may look at, whatever the size of the tables, unless it says more.
const FEW: u64 = 1_000;
/// A search looks at a thousand of each of three kinds of ids, sorts them and looks them up.
const SEARCHED: u64 = 12_000;
/// Steps of SQLite's machine for each row that is looked at; searches that sort take most.
const STEPS_PER_ROW: u64 = 40;
/// Steps between two counts.
const COUNT_EVERY: i32 = 50;

/// How much the database had to look at.
enum Meter {
    /// Steps of the machine, on all connections.
    Sqlite(Arc<AtomicU64>),
    /// Plans with what each node of them looked at, as the server logs them.
    Postgres(std::path::PathBuf),
}

/// A store on large tables.
struct Large {
    stack: Stack,
    store: Store,
    meter: Meter,
    rows: u64,
    /// The server has one log for all.
    _alone: MutexGuard<'static, ()>,
}

static ALONE: Mutex<()> = Mutex::const_new(());

// === impl Large ===

impl Large {
    async fn new() -> Self {
        let _alone = ALONE.lock().await;
        let rows = std::env::var("PLIMSOLL_LARGE_ROWS").map_or(ROWS, |rows| rows.parse().expect("a number"));
        let stack = Stack::start().await;
        let fill = include_str!("large.sql").replace(":rows", &rows.to_string());
        let mut tx = stack.store.jobs().begin().await.unwrap();
        if stack.on_postgres() {
            // Foreign keys of rows that are right by construction, and plans for the tables as they are now.
            let fill = format!("SET LOCAL session_replication_role = replica; {fill}; ANALYZE");
            sqlx::raw_sql(sqlx::AssertSqlSafe(fill)).execute(tx.postgres().unwrap()).await.unwrap();
        } else {
            sqlx::raw_sql(sqlx::AssertSqlSafe(fill)).execute(tx.sqlite().unwrap()).await.unwrap();
        }
        tx.commit().await.unwrap();
        let meter = if stack.on_postgres() { plans(&stack).await } else { Meter::Sqlite(Arc::default()) };
        // Its connections are measured from their beginning.
        let jobs =
            Jobs::open(&stack.url, JobsOptions { readers: 1, ..JobsOptions::default() }).await.unwrap();
        if let Meter::Sqlite(steps) = &meter {
            count(&mut jobs.sqlite().unwrap().acquire().await.unwrap(), steps).await;
            let mut tx = jobs.begin().await.unwrap();
            count(tx.sqlite().unwrap(), steps).await;
            tx.commit().await.unwrap();
        }
        Self { store: Store::open(jobs).await.unwrap(), stack, meter, rows, _alone }
    }

    /// Does it as often as Postgres needs to settle for one plan, and demands that each time looks at `bound` rows at most.
    async fn costs(&self, what: &str, bound: u64, mut action: impl AsyncFnMut()) {
        for _ in 0..7 {
            self.costs_once(what, bound, &mut action).await;
        }
    }

    async fn costs_once(&self, what: &str, bound: u64, mut action: impl AsyncFnMut()) {
        assert!(bound < self.rows / 2, "{what}: too few rows to tell a look-up from a scan");
        match &self.meter {
            Meter::Sqlite(steps) => {
                steps.store(0, Ordering::SeqCst);
                action().await;
                let taken = steps.load(Ordering::SeqCst);
                assert!(taken <= bound * STEPS_PER_ROW, "{what}: {taken} steps, {bound} rows allowed");
            }
            Meter::Postgres(log) => {
                let before = std::fs::metadata(log).unwrap().len();
                action().await;
                let text = String::from_utf8(std::fs::read(log).unwrap().split_off(before as usize)).unwrap();
                let plans = plans_in(&text);
                assert!(!plans.is_empty(), "{what}: nothing was logged");
                let seen: u64 = plans.iter().map(|plan| looked_at(&plan["Plan"])).sum();
                let told = || plans.iter().map(|plan| outline(&plan["Plan"], 0)).collect::<String>();
                assert!(seen <= bound, "{what}: {seen} rows, {bound} allowed\n{}", told());
                let scan = plans.iter().find_map(|plan| scanned(&plan["Plan"]));
                assert_eq!(scan, None, "{what}:\n{}", told());
            }
        }
    }
}

/// Counts the steps of a connection.
async fn count(conn: &mut sqlx::SqliteConnection, steps: &Arc<AtomicU64>) {
    let steps = Arc::clone(steps);
    conn.lock_handle().await.unwrap().set_progress_handler(COUNT_EVERY, move || {
        steps.fetch_add(COUNT_EVERY as u64, Ordering::SeqCst);
        true
    });
}

/// Lets the server log the plan of every statement in this database from the next connection on.
async fn plans(stack: &Stack) -> Meter {
    let name = stack.url.split("///").nth(1).unwrap().split('?').next().unwrap();
    let server = plimsoll_test_postgres::server(false).unwrap();
    let mut conn = server.connect("postgres").await.unwrap();
    for (setting, value) in [
        ("session_preload_libraries", "auto_explain"),
        ("auto_explain.log_min_duration", "0"),
        ("auto_explain.log_analyze", "on"),
        ("auto_explain.log_timing", "off"),
        ("auto_explain.log_nested_statements", "on"),
        ("auto_explain.log_format", "json"),
    ] {
        let sql = format!("ALTER DATABASE {name} SET {setting} = '{value}'");
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut conn).await.unwrap();
    }
    conn.close().await.unwrap();
    Meter::Postgres(server.log())
}

/// The plans in a part of the server's log: each begins after a line that ends with `plan:` and is indented by a tab.
fn plans_in(log: &str) -> Vec<Value> {
    let mut plans = Vec::new();
    let mut lines = log.lines().peekable();
    while let Some(line) = lines.next() {
        if line.ends_with("plan:") {
            let mut json = String::new();
            while let Some(more) = lines.next_if(|line| line.starts_with('\t')) {
                json += more;
            }
            plans.push(serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {json}")));
        }
    }
    plans
}

/// Rows that the nodes which read tables and indices looked at, those they threw away included.
fn looked_at(node: &Value) -> u64 {
    let number = |field: &str| node[field].as_f64().unwrap_or(0.0);
    let mine = if node["Node Type"].as_str().is_some_and(|kind| kind.contains("Scan") && kind != "CTE Scan") {
        let per_loop = number("Actual Rows")
            + number("Rows Removed by Filter")
            + number("Rows Removed by Index Recheck");
        (per_loop * number("Actual Loops")) as u64
    } else {
        0
    };
    mine + node["Plans"].as_array().into_iter().flatten().map(looked_at).sum::<u64>()
}

/// A plan in few words.
fn outline(node: &Value, depth: usize) -> String {
    let text = |field: &str| node[field].as_str().unwrap_or_default().to_owned();
    let line = format!(
        "{:indent$}{} {} {}: {} rows, {} removed, {} times\n",
        "",
        text("Node Type"),
        text("Relation Name"),
        text("Index Name"),
        node["Actual Rows"],
        node["Rows Removed by Filter"],
        node["Actual Loops"],
        indent = 2 * depth
    );
    let below = node["Plans"].as_array().into_iter().flatten();
    line + &below.map(|node| outline(node, depth + 1)).collect::<String>()
}

/// A large table of ours that is read from its beginning.
fn scanned(node: &Value) -> Option<String> {
    const LARGE: [&str; 5] =
        ["cv_upload", "cv_upload_chunk", "cv_upload_pending", "cv_evaluation", "cv_result"];
    let table = node["Relation Name"].as_str().filter(|table| LARGE.contains(table));
    match table {
        Some(table) if node["Node Type"] == "Seq Scan" && number_of_rows(node) > 0.0 => {
            Some(table.to_owned())
        }
        _ => node["Plans"].as_array().into_iter().flatten().find_map(scanned),
    }
}

fn number_of_rows(node: &Value) -> f64 {
    node["Actual Loops"].as_f64().unwrap_or(0.0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w38_pages_and_look_ups_cost_the_same_in_large_tables() {
    let large = Large::new().await;
    let (store, rows) = (&large.store, large.rows as i64);
    let middle = Cursor { created_at_ms: 1_000_000_000 + rows / 2, id: "f".into() };
    let search = |text: &str| Some(text.to_owned());
    for (what, bound, query) in [
        ("newest page", FEW, ListQuery::default()),
        ("page in the middle", FEW, ListQuery { after: Some(middle.clone()), ..ListQuery::default() }),
        (
            "page of a rare status",
            FEW,
            ListQuery {
                after: Some(middle.clone()),
                status: Some(WorkStatus::Failed),
                ..ListQuery::default()
            },
        ),
        (
            "page of a status nothing has",
            FEW,
            ListQuery { status: Some(WorkStatus::Processing), ..ListQuery::default() },
        ),
        ("beginning of all ids", SEARCHED, ListQuery { search: search("e"), ..ListQuery::default() }),
        ("CV of half of them", SEARCHED, ListQuery { search: search("u100000010"), ..ListQuery::default() }),
        (
            "report of a tenth of them, failed, in the middle",
            SEARCHED,
            ListQuery {
                search: search("u100000003"),
                status: Some(WorkStatus::Failed),
                after: Some(middle),
                limit: 0,
            },
        ),
        ("nothing", FEW, ListQuery { search: search("zzz"), ..ListQuery::default() }),
    ] {
        let query = ListQuery { limit: 101, ..query };
        let none = query.status == Some(WorkStatus::Processing) || query.search.as_deref() == Some("zzz");
        large
            .costs(what, bound, async || {
                let page = store.list(&query).await.unwrap();
                assert_eq!(
                    page.is_empty(),
                    none || (query.search.is_some() && query.after.is_some()),
                    "{what}"
                );
            })
            .await;
    }
    let one = format!("e{}", 100_000_000 + rows / 2 + 50);
    large.costs("one row", FEW, async || assert!(store.read_evaluation(&one).await.unwrap().is_some())).await;
    large.costs("one result", FEW, async || assert!(store.read_result(&one).await.unwrap().is_some())).await;
    large.costs("totals", FEW, async || assert!(store.totals().await.unwrap().failed <= 0.0)).await;
    large.costs("ping", FEW, async || store.ping().await.unwrap()).await;

    let ids = json!({ "cv_id": "small-cv", "project_id": "small-project" });
    let mut key = 0;
    large
        .costs("a request and its repeat", FEW, async || {
            key += 1;
            let new = NewEvaluation {
                idempotency_key: Some(format!("k{key}")),
                ..super::queue::request("small", &ids)
            };
            store.accept(&new).await.unwrap();
            store.accept(&new).await.unwrap();
        })
        .await;
    large.stack.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w07_w37_sweeps_and_claims_cost_the_same_in_large_tables() {
    let large = Large::new().await;
    let store = &large.store;
    let now_ms = store.jobs().now_ms();
    let before = |ms: i64| Duration::from_millis((now_ms - ms).unsigned_abs());

    large
        .costs("sweep of uploads that go on", FEW, async || {
            assert_eq!(store.sweep_uploads(Duration::from_secs(3600)).await.unwrap(), 0);
        })
        .await;
    // All files are old, all of them in use but a few, and no evaluation is old.
    let mut reader = UploadReader::default();
    large
        .costs("files in use", FEW, async || {
            assert_eq!(store.expire(before(500_000_000), &mut reader).await.unwrap(), (0, false));
        })
        .await;
    // Everything is old: two hundred go, and what is looked at is for each of them.
    large
        .costs("evaluations past their time", 5 * FEW, async || {
            let (gone, all) = store.expire(Duration::ZERO, &mut UploadReader::default()).await.unwrap();
            assert_eq!((gone, all), (200, false));
        })
        .await;

    // A long queue: what is claimed, renewed and ended is what is looked at.
    let jobs: Vec<NewJob> =
        (0..10_000).map(|n| NewJob::new("evaluate", json!({ "n": n })).owner("big")).collect();
    let mut tx = store.jobs().begin().await.unwrap();
    store.jobs().enqueue_many(&mut tx, &jobs).await.unwrap();
    tx.commit().await.unwrap();
    let lease = Duration::from_secs(60);
    large
        .costs("a claim, its heartbeat and its end", FEW, async || {
            assert!(store.jobs().has_work("evaluate").await.unwrap());
            let claimed = store.jobs().claim("evaluate", "w", lease, 10).await.unwrap();
            assert_eq!(claimed.len(), 10);
            store.jobs().heartbeat(&claimed[0], lease).await.unwrap();
            let mut tx = store.jobs().begin().await.unwrap();
            store.jobs().complete_many(&mut tx, &claimed).await.unwrap();
            tx.commit().await.unwrap();
        })
        .await;
    large.costs("figures of the queue", FEW, async || drop(store.jobs().stats(None).await.unwrap())).await;
    large
        .costs_once("erasing an owner with little", FEW, async || {
            assert_eq!(store.erase_owner("small").await.unwrap().uploads, 2);
        })
        .await;
    large.stack.stop().await;
}
