SELECT queue, kind, le_ms, n, sum_ms FROM plimsoll_time WHERE $1::text IS NULL OR queue = $1 ORDER BY queue COLLATE "C"
