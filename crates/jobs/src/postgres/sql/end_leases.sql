-- Ends at time $3 the live leases that worker $1 took before $2: the next claim finds them expired.
WITH ended AS (
    UPDATE plimsoll_lease SET until_ms = $3 WHERE worker = $1 AND claimed_at_ms < $2 AND until_ms > $3
    RETURNING token, jobs
)
SELECT count(j.id) FROM ended e CROSS JOIN LATERAL unnest(e.jobs) AS held (id)
JOIN plimsoll_job j ON j.id = held.id AND j.token = e.token
