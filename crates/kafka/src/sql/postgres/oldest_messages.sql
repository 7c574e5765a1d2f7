-- Numbers and sizes only: how many of them fit into memory is decided before any body is read.
SELECT id, bytes FROM plimsoll_outbox WHERE topic <> ALL (SELECT json_array_elements_text($1::json)) ORDER BY id LIMIT $2
