-- Job $1 under token $2 failed at time $3 and waits until $4; $5 says why.
WITH failed AS (
    UPDATE plimsoll_job j SET token = 0, state = 1, ready_at_ms = $4, failed = true
    FROM plimsoll_lease l
    WHERE j.id = $1 AND j.token = $2 AND l.token = $2 AND l.until_ms > $3
    RETURNING j.queue, j.attempts, l.worker
), noted AS (
    INSERT INTO plimsoll_failure (job, attempt, at_ms, worker, message) SELECT $1, attempts, $3, worker, $5 FROM failed
), counted AS (
    INSERT INTO plimsoll_tally (queue, scheduled, leased, failed_attempts) SELECT queue, 1, -1, 1 FROM failed
)
SELECT 1 FROM failed
