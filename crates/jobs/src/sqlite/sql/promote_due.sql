-- Scheduled jobs of queue ?1 whose time has come by ?2 become ready; a bounded number, the next claim takes more.
INSERT INTO ready (queue, priority, rank, job, ready_at_ms, attempts)
SELECT s.queue, j.priority, s.run_at_ms, s.job, s.run_at_ms, s.attempts
FROM scheduled s JOIN job j ON j.id = s.job
WHERE s.queue = ?1 AND s.run_at_ms <= ?2
ORDER BY s.run_at_ms, s.job LIMIT 1000;

DELETE FROM scheduled WHERE (queue, run_at_ms, job) IN (
    SELECT queue, run_at_ms, job FROM scheduled
    WHERE queue = ?1 AND run_at_ms <= ?2
    ORDER BY run_at_ms, job LIMIT 1000
);

UPDATE queue SET ready = ready + changes(), scheduled = scheduled - changes() WHERE name = ?1;
