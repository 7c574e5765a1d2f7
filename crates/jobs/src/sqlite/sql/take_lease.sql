-- Ends the hold of live lease ?1 on job ?2 at time ?3 and says what it was.
SELECT l.queue, l.worker, h.attempt FROM plimsoll_lease l CROSS JOIN plimsoll_held h
WHERE l.token = ?1 AND h.job = ?2 AND h.token = l.token AND l.until_ms > ?3;

DELETE FROM plimsoll_held
WHERE job = ?2 AND token = ?1 AND EXISTS (SELECT 1 FROM plimsoll_lease WHERE token = ?1 AND until_ms > ?3);

DELETE FROM plimsoll_lease
WHERE token = ?1 AND NOT EXISTS (
    SELECT 1 FROM plimsoll_held h WHERE h.job BETWEEN first_job AND last_job AND h.token = plimsoll_lease.token
);
