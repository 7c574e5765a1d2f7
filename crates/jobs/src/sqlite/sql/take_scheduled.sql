DELETE FROM plimsoll_scheduled WHERE job = ?1 AND run_at_ms = ?2 AND queue = (SELECT queue FROM plimsoll_job WHERE id = ?1)
