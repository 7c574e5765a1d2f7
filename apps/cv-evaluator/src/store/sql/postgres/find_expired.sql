-- As in SQLite, said so that only cv_evaluation_by_status fits: the planner may think that the index by time alone soon finds
-- rows of this status, and is led through all the others.
SELECT id FROM cv_evaluation
WHERE status = $1 AND (status, created_at_ms) < ($1, $2) AND (status, created_at_ms) >= ($1, 0)
ORDER BY status, created_at_ms, id
LIMIT $3
