-- Dead letters of queue ?1 after (?2, ?3) in the order of their death, at most ?4.
SELECT d.job, d.attempts, d.died_at_ms, d.reason, j.payload, j.owner, j.lane, j.enqueued_at_ms
FROM plimsoll_dead d JOIN plimsoll_job j ON j.id = d.job
WHERE d.queue = ?1 AND (d.died_at_ms, d.job) > (?2, ?3)
ORDER BY d.died_at_ms, d.job LIMIT ?4
