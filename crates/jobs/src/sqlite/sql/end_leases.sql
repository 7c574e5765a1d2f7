-- Ends at time ?3 the live leases that worker ?1 took before ?2: the next claim finds them expired.
UPDATE plimsoll_lease SET until_ms = ?3 WHERE worker = ?1 AND claimed_at_ms < ?2 AND until_ms > ?3
