-- As complete_jobs.sql, of the tokens from ?1 to ?2, which need no unpacking. ?3 now, ?4 the queue.
SELECT json_group_array(token) FROM plimsoll_lease WHERE token BETWEEN ?1 AND ?2 AND until_ms > ?3;

DELETE FROM plimsoll_failure WHERE job IN (
    SELECT l.job FROM plimsoll_lease l WHERE l.token BETWEEN ?1 AND ?2 AND l.until_ms > ?3
);

DELETE FROM plimsoll_job WHERE id IN (
    SELECT l.job FROM plimsoll_lease l WHERE l.token BETWEEN ?1 AND ?2 AND l.until_ms > ?3
);

DELETE FROM plimsoll_lease WHERE token BETWEEN ?1 AND ?2 AND until_ms > ?3;

UPDATE plimsoll_queue SET leased = leased - changes(), completed_total = completed_total + changes()
WHERE name = ?4 AND ?1 IS NOT NULL AND ?2 IS NOT NULL AND ?3 IS NOT NULL;
