-- Completes the jobs from ?2 to ?3 as far as lease ?1 holds them at time ?4: this is the fence. ?5 how many they are, ?6 the queue.
-- Answers null if that is all of them, or else which, in one row (see claim.sql).
SELECT CASE
    WHEN (SELECT count(*) FROM plimsoll_held WHERE job BETWEEN ?2 AND ?3 AND token = ?1) = ?5
     AND EXISTS (SELECT 1 FROM plimsoll_lease WHERE token = ?1 AND until_ms > ?4) THEN NULL
    ELSE (
        SELECT json_group_array(job) FROM plimsoll_held
        WHERE job BETWEEN ?2 AND ?3 AND token = ?1 AND EXISTS (SELECT 1 FROM plimsoll_lease WHERE token = ?1 AND until_ms > ?4)
    )
END;

DELETE FROM plimsoll_failure
WHERE job BETWEEN ?2 AND ?3
  AND EXISTS (SELECT 1 FROM plimsoll_held h WHERE h.job = plimsoll_failure.job AND h.token = ?1)
  AND EXISTS (SELECT 1 FROM plimsoll_lease WHERE token = ?1 AND until_ms > ?4);

DELETE FROM plimsoll_job
WHERE id BETWEEN ?2 AND ?3
  AND EXISTS (SELECT 1 FROM plimsoll_held h WHERE h.job = plimsoll_job.id AND h.token = ?1)
  AND EXISTS (SELECT 1 FROM plimsoll_lease WHERE token = ?1 AND until_ms > ?4);

DELETE FROM plimsoll_held
WHERE job BETWEEN ?2 AND ?3 AND token = ?1 AND EXISTS (SELECT 1 FROM plimsoll_lease WHERE token = ?1 AND until_ms > ?4);

UPDATE plimsoll_queue SET leased = leased - changes(), completed_total = completed_total + changes()
WHERE name = ?6 AND coalesce(?1, ?2, ?3, ?4, ?5) IS NOT NULL;

DELETE FROM plimsoll_lease
WHERE token = ?1 AND NOT EXISTS (
    SELECT 1 FROM plimsoll_held h WHERE h.job BETWEEN first_job AND last_job AND h.token = plimsoll_lease.token
);
