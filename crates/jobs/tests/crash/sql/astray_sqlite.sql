SELECT id FROM plimsoll_job
WHERE (SELECT count(*) FROM plimsoll_ready WHERE plimsoll_ready.job = id)
    + (SELECT count(*) FROM plimsoll_scheduled WHERE plimsoll_scheduled.job = id)
    + (SELECT count(*) FROM plimsoll_lease WHERE plimsoll_lease.job = id)
    + (SELECT count(*) FROM plimsoll_dead WHERE plimsoll_dead.job = id) <> 1
UNION ALL
SELECT job FROM (
    SELECT job FROM plimsoll_ready UNION ALL SELECT job FROM plimsoll_scheduled UNION ALL SELECT job FROM plimsoll_lease UNION ALL SELECT job FROM plimsoll_dead
) WHERE job NOT IN (SELECT id FROM plimsoll_job)
