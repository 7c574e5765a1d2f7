DELETE FROM plimsoll_ready WHERE job = ?1 AND ready_at_ms = ?2 AND (queue, lane, priority) = (SELECT queue, lane, priority FROM plimsoll_job WHERE id = ?1)
