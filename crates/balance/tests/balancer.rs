//! Properties of picking and passive health.

use std::collections::BTreeMap;
use std::time::Duration;

use plimsoll_balance::{
    Balancer, EndpointView, Grant, HealthPolicy, Member, NoPick, Outcome, Pick, Policy, Standing,
};
use proptest::prelude::*;

const NOW: Duration = Duration::from_secs(1_000);
const EJECTED: Duration = Duration::from_secs(30);

fn members(weights: &[u32]) -> Vec<Member<usize>> {
    weights.iter().enumerate().map(|(key, weight)| Member { key, weight: *weight }).collect()
}

fn balancer(policy: Policy, weights: &[u32]) -> Balancer<usize> {
    let mut balancer = Balancer::new(policy, HealthPolicy::default());
    balancer.set_members(members(weights));
    balancer
}

fn finish(balancer: &mut Balancer<usize>, pick: Pick<usize>, outcome: Outcome) -> usize {
    balancer.release(pick.ticket, NOW, outcome);
    pick.key
}

fn picks(balancer: &mut Balancer<usize>, count: usize) -> Vec<usize> {
    (0..count)
        .map(|_| {
            let pick = balancer.pick(NOW, &[]).expect("somebody is there");
            finish(balancer, pick, Outcome::Success)
        })
        .collect()
}

fn counts(keys: &[usize]) -> BTreeMap<usize, usize> {
    keys.iter().fold(BTreeMap::new(), |mut counts, key| {
        *counts.entry(*key).or_default() += 1;
        counts
    })
}

/// Fails `key` until it is ejected at `now`, keeping the others out of it.
fn eject(balancer: &mut Balancer<usize>, key: usize, now: Duration) {
    let others: Vec<usize> =
        balancer.endpoints().map(|view| *view.key).filter(|other| *other != key).collect();
    for failure in 1..=3 {
        let pick = balancer.pick(now, &others).expect("still in");
        assert_eq!(balancer.release(pick.ticket, now, Outcome::Failure).is_ejected, failure == 3);
    }
}

fn standing(balancer: &Balancer<usize>, key: usize) -> Standing {
    balancer.endpoints().find(|view| *view.key == key).expect("known").standing
}

#[test]
fn smooth_weighted_round_robin_matches_the_vectors() {
    #[derive(serde::Deserialize)]
    struct Vector {
        weights: Vec<u32>,
        picks: Vec<usize>,
    }
    let vectors: Vec<Vector> =
        serde_json::from_str(include_str!("vectors/smooth_wrr.json")).expect("vectors");
    assert!(!vectors.is_empty());
    for vector in vectors {
        let mut balancer = balancer(Policy::RoundRobin, &vector.weights);
        assert_eq!(picks(&mut balancer, vector.picks.len()), vector.picks, "weights {:?}", vector.weights);
    }
}

#[test]
fn weights_3_3_2_share_800_requests_exactly_and_without_bursts() {
    let keys = picks(&mut balancer(Policy::RoundRobin, &[3, 3, 2]), 800);
    assert_eq!(counts(&keys), BTreeMap::from([(0, 300), (1, 300), (2, 200)]));
    assert!(keys.windows(3).all(|three| three[0] != three[1] || three[1] != three[2]));
}

#[test]
fn least_conn_spares_the_slow_one() {
    let mut balancer = balancer(Policy::LeastConn, &[1, 1, 1]);
    let mut slow = Vec::new();
    let mut fast = Vec::new();
    for _ in 0..200 {
        let pick = balancer.pick(NOW, &[]).expect("somebody is there");
        if pick.key == 0 {
            slow.push(pick);
        } else {
            fast.push(pick);
        }
        assert!(balancer.open(&0) <= balancer.open(&1).min(balancer.open(&2)) + 1);
        if fast.len() > 4 {
            finish(&mut balancer, fast.remove(0), Outcome::Success);
        }
    }
    assert!(slow.len() < 6, "{} requests wait on the slow one", slow.len());
}

#[test]
fn least_conn_ties_rotate() {
    let keys = picks(&mut balancer(Policy::LeastConn, &[1, 1, 1]), 300);
    assert_eq!(counts(&keys), BTreeMap::from([(0, 100), (1, 100), (2, 100)]));
}

#[test]
fn least_conn_fills_in_proportion_to_weight() {
    let mut balancer = balancer(Policy::LeastConn, &[4, 1]);
    let held: Vec<_> = (0..50).map(|_| balancer.pick(NOW, &[]).expect("somebody is there")).collect();
    assert_eq!((balancer.open(&0), balancer.open(&1)), (40, 10));
    drop(held);
}

