-- Makes job ?1 ready since ?2 with ?3 attempts used.
INSERT INTO plimsoll_ready (queue, lane, priority, ready_at_ms, first_job, last_job, attempts)
SELECT queue, lane, priority, ?2, id, id, ?3 FROM plimsoll_job WHERE id = ?1
