-- Ends at time ?3 the live leases that worker ?1 took before ?2: the next claim finds them expired. Answers how many jobs they hold.
SELECT count(*) FROM plimsoll_lease l CROSS JOIN plimsoll_held h
WHERE l.worker = ?1 AND l.claimed_at_ms < ?2 AND l.until_ms > ?3 AND h.job BETWEEN l.first_job AND l.last_job AND h.token = l.token;

UPDATE plimsoll_lease SET until_ms = ?3 WHERE worker = ?1 AND claimed_at_ms < ?2 AND until_ms > ?3;
