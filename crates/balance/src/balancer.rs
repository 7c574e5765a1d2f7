//! The endpoints of one service and the choice among them.
//!
//! A pick counts as an open request until its [`Ticket`] is given back with [`Balancer::release`]. An endpoint leaves
//! the set only when its last ticket has come back, so that counts of a draining endpoint stay true to the end.
//!
//! **Fail open.** When every endpoint that is not draining is ejected, ejection is ignored: sending to a doubtful
//! endpoint can succeed, sending to nobody cannot. A success then reinstates the endpoint.

use std::time::Duration;

use crate::Policy;
use crate::health::{Health, HealthPolicy, Standing};

/// An endpoint as its owner names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member<K> {
    /// Identity: a member with an equal key keeps its counts and its health when the set is replaced.
    pub key: K,
    /// Share of the traffic relative to the others; 0 counts as 1.
    pub weight: u32,
}

/// The endpoints of one service, their open requests and their health.
#[derive(Clone, Debug)]
pub struct Balancer<K> {
    policy: Policy,
    health_policy: HealthPolicy,
    endpoints: Vec<Endpoint<K>>,
    next_slot: u64,
}

#[derive(Clone, Debug)]
struct Endpoint<K> {
    key: K,
    /// Never used again for another endpoint, so that a late ticket cannot touch a successor.
    slot: u64,
    weight: u32,
    /// Running credit of smooth weighted round robin.
    credit: i64,
    open: u32,
    is_draining: bool,
    /// No longer in the set; forgotten when the last ticket is back.
    is_removed: bool,
    health: Health,
}

/// Proof of a pick; give it back exactly once.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "an open request that is never released makes the endpoint look busy for ever"]
pub struct Ticket {
    slot: u64,
    grant: Grant,
    is_reported: bool,
}

/// On what ground an endpoint was picked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// It is in good standing.
    Usual,
    /// It was ejected; this is its one trial.
    Trial,
    /// Everybody is ejected.
    FailOpen,
}

/// A chosen endpoint.
#[derive(Debug, PartialEq, Eq)]
pub struct Pick<K> {
    /// Whom to ask.
    pub key: K,
    /// To be given back with the outcome.
    pub ticket: Ticket,
}

/// Why nobody was picked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPick {
    /// There is no endpoint, or all are draining.
    Empty,
    /// There are endpoints, but those not excluded by the caller are ejected.
    Exhausted,
}

/// How a request ended, as far as it says something about the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The endpoint did its work.
    Success,
    /// The endpoint is to blame: refused, reset, timed out, or answered with a server error.
    Failure,
    /// Says nothing, for example because the client went away.
    Unknown,
}

/// What giving a ticket back changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Released {
    /// This outcome ejected the endpoint.
    pub is_ejected: bool,
    /// It was the last open request of an endpoint that is draining or has left the set.
    pub is_drained: bool,
}

/// One endpoint as seen from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointView<'a, K> {
    /// Its key.
    pub key: &'a K,
    /// Requests under way.
    pub open: u32,
    /// Gets no new requests.
    pub is_draining: bool,
    /// Has left the set and only finishes what it has.
    pub is_removed: bool,
    /// Its passive health.
    pub standing: Standing,
}

// === impl Balancer ===

impl<K: Eq + Clone> Balancer<K> {
    /// An empty set.
    pub fn new(policy: Policy, health_policy: HealthPolicy) -> Self {
        Self { policy, health_policy, endpoints: Vec::new(), next_slot: 0 }
    }

    /// Changes the policy for the picks to come.
    pub fn set_policy(&mut self, policy: Policy) {
        self.policy = policy;
    }

    /// Replaces the set. Members that stay, or are back before they finished, keep open counts, health and draining;
    /// those that leave finish what they have. Of several members with one key the last counts.
    pub fn set_members(&mut self, members: impl IntoIterator<Item = Member<K>>) {
        for endpoint in &mut self.endpoints {
            endpoint.is_removed = true;
        }
        for member in members {
            let weight = member.weight.max(1);
            if let Some(endpoint) = self.endpoints.iter_mut().find(|endpoint| endpoint.key == member.key) {
                endpoint.weight = weight;
                endpoint.is_removed = false;
            } else {
                let slot = self.next_slot;
                self.next_slot += 1;
                self.endpoints.push(Endpoint::new(member.key, slot, weight));
            }
        }
        self.endpoints.retain(|endpoint| !endpoint.is_removed || endpoint.open > 0);
    }

    /// Starts or ends draining: a draining endpoint gets no new requests. False when there is no such endpoint.
    pub fn set_draining(&mut self, key: &K, is_draining: bool) -> bool {
        let found = self.endpoints.iter_mut().find(|endpoint| endpoint.key == *key && !endpoint.is_removed);
        found.map(|endpoint| endpoint.is_draining = is_draining).is_some()
    }

