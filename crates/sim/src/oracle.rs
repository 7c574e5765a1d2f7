//! What is possible for somebody who knows the future and still has to wait for start-ups: the limit that a policy is
//! measured against.
//!
//! Two plans, both made of a needed count per moment:
//!
//! * **no wait**: with unlimited slots every request starts when it arrives; needed is what is then in service, divided
//!   by the slots and rounded up. No plan with fewer ready instances at some moment lets nobody wait.
//! * **limit**: blocks of a fixed length are walked through in order; each gets the fewest instances with which no request
//!   waits longer than `limit - service` (by bisection, simulating the block from the state the last one left). Several
//!   block lengths are tried and the cheapest plan kept. It is a plan that works, not proven to be the cheapest.
//!
//! Either is then paid for level by level: the k-th instance is needed while the count is at least k. Between two such
//! times it is kept when the gap is no longer than a start-up (starting again costs as much) and is let go otherwise; every
//! run is preceded by a start-up that is paid for. Instances are interchangeable here: requests would have to move to the
//! lowest instances for the levels to be reached exactly. So the bill is a **lower bound** for its needed counts.

use std::collections::BinaryHeap;

use serde::{Deserialize, Serialize};

use crate::tally::Limits;
use crate::workload::Request;

/// Needed counts and their bill.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Ready instances needed from each time on, in seconds; as a [`Scaler::Plan`](crate::Scaler::Plan) after
    /// [`Plan::ahead`].
    pub needed: Vec<(f64, u32)>,
    /// Seconds of instances, start-ups included.
    pub replica_s: f64,
}

/// Ordered by time.
#[derive(PartialEq)]
struct At(f64);

impl Eq for At {}

impl PartialOrd for At {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for At {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        // The earliest on top of the heap.
        other.0.total_cmp(&self.0)
    }
}

/// Block lengths that are tried, in seconds.
const BLOCKS_S: [f64; 5] = [5.0, 15.0, 30.0, 60.0, 120.0];

/// The plan under which nobody waits. `requests` in order of arrival.
pub fn without_wait(requests: &[Request], slots: u32, startup_s: f64) -> Plan {
    let mut changes: Vec<(f64, i64)> = Vec::with_capacity(requests.len() * 2);
    for request in requests {
        changes.push((request.arrival_s, 1));
        changes.push((request.arrival_s + request.service_s, -1));
    }
    // One that ends makes room for one that begins at the same time.
    changes.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut needed = vec![(0.0, 0)];
    let mut busy = 0_i64;
    for (at_s, change) in changes {
        busy += change;
        let count = busy.max(0).unsigned_abs().div_ceil(u64::from(slots.max(1))) as u32;
        push(&mut needed, at_s, count);
    }
    Plan::of(needed, startup_s)
}

/// The cheapest plan found under which no request exceeds the limit by waiting.
pub fn within_limit(requests: &[Request], slots: u32, startup_s: f64, limits: Limits) -> Plan {
    let plans = BLOCKS_S
        .iter()
        .map(|&block_s| Plan::of(blocks(requests, slots, limits.response_s, block_s), startup_s));
    let cheaper = |a: &Plan, b: &Plan| a.replica_s.total_cmp(&b.replica_s);
    plans.min_by(cheaper).unwrap_or(Plan { needed: Vec::new(), replica_s: 0.0 })
}

