INSERT INTO cv_counter (name, shard, value) VALUES ($1, $2, $3)
ON CONFLICT (name, shard) DO UPDATE SET value = cv_counter.value + excluded.value
