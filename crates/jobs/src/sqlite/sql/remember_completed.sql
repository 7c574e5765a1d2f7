-- ?1 the tokens of completed jobs as a JSON array, ?2 now: those that asked for it leave a trace. Before they are deleted.
INSERT INTO plimsoll_finished (job, queue, owner, state, attempts, enqueued_at_ms, finished_at_ms, expires_at_ms)
SELECT j.id, j.queue, j.owner, 'completed', l.attempt, j.enqueued_at_ms, ?2, ?2 + j.keep_ms
FROM plimsoll_lease l JOIN plimsoll_job j ON j.id = l.job
WHERE l.token IN (SELECT value FROM json_each(?1)) AND l.until_ms > ?2 AND j.keep_ms > 0
