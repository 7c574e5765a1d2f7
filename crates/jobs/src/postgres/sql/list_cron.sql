SELECT name, schedule, job, next_at_ms FROM plimsoll_cron WHERE $1::bigint IS NULL OR next_at_ms <= $1 ORDER BY name COLLATE "C"
