-- Leases of queue ?1 that ended by time ?2: the attempt counts, the job is ready again or, after its last attempt, dead.
INSERT INTO plimsoll_failure (job, attempt, at_ms, worker, message)
SELECT h.job, h.attempt, l.until_ms, l.worker, 'lease expired: the worker died, stalled or lost the database'
FROM plimsoll_lease l CROSS JOIN plimsoll_held h
WHERE l.queue = ?1 AND l.until_ms <= ?2 AND h.job BETWEEN l.first_job AND l.last_job AND h.token = l.token;

INSERT INTO plimsoll_ready (queue, lane, priority, ready_at_ms, first_job, last_job, attempts)
SELECT j.queue, j.lane, j.priority, l.until_ms, h.job, h.job, h.attempt
FROM plimsoll_lease l CROSS JOIN plimsoll_held h CROSS JOIN plimsoll_job j
WHERE l.queue = ?1 AND l.until_ms <= ?2 AND h.job BETWEEN l.first_job AND l.last_job AND h.token = l.token
  AND j.id = h.job AND h.attempt < j.max_attempts;

UPDATE plimsoll_queue SET ready = ready + changes() WHERE name = ?1;

INSERT INTO plimsoll_dead (job, queue, attempts, died_at_ms, reason)
SELECT h.job, l.queue, h.attempt, l.until_ms, 'lease of the last attempt expired'
FROM plimsoll_lease l CROSS JOIN plimsoll_held h CROSS JOIN plimsoll_job j
WHERE l.queue = ?1 AND l.until_ms <= ?2 AND h.job BETWEEN l.first_job AND l.last_job AND h.token = l.token
  AND j.id = h.job AND h.attempt >= j.max_attempts;

UPDATE plimsoll_queue SET dead = dead + changes(), dead_total = dead_total + changes() WHERE name = ?1;

-- A dead job no longer holds its unique key.
UPDATE plimsoll_job SET unique_key = NULL
WHERE unique_key IS NOT NULL AND id IN (
    SELECT h.job FROM plimsoll_lease l CROSS JOIN plimsoll_held h
    WHERE l.queue = ?1 AND l.until_ms <= ?2 AND h.job BETWEEN l.first_job AND l.last_job AND h.token = l.token
      AND h.attempt >= plimsoll_job.max_attempts
);

DELETE FROM plimsoll_held WHERE job IN (
    SELECT h.job FROM plimsoll_lease l CROSS JOIN plimsoll_held h
    WHERE l.queue = ?1 AND l.until_ms <= ?2 AND h.job BETWEEN l.first_job AND l.last_job AND h.token = l.token
);

UPDATE plimsoll_queue SET
    leased = leased - changes(),
    leases_lost_total = leases_lost_total + changes(),
    failed_attempts_total = failed_attempts_total + changes()
WHERE name = ?1;

DELETE FROM plimsoll_lease WHERE queue = ?1 AND until_ms <= ?2;
