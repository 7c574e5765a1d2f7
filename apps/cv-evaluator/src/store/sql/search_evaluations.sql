-- Ids that begin with the text, of the evaluation or of one of its uploads: three short index ranges instead of a
-- pattern over three columns. $4 is the text, $5 the first text after all that begin with it. Each range is cut at its last
-- $7 ids (evaluations made at the same time have ids with the same beginning), so a page costs the same in a large table.
SELECT id, owner, status, cv_id, project_id, attempts, error_code, error_message, created_at_ms, updated_at_ms
FROM (
    SELECT * FROM (
        SELECT id, owner, status, cv_id, project_id, attempts, error_code, error_message, created_at_ms, updated_at_ms
        FROM cv_evaluation WHERE id >= $4 AND id < $5 ORDER BY id DESC LIMIT $7
    ) own
    UNION
    SELECT * FROM (
        SELECT id, owner, status, cv_id, project_id, attempts, error_code, error_message, created_at_ms, updated_at_ms
        FROM cv_evaluation WHERE cv_id >= $4 AND cv_id < $5 ORDER BY cv_id DESC, created_at_ms DESC, id DESC LIMIT $7
    ) by_cv
    UNION
    SELECT * FROM (
        SELECT id, owner, status, cv_id, project_id, attempts, error_code, error_message, created_at_ms, updated_at_ms
        FROM cv_evaluation WHERE project_id >= $4 AND project_id < $5 ORDER BY project_id DESC, created_at_ms DESC, id DESC LIMIT $7
    ) by_project
) found
WHERE ($6 = '' OR status = $6) AND (created_at_ms, id) < ($1, $2)
ORDER BY created_at_ms DESC, id DESC
LIMIT $3
