-- Jobs that differ in nothing but their payloads $2, at time $1. Numbers rise in the order of the array. One array
-- instead of nine: the server stores each before it inserts the first row. And one array back: a row for each number
-- costs the client more than all the rest.
WITH added AS (
    INSERT INTO plimsoll_job (enqueued_at_ms, queue, lane, payload, owner, priority, max_attempts, ready_at_ms, state, deadline_ms, keep_ms)
    SELECT $1::bigint, $3::text, $4, unnest($2::text[]), $5, $6::smallint, $7::integer, $8::bigint, ($8 > $1)::int, $9::bigint, $10::bigint
    RETURNING id
), counted AS (
    INSERT INTO plimsoll_tally (queue, ready, scheduled, enqueued)
    SELECT $3, CASE WHEN $8 > $1 THEN 0 ELSE n END, CASE WHEN $8 > $1 THEN n ELSE 0 END, n
    FROM (SELECT cardinality($2)) AS payloads (n)
)
SELECT array_agg(id) FROM added
