SELECT id FROM plimsoll_job j
WHERE state NOT IN (0, 1, 2)
   OR (token <> 0 AND state <> 0)
   OR (token <> 0 AND NOT EXISTS (SELECT 1 FROM plimsoll_lease l WHERE l.token = j.token AND j.id = ANY (l.jobs)))
