SELECT id FROM plimsoll_job
WHERE (SELECT count(*) FROM plimsoll_ready WHERE id BETWEEN first_job AND last_job)
    + (SELECT count(*) FROM plimsoll_scheduled WHERE plimsoll_scheduled.job = id)
    + (SELECT count(*) FROM plimsoll_held h JOIN plimsoll_lease l ON l.token = h.token AND h.job BETWEEN l.first_job AND l.last_job WHERE h.job = id)
    + (SELECT count(*) FROM plimsoll_dead WHERE plimsoll_dead.job = id) <> 1
UNION ALL
SELECT job FROM (SELECT job FROM plimsoll_scheduled UNION ALL SELECT job FROM plimsoll_held UNION ALL SELECT job FROM plimsoll_dead)
WHERE job NOT IN (SELECT id FROM plimsoll_job)
UNION ALL
-- A run has all jobs from its first to its last.
SELECT first_job FROM plimsoll_ready r
WHERE last_job < first_job
   OR (SELECT count(*) FROM plimsoll_job j WHERE j.id BETWEEN r.first_job AND r.last_job) <> r.last_job - r.first_job + 1
UNION ALL
-- A lease holds something.
SELECT first_job FROM plimsoll_lease l WHERE NOT EXISTS (SELECT 1 FROM plimsoll_held h WHERE h.token = l.token)
