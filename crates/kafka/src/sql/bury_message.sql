INSERT INTO plimsoll_outbox_dead
    (id, message_id, topic, message_key, message_value, headers, bytes, created_at_ms, owner, reason, died_at_ms)
SELECT id, message_id, topic, message_key, message_value, headers, bytes, created_at_ms, owner, $2, $3
FROM plimsoll_outbox WHERE id = $1
