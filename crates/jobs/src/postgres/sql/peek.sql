-- What queue $1 holds at time $2: expired leases, due jobs, ready jobs; and whether lanes matter in it.
SELECT EXISTS (SELECT 1 FROM plimsoll_lease WHERE queue = $1 AND until_ms <= $2),
       EXISTS (SELECT 1 FROM plimsoll_job WHERE queue = $1 AND state = 1 AND ready_at_ms <= $2),
       EXISTS (SELECT 1 FROM plimsoll_job
               WHERE hashtext(queue) = hashtext($1) AND queue = $1 AND state = 0 AND lane = '' AND token = 0)
           OR EXISTS (SELECT 1 FROM plimsoll_job WHERE queue = $1 AND state = 0 AND lane <> '' AND token = 0),
       EXISTS (SELECT 1 FROM plimsoll_job WHERE queue = $1 AND state = 0 AND lane <> '')
           OR EXISTS (SELECT 1 FROM plimsoll_lane_limit WHERE queue = $1)
