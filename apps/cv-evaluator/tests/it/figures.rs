//! Figures for dashboards and alerts: each is moved by something that really happens.

use std::collections::BTreeSet;

use axum::response::IntoResponse as _;
use http::StatusCode;

use super::model::{completion, obedient};
use super::provider::provider;
use super::support::{Stack, eventually};

/// Where figures are registered, by name.
const SOURCES: [&str; 2] =
    [include_str!("../../src/metrics.rs"), include_str!("../../../kit/src/metrics.rs")];

/// Every name that is registered anywhere.
fn registered() -> BTreeSet<String> {
    let names = SOURCES.iter().flat_map(|source| source.split("registry.register(").skip(1));
    names.map(|rest| rest.split('"').nth(1).unwrap().to_owned()).collect()
}

/// The families of which some sample is above zero.
fn above_zero(exposition: &str) -> BTreeSet<String> {
    let mut families = BTreeSet::new();
    let mut family = "";
    for line in exposition.lines() {
        if let Some(declared) = line.strip_prefix("# TYPE ") {
            family = declared.split(' ').next().unwrap();
        } else if !line.starts_with('#') && line.rsplit(' ').next().unwrap().parse::<f64>().unwrap() > 0.0 {
            families.insert(family.to_owned());
        }
    }
    families
}

#[tokio::test]
async fn w21_every_figure_is_moved_by_something_that_happens() {
    let stack = Stack::with(&[("JOB_MAX_ATTEMPTS", "2")]).await;
    let scrape = async |address: std::net::SocketAddr| {
        let response = stack.http.get(format!("http://{address}/metrics")).send().await.unwrap();
        above_zero(&response.text().await.unwrap())
    };
    let unavailable = || (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "0")], "{}").into_response();
    let (sound, _) =
        provider(|question| axum::Json(completion(&obedient(question).to_string())).into_response()).await;
    let (broken, _) = provider(move |_| unavailable()).await;

    // What has been seen above zero at any time: some figures are of the moment.
    let mut still = registered();
    assert!(still.len() > 15, "{still:?}");
    let body = stack.upload_texts().await;
    for url in [&broken, &sound] {
        let id = stack.evaluate(&body).await;
        eventually(async || {
            let moved = scrape(stack.address).await;
            still.retain(|family| !moved.contains(family));
            (moved.contains("queue_depth") && moved.contains("queue_age_seconds")).then_some(())
        })
        .await;
        let worker = stack.worker(&[("OPENAI_BASE_URL", url), ("OPENAI_MODEL", "m")]).await;
        let mut was_final = false;
        eventually(async || {
            let moved = scrape(worker.address).await;
            still.retain(|family| !moved.contains(family));
            // Once more after the end.
            let ended = was_final;
            was_final = stack.store.read_work(&id).await.unwrap().unwrap().status.is_final();
            ended.then_some(())
        })
        .await;
        worker.stop().await;
    }
    assert!(still.is_empty(), "nothing that happens moves {still:?}");
    stack.stop().await;
}
