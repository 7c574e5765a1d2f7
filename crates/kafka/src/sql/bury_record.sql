INSERT INTO plimsoll_kafka_dead
    (consumer_group, topic, partition, record_offset, record_at_ms, record_key, record_value, headers, reason, died_at_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (consumer_group, topic, partition, record_offset) DO NOTHING
