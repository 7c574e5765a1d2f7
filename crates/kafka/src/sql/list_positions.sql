SELECT topic, partition, next_offset, generation, owner, record_at_ms, updated_at_ms FROM plimsoll_kafka_position
WHERE consumer_group = $1 ORDER BY topic, partition
