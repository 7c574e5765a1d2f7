UPDATE plimsoll_idempotency SET job = $3 WHERE owner = $1 AND key = $2
