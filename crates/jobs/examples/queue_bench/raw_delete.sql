DELETE FROM raw_job WHERE id = ANY ($1)
