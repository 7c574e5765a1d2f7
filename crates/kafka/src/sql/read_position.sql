SELECT next_offset, generation, record_at_ms FROM plimsoll_kafka_position
WHERE consumer_group = $1 AND topic = $2 AND partition = $3
