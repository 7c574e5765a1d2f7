SELECT queue, owner, state, attempts, enqueued_at_ms, finished_at_ms FROM plimsoll_finished WHERE job = $1
