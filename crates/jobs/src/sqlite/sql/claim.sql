-- Takes up to ?2 ready jobs of queue ?1 under leases. The three statements see the same first rows, because
-- the transaction holds the write lock. ?3 worker, ?4 end of the lease, ?5 now.
SELECT r.job, j.payload, r.attempts + 1 AS attempt, j.max_attempts, r.ready_at_ms, j.enqueued_at_ms, j.deadline_ms, j.owner
FROM ready r JOIN job j ON j.id = r.job
WHERE r.queue = ?1
ORDER BY r.priority, r.rank, r.job LIMIT ?2;

INSERT INTO lease (queue, job, worker, until_ms, claimed_at_ms, attempt)
SELECT queue, job, ?3, ?4, ?5, attempts + 1 FROM ready
WHERE queue = ?1
ORDER BY priority, rank, job LIMIT ?2
RETURNING job, token;

DELETE FROM ready WHERE (queue, priority, rank, job) IN (
    SELECT queue, priority, rank, job FROM ready
    WHERE queue = ?1
    ORDER BY priority, rank, job LIMIT ?2
);

UPDATE queue SET ready = ready - changes(), leased = leased + changes() WHERE name = ?1;
