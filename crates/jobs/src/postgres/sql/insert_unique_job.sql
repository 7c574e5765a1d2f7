-- The constraint decides, not a look beforehand: of two enqueuers at once the second waits for the first's commit.
WITH added AS (
    INSERT INTO plimsoll_job (enqueued_at_ms, queue, lane, payload, owner, unique_key, priority, max_attempts, ready_at_ms, state, deadline_ms, keep_ms)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, ($9 > $1)::int, $10, $11)
    ON CONFLICT (queue, unique_key) WHERE unique_key IS NOT NULL DO NOTHING
    RETURNING id, queue, state
), counted AS (
    INSERT INTO plimsoll_tally (queue, ready, scheduled, enqueued)
    SELECT queue, (state = 0)::int, (state = 1)::int, 1 FROM added
)
SELECT id FROM added
