-- Job $1 under token $2 at time $3 goes back to its place; the attempt does not count.
WITH back AS (
    UPDATE plimsoll_job j SET token = 0, attempts = j.attempts - 1
    FROM plimsoll_lease l
    WHERE j.id = $1 AND j.token = $2 AND l.token = $2 AND l.until_ms > $3
    RETURNING j.queue
), counted AS (
    INSERT INTO plimsoll_tally (queue, ready, leased) SELECT queue, 1, -1 FROM back
)
SELECT 1 FROM back
