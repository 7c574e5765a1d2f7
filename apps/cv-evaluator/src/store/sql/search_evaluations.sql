-- Ids that begin with the text, of the evaluation or of one of its uploads: three short index ranges instead of a
-- pattern over three columns. $4 is the text, $5 the first text after all that begin with it.
SELECT id, owner, status, cv_id, project_id, attempts, error_code, error_message, created_at_ms, updated_at_ms
FROM cv_evaluation
WHERE id IN (
        SELECT id FROM cv_evaluation WHERE id >= $4 AND id < $5
        UNION SELECT id FROM cv_evaluation WHERE cv_id >= $4 AND cv_id < $5
        UNION SELECT id FROM cv_evaluation WHERE project_id >= $4 AND project_id < $5
    )
    AND ($6 = '' OR status = $6)
    AND (created_at_ms, id) < ($1, $2)
ORDER BY created_at_ms DESC, id DESC
LIMIT $3
