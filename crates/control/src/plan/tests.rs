use proptest::prelude::*;

use super::*;

fn member(sequence: u64, phase: Phase) -> Member {
    Member { id: format!("api-{sequence}"), sequence, phase, outdated: false, load: 0 }
}

fn outdated(sequence: u64, phase: Phase) -> Member {
    Member { outdated: true, ..member(sequence, phase) }
}

fn drained(actions: &[Action]) -> Vec<&str> {
    actions
        .iter()
        .filter_map(|action| match action {
            Action::Drain(id) => Some(id.as_str()),
            Action::Launch => None,
        })
        .collect()
}

#[test]
fn what_does_not_serve_goes_before_the_least_loaded_and_the_youngest() {
    let members = [
        Member { load: 9, ..member(1, Phase::Ready) },
        Member { load: 2, ..member(2, Phase::Ready) },
        Member { load: 2, ..member(3, Phase::Ready) },
        member(4, Phase::Starting),
        member(5, Phase::Crashing),
    ];
    assert_eq!(drained(&plan(1, &members)), ["api-5", "api-4", "api-3", "api-2"]);
}

#[test]
fn busy_member_never_leaves_while_an_idle_one_is_there() {
    let busy = |sequence| Member { load: 3, ..member(sequence, Phase::Ready) };
    let mut members = vec![busy(1), member(2, Phase::Ready), busy(3), member(4, Phase::Ready)];
    let actions = plan(1, &members);
    assert_eq!(drained(&actions), ["api-4", "api-2"], "the third waits");
    carry_out(&mut members, &actions);
    assert_eq!(drained(&plan(1, &members)), ["api-3"], "now all are busy");
}

#[test]
fn a_member_that_leaves_is_replaced_and_never_named() {
    let members = [member(1, Phase::Leaving), member(2, Phase::Ready)];
    assert_eq!(plan(2, &members), [Action::Launch]);
    assert_eq!(drained(&plan(0, &members)), ["api-2"]);
}

#[test]
fn a_rolling_restart_launches_first_and_drains_when_the_new_one_is_ready() {
    let mut members = vec![outdated(1, Phase::Ready), outdated(2, Phase::Ready)];
    assert_eq!(plan(2, &members), [Action::Launch]);
    members.push(member(3, Phase::Starting));
    assert_eq!(plan(2, &members), []);
    members[2].phase = Phase::Ready;
    assert_eq!(drained(&plan(2, &members)).len(), 1);
}

#[test]
fn a_replacement_that_crashes_stops_the_rolling_restart() {
    let members = [outdated(1, Phase::Ready), outdated(2, Phase::Ready), member(3, Phase::Crashing)];
    assert_eq!(plan(2, &members), []);
}

/// Carries a plan out at once: launched members become `Starting`, drained ones `Leaving`.
fn carry_out(members: &mut Vec<Member>, actions: &[Action]) {
    let mut sequence = members.iter().map(|member| member.sequence).max().unwrap_or(0);
    for action in actions {
        match action {
            Action::Launch => {
                sequence += 1;
                members.push(member(sequence, Phase::Starting));
            }
            Action::Drain(id) => {
                let member = members.iter_mut().find(|member| member.id == *id).expect("a known member");
                assert_ne!(member.phase, Phase::Leaving, "drained twice");
                member.phase = Phase::Leaving;
            }
        }
    }
}

fn active(members: &[Member]) -> usize {
    members.iter().filter(|member| member.phase != Phase::Leaving).count()
}

fn any_members() -> impl Strategy<Value = Vec<Member>> {
    let phase = prop_oneof![
        Just(Phase::Starting),
        Just(Phase::Ready),
        Just(Phase::Unready),
        Just(Phase::Crashing),
        Just(Phase::Leaving)
    ];
    proptest::collection::vec((phase, any::<bool>(), 0u64..5), 0..12).prop_map(|drawn| {
        let members = drawn.into_iter().enumerate();
        members
            .map(|(index, (phase, outdated, load))| Member { outdated, load, ..member(index as u64, phase) })
            .collect()
    })
}

proptest! {
    #[test]
    fn plans_reach_the_desired_number_and_spare_the_busy(mut members in any_members(), desired in 0u32..10) {
        for member in &mut members {
            member.outdated = false;
        }
        let mut rounds = 0;
        loop {
            let actions = plan(desired, &members);
            if actions.is_empty() {
                break;
            }
            let load = |id: &str| members.iter().find(|one| one.id == id).map_or(0, |one| one.load);
            let ready = |one: &&Member| one.phase == Phase::Ready;
            let drains_busy = drained(&actions).iter().any(|id| {
                members.iter().filter(ready).any(|one| one.id == *id && one.load > 0)
            });
            let idle_stays = members
                .iter()
                .filter(ready)
                .any(|one| one.load == 0 && !drained(&actions).contains(&one.id.as_str()));
            prop_assert!(!(drains_busy && idle_stays), "{actions:?}");
            prop_assert!(drained(&actions).iter().all(|id| load(id) < 5));
            carry_out(&mut members, &actions);
            rounds += 1;
            prop_assert!(rounds <= 3, "{actions:?}");
        }
        prop_assert_eq!(active(&members), desired as usize);
    }

    #[test]
    fn a_rolling_replacement_ends_with_the_desired_number_of_fresh_members(
        mut members in any_members(), desired in 1u32..8,
    ) {
        for _ in 0..100 {
            let ready_before = members.iter().filter(|member| member.phase == Phase::Ready).count();
            let actions = plan(desired, &members);
            carry_out(&mut members, &actions);
            let ready = members.iter().filter(|member| member.phase == Phase::Ready).count();
            prop_assert!(ready >= ready_before.min(desired as usize), "our own doing took {ready_before} to {ready}");
            // The world moves on: those that start become ready, those that leave are gone.
            members.retain(|member| member.phase != Phase::Leaving);
            for member in &mut members {
                if member.phase != Phase::Ready && !member.outdated {
                    member.phase = Phase::Ready;
                }
            }
        }
        prop_assert_eq!(members.len(), desired as usize);
        prop_assert!(members.iter().all(|member| !member.outdated));
    }
}
