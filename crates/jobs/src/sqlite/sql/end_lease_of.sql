DELETE FROM plimsoll_lease WHERE job = ?1 RETURNING attempt
