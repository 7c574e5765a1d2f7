WITH back AS (
    UPDATE plimsoll_job SET state = 0, ready_at_ms = $2, attempts = 0, reason = NULL WHERE id = $1 AND state = 2 RETURNING queue
), counted AS (
    INSERT INTO plimsoll_tally (queue, ready, dead) SELECT queue, 1, -1 FROM back
)
SELECT 1 FROM back
