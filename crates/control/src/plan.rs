//! From "so many instances are asked for" to "launch these, drain those": a pure function of the members of one service.
//!
//! Wanted properties, each a test below:
//! - (A) with nothing outdated, carrying out plans until one is empty makes the number of active members equal to
//!   `desired`, and one plan is enough while all or none of them are busy;
//! - (B) a member that already leaves counts for nothing and is never named;
//! - (C) on the way down, members that do not serve go first, then the least loaded, then the youngest; a busy member
//!   is never named together with an idle one: the rest of the plan waits for the next look;
//! - (D) while outdated members are replaced there are at most `desired + 1` active ones, and never fewer ready ones than
//!   `desired` by our own doing;
//! - (E) when the replacement does not become ready, no further outdated member is taken away.

use std::sync::Arc;

use plimsoll_scale::{
    Time,
    policy::{Candidate, choose},
};

/// How far a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Launched, not ready yet.
    Starting,
    /// Serves.
    Ready,
    /// Was ready and is not now.
    Unready,
    /// Keeps ending and waits for its next start.
    Crashing,
    /// Is being drained or stopped.
    Leaving,
}

/// One instance as the plan sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Instance id.
    pub id: String,
    /// Order of launch: a larger number is younger.
    pub sequence: u64,
    /// How far it is.
    pub phase: Phase,
    /// Runs an earlier specification, or a restart was asked for.
    pub outdated: bool,
    /// Requests or jobs it holds now.
    pub load: u64,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Launch one more instance.
    Launch,
    /// Take the instance out of the gateway, let it finish, stop it.
    Drain(String),
}

/// What to do so that `desired` instances of the current specification serve.
pub fn plan(desired: u32, members: &[Member]) -> Vec<Action> {
    let desired = desired as usize;
    let mut active: Vec<&Member> = members.iter().filter(|member| member.phase != Phase::Leaving).collect();
    active.sort_by_key(|member| victim_rank(member));
    let outdated = active.iter().filter(|member| member.outdated).count();

    if outdated == 0 || desired == 0 {
        return resize(desired, &active);
    }
    // A rolling replacement: one launched ahead (the surge), one outdated member drained for each that became ready.
    if active.len() > desired + 1 {
        return resize(desired + 1, &active);
    }
    if active.len() <= desired {
        return vec![Action::Launch; desired + 1 - active.len()];
    }
    let fresh_all_ready = active.iter().all(|member| member.outdated || member.phase == Phase::Ready);
    let next_out = active.iter().find(|member| member.outdated);
    match next_out {
        // A member that does not serve is replaced without waiting: draining it takes nothing away.
        Some(member) if fresh_all_ready || member.phase != Phase::Ready => {
            vec![Action::Drain(member.id.clone())]
        }
        _ => Vec::new(),
    }
}

fn resize(desired: usize, active_by_rank: &[&Member]) -> Vec<Action> {
    let active = active_by_rank.len();
    if active <= desired {
        return vec![Action::Launch; desired - active];
    }
    let surplus = active - desired;
    let (serving, idle): (Vec<&Member>, Vec<&Member>) =
        active_by_rank.iter().partition(|member| member.phase == Phase::Ready);
    // What does not serve goes in any case; outdated members are ranked before fresh ones of the same kind.
    let mut leaving: Vec<String> = idle.iter().take(surplus).map(|member| member.id.clone()).collect();
    let rest = u32::try_from(surplus - leaving.len()).unwrap_or(u32::MAX);
    leaving.extend(choose(rest, &candidates(&serving)).names.iter().map(ToString::to_string));
    leaving.into_iter().map(Action::Drain).collect()
}

/// Serving members for the choice of the scaler. Ages are orders of launch there: a larger one is younger. Outdated
/// members pass for the youngest, as they are to go anyway.
fn candidates(serving: &[&Member]) -> Vec<Candidate> {
    let age = |member: &Member| {
        let sequence = i64::try_from(member.sequence).unwrap_or(i64::MAX >> 1).min(i64::MAX >> 1);
        Time(if member.outdated { sequence + (i64::MAX >> 1) } else { sequence })
    };
    let candidate = |member: &&Member| Candidate {
        name: Arc::from(member.id.as_str()),
        load: u32::try_from(member.load).unwrap_or(u32::MAX),
        ready: true,
        started_at: age(member),
    };
    serving.iter().map(candidate).collect()
}

/// Smallest first is drained first.
fn victim_rank(member: &Member) -> (u8, bool, u64, std::cmp::Reverse<u64>) {
    let usefulness = match member.phase {
        Phase::Crashing => 0,
        Phase::Unready => 1,
        Phase::Starting => 2,
        Phase::Ready | Phase::Leaving => 3,
    };
    (usefulness, !member.outdated, member.load, std::cmp::Reverse(member.sequence))
}

#[cfg(test)]
mod tests;
