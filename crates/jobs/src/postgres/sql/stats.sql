-- Figures at time $1 of queue $2, or of all queues when it is null. Leases that have expired and jobs that are due
-- count as ready although no claim has moved them yet: with no worker alive nobody would.
SELECT q.*, expired.n AS expired, expired.oldest AS oldest_expired_ms, due.n AS due, due.oldest AS oldest_due_ms,
       laned.oldest AS oldest_laned_ms, plain.oldest AS oldest_ready_ms
FROM (
    SELECT queue AS name, sum(ready)::bigint AS ready, sum(scheduled)::bigint AS scheduled, sum(leased)::bigint AS leased,
           sum(dead)::bigint AS dead, sum(enqueued)::bigint AS enqueued_total, sum(completed)::bigint AS completed_total,
           sum(failed_attempts)::bigint AS failed_attempts_total, sum(leases_lost)::bigint AS leases_lost_total,
           sum(deaths)::bigint AS dead_total
    FROM plimsoll_tally WHERE $2::text IS NULL OR queue = $2 GROUP BY queue
) q
CROSS JOIN LATERAL (
    SELECT count(j.id) AS n, min(l.until_ms) FILTER (WHERE j.id IS NOT NULL) AS oldest
    FROM plimsoll_lease l CROSS JOIN LATERAL unnest(l.jobs) AS held (id)
    LEFT JOIN plimsoll_job j ON j.id = held.id AND j.token = l.token
    WHERE l.queue = q.name AND l.until_ms <= $1
) expired
CROSS JOIN LATERAL (
    SELECT count(*) AS n, min(ready_at_ms) AS oldest FROM plimsoll_job
    WHERE queue = q.name AND state = 1 AND ready_at_ms <= $1
) due
CROSS JOIN LATERAL (
    SELECT (SELECT ready_at_ms FROM plimsoll_job
            WHERE queue = q.name AND state = 0 AND lane <> '' AND token = 0 ORDER BY ready_at_ms LIMIT 1) AS oldest
) laned
CROSS JOIN LATERAL (
    -- Within a priority the first row is the oldest: hop from priority to priority instead of reading all rows.
    WITH RECURSIVE hop (priority, ready_at_ms) AS (
        (SELECT priority, ready_at_ms FROM plimsoll_job
         WHERE hashtext(queue) = hashtext(q.name) AND queue = q.name AND lane = '' AND state = 0 AND token = 0
         ORDER BY priority, ready_at_ms LIMIT 1)
        UNION ALL
        SELECT following.priority, following.ready_at_ms FROM hop CROSS JOIN LATERAL (
            SELECT j.priority, j.ready_at_ms FROM plimsoll_job j
            WHERE hashtext(j.queue) = hashtext(q.name) AND j.queue = q.name AND j.lane = '' AND j.state = 0 AND j.token = 0
              AND j.priority > hop.priority
            ORDER BY j.priority, j.ready_at_ms LIMIT 1
        ) following
    )
    SELECT min(ready_at_ms) AS oldest FROM hop
) plain
ORDER BY q.name COLLATE "C"
