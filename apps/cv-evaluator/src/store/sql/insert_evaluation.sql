INSERT INTO cv_evaluation
    (id, owner, status, cv_id, project_id, job_description, study_case_brief, scoring_rubric,
     idempotency_key, body_sha256, created_at_ms, updated_at_ms)
VALUES ($1, $2, 'queued', $3, $4, $5, $6, $7, $8, $9, $10, $10)
ON CONFLICT (owner, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
