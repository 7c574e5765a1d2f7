-- Where waiting job ?1 stands: since or until when, with how many attempts used, 1 if ready and 0 if scheduled.
-- The first arm finds it at once unless it was retried or released; the others read its lane or the schedule.
SELECT r.ready_at_ms AS at_ms, r.attempts, 1 AS ready
FROM plimsoll_job j JOIN plimsoll_ready r ON r.queue = j.queue AND r.lane = j.lane AND r.priority = j.priority
                       AND r.ready_at_ms = j.run_at_ms AND r.job = j.id
WHERE j.id = ?1
UNION ALL
SELECT s.run_at_ms, s.attempts, 0 FROM plimsoll_job j JOIN plimsoll_scheduled s ON s.queue = j.queue AND s.job = j.id
WHERE j.id = ?1
UNION ALL
SELECT r.ready_at_ms, r.attempts, 1
FROM plimsoll_job j JOIN plimsoll_ready r ON r.queue = j.queue AND r.lane = j.lane AND r.priority = j.priority AND r.job = j.id
WHERE j.id = ?1
LIMIT 1
