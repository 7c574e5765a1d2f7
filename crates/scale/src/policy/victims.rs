//! Who leaves on scale-in.
//!
//! Wanted properties:
//! * an instance that works is never chosen while an idle one exists: with too few idle ones, fewer leave now and the
//!   rest later;
//! * only when all are busy the least loaded one leaves, and the choice says so;
//! * among equals those that are not ready leave first, then the youngest (its caches are the coldest), then by name;
//! * the choice does not depend on the order of the list.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Time;

/// An instance that may leave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// Name.
    pub name: Arc<str>,
    /// Requests or jobs it works on.
    pub load: u32,
    /// Ready to work.
    pub ready: bool,
    /// When it started.
    pub started_at: Time,
}

/// Who leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Victims {
    /// Names, first to leave first.
    pub names: Vec<Arc<str>>,
    /// True when all were busy, so that work has to be drained.
    pub all_busy: bool,
    /// How many stay for now because they are busy.
    pub deferred: u32,
}

/// Chooses `count` of the candidates.
pub fn choose(count: u32, candidates: &[Candidate]) -> Victims {
    let mut order: Vec<&Candidate> = candidates.iter().collect();
    order.sort_by(|a, b| {
        let key = |one: &Candidate| (one.load, one.ready, std::cmp::Reverse(one.started_at));
        key(a).cmp(&key(b)).then_with(|| a.name.cmp(&b.name))
    });
    let idle = order.iter().take_while(|one| one.load == 0).count();
    let all_busy = idle == 0 && !order.is_empty() && count > 0;
    let available = if all_busy { order.len() } else { idle };
    let leaving = (count as usize).min(available);
    let wanted = (count as usize).min(order.len());
    Victims {
        names: order.iter().take(leaving).map(|one| one.name.clone()).collect(),
        all_busy,
        deferred: (wanted - leaving) as u32,
    }
}
