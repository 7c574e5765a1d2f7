SELECT e.id, e.owner, e.status, e.error_code, e.error_message, e.failure_receipt,
       e.spent_calls, e.spent_prompt_tokens, e.spent_completion_tokens,
       r.cv_match_rate, r.cv_feedback, r.project_score, r.project_feedback, r.overall_summary,
       r.parameters, r.receipt
FROM cv_evaluation e LEFT JOIN cv_result r ON r.evaluation_id = e.id
WHERE e.id = $1
