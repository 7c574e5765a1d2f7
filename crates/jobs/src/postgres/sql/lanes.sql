-- Up to $3 lanes of queue $1 that have ready jobs, from lane $2 on, each with its limit (null: none). Hops from
-- lane to lane instead of reading their jobs; those without a lane are in an index of their own.
WITH RECURSIVE hop (lane, n) AS (
    (SELECT first.lane, 1 FROM (
        SELECT ''::text COLLATE "C" AS lane
        WHERE $2 = '' AND EXISTS (
            SELECT 1 FROM plimsoll_job
            WHERE hashtext(queue) = hashtext($1) AND queue = $1 AND state = 0 AND lane = '' AND token = 0
        )
        UNION ALL
        (SELECT lane FROM plimsoll_job
         WHERE queue = $1 AND state = 0 AND lane <> '' AND token = 0 AND lane >= $2 ORDER BY lane LIMIT 1)
     ) first ORDER BY first.lane LIMIT 1)
    UNION ALL
    SELECT (SELECT j.lane FROM plimsoll_job j
            WHERE j.queue = $1 AND j.state = 0 AND j.lane <> '' AND j.token = 0 AND j.lane > hop.lane
            ORDER BY j.lane LIMIT 1), n + 1
    FROM hop WHERE hop.lane IS NOT NULL AND n < $3
)
SELECT hop.lane, coalesce(own.max_leased, other.max_leased)
FROM hop
LEFT JOIN plimsoll_lane_limit own ON own.queue = $1 AND own.lane = hop.lane
LEFT JOIN plimsoll_lane_limit other ON other.queue = $1 AND other.lane = '*' AND hop.lane <> ''
WHERE hop.lane IS NOT NULL
