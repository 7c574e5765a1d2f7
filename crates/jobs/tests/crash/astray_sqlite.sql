SELECT id FROM job
WHERE (SELECT count(*) FROM ready WHERE ready.job = id)
    + (SELECT count(*) FROM scheduled WHERE scheduled.job = id)
    + (SELECT count(*) FROM lease WHERE lease.job = id)
    + (SELECT count(*) FROM dead WHERE dead.job = id) <> 1
UNION ALL
SELECT job FROM (
    SELECT job FROM ready UNION ALL SELECT job FROM scheduled UNION ALL SELECT job FROM lease UNION ALL SELECT job FROM dead
) WHERE job NOT IN (SELECT id FROM job)
