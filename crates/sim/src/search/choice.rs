//! Which of many variants to take when the figures come from one part of a trace and have to hold on another.
//!
//! The best of a few hundred is best by luck, too: it has just enough where the bursts happened to be. What such a choice
//! spends elsewhere is left to chance. So a budget is not compared in total but in equal parts of the time: a variant that
//! is cheap in quiet parts and dear in busy ones does not pass for one that costs the same everywhere.

use crate::Outcome;

/// One variant on the part of a trace that parameters are chosen on.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// Per cent over the limit plus per cent that waited too long.
    pub harm_pct: f64,
    /// Replica-hours in equal parts of the time, in order.
    pub part_hours: Vec<f64>,
}

/// How far a variant may be above the budget in one part of the time, as a share of it.
const TOLERANCE: f64 = 0.1;

/// Index of the variant that hurts least and costs no more than the `budget` in total nor, within a tenth, in any part of the
/// time; among equals the cheapest. When there is none, the total has to do; when that is above the budget everywhere, the
/// one whose worst part is least above it. `None` only without any variant.
pub fn least_harm_in_parts(trials: &[Trial], budget: &Trial) -> Option<usize> {
    let indices = 0..trials.len();
    let excess = |index: usize| trials[index].worst_excess(budget);
    let affordable = || indices.clone().filter(|&index| trials[index].hours() <= budget.hours());
    let least = |a: &usize, b: &usize| {
        let (a, b) = (&trials[*a], &trials[*b]);
        a.harm_pct.total_cmp(&b.harm_pct).then(a.hours().total_cmp(&b.hours()))
    };
    let steady = affordable().filter(|&index| excess(index) <= 1.0 + TOLERANCE).min_by(least);
    let chosen = steady.or_else(|| affordable().min_by(least));
    chosen.or_else(|| indices.min_by(|&a, &b| excess(a).total_cmp(&excess(b))))
}

// === impl Trial ===

impl Trial {
    /// From a run with a series; its step is how finely the parts are cut.
    pub fn of(outcome: &Outcome, parts: usize) -> Self {
        let mut part_hours = vec![0.0; parts.max(1)];
        let end_s = outcome.series.last().map_or(0.0, |last| last.at_s);
        let mut before_s = (end_s - outcome.measured_s).max(0.0);
        let from_s = before_s;
        let part_s = ((end_s - from_s) / part_hours.len() as f64).max(1e-9);
        for point in &outcome.series {
            let middle_s = f64::midpoint(before_s, point.at_s);
            let part = (((middle_s - from_s) / part_s) as usize).min(part_hours.len() - 1);
            part_hours[part] += f64::from(point.ready + point.starting) * (point.at_s - before_s) / 3600.0;
            before_s = point.at_s;
        }
        Self { harm_pct: outcome.over_slo_pct() + outcome.over_wait_pct(), part_hours }
    }

    /// Replica-hours in total.
    pub fn hours(&self) -> f64 {
        self.part_hours.iter().sum()
    }

    /// The highest ratio of a part's hours to those of the budget.
    fn worst_excess(&self, budget: &Self) -> f64 {
        let excess = self.part_hours.iter().zip(&budget.part_hours).map(|(mine, most)| mine / most.max(1e-9));
        excess.fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{List, Request};
    use crate::{Scaler, Service, Setup, run};

    fn trial(harm_pct: f64, part_hours: [f64; 4]) -> Trial {
        Trial { harm_pct, part_hours: part_hours.to_vec() }
    }

    #[test]
    fn a_budget_holds_in_every_part_and_in_total() {
        let budget = trial(9.0, [1.0, 1.0, 1.0, 5.0]);
        let flat = trial(1.0, [2.0; 4]);
        let above = trial(2.0, [1.09, 1.09, 1.09, 5.0]);
        let late = trial(3.0, [0.5, 0.5, 1.2, 4.0]);
        let alike = trial(4.0, [0.9, 0.9, 1.09, 4.5]);
        assert_eq!(least_harm_in_parts(&[flat, above, late, alike], &budget), Some(3));
    }

    #[test]
    fn when_nothing_fits_in_every_part_the_total_has_to_do() {
        let budget = trial(9.0, [1.0, 1.0, 1.0, 5.0]);
        let all = [trial(1.0, [2.1; 4]), trial(2.0, [1.9; 4]), trial(3.0, [1.8; 4])];
        assert_eq!(least_harm_in_parts(&all, &budget), Some(1));
    }

    #[test]
    fn when_nothing_fits_the_least_excess_is_taken() {
        let budget = trial(9.0, [1.0; 4]);
        let all = [trial(0.0, [3.0; 4]), trial(5.0, [1.5; 4])];
        assert_eq!(least_harm_in_parts(&all, &budget), Some(1));
        assert_eq!(least_harm_in_parts(&[], &budget), None);
    }

    #[test]
    fn parts_add_up_to_the_bill() {
        let requests: Vec<Request> =
            (0..400).map(|i| Request { arrival_s: f64::from(i), service_s: 1.0 }).collect();
        let setup = Setup {
            service: Service { initial_replicas: 3, ..Service::default() },
            series_step_s: Some(1.0),
            measure_from_s: 100.0,
            until_s: 400.0,
            ..Setup::default()
        };
        let outcome = run(&setup, &Scaler::Fixed(3), List::new(&requests));
        let trial = Trial::of(&outcome, 8);
        let bill = outcome.replica_hours();
        assert!((trial.hours() / bill - 1.0).abs() < 0.01, "{} instead of {bill}", trial.hours());
        let eighth = bill / 8.0;
        assert!(trial.part_hours.iter().all(|hours| (hours / eighth - 1.0).abs() < 0.05), "{trial:?}");
    }
}
