-- Up to ?3 lanes of queue ?1 that have ready jobs, from lane ?2 on, each with the number of leases that it may
-- still take (null: any). Hops from lane to lane instead of reading their jobs.
WITH RECURSIVE hop (lane, n) AS (
    SELECT (SELECT min(lane) FROM plimsoll_ready WHERE queue = ?1 AND lane >= ?2), 1
    UNION ALL
    SELECT (SELECT min(r.lane) FROM plimsoll_ready r WHERE r.queue = ?1 AND r.lane > hop.lane), n + 1
    FROM hop WHERE hop.lane IS NOT NULL AND n < ?3
)
SELECT hop.lane,
       coalesce(own.max_leased, other.max_leased)
           - (SELECT count(*) FROM plimsoll_lease l CROSS JOIN plimsoll_held h
              WHERE l.queue = ?1 AND l.lane = hop.lane AND h.job BETWEEN l.first_job AND l.last_job AND h.token = l.token) AS room
FROM hop
LEFT JOIN plimsoll_lane_limit own ON own.queue = ?1 AND own.lane = hop.lane
LEFT JOIN plimsoll_lane_limit other ON other.queue = ?1 AND other.lane = '*' AND hop.lane <> ''
WHERE hop.lane IS NOT NULL
