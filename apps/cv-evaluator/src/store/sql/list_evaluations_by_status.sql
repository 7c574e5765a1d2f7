-- As list_evaluations.sql, of one status; runs down cv_evaluation_by_status.
SELECT id, owner, status, cv_id, project_id, attempts, error_code, error_message, created_at_ms, updated_at_ms
FROM cv_evaluation
WHERE status = $4 AND (created_at_ms, id) < ($1, $2)
ORDER BY created_at_ms DESC, id DESC
LIMIT $3
