//! Scoring by lexical evidence, without any model.
//!
//! Wanted properties, each with a test:
//! (A) the same case gives the same answer, to the last character;
//! (B) a document that fits scores clearly higher than one about something else;
//! (C) repeating keywords, or listing them without having used them, gains little;
//! (D) where nothing is found the score is the minimum and the feedback says so: nothing is ever invented;
//! (E) every quotation is a sentence of the document;
//! (F) instructions to the evaluator neither raise a score nor are quoted as evidence.
//!
//! How: a document becomes sentences ([`document`]), sentences become stems and concepts ([`words`], `lexicon.txt`), the
//! job's, brief's and rubric's lines become questions that are answered with the best sentences ([`retrieval`], BM25),
//! and each rubric parameter is a formula over what was found ([`cv`], [`project`]).

mod cv;
mod dates;
mod document;
mod feedback;
mod finding;
mod project;
mod retrieval;
pub(crate) mod words;

use document::Document;
use finding::Finding;
use retrieval::Index;

use crate::rubric::{self, lines};
use crate::scored::{Parameter, Receipt, Scored, ScoredBy, Section};
use crate::{Case, ScoreError, injection};

/// Version of the formulas and the lexicon.
const VERSION: &str = "baseline-2";

/// Scores a case. It takes some milliseconds, and no more than a second for the largest case accepted.
pub(crate) fn score(case: &Case) -> Result<Scored, ScoreError> {
    let mut notes = Vec::new();
    let cv_document = Document::read(&case.cv_text);
    let project_document = Document::read(&case.project_text);
    for (name, document) in [("CV", &cv_document), ("project report", &project_document)] {
        if document.cut {
            notes.push(format!(
                "only the first {} sentences of the {name} were read",
                document::MAX_SENTENCES
            ));
        }
    }
    let cv_index = Index::new(&cv_document);
    let project_index = Index::new(&project_document);
    let job = cv::Job::read(case.job_description());
    let cv = [
        cv::technical_skills(&cv_index, &job),
        cv::experience(&cv_index, &job),
        cv::achievements(&cv_index, &job),
        cv::culture(&cv_index),
    ];
    let project = project::score(&project_index, case.study_case_brief(), case.scoring_rubric());

    let parameters: Vec<Parameter> =
        in_rubric_order(Section::Cv, &cv).chain(in_rubric_order(Section::Project, &project)).collect();
    // Both follow from the rubric's own lines; a gap here would be a mistake in this file.
    let incomplete =
        || ScoreError::SchemaInvalid { step: "baseline", why: "a parameter was not scored".to_owned() };
    let cv_match_rate = rubric::cv_match_rate(&parameters).ok_or_else(incomplete)?;
    let project_score = rubric::project_score(&parameters).ok_or_else(incomplete)?;
    let in_cv = injection::find(&case.cv_text);
    let in_project = injection::find(&case.project_text);
    Ok(Scored {
        cv_match_rate,
        cv_feedback: feedback::section(&cv, in_cv.len(), "CV"),
        project_score,
        project_feedback: feedback::section(&project, in_project.len(), "report"),
        overall_summary: feedback::summary(cv_match_rate, project_score, &cv, &project),
        parameters,
        receipt: Receipt {
            injection_suspected: in_cv.into_iter().chain(in_project).collect(),
            notes,
            ..receipt(case)
        },
    })
}

/// The receipt of a case about which nothing is known yet.
pub(crate) fn receipt(case: &Case) -> Receipt {
    Receipt {
        scored_by: ScoredBy::Baseline,
        model: None,
        prompt_version: VERSION.to_owned(),
        case_sha256: case.sha256(),
        attempts: 1,
        calls: 0,
        retries: 0,
        repairs: 0,
        prompt_tokens: None,
        completion_tokens: None,
        injection_suspected: Vec::new(),
        notes: Vec::new(),
    }
}

fn in_rubric_order(section: Section, findings: &[Finding]) -> impl Iterator<Item = Parameter> {
    lines(section).filter_map(|line| {
        findings.iter().find(|finding| finding.name == line.name).map(|finding| finding.parameter(line))
    })
}
