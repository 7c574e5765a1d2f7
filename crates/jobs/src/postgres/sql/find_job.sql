SELECT j.queue, j.lane, j.owner, j.payload, j.state, j.token, j.attempts, j.enqueued_at_ms, j.ready_at_ms, j.permille,
       j.note, j.reason, l.worker, l.until_ms
FROM plimsoll_job j LEFT JOIN plimsoll_lease l ON l.token = j.token
WHERE j.id = $1
