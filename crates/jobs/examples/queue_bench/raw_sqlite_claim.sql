UPDATE raw_job SET taken = 1
WHERE id IN (SELECT id FROM raw_job WHERE taken = 0 ORDER BY id LIMIT ?1)
RETURNING id, payload
