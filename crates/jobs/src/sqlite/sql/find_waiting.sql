-- Where waiting job ?1 stands: since or until when, with how many attempts used, 1 if ready and 0 if scheduled, and the first job of its run.
-- The first arm finds it at once unless it was retried or released; the others read the schedule or its lane.
SELECT r.ready_at_ms AS at_ms, r.attempts, 1 AS ready, r.first_job
FROM plimsoll_job j JOIN plimsoll_ready r ON r.queue = j.queue AND r.lane = j.lane AND r.priority = j.priority AND r.ready_at_ms = j.run_at_ms
WHERE j.id = ?1 AND r.last_job >= ?1 AND r.first_job = (
    SELECT o.first_job FROM plimsoll_ready o
    WHERE o.queue = j.queue AND o.lane = j.lane AND o.priority = j.priority AND o.ready_at_ms = j.run_at_ms AND o.first_job <= ?1
    ORDER BY o.first_job DESC LIMIT 1
)
UNION ALL
SELECT s.run_at_ms, s.attempts, 0, s.job FROM plimsoll_job j JOIN plimsoll_scheduled s ON s.queue = j.queue AND s.job = j.id
WHERE j.id = ?1
UNION ALL
SELECT r.ready_at_ms, r.attempts, 1, r.first_job
FROM plimsoll_job j JOIN plimsoll_ready r ON r.queue = j.queue AND r.lane = j.lane AND r.priority = j.priority
WHERE j.id = ?1 AND ?1 BETWEEN r.first_job AND r.last_job
LIMIT 1
