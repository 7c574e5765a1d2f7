DELETE FROM plimsoll_cron WHERE name = $1
