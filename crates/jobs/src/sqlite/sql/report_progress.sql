UPDATE plimsoll_held SET permille = ?4, note = ?5
WHERE job = ?1 AND token = ?2 AND EXISTS (SELECT 1 FROM plimsoll_lease WHERE token = ?2 AND until_ms > ?3)
