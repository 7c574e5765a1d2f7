-- Jobs $1 under tokens $2 at time $3. Only live leases count, and only the job's present one: this is the fence.
-- $4: whether to write to the lease rows too (see complete in settle.rs).
WITH done AS (
    DELETE FROM plimsoll_job j
    USING unnest($1::bigint[], $2::bigint[]) AS asked (id, token)
    JOIN plimsoll_lease l ON l.token = asked.token AND l.until_ms > $3
    WHERE j.id = asked.id AND j.token = asked.token
    RETURNING j.id, j.token, j.queue, j.owner, j.attempts, j.enqueued_at_ms, j.keep_ms, j.failed
), forgotten AS (
    DELETE FROM plimsoll_failure WHERE job = ANY (ARRAY(SELECT id FROM done WHERE failed))
), kept AS (
    INSERT INTO plimsoll_finished (job, queue, owner, state, attempts, enqueued_at_ms, finished_at_ms, expires_at_ms)
    SELECT id, queue, owner, 'completed', attempts, enqueued_at_ms, $3, $3 + keep_ms FROM done WHERE keep_ms > 0
), counted AS (
    INSERT INTO plimsoll_tally (queue, leased, completed) SELECT queue, -count(*), count(*) FROM done GROUP BY queue
), per_lease AS (
    SELECT token, count(*) AS n FROM done GROUP BY token
), ended AS (
    DELETE FROM plimsoll_lease l USING per_lease p WHERE $4 AND l.token = p.token AND l.remaining = p.n
), shrunk AS (
    UPDATE plimsoll_lease l SET remaining = l.remaining - p.n FROM per_lease p
    WHERE $4 AND l.token = p.token AND l.remaining > p.n
)
SELECT id FROM done
