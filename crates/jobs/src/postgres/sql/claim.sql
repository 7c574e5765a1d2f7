-- Takes up to $3 ready jobs of lane $2 of queue $1 under one lease. $4 worker, $5 end of the lease, $6 now.
-- Looks from priority $7 and age $8 on: the index keeps entries of finished jobs until the next vacuum, and
-- walking over them from its very beginning is what makes a long-drained queue slow.
WITH picked AS (
    SELECT ctid FROM plimsoll_job
    WHERE queue = $1 AND lane = $2 AND state = 0 AND token = 0 AND (priority, ready_at_ms) >= ($7::smallint, $8::bigint)
    ORDER BY priority, ready_at_ms, id LIMIT $3 FOR UPDATE SKIP LOCKED
), ticket AS MATERIALIZED (
    SELECT nextval('plimsoll_token') AS token
), taken AS (
    UPDATE plimsoll_job j SET token = ticket.token, attempts = j.attempts + 1, cancel = false, permille = NULL, note = NULL
    FROM ticket WHERE j.ctid = ANY (ARRAY(SELECT ctid FROM picked))
    RETURNING j.id, j.token, j.payload, j.attempts, j.max_attempts, j.priority, j.ready_at_ms, j.enqueued_at_ms,
              j.deadline_ms, j.owner, j.keep_ms
), held AS (
    INSERT INTO plimsoll_lease (token, until_ms, claimed_at_ms, remaining, queue, lane, worker, jobs)
    SELECT token, $5, $6, count(*), $1, $2, $4, array_agg(id) FROM taken GROUP BY token
), counted AS (
    INSERT INTO plimsoll_tally (queue, ready, leased)
    SELECT $1, -count(*), count(*) FROM taken HAVING count(*) > 0
)
SELECT id, token, payload, attempts, max_attempts, priority, ready_at_ms, enqueued_at_ms, deadline_ms, owner, keep_ms
FROM taken ORDER BY priority, ready_at_ms, id
