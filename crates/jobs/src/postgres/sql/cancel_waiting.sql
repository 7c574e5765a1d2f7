-- Job $1, whose row is locked, ends as cancelled at time $2.
WITH gone AS (
    DELETE FROM plimsoll_job WHERE id = $1
    RETURNING id, queue, owner, attempts, enqueued_at_ms, keep_ms, state, token
), forgotten AS (
    DELETE FROM plimsoll_failure WHERE job = $1
), kept AS (
    INSERT INTO plimsoll_finished (job, queue, owner, state, attempts, enqueued_at_ms, finished_at_ms, expires_at_ms)
    SELECT id, queue, owner, 'cancelled', attempts, enqueued_at_ms, $2, $2 + keep_ms FROM gone WHERE keep_ms > 0
)
INSERT INTO plimsoll_tally (queue, ready, scheduled, leased)
SELECT queue, -(state = 0 AND token = 0)::int, -(state = 1)::int, -(token <> 0)::int FROM gone
