-- Ends the live lease ?1 at time ?2 and says what it held.
DELETE FROM plimsoll_lease WHERE token = ?1 AND until_ms > ?2
RETURNING queue, job, worker, attempt
