INSERT INTO plimsoll_outbox (message_id, topic, message_key, message_value, headers, bytes, created_at_ms, owner)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (message_id) DO NOTHING
