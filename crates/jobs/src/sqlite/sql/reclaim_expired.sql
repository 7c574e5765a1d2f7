-- Leases of queue ?1 that ended by time ?2: the attempt counts, the job is ready again or, after its last attempt, dead.
INSERT INTO failure (job, attempt, at_ms, worker, message)
SELECT job, attempt, until_ms, worker, 'lease expired: the worker died, stalled or lost the database'
FROM lease WHERE queue = ?1 AND until_ms <= ?2;

INSERT INTO ready (queue, priority, rank, job, ready_at_ms, attempts)
SELECT j.queue, j.priority, l.until_ms, l.job, l.until_ms, l.attempt
FROM lease l JOIN job j ON j.id = l.job
WHERE l.queue = ?1 AND l.until_ms <= ?2 AND l.attempt < j.max_attempts;

UPDATE queue SET ready = ready + changes() WHERE name = ?1;

INSERT INTO dead (job, queue, attempts, died_at_ms, reason)
SELECT l.job, l.queue, l.attempt, l.until_ms, 'lease of the last attempt expired'
FROM lease l JOIN job j ON j.id = l.job
WHERE l.queue = ?1 AND l.until_ms <= ?2 AND l.attempt >= j.max_attempts;

UPDATE queue SET dead = dead + changes(), dead_total = dead_total + changes() WHERE name = ?1;

-- A dead job no longer holds its unique key.
UPDATE job SET unique_key = NULL
WHERE unique_key IS NOT NULL AND id IN (
    SELECT l.job FROM lease l
    WHERE l.queue = ?1 AND l.until_ms <= ?2 AND l.attempt >= job.max_attempts
);

DELETE FROM lease WHERE queue = ?1 AND until_ms <= ?2;

UPDATE queue SET
    leased = leased - changes(),
    leases_lost_total = leases_lost_total + changes(),
    failed_attempts_total = failed_attempts_total + changes()
WHERE name = ?1;
