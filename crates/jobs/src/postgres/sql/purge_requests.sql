DELETE FROM plimsoll_idempotency
WHERE (owner, key) IN (SELECT owner, key FROM plimsoll_idempotency WHERE expires_at_ms <= $1 LIMIT $2)
