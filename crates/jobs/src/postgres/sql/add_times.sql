-- Adds buckets to the times of queue $1: kinds $2, upper bounds $3, counts $4, sums $5. In order, so that two workers
-- never wait for each other.
INSERT INTO plimsoll_time AS t (queue, kind, le_ms, n, sum_ms)
SELECT $1, kind, le_ms, n, sum_ms
FROM unnest($2::smallint[], $3::bigint[], $4::bigint[], $5::bigint[]) AS added (kind, le_ms, n, sum_ms)
ORDER BY kind, le_ms
ON CONFLICT (queue, kind, le_ms) DO UPDATE SET n = t.n + excluded.n, sum_ms = t.sum_ms + excluded.sum_ms
