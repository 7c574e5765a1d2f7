-- What queue ?1 holds at time ?2: expired leases, due jobs, ready jobs; and whether lanes matter in it.
-- Five index look-ups, no lock.
SELECT EXISTS (SELECT 1 FROM plimsoll_lease WHERE queue = ?1 AND until_ms <= ?2) AS expired,
       EXISTS (SELECT 1 FROM plimsoll_scheduled WHERE queue = ?1 AND run_at_ms <= ?2) AS due,
       EXISTS (SELECT 1 FROM plimsoll_ready WHERE queue = ?1) AS ready,
       EXISTS (SELECT 1 FROM plimsoll_ready WHERE queue = ?1 AND lane > '')
           OR EXISTS (SELECT 1 FROM plimsoll_lane_limit WHERE queue = ?1) AS laned
