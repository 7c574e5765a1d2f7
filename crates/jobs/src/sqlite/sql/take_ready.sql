-- Takes job ?1, ready since ?2, out of its run, which begins with ?3. Those after it become a run of their own.
INSERT INTO plimsoll_ready (queue, lane, priority, ready_at_ms, first_job, last_job, attempts)
SELECT r.queue, r.lane, r.priority, r.ready_at_ms, ?1 + 1, r.last_job, r.attempts
FROM plimsoll_job j JOIN plimsoll_ready r ON r.queue = j.queue AND r.lane = j.lane AND r.priority = j.priority
WHERE j.id = ?1 AND r.ready_at_ms = ?2 AND r.first_job = ?3 AND r.last_job > ?1;

UPDATE plimsoll_ready SET last_job = ?1 - 1
WHERE ready_at_ms = ?2 AND first_job = ?3 AND ?3 < ?1 AND (queue, lane, priority) = (SELECT queue, lane, priority FROM plimsoll_job WHERE id = ?1);

DELETE FROM plimsoll_ready
WHERE ready_at_ms = ?2 AND first_job = ?3 AND ?3 = ?1 AND (queue, lane, priority) = (SELECT queue, lane, priority FROM plimsoll_job WHERE id = ?1);
