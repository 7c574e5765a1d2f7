SELECT id, status, body_sha256 FROM cv_evaluation WHERE owner = $1 AND idempotency_key = $2
