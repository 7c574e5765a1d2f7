UPDATE plimsoll_held SET cancel = 1
WHERE job = ?1 AND (SELECT l.until_ms FROM plimsoll_lease l WHERE l.token = plimsoll_held.token) > ?2
