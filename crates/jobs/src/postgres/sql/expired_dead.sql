-- Some dead letters of any queue that died before $1.
SELECT id FROM plimsoll_job WHERE state = 2 AND ready_at_ms < $1 LIMIT $2
