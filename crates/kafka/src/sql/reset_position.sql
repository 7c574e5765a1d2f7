-- The generation rises: whoever holds the partition now is shut out and asks again where to start.
INSERT INTO plimsoll_kafka_position (consumer_group, topic, partition, next_offset, generation, owner, updated_at_ms)
VALUES ($1, $2, $3, $4, 1, 'reset', $5)
ON CONFLICT (consumer_group, topic, partition) DO UPDATE
SET next_offset = excluded.next_offset, generation = plimsoll_kafka_position.generation + 1, owner = excluded.owner,
    record_at_ms = NULL, updated_at_ms = excluded.updated_at_ms
