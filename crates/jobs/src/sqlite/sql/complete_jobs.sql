-- ?1 the tokens as a JSON array, ?2 now, ?3 the queue. Only live leases count: this is the fence.
-- Answers with the live ones, in one row (see claim.sql).
SELECT json_group_array(token) FROM plimsoll_lease
WHERE token IN (SELECT value FROM json_each(?1)) AND until_ms > ?2;

DELETE FROM plimsoll_failure WHERE job IN (
    SELECT l.job FROM plimsoll_lease l
    WHERE l.token IN (SELECT value FROM json_each(?1)) AND l.until_ms > ?2
);

DELETE FROM plimsoll_job WHERE id IN (
    SELECT l.job FROM plimsoll_lease l
    WHERE l.token IN (SELECT value FROM json_each(?1)) AND l.until_ms > ?2
);

DELETE FROM plimsoll_lease
WHERE token IN (SELECT value FROM json_each(?1)) AND until_ms > ?2;

UPDATE plimsoll_queue SET leased = leased - changes(), completed_total = completed_total + changes()
WHERE name = ?3 AND ?1 IS NOT NULL AND ?2 IS NOT NULL;
