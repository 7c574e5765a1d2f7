-- Who holds live leases at time ?2 of queue ?1, or of all queues when it is null.
SELECT l.queue, l.worker, count(*), min(l.claimed_at_ms) FROM plimsoll_lease l CROSS JOIN plimsoll_held h
WHERE l.until_ms > ?2 AND (?1 IS NULL OR l.queue = ?1) AND h.job BETWEEN l.first_job AND l.last_job AND h.token = l.token
GROUP BY l.queue, l.worker ORDER BY l.queue, l.worker
