-- ?1 the runs of jobs as a JSON array of [token, first job, last job], ?2 now, ?3 the new end. An expired lease is not revived, even if nobody
-- has taken it yet. Answers with the jobs that are held, and whether somebody wants them to be given up, in one row (see claim.sql).
SELECT json_group_array(json_array(h.job, h.cancel))
FROM json_each(?1) r CROSS JOIN plimsoll_lease l CROSS JOIN plimsoll_held h
WHERE l.token = r.value ->> 0 AND l.until_ms > ?2 AND h.job BETWEEN r.value ->> 1 AND r.value ->> 2 AND h.token = l.token;

UPDATE plimsoll_lease SET until_ms = ?3
WHERE token IN (SELECT value ->> 0 FROM json_each(?1)) AND until_ms > ?2;
