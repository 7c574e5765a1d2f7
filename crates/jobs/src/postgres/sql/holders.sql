-- Who holds live leases at time $2 of queue $1, or of all queues when it is null. A lease row may outlive jobs of it.
SELECT l.queue, l.worker, count(*), min(l.claimed_at_ms)
FROM plimsoll_lease l CROSS JOIN LATERAL unnest(l.jobs) AS held (id)
JOIN plimsoll_job j ON j.id = held.id AND j.token = l.token
WHERE l.until_ms > $2 AND ($1::text IS NULL OR l.queue = $1)
GROUP BY l.queue, l.worker ORDER BY l.queue COLLATE "C", l.worker COLLATE "C"
