-- $1 owner, $2 key, $3 hash of the body, $4 expiry, $5 now. The constraint decides which of two requests is the first.
INSERT INTO plimsoll_idempotency AS there (owner, key, body_sha256, job, expires_at_ms) VALUES ($1, $2, $3, 0, $4)
ON CONFLICT (owner, key) DO UPDATE SET body_sha256 = excluded.body_sha256, job = 0, expires_at_ms = excluded.expires_at_ms
WHERE there.expires_at_ms <= $5
RETURNING 1
