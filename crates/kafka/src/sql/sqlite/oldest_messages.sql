-- Numbers and sizes only: how many of them fit into memory is decided before any body is read.
SELECT id, bytes FROM plimsoll_outbox WHERE topic NOT IN (SELECT value FROM json_each($1)) ORDER BY id LIMIT $2
