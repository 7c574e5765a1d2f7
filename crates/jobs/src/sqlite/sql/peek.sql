-- What queue ?1 holds at time ?2: expired leases, due jobs, ready jobs. Three index look-ups, no lock.
SELECT EXISTS (SELECT 1 FROM lease WHERE queue = ?1 AND until_ms <= ?2) AS expired,
       EXISTS (SELECT 1 FROM scheduled WHERE queue = ?1 AND run_at_ms <= ?2) AS due,
       EXISTS (SELECT 1 FROM ready WHERE queue = ?1) AS ready
