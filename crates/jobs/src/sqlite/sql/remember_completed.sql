-- ?1 the runs of completed jobs as a JSON array of [token, first job, last job], ?2 now: those that asked for it leave a trace. Before they are deleted.
INSERT INTO plimsoll_finished (job, queue, owner, state, attempts, enqueued_at_ms, finished_at_ms, expires_at_ms)
SELECT j.id, j.queue, j.owner, 'completed', h.attempt, j.enqueued_at_ms, ?2, ?2 + j.keep_ms
FROM json_each(?1) r CROSS JOIN plimsoll_lease l CROSS JOIN plimsoll_held h CROSS JOIN plimsoll_job j
WHERE l.token = r.value ->> 0 AND l.until_ms > ?2 AND h.job BETWEEN r.value ->> 1 AND r.value ->> 2 AND h.token = l.token
  AND j.id = h.job AND j.keep_ms > 0
