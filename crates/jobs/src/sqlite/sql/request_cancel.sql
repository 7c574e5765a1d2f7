UPDATE plimsoll_lease SET cancel = 1 WHERE job = ?1 AND until_ms > ?2
