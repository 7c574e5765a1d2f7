DELETE FROM plimsoll_outbox_dead WHERE owner = $1
