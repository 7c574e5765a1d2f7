-- Adds buckets to the times of queue ?1; ?2 is a JSON array of [kind, upper bound, count, sum].
INSERT INTO plimsoll_time (queue, kind, le_ms, n, sum_ms)
SELECT ?1, value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?2) WHERE true
ON CONFLICT (queue, kind, le_ms) DO UPDATE SET n = n + excluded.n, sum_ms = sum_ms + excluded.sum_ms
