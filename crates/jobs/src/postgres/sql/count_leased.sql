SELECT count(*) FROM plimsoll_lease l CROSS JOIN LATERAL unnest(l.jobs) AS held (id)
JOIN plimsoll_job j ON j.id = held.id AND j.token = l.token
WHERE l.queue = $1 AND l.lane = $2
