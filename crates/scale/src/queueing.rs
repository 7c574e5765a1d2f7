//! Waiting lines with several servers: how long one waits in M/M/c, and with general variability in the approximation
//! of Allen and Cunneen.

/// A queue with Poisson arrivals, seen with a growing number of servers. Going from one number to the next costs one
/// step of the Erlang B recursion, so that a search over numbers costs as much as its last one.
#[derive(Debug, Clone, Copy)]
pub struct Erlang {
    /// Arrival rate times service time: servers that are busy on average.
    offered: f64,
    servers: u32,
    /// Erlang B: probability that all servers are busy when nobody may wait.
    blocking: f64,
}

/// Variability of a queue; `1, 1` is M/M/c.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Variability {
    /// Squared coefficient of variation of the times between arrivals.
    pub arrivals: f64,
    /// Squared coefficient of variation of the service times.
    pub service: f64,
}

// === impl Erlang ===

impl Erlang {
    /// With no servers yet. `offered` is arrivals per second times seconds of service.
    pub fn new(offered: f64) -> Self {
        Self { offered, servers: 0, blocking: 1.0 }
    }

    /// With this many servers, which must not be fewer than before.
    pub fn with_servers(mut self, servers: u32) -> Self {
        debug_assert!(servers >= self.servers, "the recursion only goes up");
        while self.servers < servers {
            self.servers += 1;
            let busy = self.offered * self.blocking;
            self.blocking = busy / (f64::from(self.servers) + busy);
        }
        self
    }

    /// True when the servers keep up on average.
    pub fn is_stable(&self) -> bool {
        self.offered < f64::from(self.servers)
    }

    /// Erlang C: probability that one has to wait; 1 when the servers do not keep up.
    pub fn wait_probability(&self) -> f64 {
        if !self.is_stable() {
            return 1.0;
        }
        let utilization = self.offered / f64::from(self.servers);
        self.blocking / (1.0 - utilization * (1.0 - self.blocking))
    }

    /// Mean wait before service, in units of the service time; infinite when the servers do not keep up.
    pub fn mean_wait(&self, variability: Variability) -> f64 {
        if !self.is_stable() {
            return f64::INFINITY;
        }
        self.wait_probability() * variability.factor() / self.spare()
    }

    /// Wait before service that this share does not exceed, in units of the service time.
    pub fn wait_quantile(&self, share: f64, variability: Variability) -> f64 {
        let (waiting, rest) = (self.wait_probability(), 1.0 - share);
        if !self.is_stable() {
            return f64::INFINITY;
        }
        if waiting <= rest { 0.0 } else { (waiting / rest).ln() * variability.factor() / self.spare() }
    }

    /// Response time (wait and exponential service) that this share does not exceed, in units of the service time.
    pub fn response_quantile(&self, share: f64, variability: Variability) -> f64 {
        if !self.is_stable() {
            return f64::INFINITY;
        }
        let waiting = self.wait_probability();
        let leave = self.spare() / variability.factor();
        let exceeds = |t: f64| {
            let served = (-t).exp();
            // Wait and service together: two exponential phases one after the other.
            let both = if (leave - 1.0).abs() < 1e-9 {
                (1.0 + t) * served
            } else {
                (leave * served - (-leave * t).exp()) / (leave - 1.0)
            };
            (1.0 - waiting) * served + waiting * both
        };
        let (mut low, mut high) = (0.0, 1.0);
        while exceeds(high) > 1.0 - share {
            high *= 2.0;
        }
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            if exceeds(middle) > 1.0 - share { low = middle } else { high = middle }
        }
        high
    }

    /// Servers to spare.
    fn spare(&self) -> f64 {
        f64::from(self.servers) - self.offered
    }
}

// === impl Variability ===

impl Variability {
    /// Exponential times everywhere.
    pub const EXPONENTIAL: Self = Self { arrivals: 1.0, service: 1.0 };

    /// What the wait of M/M/c is multiplied by.
    fn factor(self) -> f64 {
        f64::midpoint(self.arrivals, self.service).max(0.01)
    }
}

/// The fewest instances, up to `max`, with which the queue pleases; `max` when none does. `pleases` must stay true once
/// it is. Instances below the offered load are not looked at.
pub fn fewest_instances(offered: f64, slots: u32, max: u32, pleases: impl Fn(&Erlang) -> bool) -> u32 {
    let slots = slots.max(1);
    let least = (offered / f64::from(slots)).floor() as u32;
    if least >= max {
        return max;
    }
    let mut queue = Erlang::new(offered);
    for instances in least.max(1)..max {
        queue = queue.with_servers(instances.saturating_mul(slots));
        if queue.is_stable() && pleases(&queue) {
            return instances;
        }
    }
    max
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(got: f64, want: f64) {
        assert!((got - want).abs() <= 1e-6 * want.abs(), "expected {want}, got {got}");
    }

    #[test]
    fn one_server_is_the_closed_form() {
        // M/M/1 at 80 %: wait probability 0.8, mean wait 4, response exponential with mean 5.
        let queue = Erlang::new(0.8).with_servers(1);
        near(queue.wait_probability(), 0.8);
        near(queue.mean_wait(Variability::EXPONENTIAL), 4.0);
        near(queue.response_quantile(0.95, Variability::EXPONENTIAL), 5.0 * 20_f64.ln());
    }

    #[test]
    fn two_servers_are_the_closed_form() {
        // M/M/2 with offered load 1: Erlang C is 1/3, mean wait 1/3.
        let queue = Erlang::new(1.0).with_servers(2);
        near(queue.wait_probability(), 1.0 / 3.0);
        near(queue.mean_wait(Variability::EXPONENTIAL), 1.0 / 3.0);
    }

    #[test]
    fn constant_service_halves_the_wait() {
        let queue = Erlang::new(0.9).with_servers(1);
        let constant = Variability { arrivals: 1.0, service: 0.0 };
        near(queue.mean_wait(constant), queue.mean_wait(Variability::EXPONENTIAL) / 2.0);
    }

    #[test]
    fn overload_never_ends_waiting() {
        let queue = Erlang::new(2.0).with_servers(2);
        assert!(queue.mean_wait(Variability::EXPONENTIAL).is_infinite());
        assert!(queue.response_quantile(0.95, Variability::EXPONENTIAL).is_infinite());
    }

    #[test]
    fn search_finds_the_first_that_pleases() {
        let short = |queue: &Erlang| queue.mean_wait(Variability::EXPONENTIAL) <= 0.1;
        let found = fewest_instances(10.0, 4, 100, short);
        assert!(short(&Erlang::new(10.0).with_servers(found * 4)));
        assert!(!short(&Erlang::new(10.0).with_servers((found - 1) * 4)));
        assert_eq!(fewest_instances(1e9, 4, 100, short), 100);
    }
}
