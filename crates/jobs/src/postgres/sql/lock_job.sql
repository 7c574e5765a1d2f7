SELECT j.queue, j.state, j.token, l.until_ms FROM plimsoll_job j LEFT JOIN plimsoll_lease l ON l.token = j.token
WHERE j.id = $1 FOR UPDATE OF j
