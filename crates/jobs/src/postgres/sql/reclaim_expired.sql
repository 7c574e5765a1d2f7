-- Leases of queue $1 that ended by time $2: the attempt counts, the job is ready again or, after its last attempt,
-- dead. Others who do the same take other rows. $3 and $4 are the words for it.
WITH expired AS (
    SELECT token, worker, until_ms, jobs FROM plimsoll_lease
    WHERE queue = $1 AND until_ms <= $2
    ORDER BY until_ms LIMIT 100 FOR UPDATE SKIP LOCKED
), lost AS (
    UPDATE plimsoll_job j SET
        token = 0,
        failed = true,
        ready_at_ms = e.until_ms,
        state = CASE WHEN j.attempts >= j.max_attempts THEN 2 ELSE 0 END,
        reason = CASE WHEN j.attempts >= j.max_attempts THEN $4 END,
        unique_key = CASE WHEN j.attempts >= j.max_attempts THEN NULL ELSE j.unique_key END
    FROM expired e CROSS JOIN LATERAL unnest(e.jobs) AS held (id)
    WHERE j.id = held.id AND j.token = e.token
    RETURNING j.id, j.attempts, j.state, e.until_ms, e.worker
), noted AS (
    INSERT INTO plimsoll_failure (job, attempt, at_ms, worker, message)
    SELECT id, attempts, until_ms, worker, $3 FROM lost ORDER BY id
), counted AS (
    INSERT INTO plimsoll_tally (queue, ready, leased, dead, failed_attempts, leases_lost, deaths)
    SELECT $1, count(*) FILTER (WHERE state = 0), -count(*), count(*) FILTER (WHERE state = 2), count(*), count(*),
           count(*) FILTER (WHERE state = 2)
    FROM lost HAVING count(*) > 0
)
DELETE FROM plimsoll_lease WHERE token IN (SELECT token FROM expired)
