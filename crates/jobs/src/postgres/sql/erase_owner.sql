WITH gone AS (
    DELETE FROM plimsoll_job WHERE owner = $1 RETURNING id, queue, state, token
), forgotten AS (
    DELETE FROM plimsoll_failure WHERE job IN (SELECT id FROM gone)
), outcomes AS (
    DELETE FROM plimsoll_finished WHERE owner = $1
), requests AS (
    DELETE FROM plimsoll_idempotency WHERE owner = $1
), counted AS (
    INSERT INTO plimsoll_tally (queue, ready, scheduled, leased, dead)
    SELECT queue, -count(*) FILTER (WHERE state = 0 AND token = 0), -count(*) FILTER (WHERE state = 1),
           -count(*) FILTER (WHERE token <> 0), -count(*) FILTER (WHERE state = 2)
    FROM gone GROUP BY queue
)
SELECT count(*) FROM gone
