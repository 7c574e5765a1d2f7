-- Dead letters of queue $1 after ($2, $3) in the order of their death, at most $4.
SELECT id, attempts, ready_at_ms, reason, payload, owner, lane, enqueued_at_ms FROM plimsoll_job
WHERE queue = $1 AND state = 2 AND (ready_at_ms, id) > ($2, $3)
ORDER BY ready_at_ms, id LIMIT $4
