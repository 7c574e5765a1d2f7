//! The messages of the three steps: rules in the system message, everything that strangers wrote fenced in the user
//! message.

use super::answer::Evaluation;
use super::fence::Fence;
use super::retrieval::References;
use super::wire::Message;
use crate::rubric::{cv_match_rate, lines, project_score};
use crate::scored::Section;

/// Version of everything in this file and of `rules.md`.
pub(crate) const VERSION: &str = "openai-2";

const RULES: &str = include_str!("rules.md");
/// Longest answer that is shown to the model again for mending, in characters.
const MAX_REPAIR_CHARS: usize = 12_000;

/// First and second step: score one document.
pub(crate) fn evaluate(
    seed: &[u8],
    section: Section,
    document: &str,
    references: &References,
) -> Vec<Message> {
    let (label, reference_label) = match section {
        Section::Cv => ("CV", "JOB"),
        Section::Project => ("PROJECT", "BRIEF"),
    };
    let (reference, rubric) = (references.measure.as_str(), references.rubric.as_str());
    let fence = Fence::around(seed, &[document, reference, rubric]);
    let task = match section {
        Section::Cv => "Score the CV in block CV against the job in block JOB.",
        Section::Project => {
            "Score the project report in block PROJECT against the study case in block BRIEF."
        }
    };
    let mut system = format!(
        "{RULES}5. {}\n\nTask: {task} Block RUBRIC says what the scores mean.\nParameters:\n",
        fence.rule()
    );
    for line in lines(section) {
        system += &format!("- {}: {}?\n", line.name, line.question);
    }
    system += "Form: an object with one key for each parameter above, each an object {\"score\": number, \"evidence\": \
               [text, …], \"reason\": text}, and a key \"feedback\": two to four sentences on strengths and gaps.\n";
    let user = [
        fence.enclose(reference_label, reference),
        fence.enclose("RUBRIC", rubric),
        fence.enclose(label, document),
    ];
    vec![system_message(system), user_message(user.concat())]
}

/// Third step: turn both evaluations into the final texts. The scores stand and are only shown.
pub(crate) fn refine(seed: &[u8], cv: &Evaluation, project: &Evaluation) -> Vec<Message> {
    let cv_text = report(cv);
    let project_text = report(project);
    let fence = Fence::around(seed, &[&cv_text, &project_text]);
    let rate = cv_match_rate(&cv.parameters).unwrap_or_default();
    let score = project_score(&project.parameters).unwrap_or_default();
    let system = format!(
        "{RULES}5. {}\n\nTask: two evaluations are finished; their scores are final. The CV matches the job with {rate:.2} of 1, \
         the project has {score:.1} of 10. Write the final texts from blocks CV_EVALUATION and PROJECT_EVALUATION: \
         cv_feedback (two to four sentences), project_feedback (two to four sentences) and overall_summary (three to five \
         sentences: strengths, gaps, advice). Name what was shown and what is missing.\nForm: {{\"cv_feedback\": text, \
         \"project_feedback\": text, \"overall_summary\": text}}\n",
        fence.rule()
    );
    let user = [fence.enclose("CV_EVALUATION", &cv_text), fence.enclose("PROJECT_EVALUATION", &project_text)];
    vec![system_message(system), user_message(user.concat())]
}

/// Asks to mend an answer that broke the form.
pub(crate) fn repair(seed: &[u8], messages: &[Message], answer: &str, why: &str) -> Vec<Message> {
    let shown = crate::text::shorten(answer, MAX_REPAIR_CHARS);
    // The answer may repeat what a document whispered, so it is data like the document itself.
    let fence = Fence::around(seed, &[&shown]);
    let mut repaired = messages.to_vec();
    if let Some(system) = repaired.first_mut() {
        system.content += &format!(
            "\nAn earlier answer of yours stands in block ANSWER between `<<<LABEL` marks of its own. {} It breaks the form. \
             Answer again, complete and in the right form.\n",
            fence.rule()
        );
    }
    repaired.push(user_message(format!("What is wrong with it: {why}\n{}", fence.enclose("ANSWER", &shown))));
    repaired
}

fn report(evaluation: &Evaluation) -> String {
    let mut text = String::new();
    for parameter in &evaluation.parameters {
        text += &format!("{} ({} of 5):\n", parameter.name, parameter.score);
        for quote in &parameter.evidence {
            text += &format!("- {quote}\n");
        }
    }
    text + &evaluation.feedback
}

fn system_message(content: String) -> Message {
    Message { role: "system", content }
}

fn user_message(content: String) -> Message {
    Message { role: "user", content }
}
