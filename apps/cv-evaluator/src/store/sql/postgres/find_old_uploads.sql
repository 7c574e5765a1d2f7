-- As in SQLite. `used` is when the last evaluation was made that refers to it: one look into an index. An EXISTS is answered
-- from the table itself when the planner thinks that most files are in use.
SELECT u.id, u.created_at_ms, COALESCE(
        (SELECT MAX(e.created_at_ms) FROM cv_evaluation e WHERE e.cv_id = u.id),
        (SELECT MAX(e.created_at_ms) FROM cv_evaluation e WHERE e.project_id = u.id)
    ) AS used
FROM (
    SELECT id, created_at_ms FROM cv_upload
    WHERE created_at_ms < $1 AND (created_at_ms, id) > ($2, $3)
    ORDER BY created_at_ms, id
    LIMIT $4
) u
ORDER BY u.created_at_ms, u.id
