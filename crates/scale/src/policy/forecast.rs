//! `forecast`: a floor from past days.
//!
//! The model is small on purpose: the mean of the same time in past periods, moved by how far the last minutes were from
//! theirs. It is updated per bucket and costs a few additions per decision. (The `augurs` crate was looked at: its MSTL
//! and ETS fit the whole history again for every forecast, its seasonal ETS is not written yet, and it brings a linear
//! algebra stack; the bar to beat, seasonal-naive, needs none of it.)
//!
//! Wanted properties:
//! * it is a floor, never a ceiling;
//! * it looks exactly one start-up time ahead, since that is what starting early can win;
//! * every finished bucket scores the model against the seasonal-naive forecast (the same time one period ago), both made
//!   with what was known one horizon earlier; while the model loses, or has not been scored enough, it asks for nothing,
//!   and the report says which.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::signals::Gauge;
use crate::Time;
use crate::spec::policy::Forecast;

/// Periods that are remembered.
const PERIODS: usize = 7;
/// Buckets before now whose deviation moves the forecast.
const RECENT: usize = 3;
/// Share of that deviation that is expected to last, in tenths.
const DAMPING_TENTHS: i64 = 8;
/// Scores before the model may speak.
const MIN_SCORES: u32 = 24;
/// Each score moves the mean error by this fraction of the difference.
const SCORE_WEIGHT: i64 = 32;

/// What it remembers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Memory {
    /// Mean demand of finished buckets in thousandths, oldest first; `None` where nothing was seen.
    finished: VecDeque<Option<i64>>,
    /// The bucket that is filling.
    filling: Option<Filling>,
    /// Mean absolute errors, scaled by [`SCORE_WEIGHT`].
    model_error: i64,
    naive_error: i64,
    scores: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Filling {
    bucket: i64,
    sum_milli: i64,
    samples: u32,
}

/// What the model says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The floor; absent while the model is off.
    pub asks: Option<u32>,
    /// Expected demand one horizon from now, in thousandths; absent without enough history.
    pub predicted_milli: Option<i64>,
    /// How far it looks ahead, in seconds.
    pub horizon_s: u32,
    /// Mean absolute error of the model, in thousandths.
    pub model_error_milli: i64,
    /// Mean absolute error of the seasonal-naive forecast.
    pub naive_error_milli: i64,
    /// Whether it may speak.
    pub standing: Standing,
}

/// Whether the model may speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It beats the seasonal-naive forecast.
    On,
    /// It loses to it.
    Losing,
    /// It has not been scored enough.
    Learning,
}

/// Takes the newest demand in (when there is one) and says what the model expects.
pub fn evaluate(
    spec: &Forecast,
    memory: &mut Memory,
    demand: Option<&Gauge>,
    startup_ms: u64,
    now: Time,
) -> Report {
    let horizon_s = spec.horizon_s.unwrap_or((startup_ms / 1000).min(u64::from(spec.period_s)) as u32);
    // The moment one horizon from now lies in one of two buckets; the filling one is number 1.
    let bucket_s = spec.bucket_s.max(1);
    let near = (horizon_s / bucket_s) as usize + 1;
    let ahead = horizon_s.div_ceil(bucket_s) as usize + 1;
    let period = (spec.period_s / bucket_s).max(1) as usize;
    memory.take_in(demand, i64::from(bucket_s), period, ahead, now);

    let standing = match memory.scores {
        scores if scores < MIN_SCORES => Standing::Learning,
        _ if memory.model_error > memory.naive_error => Standing::Losing,
        _ => Standing::On,
    };
    let known = memory.finished.len();
    let predicted_milli = memory.model(known, near, period).max(memory.model(known, ahead, period));
    let needed = |milli: i64| {
        let instances = milli.max(0).unsigned_abs().div_ceil(spec.per_instance_milli.max(1).unsigned_abs());
        u32::try_from(instances).unwrap_or(u32::MAX)
    };
    Report {
        asks: predicted_milli.filter(|_| standing == Standing::On).map(needed),
        predicted_milli,
        horizon_s,
        model_error_milli: memory.model_error / SCORE_WEIGHT,
        naive_error_milli: memory.naive_error / SCORE_WEIGHT,
        standing,
    }
}

// === impl Memory ===

impl Memory {
    fn take_in(&mut self, demand: Option<&Gauge>, bucket_s: i64, period: usize, ahead: usize, now: Time) {
        let bucket = now.0.div_euclid(bucket_s * 1000);
        if let Some(filling) = self.filling
            && filling.bucket < bucket
        {
            self.finish(filling.sum_milli.checked_div(i64::from(filling.samples)), period, ahead);
            // A gap longer than everything that is remembered leaves nothing to compare with.
            let gap = (bucket - filling.bucket - 1).min((PERIODS as i64 + 1) * period as i64);
            for _ in 0..gap {
                self.finish(None, period, ahead);
            }
            self.filling = None;
        }
        let filling = self.filling.get_or_insert(Filling { bucket, sum_milli: 0, samples: 0 });
        if let Some(demand) = demand {
            let milli = i64::try_from(demand.milli).unwrap_or(i64::MAX);
            filling.sum_milli = filling.sum_milli.saturating_add(milli);
            filling.samples = filling.samples.saturating_add(1);
        }
    }

    /// Adds a finished bucket and scores both forecasts of it.
    fn finish(&mut self, mean_milli: Option<i64>, period: usize, ahead: usize) {
        let here = self.finished.len();
        if let Some(actual) = mean_milli
            && let Some(known_until) = (here + 1).checked_sub(ahead)
            && let Some(model) = self.model(known_until, ahead, period)
            && let Some(naive) = here.checked_sub(period).and_then(|index| self.finished[index])
        {
            let score = |mean: i64, forecast: i64| {
                mean + actual.saturating_sub(forecast).saturating_abs() - mean / SCORE_WEIGHT
            };
            self.model_error = score(self.model_error, model);
            self.naive_error = score(self.naive_error, naive);
            self.scores = self.scores.saturating_add(1);
        }
        self.finished.push_back(mean_milli);
        let longest = PERIODS * period + ahead + RECENT;
        while self.finished.len() > longest {
            self.finished.pop_front();
        }
    }

    /// Demand of the bucket `ahead` after the last of the first `known` buckets.
    fn model(&self, known: usize, ahead: usize, period: usize) -> Option<i64> {
        let wanted = (known + ahead).checked_sub(1)?;
        let usual = self.usual(wanted, known, period)?;
        let (mut deviation, mut count) = (0_i64, 0_i64);
        for index in known.saturating_sub(RECENT)..known {
            if let Some(seen) = self.finished[index]
                && let Some(usual) = self.usual(index, index, period)
            {
                deviation = deviation.saturating_add(seen.saturating_sub(usual));
                count += 1;
            }
        }
        let lasting = (deviation / count.max(1)).saturating_mul(DAMPING_TENTHS) / 10;
        Some(usual.saturating_add(lasting).max(0))
    }

    /// Mean of the same time in past periods, from the first `known` buckets.
    fn usual(&self, index: usize, known: usize, period: usize) -> Option<i64> {
        let (mut sum, mut count) = (0_i128, 0_i128);
        let mut at = index;
        while let Some(earlier) = at.checked_sub(period) {
            at = earlier;
            if at < known
                && let Some(seen) = self.finished[at]
            {
                sum += i128::from(seen);
                count += 1;
            }
        }
        sum.checked_div(count).map(|mean| mean as i64)
    }
}
