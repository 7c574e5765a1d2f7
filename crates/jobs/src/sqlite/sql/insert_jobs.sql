-- ?1 now, ?2 the jobs as a JSON array of arrays. One statement for any number of jobs; their numbers are the
-- last ones, in the order of the array, because nobody else can insert meanwhile.
INSERT INTO job (queue, payload, owner, unique_key, priority, max_attempts, enqueued_at_ms, run_at_ms, deadline_ms)
SELECT value ->> 0, value ->> 1, value ->> 2, NULL, value ->> 3, value ->> 4, ?1, value ->> 5, value ->> 6
FROM json_each(?2)