#[test]
fn three_failures_in_a_row_eject_for_30_s_and_one_trial_follows() {
    let mut balancer = balancer(Policy::RoundRobin, &[1, 1, 1]);
    eject(&mut balancer, 1, NOW);
    assert_eq!(standing(&balancer, 1), Standing::Out { until: NOW + EJECTED });
    assert!(!picks(&mut balancer, 300).contains(&1));

    let later = NOW + EJECTED;
    let during_trial: Vec<_> =
        (0..30).map(|_| balancer.pick(later, &[]).expect("somebody is there")).collect();
    let trials: Vec<_> = during_trial.into_iter().filter(|pick| pick.key == 1).collect();
    assert_eq!(trials.len(), 1, "exactly one trial");
    assert_eq!(standing(&balancer, 1), Standing::OnTrial);
    for trial in trials {
        assert!(
            balancer.release(trial.ticket, later, Outcome::Failure).is_ejected,
            "a failed trial ejects again"
        );
    }
    assert_eq!(standing(&balancer, 1), Standing::Out { until: later + EJECTED });

    let trial = balancer.pick(later + EJECTED, &[0, 2]).expect("the next trial");
    balancer.release(trial.ticket, later + EJECTED, Outcome::Success);
    assert_eq!(standing(&balancer, 1), Standing::In);
}

#[test]
fn a_trial_whose_client_left_is_repeated() {
    let mut balancer = balancer(Policy::RoundRobin, &[1, 1]);
    eject(&mut balancer, 1, NOW);
    let later = NOW + EJECTED;
    for _ in 0..2 {
        let trial = balancer.pick(later, &[0]).expect("a trial");
        balancer.release(trial.ticket, later, Outcome::Unknown);
    }
}

#[test]
fn a_long_answer_ends_the_trial_at_its_head() {
    let mut balancer = balancer(Policy::RoundRobin, &[1, 1]);
    eject(&mut balancer, 1, NOW);
    let later = NOW + EJECTED;
    let mut trial = balancer.pick(later, &[0]).expect("a trial");
    balancer.report(&mut trial.ticket, later, Outcome::Success);
    assert_eq!((standing(&balancer, 1), balancer.open(&1)), (Standing::In, 1));
    balancer.release(trial.ticket, later, Outcome::Failure);
    assert_eq!((standing(&balancer, 1), balancer.open(&1)), (Standing::In, 0));
}

#[test]
fn successes_between_failures_and_failures_far_apart_do_not_eject() {
    let mut balancer = balancer(Policy::RoundRobin, &[1, 1]);
    for _ in 0..10 {
        for outcome in [Outcome::Failure, Outcome::Failure, Outcome::Success] {
            let pick = balancer.pick(NOW, &[1]).expect("in");
            assert!(!balancer.release(pick.ticket, NOW, outcome).is_ejected);
        }
    }
    for step in 0..10 {
        let now = NOW + Duration::from_secs(16) * step;
        let pick = balancer.pick(now, &[1]).expect("in");
        assert!(!balancer.release(pick.ticket, now, Outcome::Failure).is_ejected, "never three within 30 s");
    }
}

#[test]
fn late_results_of_old_requests_do_not_move_an_ejected_endpoint() {
    let mut balancer = balancer(Policy::RoundRobin, &[1, 1]);
    let old: Vec<_> = (0..4).map(|_| balancer.pick(NOW, &[1]).expect("in")).collect();
    eject(&mut balancer, 0, NOW);
    for (pick, outcome) in
        old.into_iter().zip([Outcome::Success, Outcome::Failure, Outcome::Success, Outcome::Failure])
    {
        assert!(!balancer.release(pick.ticket, NOW + Duration::from_secs(5), outcome).is_ejected);
    }
    assert_eq!(standing(&balancer, 0), Standing::Out { until: NOW + EJECTED });
    assert_eq!(balancer.open(&0), 0);
}

#[test]
fn when_all_are_ejected_requests_flow_and_a_success_reinstates() {
    let mut balancer = balancer(Policy::RoundRobin, &[1, 1]);
    eject(&mut balancer, 0, NOW);
    eject(&mut balancer, 1, NOW);
    let pick = balancer.pick(NOW, &[]).expect("fails open");
    let key = pick.key;
    assert_eq!(pick.ticket.grant(), Grant::FailOpen);
    balancer.release(pick.ticket, NOW, Outcome::Success);
    assert_eq!(standing(&balancer, key), Standing::In);
    assert_eq!(picks(&mut balancer, 10), vec![key; 10]);
}

#[test]
fn draining_gets_nothing_and_is_not_a_reason_to_fail_open() {
    let mut balancer = balancer(Policy::LeastConn, &[1, 1]);
    assert!(balancer.set_draining(&0, true));
    assert!(!picks(&mut balancer, 100).contains(&0));
    assert!(balancer.set_draining(&1, true));
    assert_eq!(balancer.pick(NOW, &[]), Err(NoPick::Empty));
    assert!(balancer.set_draining(&1, false));
    assert_eq!(balancer.pick(NOW, &[1]), Err(NoPick::Exhausted));
    assert!(!balancer.set_draining(&9, true), "unknown");
}

