-- Only from where the caller believes it stands, and only while the partition is the caller's.
UPDATE plimsoll_kafka_position SET next_offset = $6, record_at_ms = $7, updated_at_ms = $8
WHERE consumer_group = $1 AND topic = $2 AND partition = $3 AND generation = $4 AND next_offset = $5
