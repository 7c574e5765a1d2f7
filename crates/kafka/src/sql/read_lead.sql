SELECT until_ms FROM plimsoll_outbox_publisher WHERE name = $1
