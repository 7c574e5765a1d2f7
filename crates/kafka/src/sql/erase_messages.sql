DELETE FROM plimsoll_outbox WHERE owner = $1
