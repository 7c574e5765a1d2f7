//! The flap detector: up and down again too often.

use serde::{Deserialize, Serialize};

use crate::Time;
use crate::spec::policy::FlapDetector;

/// Longest memory; what is older is dropped first.
const MAX_TURNS: usize = 64;

/// Recent rescales.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Memory {
    moves: Vec<Move>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Move {
    at: Time,
    up: bool,
}

/// The count went up and down too often; a longer stabilisation window, a higher target or a rate-based metric helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flapping {
    /// Changes of direction inside the window.
    pub reversals: u32,
    /// The window, in seconds.
    pub window_s: u32,
}

// === impl Memory ===

impl Memory {
    /// Takes note of a rescale. Moves in a direction already taken need no slot of their own.
    pub fn moved(&mut self, up: bool, at: Time) {
        match self.moves.last_mut() {
            Some(last) if last.up == up => last.at = at,
            _ => self.moves.push(Move { at, up }),
        }
        if self.moves.len() > MAX_TURNS {
            self.moves.remove(0);
        }
    }

    /// Changes of direction inside the window, when they are too many.
    pub fn flapping(&self, spec: &FlapDetector, now: Time) -> Option<Flapping> {
        let recent = self.moves.iter().filter(|one| one.at >= now.minus_s(spec.window_s)).count();
        let reversals = recent.saturating_sub(1) as u32;
        (reversals >= spec.reversals).then_some(Flapping { reversals, window_s: spec.window_s })
    }
}
