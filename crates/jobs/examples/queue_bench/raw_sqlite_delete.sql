DELETE FROM raw_job WHERE id IN (SELECT value FROM json_each(?1))