#[test]
fn a_removed_endpoint_is_forgotten_when_its_last_request_ends() {
    let mut balancer = balancer(Policy::LeastConn, &[1]);
    let pick = balancer.pick(NOW, &[]).expect("in");
    balancer.set_members([Member { key: 7, weight: 1 }]);
    let removed: Vec<_> = balancer.endpoints().filter(|view| view.is_removed).map(|view| view.open).collect();
    assert_eq!(removed, [1]);
    assert_eq!(balancer.pick(NOW, &[]).map(|pick| pick.key), Ok(7));
    assert!(balancer.release(pick.ticket, NOW, Outcome::Success).is_drained);
    assert_eq!(balancer.endpoints().count(), 1);
}

/// One step of a random history.
#[derive(Clone, Debug)]
enum Step {
    Pick { exclude: Option<usize> },
    Release { which: usize, outcome: u8 },
    SetMembers { keys: Vec<usize> },
    Drain { key: usize, is_draining: bool },
    Wait { s: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => proptest::option::of(0usize..6).prop_map(|exclude| Step::Pick { exclude }),
        5 => (any::<usize>(), 0u8..3).prop_map(|(which, outcome)| Step::Release { which, outcome }),
        1 => proptest::collection::vec(0usize..6, 0..6).prop_map(|keys| Step::SetMembers { keys }),
        1 => (0usize..6, any::<bool>()).prop_map(|(key, is_draining)| Step::Drain { key, is_draining }),
        1 => (1u64..40).prop_map(|s| Step::Wait { s }),
    ]
}

fn is_out(view: &EndpointView<'_, usize>, now: Duration) -> bool {
    match view.standing {
        Standing::In => false,
        Standing::Out { until } => now < until,
        Standing::OnTrial => true,
    }
}

proptest! {
    #[test]
    fn equal_weights_differ_by_at_most_one(n in 1usize..12, weight in 1u32..50, requests in 0usize..400) {
        let keys = picks(&mut balancer(Policy::RoundRobin, &vec![weight; n]), requests);
        let counts = counts(&keys);
        let most = counts.values().copied().max().unwrap_or(0);
        let least = (0..n).map(|key| counts.get(&key).copied().unwrap_or(0)).min().unwrap_or(0);
        prop_assert!(most - least <= 1);
    }

    #[test]
    fn shares_are_exact_after_each_full_turn(weights in proptest::collection::vec(1u32..20, 1..6), turns in 1usize..4) {
        let total: u32 = weights.iter().sum();
        let keys = picks(&mut balancer(Policy::RoundRobin, &weights), total as usize * turns);
        for (key, count) in counts(&keys) {
            prop_assert_eq!(count, weights[key] as usize * turns);
        }
    }

    /// Over random histories: open counts equal the tickets that are out, nobody draining, removed, excluded or
    /// ejected is picked (unless all are ejected), and at most one trial runs per endpoint.
    #[test]
    fn histories_keep_the_invariants(
        steps in proptest::collection::vec(step(), 0..200),
        least_conn in any::<bool>(),
    ) {
        let policy = if least_conn { Policy::LeastConn } else { Policy::RoundRobin };
        let mut balancer = balancer(policy, &[1, 2, 3]);
        let mut now = NOW;
        let mut held: Vec<Pick<usize>> = Vec::new();
        for step in steps {
            match step {
                Step::Pick { exclude } => {
                    let exclude: Vec<usize> = exclude.into_iter().collect();
                    let views: Vec<_> = balancer
                        .endpoints()
                        .filter(|view| !view.is_draining && !view.is_removed)
                        .map(|view| (*view.key, is_out(&view, now)))
                        .collect();
                    let all_out = views.iter().all(|(_, is_out)| *is_out);
                    let mut choices = views.iter().filter(|(key, is_out)| (all_out || !is_out) && !exclude.contains(key));
                    match balancer.pick(now, &exclude) {
                        Ok(pick) => {
                            prop_assert!(choices.any(|(key, _)| *key == pick.key), "{} was not to be picked", pick.key);
                            held.push(pick);
                        }
                        Err(NoPick::Empty) => prop_assert!(views.is_empty()),
                        Err(NoPick::Exhausted) => prop_assert!(!views.is_empty() && choices.next().is_none()),
                    }
                }
                Step::Release { which, outcome } => {
                    if !held.is_empty() {
                        let pick = held.swap_remove(which % held.len());
                        let outcome = [Outcome::Success, Outcome::Failure, Outcome::Unknown][usize::from(outcome)];
                        balancer.release(pick.ticket, now, outcome);
                    }
                }
                Step::SetMembers { keys } => {
                    balancer.set_members(keys.into_iter().map(|key| Member { key, weight: 1 + key as u32 }));
                }
                Step::Drain { key, is_draining } => {
                    balancer.set_draining(&key, is_draining);
                }
                Step::Wait { s } => now += Duration::from_secs(s),
            }
            for key in 0..6 {
                let expected = held.iter().filter(|pick| pick.key == key).count();
                prop_assert_eq!(balancer.open(&key) as usize, expected, "open requests of {}", key);
            }
        }
        for pick in held {
            balancer.release(pick.ticket, now, Outcome::Success);
        }
        prop_assert!(balancer.endpoints().all(|view| view.open == 0 && !view.is_removed));
    }
}
