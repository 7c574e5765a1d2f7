-- As complete_run.sql, of several runs: ?1 a JSON array of [token, first job, last job], ?2 now, ?3 how many jobs they are, ?4 the queue.
WITH live (job) AS MATERIALIZED (
    SELECT h.job FROM json_each(?1) r CROSS JOIN plimsoll_lease l CROSS JOIN plimsoll_held h
    WHERE l.token = r.value ->> 0 AND l.until_ms > ?2 AND h.job BETWEEN r.value ->> 1 AND r.value ->> 2 AND h.token = l.token
)
SELECT CASE WHEN (SELECT count(*) FROM live) = ?3 THEN NULL ELSE (SELECT json_group_array(job) FROM live) END;

DELETE FROM plimsoll_failure WHERE id IN (
    SELECT f.id FROM json_each(?1) r CROSS JOIN plimsoll_lease l CROSS JOIN plimsoll_failure f
    WHERE l.token = r.value ->> 0 AND l.until_ms > ?2 AND f.job BETWEEN r.value ->> 1 AND r.value ->> 2
      AND EXISTS (SELECT 1 FROM plimsoll_held h WHERE h.job = f.job AND h.token = l.token)
);

DELETE FROM plimsoll_job WHERE id IN (
    SELECT h.job FROM json_each(?1) r CROSS JOIN plimsoll_lease l CROSS JOIN plimsoll_held h
    WHERE l.token = r.value ->> 0 AND l.until_ms > ?2 AND h.job BETWEEN r.value ->> 1 AND r.value ->> 2 AND h.token = l.token
);

DELETE FROM plimsoll_held WHERE job IN (
    SELECT h.job FROM json_each(?1) r CROSS JOIN plimsoll_lease l CROSS JOIN plimsoll_held h
    WHERE l.token = r.value ->> 0 AND l.until_ms > ?2 AND h.job BETWEEN r.value ->> 1 AND r.value ->> 2 AND h.token = l.token
);

UPDATE plimsoll_queue SET leased = leased - changes(), completed_total = completed_total + changes()
WHERE name = ?4 AND coalesce(?1, ?2, ?3) IS NOT NULL;

DELETE FROM plimsoll_lease
WHERE token IN (SELECT value ->> 0 FROM json_each(?1)) AND NOT EXISTS (
    SELECT 1 FROM plimsoll_held h WHERE h.job BETWEEN first_job AND last_job AND h.token = plimsoll_lease.token
);
