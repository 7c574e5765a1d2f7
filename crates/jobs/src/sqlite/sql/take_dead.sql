DELETE FROM plimsoll_dead WHERE job = ?1 RETURNING queue, attempts
