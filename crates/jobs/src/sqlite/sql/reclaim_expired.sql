-- Leases of queue ?1 that ended by time ?2: the attempt counts, the job is ready again or, after its last attempt, dead.
INSERT INTO plimsoll_failure (job, attempt, at_ms, worker, message)
SELECT job, attempt, until_ms, worker, 'lease expired: the worker died, stalled or lost the database'
FROM plimsoll_lease WHERE queue = ?1 AND until_ms <= ?2;

INSERT INTO plimsoll_ready (queue, lane, priority, ready_at_ms, job, attempts)
SELECT j.queue, j.lane, j.priority, l.until_ms, l.job, l.attempt
FROM plimsoll_lease l JOIN plimsoll_job j ON j.id = l.job
WHERE l.queue = ?1 AND l.until_ms <= ?2 AND l.attempt < j.max_attempts;

UPDATE plimsoll_queue SET ready = ready + changes() WHERE name = ?1;

INSERT INTO plimsoll_dead (job, queue, attempts, died_at_ms, reason)
SELECT l.job, l.queue, l.attempt, l.until_ms, 'lease of the last attempt expired'
FROM plimsoll_lease l JOIN plimsoll_job j ON j.id = l.job
WHERE l.queue = ?1 AND l.until_ms <= ?2 AND l.attempt >= j.max_attempts;

UPDATE plimsoll_queue SET dead = dead + changes(), dead_total = dead_total + changes() WHERE name = ?1;

-- A dead job no longer holds its unique key.
UPDATE plimsoll_job SET unique_key = NULL
WHERE unique_key IS NOT NULL AND id IN (
    SELECT l.job FROM plimsoll_lease l
    WHERE l.queue = ?1 AND l.until_ms <= ?2 AND l.attempt >= plimsoll_job.max_attempts
);

DELETE FROM plimsoll_lease WHERE queue = ?1 AND until_ms <= ?2;

UPDATE plimsoll_queue SET
    leased = leased - changes(),
    leases_lost_total = leases_lost_total + changes(),
    failed_attempts_total = failed_attempts_total + changes()
WHERE name = ?1;
