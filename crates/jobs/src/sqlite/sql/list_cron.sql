SELECT name, schedule, job, next_at_ms FROM plimsoll_cron WHERE ?1 IS NULL OR next_at_ms <= ?1 ORDER BY name
