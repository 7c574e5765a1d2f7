INSERT INTO cv_result
    (evaluation_id, cv_match_rate, cv_feedback, project_score, project_feedback, overall_summary,
     parameters, receipt, created_at_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
