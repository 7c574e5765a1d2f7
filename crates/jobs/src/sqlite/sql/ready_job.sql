INSERT INTO ready (queue, priority, rank, job, ready_at_ms, attempts)
SELECT queue, priority, ?2, id, ?2, ?3 FROM job WHERE id = ?1
