UPDATE plimsoll_job j SET permille = $4, note = $5
FROM plimsoll_lease l WHERE j.id = $1 AND j.token = $2 AND l.token = $2 AND l.until_ms > $3
