-- Adds rows up into one per queue. Others who do the same take other rows.
WITH old AS (
    DELETE FROM plimsoll_tally
    WHERE ctid = ANY (ARRAY(SELECT ctid FROM plimsoll_tally LIMIT 20000 FOR UPDATE SKIP LOCKED))
    RETURNING *
)
INSERT INTO plimsoll_tally (queue, ready, scheduled, leased, dead, enqueued, completed, failed_attempts, leases_lost, deaths)
SELECT queue, sum(ready), sum(scheduled), sum(leased), sum(dead), sum(enqueued), sum(completed), sum(failed_attempts),
       sum(leases_lost), sum(deaths)
FROM old GROUP BY queue
