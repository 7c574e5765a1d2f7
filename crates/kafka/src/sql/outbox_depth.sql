-- Counted up to a bound, so that a long outbox does not make the look at it slow.
SELECT (SELECT count(*) FROM (SELECT 1 FROM plimsoll_outbox LIMIT 100000) AS counted),
       (SELECT created_at_ms FROM plimsoll_outbox ORDER BY id LIMIT 1)
