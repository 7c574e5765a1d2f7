-- Uploads older than $1, after ($2, $3), oldest first: as many as are looked at in one go, whether or not they can go. A file
-- shared by several evaluations goes with the last of them. `used` is null when no evaluation refers to it.
SELECT u.id, u.created_at_ms,
    CASE WHEN EXISTS (SELECT 1 FROM cv_evaluation e WHERE e.cv_id = u.id)
        OR EXISTS (SELECT 1 FROM cv_evaluation e WHERE e.project_id = u.id)
    THEN 1 END AS used
FROM (
    SELECT id, created_at_ms FROM cv_upload
    WHERE created_at_ms < $1 AND (created_at_ms, id) > ($2, $3)
    ORDER BY created_at_ms, id
    LIMIT $4
) u
ORDER BY u.created_at_ms, u.id
