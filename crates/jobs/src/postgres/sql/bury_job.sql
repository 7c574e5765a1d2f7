-- Job $1 under token $2 failed for good at time $3; $4 says why. It no longer holds its unique key.
WITH failed AS (
    UPDATE plimsoll_job j SET token = 0, state = 2, ready_at_ms = $3, failed = true, reason = $4, unique_key = NULL
    FROM plimsoll_lease l
    WHERE j.id = $1 AND j.token = $2 AND l.token = $2 AND l.until_ms > $3
    RETURNING j.queue, j.attempts, l.worker
), noted AS (
    INSERT INTO plimsoll_failure (job, attempt, at_ms, worker, message) SELECT $1, attempts, $3, worker, $4 FROM failed
), counted AS (
    INSERT INTO plimsoll_tally (queue, dead, leased, failed_attempts, deaths) SELECT queue, 1, -1, 1, 1 FROM failed
)
SELECT 1 FROM failed
