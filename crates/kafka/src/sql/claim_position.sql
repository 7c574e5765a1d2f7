-- The partition is the caller's from here on: a higher generation shuts every earlier owner out.
INSERT INTO plimsoll_kafka_position (consumer_group, topic, partition, next_offset, generation, owner, updated_at_ms)
VALUES ($1, $2, $3, $4, 1, $5, $6)
ON CONFLICT (consumer_group, topic, partition) DO UPDATE
SET generation = plimsoll_kafka_position.generation + 1, owner = excluded.owner, updated_at_ms = excluded.updated_at_ms
RETURNING next_offset, generation, record_at_ms
