-- Uploads older than $1 that no evaluation refers to; a file shared by several goes with the last of them.
SELECT u.id FROM cv_upload u
WHERE u.created_at_ms < $1
    AND NOT EXISTS (SELECT 1 FROM cv_evaluation e WHERE e.cv_id = u.id)
    AND NOT EXISTS (SELECT 1 FROM cv_evaluation e WHERE e.project_id = u.id)
ORDER BY u.created_at_ms
LIMIT $2