    /// Chooses an endpoint, without those in `exclude` (already tried for this request), and counts the request as
    /// open on it. Linear in the number of endpoints.
    pub fn pick(&mut self, now: Duration, exclude: &[K]) -> Result<Pick<K>, NoPick> {
        if !self.endpoints.iter().any(Endpoint::is_eligible) {
            return Err(NoPick::Empty);
        }
        let fail_open =
            !self.endpoints.iter().any(|endpoint| endpoint.is_eligible() && endpoint.health.takes(now));
        let takes = |endpoint: &Endpoint<K>| {
            endpoint.is_eligible()
                && (fail_open || endpoint.health.takes(now))
                && !exclude.contains(&endpoint.key)
        };
        let least_load = match self.policy {
            Policy::RoundRobin => None,
            Policy::LeastConn => self
                .endpoints
                .iter()
                .filter(|endpoint| takes(endpoint))
                .map(Endpoint::load)
                .min_by(compare_loads),
        };
        let index = smooth_weighted(&mut self.endpoints, |endpoint| {
            takes(endpoint) && least_load.is_none_or(|least| compare_loads(&endpoint.load(), &least).is_eq())
        });
        let endpoint = &mut self.endpoints[index.ok_or(NoPick::Exhausted)?];
        endpoint.open += 1;
        let grant = if fail_open {
            Grant::FailOpen
        } else if endpoint.health.chosen() {
            Grant::Trial
        } else {
            Grant::Usual
        };
        Ok(Pick {
            key: endpoint.key.clone(),
            ticket: Ticket { slot: endpoint.slot, grant, is_reported: false },
        })
    }

    /// Learns how the request went, once per ticket, while it may still be open: the head of an answer tells what
    /// there is to know, and a trial must not last as long as the stream behind it. True when it ejected the endpoint.
    pub fn report(&mut self, ticket: &mut Ticket, now: Duration, outcome: Outcome) -> bool {
        if std::mem::replace(&mut ticket.is_reported, true) {
            return false;
        }
        let policy = &self.health_policy;
        let Some(endpoint) = self.endpoints.iter_mut().find(|endpoint| endpoint.slot == ticket.slot) else {
            return false;
        };
        let health = &mut endpoint.health;
        match (ticket.grant, outcome) {
            (Grant::Usual | Grant::FailOpen, Outcome::Unknown) | (Grant::FailOpen, Outcome::Failure) => false,
            (Grant::Usual, Outcome::Failure) => health.failed(policy, now),
            (Grant::Usual, Outcome::Success) => {
                health.succeeded();
                false
            }
            (Grant::Trial | Grant::FailOpen, Outcome::Success) => {
                health.reinstate();
                false
            }
            (Grant::Trial, Outcome::Failure) => {
                health.eject(policy, now);
                true
            }
            (Grant::Trial, Outcome::Unknown) => {
                health.trial_inconclusive(now);
                false
            }
        }
    }

    /// Takes a ticket back: the request is no longer open. Learns from the outcome unless that was done before.
    pub fn release(&mut self, mut ticket: Ticket, now: Duration, outcome: Outcome) -> Released {
        let is_ejected = self.report(&mut ticket, now, outcome);
        let Some(index) = self.endpoints.iter().position(|endpoint| endpoint.slot == ticket.slot) else {
            return Released { is_ejected, is_drained: true };
        };
        let endpoint = &mut self.endpoints[index];
        debug_assert!(endpoint.open > 0, "a ticket came back twice");
        endpoint.open = endpoint.open.saturating_sub(1);
        let is_drained = endpoint.open == 0 && !endpoint.is_eligible();
        if endpoint.is_removed && endpoint.open == 0 {
            self.endpoints.swap_remove(index);
        }
        Released { is_ejected, is_drained }
    }

    /// All endpoints, also those that have left and still work.
    pub fn endpoints(&self) -> impl Iterator<Item = EndpointView<'_, K>> {
        self.endpoints.iter().map(|endpoint| EndpointView {
            key: &endpoint.key,
            open: endpoint.open,
            is_draining: endpoint.is_draining,
            is_removed: endpoint.is_removed,
            standing: endpoint.health.standing(),
        })
    }

    /// Requests under way on one endpoint; 0 when it is unknown.
    pub fn open(&self, key: &K) -> u32 {
        self.endpoints.iter().filter(|endpoint| endpoint.key == *key).map(|endpoint| endpoint.open).sum()
    }
}

// === impl Ticket ===

impl Ticket {
    /// On what ground the endpoint was picked.
    pub fn grant(&self) -> Grant {
        self.grant
    }
}

// === impl Endpoint ===

impl<K> Endpoint<K> {
    fn new(key: K, slot: u64, weight: u32) -> Self {
        let health = Health::new();
        Self { key, slot, weight, credit: 0, open: 0, is_draining: false, is_removed: false, health }
    }

    fn is_eligible(&self) -> bool {
        !self.is_draining && !self.is_removed
    }

    /// Open requests per weight if it took this one too, as a fraction. Counting the one to come keeps the shares of
    /// unequal weights right at low load, where most endpoints have nothing open.
    fn load(&self) -> (u32, u32) {
        (self.open.saturating_add(1), self.weight)
    }
}

fn compare_loads(a: &(u32, u32), b: &(u32, u32)) -> std::cmp::Ordering {
    (u64::from(a.0) * u64::from(b.1)).cmp(&(u64::from(b.0) * u64::from(a.1)))
}

/// nginx's smooth weighted round robin over those that `takes` accepts: everybody earns their weight, the richest is
/// chosen (the first of equals) and pays what all earned. A heavy endpoint is thus spread among the light ones.
fn smooth_weighted<K>(endpoints: &mut [Endpoint<K>], takes: impl Fn(&Endpoint<K>) -> bool) -> Option<usize> {
    let mut earned = 0;
    let mut richest: Option<(usize, i64)> = None;
    for (index, endpoint) in endpoints.iter_mut().enumerate() {
        if !takes(endpoint) {
            continue;
        }
        endpoint.credit += i64::from(endpoint.weight);
        earned += i64::from(endpoint.weight);
        if richest.is_none_or(|(_, credit)| endpoint.credit > credit) {
            richest = Some((index, endpoint.credit));
        }
    }
    let (index, _) = richest?;
    endpoints[index].credit -= earned;
    Some(index)
}
