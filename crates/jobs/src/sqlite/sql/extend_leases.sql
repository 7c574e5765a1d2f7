-- ?1 the tokens as a JSON array, ?2 now, ?3 the new end. An expired lease is not revived, even if nobody has taken it yet.
UPDATE plimsoll_lease SET until_ms = ?3
WHERE token IN (SELECT value FROM json_each(?1)) AND until_ms > ?2
RETURNING token, cancel
