-- Takes up to ?2 ready jobs of queue ?1 under leases. INSERT and DELETE see the same first rows, because the
-- transaction holds the write lock. ?3 worker, ?4 end of the lease, ?5 now.
INSERT INTO lease (queue, job, worker, until_ms, claimed_at_ms, ready_at_ms, attempt)
SELECT queue, job, ?3, ?4, ?5, ready_at_ms, attempts + 1 FROM ready
WHERE queue = ?1
ORDER BY priority, rank, job LIMIT ?2;

-- The new tokens are the last ones. One row with everything: rows are handed from SQLite's thread to ours one
-- by one, which costs more than reading them.
SELECT json_group_array(json_array(
    l.token, l.job, j.payload, l.attempt, j.max_attempts, l.ready_at_ms, j.enqueued_at_ms, j.deadline_ms, j.owner
))
FROM lease l JOIN job j ON j.id = l.job
WHERE changes() > 0 AND l.token > last_insert_rowid() - changes();

DELETE FROM ready WHERE (queue, priority, rank, job) IN (
    SELECT queue, priority, rank, job FROM ready
    WHERE queue = ?1
    ORDER BY priority, rank, job LIMIT ?2
);

UPDATE queue SET ready = ready - changes(), leased = leased + changes() WHERE name = ?1;
