-- Finished evaluations asked for before $2, oldest first. Never a waiting or running one, however old.
SELECT id FROM cv_evaluation WHERE status = $1 AND created_at_ms < $2 ORDER BY created_at_ms, id LIMIT $3
