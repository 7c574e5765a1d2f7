-- Answers with a row when the caller publishes from now on: the place was free, or its holder is silent.
INSERT INTO plimsoll_outbox_publisher (name, generation, owner, until_ms) VALUES ($1, 1, $2, $3)
ON CONFLICT (name) DO UPDATE
SET generation = plimsoll_outbox_publisher.generation + 1, owner = excluded.owner, until_ms = excluded.until_ms
WHERE plimsoll_outbox_publisher.until_ms <= $4
RETURNING generation
