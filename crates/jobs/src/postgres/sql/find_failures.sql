SELECT attempt, at_ms, worker, message FROM plimsoll_failure WHERE job = $1 ORDER BY id
