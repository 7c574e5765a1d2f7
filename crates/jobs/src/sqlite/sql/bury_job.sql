INSERT INTO plimsoll_dead (job, queue, attempts, died_at_ms, reason) VALUES (?1, ?2, ?3, ?4, ?5)
