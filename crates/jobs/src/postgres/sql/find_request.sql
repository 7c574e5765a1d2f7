SELECT body_sha256, job FROM plimsoll_idempotency WHERE owner = $1 AND key = $2
