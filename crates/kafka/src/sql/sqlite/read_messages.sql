SELECT id, message_id, topic, message_key, message_value, headers, created_at_ms FROM plimsoll_outbox
WHERE id IN (SELECT value FROM json_each($1)) ORDER BY id
