-- Scheduled jobs of queue $1 whose time has come by $2 become ready; a bounded number, the next claim takes more.
-- Answers where the first of them stands in the order of claims.
WITH due AS (
    SELECT ctid FROM plimsoll_job
    WHERE queue = $1 AND state = 1 AND ready_at_ms <= $2
    ORDER BY ready_at_ms, id LIMIT 1000 FOR UPDATE SKIP LOCKED
), moved AS (
    UPDATE plimsoll_job SET state = 0 WHERE ctid = ANY (ARRAY(SELECT ctid FROM due)) RETURNING priority, ready_at_ms
), counted AS (
    INSERT INTO plimsoll_tally (queue, ready, scheduled)
    SELECT $1, count(*), -count(*) FROM moved HAVING count(*) > 0
)
SELECT min(priority), min(ready_at_ms) FROM moved
