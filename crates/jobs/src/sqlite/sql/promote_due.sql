-- Scheduled jobs of queue ?1 whose time has come by ?2 become ready; a bounded number, the next claim takes more.
INSERT INTO plimsoll_ready (queue, lane, priority, ready_at_ms, first_job, last_job, attempts)
SELECT s.queue, j.lane, j.priority, s.run_at_ms, s.job, s.job, s.attempts
FROM plimsoll_scheduled s JOIN plimsoll_job j ON j.id = s.job
WHERE s.queue = ?1 AND s.run_at_ms <= ?2
ORDER BY s.run_at_ms, s.job LIMIT 1000;

DELETE FROM plimsoll_scheduled WHERE (queue, run_at_ms, job) IN (
    SELECT queue, run_at_ms, job FROM plimsoll_scheduled
    WHERE queue = ?1 AND run_at_ms <= ?2
    ORDER BY run_at_ms, job LIMIT 1000
);

UPDATE plimsoll_queue SET ready = ready + changes(), scheduled = scheduled - changes() WHERE name = ?1;
