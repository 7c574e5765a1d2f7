-- Newest first, continued after ($1, $2); runs down cv_evaluation_by_time.
SELECT id, owner, status, cv_id, project_id, attempts, error_code, error_message, created_at_ms, updated_at_ms
FROM cv_evaluation
WHERE (created_at_ms, id) < ($1, $2)
ORDER BY created_at_ms DESC, id DESC
LIMIT $3
