-- Job ?1 ends without completion as ?2 at time ?3 after ?4 attempts; it leaves a trace if it asked for one.
INSERT INTO plimsoll_finished (job, queue, owner, state, attempts, enqueued_at_ms, finished_at_ms, expires_at_ms)
SELECT id, queue, owner, ?2, ?4, enqueued_at_ms, ?3, ?3 + keep_ms FROM plimsoll_job WHERE id = ?1 AND keep_ms > 0;

DELETE FROM plimsoll_failure WHERE job = ?1;

DELETE FROM plimsoll_job WHERE id = ?1;
