SELECT id, topic, partition, record_offset, record_at_ms, record_key, record_value, headers, reason, died_at_ms
FROM plimsoll_kafka_dead WHERE consumer_group = $1 AND id > $2 ORDER BY id LIMIT $3
