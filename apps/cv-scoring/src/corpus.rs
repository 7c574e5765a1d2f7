//! The reference texts used when a case brings none.

/// The job: an AI / backend engineer.
pub(crate) const JOB_DESCRIPTION: &str = include_str!("../corpus/job_description.md");
/// The task whose solution the project report describes.
pub(crate) const STUDY_CASE_BRIEF: &str = include_str!("../corpus/study_case_brief.md");
/// What each rubric parameter looks for.
pub(crate) const SCORING_RUBRIC: &str = include_str!("../corpus/scoring_rubric.md");
