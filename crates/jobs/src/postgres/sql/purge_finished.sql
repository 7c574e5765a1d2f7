DELETE FROM plimsoll_finished WHERE job IN (SELECT job FROM plimsoll_finished WHERE expires_at_ms <= $1 LIMIT $2)
