-- Figures at time ?1 of queue ?2, or of all queues when it is null. Leases that have expired and jobs that
-- are due count as ready although no claim has moved them yet: with no worker alive nobody would.
SELECT
    q.name, q.ready, q.scheduled, q.leased, q.dead,
    q.enqueued_total, q.completed_total, q.failed_attempts_total, q.leases_lost_total, q.dead_total,
    (SELECT count(*) FROM plimsoll_lease l CROSS JOIN plimsoll_held h
     WHERE l.queue = q.name AND l.until_ms <= ?1 AND h.job BETWEEN l.first_job AND l.last_job AND h.token = l.token) AS expired,
    (SELECT min(l.until_ms) FROM plimsoll_lease l WHERE l.queue = q.name AND l.until_ms <= ?1) AS oldest_expired_ms,
    (SELECT count(*) FROM plimsoll_scheduled s WHERE s.queue = q.name AND s.run_at_ms <= ?1) AS due,
    (SELECT min(s.run_at_ms) FROM plimsoll_scheduled s WHERE s.queue = q.name AND s.run_at_ms <= ?1) AS oldest_due_ms,
    (SELECT min(r.ready_at_ms) FROM plimsoll_ready r WHERE r.queue = q.name AND r.lane <> '') AS oldest_laned_ms,
    -- Within a priority the first row is the oldest: hop from priority to priority instead of reading all rows.
    (WITH RECURSIVE hop (priority) AS (
         SELECT min(r.priority) FROM plimsoll_ready r WHERE r.queue = q.name AND r.lane = ''
         UNION ALL
         SELECT (SELECT min(r.priority) FROM plimsoll_ready r WHERE r.queue = q.name AND r.lane = '' AND r.priority > hop.priority)
         FROM hop WHERE hop.priority IS NOT NULL
     )
     SELECT min((
         SELECT min(r.ready_at_ms) FROM plimsoll_ready r
         WHERE r.queue = q.name AND r.lane = '' AND r.priority = hop.priority
     )) FROM hop WHERE hop.priority IS NOT NULL) AS oldest_ready_ms
FROM plimsoll_queue q
WHERE ?2 IS NULL OR q.name = ?2
ORDER BY q.name
