-- Who holds live leases at time ?2 of queue ?1, or of all queues when it is null.
SELECT queue, worker, count(*), min(claimed_at_ms) FROM plimsoll_lease
WHERE until_ms > ?2 AND (?1 IS NULL OR queue = ?1)
GROUP BY queue, worker ORDER BY queue, worker
