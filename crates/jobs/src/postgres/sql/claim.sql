-- See the fifth migration.
SELECT expired, due, laned, lease, ids, payloads, attempts, max_attempts, priorities, ready_ms, enqueued_ms, deadlines_ms, owners, keeps_ms
FROM plimsoll_claim($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
