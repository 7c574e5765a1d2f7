-- Deletes the dead ones among jobs $1.
WITH gone AS (
    DELETE FROM plimsoll_job WHERE id = ANY ($1) AND state = 2 RETURNING id, queue
), forgotten AS (
    DELETE FROM plimsoll_failure WHERE job IN (SELECT id FROM gone)
), counted AS (
    INSERT INTO plimsoll_tally (queue, dead) SELECT queue, -count(*) FROM gone GROUP BY queue
)
SELECT id FROM gone