fn blocks(requests: &[Request], slots: u32, limit_s: f64, block_s: f64) -> Vec<(f64, u32)> {
    let slots = slots.max(1);
    // When each request has to start at the latest; one that is too long in any case starts at once.
    let latest_s = |request: &Request| request.arrival_s + (limit_s - request.service_s).max(0.0);
    let mut needed = vec![(0.0, 0)];
    let mut in_service: Vec<f64> = Vec::new();
    let mut waiting: Vec<Request> = Vec::new();
    let mut next = 0;
    let mut from_s = 0.0;
    while next < requests.len() || !waiting.is_empty() || !in_service.is_empty() {
        let to_s = from_s + block_s;
        let arriving = requests[next..].partition_point(|request| request.arrival_s < to_s);
        let mut line = std::mem::take(&mut waiting);
        line.extend_from_slice(&requests[next..next + arriving]);
        next += arriving;
        in_service.retain(|&end_s| end_s > from_s);
        let least = (in_service.len() as u32).div_ceil(slots);
        let walk = |count: u32| walk_block(&line, &in_service, count * slots, from_s, to_s, latest_s);
        let (mut low, mut high) = (least, least + (line.len() as u32).div_ceil(slots));
        while low < high {
            let middle = u32::midpoint(low, high);
            if walk(middle).is_some() { high = middle } else { low = middle + 1 }
        }
        push(&mut needed, from_s, high);
        match walk(high) {
            Some((ends, left)) => (in_service, waiting) = (ends, left),
            // Only when a latest start lies before the block, which one slot each would still miss.
            None => in_service
                .extend(line.iter().map(|request| from_s.max(request.arrival_s) + request.service_s)),
        }
        from_s = to_s;
    }
    push(&mut needed, from_s, 0);
    needed
}

/// Serves a line with so many slots until `to_s`; what is then in service and waiting, or nothing when one started late.
fn walk_block(
    line: &[Request],
    in_service: &[f64],
    slots: u32,
    from_s: f64,
    to_s: f64,
    latest_s: impl Fn(&Request) -> f64,
) -> Option<(Vec<f64>, Vec<Request>)> {
    let mut busy: BinaryHeap<At> = in_service.iter().map(|&end_s| At(end_s)).collect();
    let mut started = 0;
    for request in line {
        let mut start_s = request.arrival_s.max(from_s);
        while busy.peek().is_some_and(|At(end_s)| *end_s <= start_s) {
            busy.pop();
        }
        if busy.len() >= slots as usize {
            start_s = busy.pop().map_or(f64::INFINITY, |At(end_s)| end_s);
        }
        if start_s >= to_s {
            break;
        }
        if start_s > latest_s(request).max(from_s) + 1e-9 {
            return None;
        }
        busy.push(At(start_s + request.service_s));
        started += 1;
    }
    if started < line.len() && line[started..].iter().any(|request| latest_s(request) < to_s) {
        return None;
    }
    let ends = busy.into_iter().map(|At(end_s)| end_s).filter(|&end_s| end_s > to_s);
    Some((ends.collect(), line[started..].to_vec()))
}

fn push(needed: &mut Vec<(f64, u32)>, at_s: f64, count: u32) {
    match needed.last_mut() {
        Some(last) if last.1 == count => {}
        Some(last) if last.0 >= at_s => last.1 = count,
        _ => needed.push((at_s, count)),
    }
}

// === impl Plan ===

impl Plan {
    fn of(needed: Vec<(f64, u32)>, startup_s: f64) -> Self {
        let mut replica_s = 0.0;
        // Since when each level is held, or when it was last needed and is not any more.
        let mut held: Vec<(f64, Option<f64>)> = Vec::new();
        for &(at_s, count) in &needed {
            for (level, (since_s, left_s)) in held.iter_mut().enumerate() {
                let needed_now = level < count as usize;
                match *left_s {
                    None if !needed_now => *left_s = Some(at_s),
                    Some(left) if needed_now => {
                        // Kept through a short gap; else it was let go and started anew.
                        if at_s - left > startup_s {
                            replica_s += left - *since_s + startup_s;
                            *since_s = at_s;
                        }
                        *left_s = None;
                    }
                    _ => {}
                }
            }
            while held.len() < count as usize {
                held.push((at_s, None));
            }
        }
        let end_s = needed.last().map_or(0.0, |(at_s, _)| *at_s);
        for (since_s, left_s) in held {
            replica_s += left_s.unwrap_or(end_s) - since_s + startup_s;
        }
        Self { needed, replica_s }
    }

    /// Hours of instances.
    pub fn replica_hours(&self) -> f64 {
        self.replica_s / 3600.0
    }

