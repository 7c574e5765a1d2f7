INSERT INTO plimsoll_scheduled (queue, run_at_ms, job, attempts) VALUES (?1, ?2, ?3, ?4)
