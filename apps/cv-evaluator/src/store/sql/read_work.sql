SELECT id, status, cv_id, project_id, job_description, study_case_brief, scoring_rubric, created_at_ms
FROM cv_evaluation WHERE id = $1
