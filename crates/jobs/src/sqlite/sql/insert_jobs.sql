-- ?1 now, ?2 the jobs as a JSON array of arrays. One statement for any number of jobs; their numbers are the
-- last ones, in the order of the array, because nobody else can insert meanwhile.
INSERT INTO plimsoll_job (queue, lane, payload, owner, priority, max_attempts, enqueued_at_ms, run_at_ms, deadline_ms, keep_ms)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, ?1, value ->> 6, value ->> 7, value ->> 8
FROM json_each(?2)
