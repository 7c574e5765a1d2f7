-- The constraint decides, not a look beforehand: two enqueuers at once cannot both succeed.
INSERT INTO plimsoll_job (queue, lane, payload, owner, unique_key, priority, max_attempts, enqueued_at_ms, run_at_ms, deadline_ms, keep_ms)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
ON CONFLICT (queue, unique_key) WHERE unique_key IS NOT NULL DO NOTHING
RETURNING id
