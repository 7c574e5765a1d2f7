-- Any number of jobs in one statement, at time $1. Numbers rise in the order of the arrays.
WITH added AS (
    INSERT INTO plimsoll_job (enqueued_at_ms, queue, lane, payload, owner, priority, max_attempts, ready_at_ms, state, deadline_ms, keep_ms)
    SELECT $1, queue, lane, payload, owner, priority, max_attempts, run_at_ms, (run_at_ms > $1)::int, deadline_ms, keep_ms
    FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::smallint[], $7::integer[], $8::bigint[], $9::bigint[], $10::bigint[])
        AS new (queue, lane, payload, owner, priority, max_attempts, run_at_ms, deadline_ms, keep_ms)
    RETURNING id, queue, state
), counted AS (
    INSERT INTO plimsoll_tally (queue, ready, scheduled, enqueued)
    SELECT queue, count(*) FILTER (WHERE state = 0), count(*) FILTER (WHERE state = 1), count(*)
    FROM added GROUP BY queue
)
SELECT array_agg(id) FROM added
