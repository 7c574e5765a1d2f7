SELECT id, topic, partition, record_offset, record_at_ms, record_key, record_value, headers, reason, died_at_ms
FROM plimsoll_kafka_dead WHERE id = $1 AND consumer_group = $2
