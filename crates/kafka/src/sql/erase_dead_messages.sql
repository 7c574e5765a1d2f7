-- Of owner $1; only those under key $2, unless that is null.
DELETE FROM plimsoll_outbox_dead WHERE owner = $1 AND ($2 IS NULL OR message_key = $2)
