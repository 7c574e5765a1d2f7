//! Sharing between tenants, and limits per tenant.

use std::collections::BTreeMap;

use crate::fixture::{Fixture, job};
use plimsoll_jobs::Claimed;

fn by_lane(claimed: &[Claimed]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for c in claimed {
        *counts.entry(&*c.lane).or_default() += 1;
    }
    counts
}

async fn limit(f: &Fixture, lane: &str, max: Option<u32>) {
    let mut tx = f.jobs.begin().await.unwrap();
    f.jobs.limit_lane(&mut tx, "q", lane, max).await.unwrap();
    tx.commit().await.unwrap();
}

pub(crate) async fn lanes_are_served_in_turn_however_long_they_are(f: Fixture) {
    f.add_many(&(0..300).map(|n| job(n).lane("loud")).collect::<Vec<_>>()).await;
    f.add_many(&(0..3).map(|n| job(n).lane("quiet")).collect::<Vec<_>>()).await;
    f.add_many(&(0..3).map(job).collect::<Vec<_>>()).await;
    // One at a time: each lane has its turn, the one without a name too.
    let mut turns = Vec::new();
    for _ in 0..6 {
        turns.push(f.claim_one().await.lane);
    }
    turns.sort();
    assert_eq!(turns.iter().map(|l| &**l).collect::<Vec<_>>(), ["", "", "loud", "loud", "quiet", "quiet"]);
    // Many at a time: equal shares.
    assert_eq!(by_lane(&f.claim(3).await), BTreeMap::from([("", 1), ("loud", 1), ("quiet", 1)]));
}

pub(crate) async fn unused_share_of_a_lane_goes_to_the_others(f: Fixture) {
    f.add_many(&(0..50).map(|n| job(n).lane("long")).collect::<Vec<_>>()).await;
    f.add_many(&(0..2).map(|n| job(n).lane("short")).collect::<Vec<_>>()).await;
    assert_eq!(by_lane(&f.claim(40).await), BTreeMap::from([("long", 38), ("short", 2)]));
}

pub(crate) async fn limit_of_a_lane_holds_until_a_job_ends(f: Fixture) {
    limit(&f, "tenant", Some(2)).await;
    f.add_many(&(0..10).map(|n| job(n).lane("tenant")).collect::<Vec<_>>()).await;
    f.add(job(10)).await;
    let mut claimed = f.claim(10).await;
    assert_eq!(by_lane(&claimed), BTreeMap::from([("", 1), ("tenant", 2)]));
    assert!(f.claim(10).await.is_empty());
    claimed.retain(|c| &*c.lane == "tenant");
    f.complete(&claimed[0]).await.unwrap();
    assert_eq!(f.claim(10).await.len(), 1);
    // A job that failed, was released or whose lease ran out makes room as well.
    f.jobs.release(&claimed[1]).await.unwrap();
    assert_eq!(f.claim(10).await.len(), 1);
    f.after(10);
    assert_eq!(by_lane(&f.claim(10).await).get("tenant"), Some(&2));
    limit(&f, "tenant", None).await;
    assert_eq!(f.claim(100).await.len(), 7);
}

pub(crate) async fn star_limits_the_lanes_without_their_own(f: Fixture) {
    limit(&f, "*", Some(1)).await;
    limit(&f, "big", Some(3)).await;
    for lane in ["a", "b", "big"] {
        f.add_many(&(0..5).map(|n| job(n).lane(lane)).collect::<Vec<_>>()).await;
    }
    f.add_many(&(0..5).map(job).collect::<Vec<_>>()).await;
    assert_eq!(by_lane(&f.claim(100).await), BTreeMap::from([("", 5), ("a", 1), ("b", 1), ("big", 3)]));
}

pub(crate) async fn many_blocked_lanes_do_not_hide_a_free_one(f: Fixture) {
    limit(&f, "*", Some(1)).await;
    let jobs: Vec<_> = (0..400).map(|n| job(n).lane(format!("lane-{:03}", n / 2))).collect();
    f.add_many(&jobs).await;
    assert_eq!(f.claim(1000).await.len(), 200);
    assert!(f.claim(1).await.is_empty());
    f.add(job(400).lane("zz")).await;
    assert_eq!(&*f.claim_one().await.lane, "zz");
}
