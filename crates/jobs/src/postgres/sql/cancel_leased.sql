-- Job $1 under token $2 ends as cancelled at time $3.
WITH gone AS (
    DELETE FROM plimsoll_job j USING plimsoll_lease l
    WHERE j.id = $1 AND j.token = $2 AND l.token = $2 AND l.until_ms > $3
    RETURNING j.id, j.queue, j.owner, j.attempts, j.enqueued_at_ms, j.keep_ms
), forgotten AS (
    DELETE FROM plimsoll_failure WHERE job IN (SELECT id FROM gone)
), kept AS (
    INSERT INTO plimsoll_finished (job, queue, owner, state, attempts, enqueued_at_ms, finished_at_ms, expires_at_ms)
    SELECT id, queue, owner, 'cancelled', attempts, enqueued_at_ms, $3, $3 + keep_ms FROM gone WHERE keep_ms > 0
), counted AS (
    INSERT INTO plimsoll_tally (queue, leased) SELECT queue, -1 FROM gone
)
SELECT 1 FROM gone
