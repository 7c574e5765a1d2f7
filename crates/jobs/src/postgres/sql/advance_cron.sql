-- Of several instances that saw the same time only one finds it still there.
UPDATE plimsoll_cron SET next_at_ms = $3 WHERE name = $1 AND next_at_ms = $2
