SELECT id, message_id, topic, message_key, message_value, headers, created_at_ms FROM plimsoll_outbox
WHERE id = ANY (ARRAY(SELECT json_array_elements_text($1::json)::bigint)) ORDER BY id
