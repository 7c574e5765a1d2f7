-- Ends the hold on job ?1, whoever has it, and says in which attempt that was.
SELECT attempt FROM plimsoll_held WHERE job = ?1;

-- The lease goes with its last job.
DELETE FROM plimsoll_lease
WHERE token = (SELECT token FROM plimsoll_held WHERE job = ?1) AND NOT EXISTS (
    SELECT 1 FROM plimsoll_held h WHERE h.job BETWEEN first_job AND last_job AND h.token = plimsoll_lease.token AND h.job <> ?1
);

DELETE FROM plimsoll_held WHERE job = ?1;
