//! The rubric: which parameters are scored, what each weighs, and how scores become the two totals.
//!
//! The totals are computed here and nowhere else; a model's own totals are never read.

use crate::scored::{Parameter, Section};

/// A parameter of the rubric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// The document it is about.
    pub section: Section,
    /// Name, in `snake_case`, as in model answers and results.
    pub name: &'static str,
    /// Weight within its section, in percent; each section adds up to 100.
    pub weight: u32,
    /// What the parameter asks.
    pub question: &'static str,
}

/// Lowest score of a parameter: nothing was found.
pub const MIN_SCORE: f64 = 1.0;
/// Highest score of a parameter.
pub const MAX_SCORE: f64 = 5.0;

/// The nine parameters, in the order in which results list them.
pub const LINES: [Line; 9] = [
    line(Section::Cv, "technical_skills", 40, "do the technical skills match what the job asks for"),
    line(Section::Cv, "experience", 25, "how many years, at which level, in how complex projects"),
    line(Section::Cv, "achievements", 20, "what did the work change, shown in numbers"),
    line(Section::Cv, "culture", 15, "communication, learning, team work and leadership"),
    line(
        Section::Project,
        "correctness",
        30,
        "does it do what the brief asks, prompts, chaining and retrieval included",
    ),
    line(Section::Project, "code_quality", 25, "is it clean, modular and tested"),
    line(Section::Project, "resilience", 20, "does it survive slow, failing and hostile surroundings"),
    line(Section::Project, "documentation", 15, "are set-up, design and trade-offs explained"),
    line(Section::Project, "creativity", 10, "what goes beyond the brief"),
];

const fn line(section: Section, name: &'static str, weight: u32, question: &'static str) -> Line {
    Line { section, name, weight, question }
}

/// The lines of one section, in order.
pub fn lines(section: Section) -> impl Iterator<Item = &'static Line> {
    LINES.iter().filter(move |line| line.section == section)
}

/// Weighted mean of the CV's parameters divided by 5: 0.2 (all ones) to 1.0, rounded to 3 decimals.
///
/// `None` unless `parameters` hold exactly the CV's lines.
pub fn cv_match_rate(parameters: &[Parameter]) -> Option<f64> {
    let mean = weighted_mean(parameters, Section::Cv)?;
    Some(round_to((mean / MAX_SCORE).clamp(0.0, 1.0), 1000.0))
}

/// Weighted mean of the project's parameters times 2, kept within 1..=10, rounded to 2 decimals.
///
/// `None` unless `parameters` hold exactly the project's lines.
pub fn project_score(parameters: &[Parameter]) -> Option<f64> {
    let mean = weighted_mean(parameters, Section::Project)?;
    Some(round_to((mean * 2.0).clamp(1.0, 10.0), 100.0))
}

fn weighted_mean(parameters: &[Parameter], section: Section) -> Option<f64> {
    let scored: Vec<&Parameter> =
        parameters.iter().filter(|parameter| parameter.section == section).collect();
    if scored.len() != lines(section).count() {
        return None;
    }
    let mut sum = 0.0;
    for line in lines(section) {
        let parameter = scored.iter().find(|parameter| parameter.name == line.name)?;
        if !(MIN_SCORE..=MAX_SCORE).contains(&parameter.score) {
            return None;
        }
        sum += parameter.score * f64::from(line.weight);
    }
    Some(sum / 100.0)
}

fn round_to(value: f64, parts: f64) -> f64 {
    (value * parts).round() / parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(score: f64) -> Vec<Parameter> {
        LINES.iter().map(|line| scored(line, score)).collect()
    }

    fn scored(line: &Line, score: f64) -> Parameter {
        Parameter {
            section: line.section,
            name: line.name.to_owned(),
            weight: line.weight,
            score,
            evidence: Vec::new(),
        }
    }

    #[test]
    fn weights_of_a_section_add_up_to_a_hundred() {
        for section in [Section::Cv, Section::Project] {
            assert_eq!(lines(section).map(|line| line.weight).sum::<u32>(), 100);
        }
    }

    #[test]
    fn totals_follow_the_weights() {
        assert_eq!(cv_match_rate(&all(5.0)), Some(1.0));
        assert_eq!(cv_match_rate(&all(1.0)), Some(0.2));
        assert_eq!(project_score(&all(5.0)), Some(10.0));
        assert_eq!(project_score(&all(1.0)), Some(2.0));
        let scores = [4.0, 3.0, 2.0, 5.0, 4.0, 3.0, 2.0, 5.0, 1.0];
        let mixed: Vec<Parameter> =
            LINES.iter().zip(scores).map(|(line, score)| scored(line, score)).collect();
        // (4*40 + 3*25 + 2*20 + 5*15) / 100 / 5 and (4*30 + 3*25 + 2*20 + 5*15 + 1*10) / 100 * 2
        assert_eq!(cv_match_rate(&mixed), Some(0.7));
        assert_eq!(project_score(&mixed), Some(6.4));
    }

    #[test]
    fn a_missing_repeated_or_impossible_score_gives_no_total() {
        let mut missing = all(3.0);
        missing.remove(1);
        assert_eq!(cv_match_rate(&missing), None);
        let mut repeated = all(3.0);
        repeated[1].name = repeated[0].name.clone();
        assert_eq!(cv_match_rate(&repeated), None);
        for impossible in [0.5, 5.5, f64::NAN] {
            let mut wrong = all(3.0);
            wrong[8].score = impossible;
            assert_eq!(project_score(&wrong), None);
            assert!(cv_match_rate(&wrong).is_some());
        }
    }
}
