-- A live or dead job, with its lease or dead letter if it has one.
SELECT j.queue, j.lane, j.owner, j.payload, j.priority, j.max_attempts, j.enqueued_at_ms, j.deadline_ms,
       h.attempt, l.worker, l.until_ms, h.permille, h.note,
       d.attempts AS dead_attempts, d.died_at_ms, d.reason
FROM plimsoll_job j
LEFT JOIN plimsoll_held h ON h.job = j.id LEFT JOIN plimsoll_lease l ON l.token = h.token
LEFT JOIN plimsoll_dead d ON d.job = j.id
WHERE j.id = ?1
