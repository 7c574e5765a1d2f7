INSERT INTO plimsoll_failure (job, attempt, at_ms, worker, message) VALUES (?1, ?2, ?3, ?4, ?5)
