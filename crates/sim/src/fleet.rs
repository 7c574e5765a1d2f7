//! Instances from the request for one until it is gone.

use std::sync::Arc;

use crate::control::Victims;
use crate::random::Random;
use crate::service::Service;
use crate::station::Station;

/// All instances of the service, past ones as far as they are billed.
#[derive(Debug)]
pub(crate) struct Fleet {
    service: Service,
    random: Random,
    requested: u64,
    /// Starting and ready ones, oldest first.
    pub(crate) members: Vec<Member>,
    /// Bills of those that got no further requests.
    closed: Vec<Bill>,
    free_places: Vec<u32>,
    places: u32,
}

/// One instance that starts or serves.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) name: Arc<str>,
    pub(crate) requested_s: f64,
    pub(crate) ready_s: f64,
    /// Its index at the station, from when it is ready.
    pub(crate) place: Option<u32>,
}

/// One instance as it is paid for.
#[derive(Debug, Clone, Copy)]
struct Bill {
    requested_s: f64,
    ready_s: f64,
    gone_s: f64,
}

// === impl Fleet ===

impl Fleet {
    /// With the initial instances ready.
    pub(crate) fn new(service: &Service, random: Random, station: &mut Station) -> Self {
        let mut fleet = Self {
            service: service.clone(),
            random,
            requested: 0,
            members: Vec::new(),
            closed: Vec::new(),
            free_places: Vec::new(),
            places: 0,
        };
        for _ in 0..service.initial_replicas {
            fleet.request(0.0, 0.0);
        }
        fleet.become_ready(0.0, station);
        fleet
    }

    fn request(&mut self, at_s: f64, delay_s: f64) {
        self.requested += 1;
        let name = Arc::from(format!("i-{}", self.requested));
        self.members.push(Member { name, requested_s: at_s, ready_s: at_s + delay_s.max(0.0), place: None });
    }

    /// Instances asked for.
    pub(crate) fn replicas(&self) -> u32 {
        self.members.len() as u32
    }

    pub(crate) fn ready(&self) -> u32 {
        self.members.iter().filter(|member| member.place.is_some()).count() as u32
    }

    /// When the next starting instance becomes ready.
    pub(crate) fn next_ready_s(&self) -> Option<f64> {
        let starting = self.members.iter().filter(|member| member.place.is_none());
        starting.map(|member| member.ready_s).min_by(f64::total_cmp)
    }

    /// Opens the slots of every instance whose start-up is over; true when there was one.
    pub(crate) fn become_ready(&mut self, at_s: f64, station: &mut Station) -> bool {
        let mut any = false;
        for member in &mut self.members {
            if member.place.is_none() && member.ready_s <= at_s {
                let place = self.free_places.pop().unwrap_or_else(|| {
                    self.places += 1;
                    self.places - 1
                });
                member.place = Some(place);
                station.add(place, self.service.slots, member.ready_s);
                any = true;
            }
        }
        any
    }

    /// Adds or removes instances until there are so many.
    pub(crate) fn scale_to(&mut self, replicas: u32, victims: Victims, at_s: f64, station: &mut Station) {
        while self.replicas() < replicas {
            let delay_s = self.service.startup.draw(&mut self.random);
            self.request(at_s, delay_s);
        }
        while self.replicas() > replicas {
            let Some(index) = self.victim(victims, at_s, station) else { return };
            let member = self.members.remove(index);
            let gone_s = member.place.map_or(at_s, |place| station.remove(place, at_s));
            let Member { requested_s, ready_s, place, .. } = member;
            self.closed.push(Bill { requested_s, ready_s, gone_s });
            self.free_places.extend(place);
        }
    }

    /// Those that are starting go first, the newest of them first.
    fn victim(&self, victims: Victims, at_s: f64, station: &Station) -> Option<usize> {
        if let Some(starting) = self.members.iter().rposition(|member| member.place.is_none()) {
            return Some(starting);
        }
        match victims {
            Victims::Newest => {
                let by_age =
                    |&a: &usize, &b: &usize| self.members[a].ready_s.total_cmp(&self.members[b].ready_s);
                (0..self.members.len()).max_by(by_age)
            }
            Victims::LeastWork => {
                // Seconds until its last request is done.
                let mut left_s = vec![0.0_f64; self.places as usize];
                for slot in station.slots() {
                    let left = &mut left_s[slot.place as usize];
                    *left = left.max(slot.free_s - at_s);
                }
                let left =
                    |index: usize| self.members[index].place.map_or(0.0, |place| left_s[place as usize]);
                (0..self.members.len()).min_by(|&a, &b| left(a).total_cmp(&left(b)))
            }
        }
    }

    /// Seconds paid for and seconds of start-up, both from `from_s` to `to_s`.
    pub(crate) fn billed_s(&self, from_s: f64, to_s: f64) -> (f64, f64) {
        let within = |start_s: f64, end_s: f64| (end_s.min(to_s) - start_s.max(from_s)).max(0.0);
        let (mut billed, mut starting) = (0.0, 0.0);
        for bill in &self.closed {
            billed += within(bill.requested_s, bill.gone_s);
            starting += within(bill.requested_s, bill.ready_s.min(bill.gone_s));
        }
        for member in &self.members {
            billed += within(member.requested_s, to_s);
            starting += within(member.requested_s, member.ready_s);
        }
        (billed, starting)
    }
}
