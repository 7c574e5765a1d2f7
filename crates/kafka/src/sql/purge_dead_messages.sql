DELETE FROM plimsoll_outbox_dead WHERE id IN (SELECT id FROM plimsoll_outbox_dead WHERE died_at_ms < $1 ORDER BY died_at_ms LIMIT $2)
