SELECT id, owner, status, cv_id, project_id, attempts, error_code, error_message, created_at_ms, updated_at_ms
FROM cv_evaluation WHERE id = $1
