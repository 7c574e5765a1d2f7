UPDATE plimsoll_lease SET permille = ?3, note = ?4 WHERE token = ?1 AND until_ms > ?2
