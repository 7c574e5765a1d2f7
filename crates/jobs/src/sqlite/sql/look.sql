-- What queue ?1 holds at time ?2: expired leases, due jobs, ready jobs; whether lanes matter in it; and the first ?3 runs of those
-- without a lane. A few index look-ups. The sum as the limit spares a new plan for each call.
SELECT EXISTS (SELECT 1 FROM plimsoll_lease WHERE queue = ?1 AND until_ms <= ?2) AS expired,
       EXISTS (SELECT 1 FROM plimsoll_scheduled WHERE queue = ?1 AND run_at_ms <= ?2) AS due,
       EXISTS (SELECT 1 FROM plimsoll_ready WHERE queue = ?1) AS ready,
       EXISTS (SELECT 1 FROM plimsoll_ready WHERE queue = ?1 AND lane > '')
           OR EXISTS (SELECT 1 FROM plimsoll_lane_limit WHERE queue = ?1) AS laned,
       (SELECT json_group_array(json_array(priority, ready_at_ms, first_job, last_job, attempts)) FROM (
            SELECT priority, ready_at_ms, first_job, last_job, attempts FROM plimsoll_ready
            WHERE queue = ?1 AND lane = ''
            ORDER BY priority, ready_at_ms, first_job LIMIT ?3 + 0
       )) AS runs