    /// The plan as counts to ask for: up one start-up early, down when nothing is needed for a start-up.
    pub fn ahead(&self, startup_s: f64) -> Vec<(f64, u32)> {
        // The count asked for at t is the most needed within [t, t + start-up].
        let mut moments: Vec<f64> = self.needed.iter().map(|(at_s, _)| *at_s).collect();
        moments.extend(self.needed.iter().map(|(at_s, _)| (at_s - startup_s).max(0.0)));
        moments.sort_by(f64::total_cmp);
        moments.dedup();
        let mut plan = Vec::new();
        let (mut begin, mut end) = (0, 0);
        let mut window: std::collections::VecDeque<usize> = std::collections::VecDeque::new();
        for at_s in moments {
            while end < self.needed.len() && self.needed[end].0 <= at_s + startup_s {
                while window.back().is_some_and(|&last| self.needed[last].1 <= self.needed[end].1) {
                    window.pop_back();
                }
                window.push_back(end);
                end += 1;
            }
            while self.needed.get(begin + 1).is_some_and(|next| next.0 <= at_s) {
                begin += 1;
            }
            while window.front().is_some_and(|&first| first < begin) {
                window.pop_front();
            }
            let count = window.front().map_or(0, |&first| self.needed[first].1);
            push(&mut plan, at_s, count);
        }
        if plan.is_empty() { vec![(0.0, 0)] } else { plan }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::List;
    use crate::{Delay, Scaler, Service, Setup, run};

    fn requests(list: &[(f64, f64)]) -> Vec<Request> {
        list.iter().map(|&(arrival_s, service_s)| Request { arrival_s, service_s }).collect()
    }

    #[test]
    fn short_gaps_are_bridged_and_long_ones_are_not() {
        let short = without_wait(&requests(&[(0.0, 10.0), (15.0, 10.0)]), 1, 10.0);
        assert!((short.replica_s - (10.0 + 25.0)).abs() < 1e-9, "{short:?}");
        let long = without_wait(&requests(&[(0.0, 10.0), (100.0, 10.0)]), 1, 10.0);
        assert!((long.replica_s - 40.0).abs() < 1e-9, "{long:?}");
    }

    #[test]
    fn waiting_within_the_limit_needs_fewer() {
        let burst: Vec<(f64, f64)> = (0..16).map(|_| (20.0, 1.0)).collect();
        let limits = Limits { response_s: 4.0, wait_s: 1.0 };
        let all_at_once = without_wait(&requests(&burst), 4, 10.0);
        let in_time = within_limit(&requests(&burst), 4, 10.0, limits);
        assert!(in_time.replica_s < all_at_once.replica_s, "{in_time:?} {all_at_once:?}");
        assert_eq!(in_time.needed.iter().map(|(_, count)| *count).max(), Some(1));
    }

    #[test]
    fn its_plans_keep_what_they_promise() {
        let mut random = crate::random::Random::new(4);
        let mut at_s = 0.0;
        let list: Vec<(f64, f64)> = (0..2000)
            .map(|_| {
                at_s += random.gamma(0.3, 0.2);
                (at_s, random.exponential(1.0))
            })
            .collect();
        let requests = requests(&list);
        let limits = Limits { response_s: 6.0, wait_s: 1.0 };
        let service = Service { slots: 4, startup: Delay::Fixed { s: 20.0 }, ..Service::default() };
        // Long enough that the bill has the last service in it, as the plan has.
        let setup = Setup { service, limits, until_s: at_s + 60.0, ..Setup::default() };
        // The first start-up lies before the beginning of time: the trace begins one start-up late.
        let late: Vec<Request> =
            requests.iter().map(|one| Request { arrival_s: one.arrival_s + 40.0, ..*one }).collect();
        let plan = without_wait(&late, 4, 20.0);
        let outcome = run(&setup, &Scaler::Plan(plan.ahead(20.0)), List::new(&late));
        assert_eq!(outcome.over_wait, 0, "{:?}", outcome.wait);
        let plan = within_limit(&late, 4, 20.0, limits);
        let outcome = run(&setup, &Scaler::Plan(plan.ahead(20.0)), List::new(&late));
        assert!(outcome.over_slo - outcome.unavoidable <= 2, "{outcome:?}");
        assert!(plan.replica_s <= outcome.replica_s);
    }
}
