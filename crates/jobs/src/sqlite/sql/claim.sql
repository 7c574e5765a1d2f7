-- Takes runs of ready jobs under one lease. ?1 the runs as a JSON array of [first, last, attempt], ?2 queue, ?3 lane; ?4 priority, ?5 age and
-- ?6 first job of the last run; what remains of that: ?7 its first and ?8 its last job, ?9 their attempts (null: nothing remains),
-- ?10 worker, ?11 end of the lease, ?12 now, ?13 the least and ?14 the greatest number among the jobs.
DELETE FROM plimsoll_ready
WHERE queue = ?2 AND lane = ?3 AND (priority, ready_at_ms, first_job) <= (?4, ?5, ?6) AND ?1 IS NOT NULL;

INSERT INTO plimsoll_ready (queue, lane, priority, ready_at_ms, first_job, last_job, attempts)
SELECT ?2, ?3, ?4, ?5, ?7, ?8, ?9 WHERE ?7 > ?6 AND ?1 IS NOT NULL;

-- Parameters that nothing needs are named all the same: a gap in their numbers upsets the binding.
INSERT INTO plimsoll_lease (queue, lane, worker, until_ms, claimed_at_ms, first_job, last_job)
SELECT ?2, ?3, ?10, ?11, ?12, ?13, ?14 WHERE coalesce(?1, ?4, ?5, ?6, ?7, ?8, ?9) IS NOT NULL;

-- The new token is the greatest one.
INSERT INTO plimsoll_held (job, token, attempt)
SELECT j.id, (SELECT max(token) FROM plimsoll_lease), r.attempt
FROM (SELECT value ->> 0 AS first, value ->> 1 AS last, value ->> 2 AS attempt FROM json_each(?1) LIMIT -1) r
CROSS JOIN plimsoll_job j WHERE j.id BETWEEN r.first AND r.last;

UPDATE plimsoll_queue SET ready = ready - changes(), leased = leased + changes() WHERE name = ?2 AND ?1 IS NOT NULL;

-- One row with everything: rows are handed from SQLite's thread to ours one by one, which costs more than reading them. An array for
-- each column, and what few jobs have only for those that have it: an array for each job costs three times as much.
SELECT (SELECT max(token) FROM plimsoll_lease),
       json_group_array(j.id), json_group_array(j.payload), json_group_array(j.max_attempts), json_group_array(j.enqueued_at_ms),
       json_group_array(json_array(j.id, j.deadline_ms, j.owner, j.keep_ms))
           FILTER (WHERE j.deadline_ms IS NOT NULL OR j.owner IS NOT NULL OR j.keep_ms > 0)
FROM (SELECT value ->> 0 AS first, value ->> 1 AS last FROM json_each(?1) LIMIT -1) r
CROSS JOIN plimsoll_job j WHERE j.id BETWEEN r.first AND r.last;
